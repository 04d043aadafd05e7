"""Law: a loss made of a user's function is compiled for CUDA as lean as those of the library."""

from __future__ import annotations

from typing import Any

import pytest

import nbloss
from tests.cuda.test_compile import DOUBLE, SINGLE, add, assert_lean, fill
from tests.value_lines import derived


@pytest.mark.parametrize("loss", [nbloss.PseudoHuber(), nbloss.BinaryFocal(gamma=1.7)], ids=repr)
def test_derived_kernels(loss: Any) -> None:
    code = fill(derived(loss), "gh", SINGLE)
    assert_lean(code)
    assert code.count(r"\.f64") == 0
    assert "f64" in add(derived(loss), "s", DOUBLE).ptx
