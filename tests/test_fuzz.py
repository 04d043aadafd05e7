"""Law: no call, however odd, gives anything but what the oracle does; tests/fuzzing.py has the calls, and more."""

from __future__ import annotations

from typing import Any

import pytest

import nbloss
from tests import fuzzing

FEW = [nbloss.Huber(), nbloss.BinaryCrossEntropy(), nbloss.MultiMargin(), nbloss.RootMeanSquaredError()]


@pytest.mark.parametrize("loss", FEW, ids=repr)
def test_random_calls(loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fuzzing, "METHODS", ("gradient_and_hessian",))  # few kernels, since each takes a second
    fuzzing.calls_of(loss, 0, 50, targets=("f8", "i8"), predictions=("f8",))


@pytest.mark.slow
@pytest.mark.parametrize("loss", fuzzing.ALL, ids=repr)
def test_many_random_calls(loss: Any) -> None:
    fuzzing.calls_of(loss, 1, 200)
