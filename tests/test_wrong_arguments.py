"""Law: whatever kind of thing a loss of any family is given in place of an argument, it says so in one sentence.

A ValueError or TypeError that names the argument, before anything is written; tests/test_errors.py has the words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import nbloss
from tests.cases import image, of_groups, of_sets, ordinary, pairs, rows

SIZES = (2, 4)
LOSSES = [
    nbloss.Huber(), nbloss.CrossEntropy(), nbloss.MultiMargin(), nbloss.RootMeanSquaredError(), nbloss.Dice(),
    nbloss.CosineSimilarity(), nbloss.MarginRanking(), nbloss.TripletMargin(), nbloss.LovaszHinge(),
    nbloss.LovaszSoftmax(), nbloss.RankNet(), nbloss.Cox(), nbloss.AFT(), nbloss.MultiQuantile(),
]  # fmt: skip

WRONG: dict[str, Callable[[Any], Any]] = {
    "text": lambda a: "text",
    "bytes": lambda a: b"bytes",
    "object": lambda a: object(),
    "function": lambda a: len,
    "set": lambda a: {1, 2},
    "mapping": lambda a: {"a": 1},
    "iterator": lambda a: iter(a),
    "ragged": lambda a: [[1], [1, 2]],
    "words": lambda a: a.astype(str),
    "objects": lambda a: a.astype(object),
    "complex": lambda a: a.astype(complex),
    "too precise": lambda a: a.astype(np.longdouble),
    "masked": lambda a: np.ma.masked_array(a),
    "dates": lambda a: np.zeros(a.shape, "M8[s]"),
    "times": lambda a: np.zeros(a.shape, "m8[s]"),
    "records": lambda a: np.zeros(a.shape, [("x", "f8")]),
    "sparse": lambda a: scipy.sparse.csr_matrix(a.reshape(1, -1)),
    "more axes": lambda a: a[..., None, None],
}
OUTPUTS: dict[str, Callable[[Any], Any]] = {
    "list": lambda a: a.tolist(),
    "number": lambda a: 3.0,
    "text": lambda a: "out",
    "integers": lambda a: a.astype(int),
    "complex": lambda a: a.astype(complex),
    "masked": lambda a: np.ma.masked_array(a),
    "more axes": lambda a: a[..., None],
    "read-only": lambda a: np.broadcast_to(np.zeros(1), a.shape),
}


def numbers_for(loss: Any) -> tuple[Any, Any, dict[str, Any]]:
    """Return targets, predictions and options."""
    if isinstance(loss, nbloss.AFT):
        return *pairs(loss, 6), {}
    if isinstance(loss, nbloss.Huber):
        return *ordinary(loss, 6), {}
    if isinstance(loss, nbloss.RankNet | nbloss.Cox):
        return *of_groups(loss, SIZES), {"groups": SIZES}
    if isinstance(loss, nbloss.LovaszHinge | nbloss.LovaszSoftmax):
        return *image(loss, (2, 3)), {}
    if isinstance(loss, nbloss.MultiQuantile):
        return np.zeros(4), np.ones((4, 3)), {}
    if isinstance(loss, nbloss.CrossEntropy | nbloss.MultiMargin):
        return *rows(loss, 6, labels=True), {}
    return *of_sets(loss, n=8), {}


def first_of(arrays: Any, change: Callable[[Any], Any]) -> Any:
    return (change(arrays[0]), *arrays[1:]) if isinstance(arrays, tuple) else change(arrays)


def refuse(call: Callable[[], Any], *names: str) -> None:
    with pytest.raises((ValueError, TypeError)) as raised:
        call()
    text = str(raised.value)
    assert any(name in text for name in names) and "\n" not in text, text


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_inputs(loss: Any) -> None:
    y, z, options = numbers_for(loss)
    z_of_first = z[0] if isinstance(z, tuple) else z
    for change in WRONG.values():
        if y is not None:
            refuse(lambda: loss.gradient(first_of(y, change), z, **options), "y_true")  # noqa: B023
        refuse(lambda: loss.gradient(y, first_of(z, change), **options), "y_pred", "y_true")  # noqa: B023
        weight = np.ones(z_of_first.shape[:1])
        refuse(lambda: loss.gradient(y, z, change(weight), **options), "sample_weight")  # noqa: B023
        if options:
            refuse(lambda: loss.gradient(y, z, groups=change(np.array(SIZES))), "groups")  # noqa: B023
    refuse(lambda: loss.gradient(y, None, **options), "y_pred", "y_true")
    refuse(lambda: loss.gradient(y, z, np.ones((7, 9)), **options), "sample_weight")
    for reduction in ("average", None, 3, ["mean"], np.array(["mean", "sum"])):
        refuse(lambda: loss(y, z, reduction=reduction, **options), "reduction")  # noqa: B023


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_outputs(loss: Any) -> None:
    y, z, options = numbers_for(loss)
    zs = z if isinstance(z, tuple) else (z,)
    for change in OUTPUTS.values():
        outs = tuple(change(np.full(a.shape, 7.0)) for a in zs)
        out = outs if isinstance(z, tuple) else outs[0]
        refuse(lambda: loss.gradient(y, z, out=out, **options), "out")  # noqa: B023
        refuse(lambda: loss.gradient_and_hessian(y, z, out=out, **options), "out")  # noqa: B023
        good = tuple(np.full(a.shape, 7.0) for a in zs)
        two = good if isinstance(z, tuple) else good[0], out
        refuse(lambda: loss.gradient_and_hessian(y, z, out=two, **options), "out")  # noqa: B023
        refuse(lambda: loss(y, z, out=outs[0], **options), "out")  # noqa: B023
        assert all((a == 7).all() for a in good), "something was written"
