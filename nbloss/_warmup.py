"""Compiles ahead of the first call what a service will need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from nbloss import _arrays
from nbloss.loss import Loss

METHODS = ("value", "gradient", "hessian", "gradient_and_hessian", "value_and_gradient")
SIZES = 8, 1 << 18
"""Elements of a call that works alone, and of one that every family shares among threads."""


def warmup(
    losses: Loss | Iterable[Loss],
    dtypes: Any = "float64",
    methods: str | Sequence[str] = ("value", "gradient_and_hessian"),
    *,
    reductions: str | Sequence[str] = "mean",
    weights: bool | Sequence[bool] = (False, True),
    classes: int = 10,
) -> None:
    """Compile, or load from the disk, what calls on NumPy arrays will need, so that the first one is as fast as any.

    It makes such calls, on small arrays and, unless there is one thread only, on large ones. They are of contiguous
    arrays: what else kernels depend on, such as Fortran order, is compiled when it first comes.

    Parameters
    ----------
    losses : Loss or iterable of Loss
        The losses; those that differ in the values of their numbers only share their code.
    dtypes : dtype, or sequence of dtypes and of pairs of them
        Of the predictions, targets and weights; or a pair: of targets and weights, and of predictions, as
        ``[("float32", "float64")]`` for LightGBM. Targets that are labels of classes may be of any type.
    methods : str or sequence of str
        Of "value", "gradient", "hessian", "gradient_and_hessian", "value_and_gradient".
    reductions : str or sequence of str
        Of "mean", "sum", "none"; for the methods that give values.
    weights : bool or sequence of bool
        Whether there are sample weights. Losses that take none are called without them.
    classes : int
        How many classes rows of predictions have, unless the loss says so.

    Raises
    ------
    TypeError
        If a loss is none, or a dtype is that of no predictions.
    ValueError
        If a method or reduction is unknown, `classes` is less than 1, or there is nothing to compile.

    Examples
    --------
    >>> import nbloss
    >>> nbloss.warmup(nbloss.Huber(), "float32", ["value", "gradient"])
    """
    every = [losses] if isinstance(losses, Loss) or not isinstance(losses, Iterable) else list(losses)
    pairs = [_pair(given) for given in ([dtypes] if isinstance(dtypes, str | type | np.dtype) else dtypes)]
    names, kinds = _listed(methods), _listed(reductions)
    weighted: list[Any] = list(weights) if isinstance(weights, list | tuple) else [weights]
    for name, found in (("losses", every), ("dtypes", pairs), ("methods", names), ("reductions", kinds)):
        if not found:
            raise ValueError(f"{name} must hold at least one, got none")
    for loss in every:
        if not isinstance(loss, Loss):
            raise TypeError(f"losses must be losses such as nbloss.Huber(), got {loss!r}")
    for method in names:
        if method not in METHODS:
            raise ValueError(f"methods must be of {', '.join(METHODS)}, got {method!r}")
    for reduction in kinds:
        _arrays.check_reduction(reduction)
    if not weighted or any(not isinstance(x, bool) for x in weighted):
        raise ValueError(f"weights must be True, False or both, got {weights!r}")
    if isinstance(classes, bool) or not isinstance(classes, int) or classes < 1:
        raise ValueError(f"classes must be a whole number of at least 1, got {classes!r}")
    for loss in every:
        for target, prediction in pairs:
            for size in SIZES:
                _call(loss, size, target, prediction, names, kinds, weighted, classes)


def _call(
    loss: Loss, size: int, target: Any, prediction: Any, methods: Sequence[str], reductions: Sequence[str],
    weighted: Sequence[bool], classes: int,
) -> None:  # fmt: skip
    y, z, shape, options = loss._example(size, target, prediction, classes)
    ways = {None if shape is None or not has_weights else target for has_weights in weighted}
    with np.errstate(all="ignore"):
        for dtype in sorted(ways, key=str):
            w = None if dtype is None else np.ones(shape, dtype)
            for method in methods:
                for reduction in reductions if "value" in method else ("none",):
                    keywords = options | ({"reduction": reduction} if "value" in method else {})
                    getattr(loss, method)(y, z, w, **keywords)


def _listed(given: str | Sequence[str]) -> list[str]:
    return [given] if isinstance(given, str) else list(given)


def _pair(given: Any) -> tuple[np.dtype[Any], np.dtype[Any]]:
    """Return the types of targets and predictions."""
    of = given if isinstance(given, tuple) else (given, given)
    if len(of) != 2:
        raise ValueError(f"dtypes must be single ones or pairs, of targets and of predictions, got {given!r}")
    target, prediction = (np.dtype(dtype) for dtype in of)
    _arrays.check_dtype(target, "y_true")
    _arrays.check_dtype(prediction, "y_pred")
    return target, prediction
