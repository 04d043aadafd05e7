"""Law: on a CUDA device, no call, however odd, gives anything but what it gives on the CPU. The device is simulated.

Whole file: a process of its own, started with NUMBA_ENABLE_CUDASIM=1.
"""

from __future__ import annotations

from typing import Any

import pytest
from numba import config

import nbloss
from tests.fuzzing.drawn import ALL
from tests.fuzzing.rounds import calls_of

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

from tests.fuzzing import device

FEW = [nbloss.Huber(), nbloss.CrossEntropy(), nbloss.Dice(), nbloss.LambdaRank()]


@pytest.mark.parametrize("loss", FEW, ids=repr)
def test_random_calls(loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device, "METHODS", ("value_and_gradient",))
    monkeypatch.setattr(device, "FLOATS", ("f8",))
    calls_of(device.check, loss, 0, 15)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_many_random_calls(loss: Any) -> None:
    calls_of(device.check, loss, 1, 60)
