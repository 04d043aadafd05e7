"""The oracle: value, gradient and Hessian of any loss from its textbook line, slow, obvious and right.

``loss.reference(m, y, z, ...)`` is the value as a textbook writes it. Two kinds of number make the rest of it:

* a jet (:mod:`nbloss._jets`) carries the first and the second derivative by the prediction through the arithmetic, so
  that gradient and Hessian never come from the hand that wrote the kernel;
* an interval of mpmath holds the truth between two ends, so that the digits can be raised until the answer is
  certain. That two precisions agree proves nothing: ``log(cosh(1e-300))`` is 0 at 50 and at 400 digits.

Without mpmath, plain float64 numbers take the place of intervals, and results are as good as the textbook line is in
float64: no more than an illustration where it overflows or cancels.
"""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from nbloss._jets import Functions, Jet, Kink
from nbloss._numbers import NEGLIGIBLE, Floats, Undecided, context, intervals, midpoint, rounded

if TYPE_CHECKING:
    from nbloss.loss import Loss

Arithmetic = Literal["mpmath", "float"]
Array = np.ndarray[Any, np.dtype[np.float64]]
Triple = tuple[Any, Any, Any]

DIGITS = (60, 700, 2000, 8000)
"""The precisions that are tried in turn. At 700 digits the difference of any two float64 numbers is exact."""

REACHES = (2100, 2200)
"""An infinite input is replaced by two powers of 2, beyond the square of any float64 and exact to 1/2 at 700 digits."""


def value(loss: Loss, y_true: Any, y_pred: Any, *, groups: Any = None, arithmetic: Arithmetic | None = None) -> Any:
    """Return the loss of each element, unweighted; see :func:`derivatives`."""
    return derivatives(loss, y_true, y_pred, groups=groups, arithmetic=arithmetic)[0]


def gradient(loss: Loss, y_true: Any, y_pred: Any, *, groups: Any = None, arithmetic: Arithmetic | None = None) -> Any:
    """Return the first derivative by the prediction of each element, unweighted; see :func:`derivatives`."""
    return derivatives(loss, y_true, y_pred, groups=groups, arithmetic=arithmetic)[1]


def hessian(loss: Loss, y_true: Any, y_pred: Any, *, groups: Any = None, arithmetic: Arithmetic | None = None) -> Any:
    """Return the second derivative by the prediction of each element, unweighted; see :func:`derivatives`."""
    return derivatives(loss, y_true, y_pred, groups=groups, arithmetic=arithmetic)[2]


def derivatives(
    loss: Loss, y_true: Any, y_pred: Any, *, groups: Any = None, arithmetic: Arithmetic | None = None
) -> tuple[Any, Any, Any]:
    """Return value, gradient and Hessian of each element, unweighted, from one evaluation.

    Parameters
    ----------
    loss : Loss
        A loss of any family.
    y_true, y_pred : array_like
        Targets and predictions as the loss takes them; a tuple of arrays where it takes several predictions. Where one
        lies outside ``loss.domain`` or is nan, all results of its element, row or set are nan. With mpmath, infinite
        ones give the limit of the formula (nan if an element's target and prediction are infinite with one sign).
    groups : array_like of int, optional
        The sizes of groups, for losses that take them.
    arithmetic : {"mpmath", "float"}, optional
        What to compute with: mpmath, where results are the true ones to 30 digits, then rounded, or float64, where
        they are only as exact as the textbook line is. By default mpmath where it is installed.

    Returns
    -------
    tuple of three float64 arrays
        Values with the shape of the losses, gradients and Hessians with that of `y_pred` (and tuples, if it is one).

    Raises
    ------
    ValueError
        If shapes do not agree.
    ArithmeticError
        If 8000 digits do not make an element certain: the textbook line must then be written in another form.

    Notes
    -----
    Where ``abs`` meets 0, derivatives are the mean of those from both sides: 0 for ``abs(r)``, and the Hessian of
    ``abs(r)**2`` is 2. Elsewhere a kink belongs to the side that the comparison, ``max`` or ``min`` takes: Python's
    ``max(a, b)`` takes `a` in a tie. A number 0 times a term that varies is 0, also where that term is infinite:
    ``0 * log(z)`` at 0.
    """
    if arithmetic is None:
        arithmetic = "mpmath" if importlib.util.find_spec("mpmath") else "float"
    if arithmetic not in ("mpmath", "float"):
        raise ValueError(f"arithmetic must be 'mpmath', 'float' or None, got {arithmetic!r}")
    if hasattr(loss, "parts"):
        return _of_parts(loss, y_true, y_pred, groups, arithmetic)
    if groups is not None:
        raise TypeError(f"groups must be None for {type(loss).__name__}, got {type(groups).__name__}")
    y, z = np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64)
    if y.shape != z.shape:
        raise ValueError(f"y_true must have the shape of y_pred, {z.shape}, got {y.shape}")
    evaluate = _in_mpmath if arithmetic == "mpmath" else _in_floats
    triples = [evaluate(loss, a, b, i) for i, (a, b) in enumerate(zip(y.flat, z.flat, strict=True))]
    v, g, h = (np.array([rounded(t[k]) for t in triples], np.float64).reshape(z.shape) for k in range(3))
    return v, g, h


def exact(loss: Loss, y: float, z: float, index: int = 0) -> Triple:
    """Return value, gradient and Hessian of one element as mpmath numbers.

    They are right to 30 digits; those below 1e-331, which are 0 in float64, to that absolute error. A parameter that
    is a tuple gives the number of class ``index % K``. Requires mpmath; the rest is as in :func:`derivatives`.
    """
    from mpmath import mp

    v, g, h = (mp.make_mpf(x._mpf_) for x in _in_mpmath(loss, y, z, index))
    return v, g, h


# One element


def _in_floats(loss: Loss, y: float, z: float, index: int) -> Triple:
    if not _is_inside(loss, y, z):
        return math.nan, math.nan, math.nan
    with np.errstate(all="ignore"):
        return _triple(loss, y, z, index, Floats)


def _in_mpmath(loss: Loss, y: float, z: float, index: int) -> Triple:
    """Return mpmath numbers: at infinite inputs, the limit."""
    nan = context().nan
    if not _is_inside(loss, y, z) or (math.isinf(y) and y == z):
        return nan, nan, nan
    near = _certain(loss, y, z, index, REACHES[0])
    if math.isfinite(y) and math.isfinite(z):
        return near
    v, g, h = map(_limit, near, _certain(loss, y, z, index, REACHES[1]))
    return v, g, h


def _is_inside(loss: Loss, y: float, z: float) -> bool:
    return y in loss.domain.target and z in loss.domain.prediction  # nan is in no interval


def _limit(near: Any, far: Any) -> Any:
    """Return the limit of what is `near` and `far` at two very large inputs, also if it is approached slowly."""
    if 1000 * abs(far) > 1001 * abs(near) and abs(far) >= context().ldexp(1, NEGLIGIBLE):  # if only as a logarithm
        return far * context().inf
    return 0 * far if 1000 * abs(near) > 1001 * abs(far) else far


def _certain(loss: Loss, y: float, z: float, index: int, reach: int) -> Triple:
    """Return mpmath numbers that are certain, with 2**reach for infinity."""
    target, prediction = (x if math.isfinite(x) else int(math.copysign(1, x)) << reach for x in (y, z))
    for digits in DIGITS:
        try:
            v, g, h = map(midpoint, _triple(loss, target, prediction, index, functools.partial(intervals, digits)))
            return v, g, h
        except Undecided:
            pass
    raise ArithmeticError(
        f"{loss!r}.reference at y_true={y}, y_pred={z} is not certain with {DIGITS[-1]} digits: it needs another form"
    )


def _triple(loss: Loss, y: float, z: float, index: int, system_from: Callable[[int], Any]) -> Triple:
    """Return value, gradient and Hessian in numbers of a system, whatever they are worth."""

    def from_side(side: int) -> Triple:
        system = system_from(side)
        m = Functions(system)
        own = {name: x[index % len(x)] if isinstance(x, tuple) else x for name, x in loss.parameters.items()}
        parameters = {name: m.jet(x) if isinstance(x, float) else x for name, x in own.items()}
        jet = m.jet(loss.reference(m, m.jet(y), Jet(system, system.number(z), system.number(1)), **parameters))
        v, g, h = (system.zero if x is None else x for x in (jet.value, jet.first, jet.second))
        return v, g, h

    try:
        return from_side(0)
    except Kink:
        v, g, h = ((above + below) / 2 for above, below in zip(from_side(1), from_side(-1), strict=True))
        return v, g, h


# Rows and sets: many predictions with one loss


class Part(NamedTuple):
    """The targets and the predictions of one loss, of a family in which it has many."""

    target: Any
    """What the textbook line is given as targets: a label, a tuple of numbers or None."""
    predictions: tuple[tuple[float, ...], ...]
    """Its numbers of each prediction; the textbook line is given the one tuple, or a tuple of them."""


def _of_parts(loss: Any, y_true: Any, y_pred: Any, groups: Any, arithmetic: Arithmetic) -> tuple[Any, Any, Any]:
    shape, parts = loss.parts(y_true, y_pred, **({} if groups is None else {"groups": groups}))
    results = [derivatives_of_part(loss, part, arithmetic) for part in parts]
    values = np.array([rounded(v) for v, _, _ in results], np.float64).reshape(shape)

    def collected(which: int) -> Any:
        several = isinstance(y_pred, tuple)
        shapes = [np.shape(z) for z in (y_pred if several else (y_pred,))]
        arrays = tuple(
            np.array([rounded(x) for result in results for x in result[which][k]], np.float64).reshape(shape)
            for k, shape in enumerate(shapes)
        )
        return arrays if several else arrays[0]

    return values, collected(1), collected(2)


def derivatives_of_part(loss: Any, part: Part, arithmetic: Arithmetic = "mpmath") -> tuple[Any, Any, Any]:
    """Return value, gradients and Hessians (a list of lists like ``part.predictions``) of one row or set.

    They are mpmath numbers, as exact as those of :func:`exact`, or float64.
    """
    sizes = [len(row) for row in part.predictions]
    triples = [along(loss, part, {i}, arithmetic) for i in range(sum(sizes))]
    value = triples[0][0] if triples else along(loss, part, set(), arithmetic)[0]
    firsts = [sum(sizes[:k]) for k in range(len(sizes))]
    gradients, hessians = (
        [[triples[first + j][which] for j in range(size)] for first, size in zip(firsts, sizes, strict=True)]
        for which in (1, 2)
    )
    return value, gradients, hessians


def along(loss: Any, part: Part, direction: Collection[int], arithmetic: Arithmetic = "mpmath") -> Triple:
    """Return the value of one row or set, and its derivatives where the predictions in *direction* vary alike.

    *direction* holds indices into all predictions, one after the other.
    """
    numbers = [x for row in part.predictions for x in row]
    if not loss.holds(part):
        nan = math.nan if arithmetic == "float" else context().nan
        return nan, nan, nan
    if arithmetic == "float":
        with np.errstate(all="ignore"):
            return _triple_along(loss, part, numbers, direction, Floats)
    near = _certain_along(loss, part, _within(numbers, REACHES[0]), direction)
    if all(map(math.isfinite, numbers)):
        return near
    v, g, h = map(_limit, near, _certain_along(loss, part, _within(numbers, REACHES[1]), direction))
    return v, g, h


def _within(numbers: Sequence[Any], reach: int) -> list[Any]:
    """Return *numbers* with 2**reach for infinity."""
    return [x if math.isfinite(x) else int(math.copysign(1, x)) << reach for x in numbers]


def _certain_along(loss: Any, part: Part, numbers: Sequence[Any], direction: Collection[int]) -> Triple:
    for digits in DIGITS:
        try:
            system_from = functools.partial(intervals, digits)
            v, g, h = map(midpoint, _triple_along(loss, part, numbers, direction, system_from))
            return v, g, h
        except Undecided:
            pass
    raise ArithmeticError(f"{loss!r}.reference of {part} is not certain with {DIGITS[-1]} digits: use another form")


def _triple_along(
    loss: Any, part: Part, numbers: Sequence[Any], direction: Collection[int], system_from: Callable[[int], Any]
) -> Triple:
    """Return value and derivatives in numbers of a system, whatever they are worth."""

    def from_side(side: int) -> Triple:
        system = system_from(side)
        m = Functions(system)

        def lifted(x: Any) -> Any:
            return tuple(map(lifted, x)) if isinstance(x, tuple) else m.jet(x) if isinstance(x, float) else x

        jets = iter(
            Jet(system, system.number(x), system.number(1)) if i in direction else m.jet(x)
            for i, x in enumerate(numbers)
        )
        rows = tuple(tuple(next(jets) for _ in row) for row in part.predictions)
        parameters = {name: lifted(x) for name, x in loss.parameters.items()}
        jet = m.jet(loss.reference(m, lifted(part.target), rows[0] if len(rows) == 1 else rows, **parameters))
        v, g, h = (system.zero if x is None else x for x in (jet.value, jet.first, jet.second))
        return v, g, h

    try:
        return from_side(0)
    except Kink:
        v, g, h = ((above + below) / 2 for above, below in zip(from_side(1), from_side(-1), strict=True))
        return v, g, h
