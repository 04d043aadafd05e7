"""Law: no call, however odd, gives anything but what the oracle does; tests/fuzzing has the calls, and more."""

from __future__ import annotations

from typing import Any

import pytest

import nbloss
from tests.fuzzing import calls
from tests.fuzzing.drawn import ALL
from tests.fuzzing.rounds import calls_of

FEW = [
    nbloss.Huber(), nbloss.BinaryCrossEntropy(), nbloss.MultiMargin(), nbloss.RootMeanSquaredError(), nbloss.RankNet(),
    nbloss.Cox(), nbloss.CrossEntropyLambda(),
]  # fmt: skip


@pytest.mark.parametrize("loss", FEW, ids=repr)
def test_random_calls(loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "METHODS", ("gradient_and_hessian",))  # few kernels, since each takes a second
    calls_of(calls.check, loss, 0, 25, targets=("f8", "i8"), predictions=("f8",))


@pytest.mark.slow
@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_many_random_calls(loss: Any) -> None:
    calls_of(calls.check, loss, 1, 200)
