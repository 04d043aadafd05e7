"""Law: what was warmed up compiles nothing more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nbloss
from nbloss import _compile

OTHERS = (
    nbloss.CrossEntropy(), nbloss.MultiMargin(), nbloss.Dice(), nbloss.CosineEmbedding(), nbloss.LovaszHinge(),
    nbloss.RankNet(),
)  # fmt: skip
LOSSES = [nbloss.Huber(), *(pytest.param(loss, marks=pytest.mark.slow) for loss in OTHERS)]
"""One of each family; a second or more to compile each kernel."""


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_nothing_is_left_to_compile(loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    njit = _compile.njit

    def counting(**options: Any) -> Any:
        made.append(options)
        return njit(**options)

    monkeypatch.setattr(_compile, "njit", counting)
    loss._program.kernels.clear()
    vars(loss).pop("_shortcuts", None)
    nbloss.warmup(loss, "float32", "value_and_gradient", weights=False)
    assert made
    made.clear()
    for size in (80, 1 << 18):
        y, z, _, options = loss._example(size, np.dtype("float32"), np.dtype("float32"), 10)
        loss.value_and_gradient(y, z, **options)
    assert not made


def test_every_loss_has_an_example() -> None:
    for loss in nbloss.ALL:
        y, z, shape, _ = loss()._example(20, np.dtype("i4"), np.dtype("f4"), 3)
        first = z[0] if isinstance(z, tuple) else z
        assert first.dtype == np.float32 and first.size >= 20
        for target in y if isinstance(y, tuple) else (y,):
            assert target is None or target.shape == first.shape[: target.ndim]
        assert shape is None or shape == first.shape[: len(shape)]


@pytest.mark.parametrize("loss", [nbloss.AFT(), nbloss.Cox()], ids=repr)
def test_examples_of_two_targets(loss: Any) -> None:
    y, z, _, options = loss._example(16, np.float64, np.float64, 1)
    assert loss.gradient(y, z, **options).shape == z.shape


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        (("huber",), {}, TypeError, "losses must be losses"),
        ((nbloss.Huber,), {}, TypeError, "losses must be losses"),
        (([],), {}, ValueError, "losses must hold at least one"),
        ((nbloss.Huber(), []), {}, ValueError, "dtypes must hold at least one"),
        ((nbloss.Huber(), "complex64"), {}, TypeError, "y_true must hold .* complex64"),
        ((nbloss.Huber(), "float31"), {}, TypeError, "float31"),
        ((nbloss.Huber(), [("f4", "f4", "f4")]), {}, ValueError, "pairs"),
        ((nbloss.Huber(), "f4", "jacobian"), {}, ValueError, "methods must be of .* got 'jacobian'"),
        ((nbloss.Huber(), "f4", []), {}, ValueError, "methods must hold at least one"),
        ((nbloss.Huber(),), {"reductions": "median"}, ValueError, "reduction must be .* got 'median'"),
        ((nbloss.Huber(),), {"weights": 2}, ValueError, "weights must be True, False or both, got 2"),
        ((nbloss.Huber(),), {"weights": ()}, ValueError, "weights must be"),
        ((nbloss.CrossEntropy(),), {"classes": 0}, ValueError, "classes must be .* got 0"),
    ],
)
def test_nonsense(arguments: Any, options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        nbloss.warmup(*arguments, **options)
