"""What a call should give: of few numbers by the oracle, of many by a call on plain contiguous arrays of doubles."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

import nbloss
from nbloss import _arrays
from nbloss.families.grouped import Grouped
from nbloss.families.ordered import Margins
from nbloss.families.paired import Paired
from nbloss.families.pointwise import Pointwise
from nbloss.families.rowwise import Rowwise
from nbloss.families.vectorwise import Vectorwise
from nbloss.loss import REAL
from nbloss.reference import Part, derivatives_of_part
from tests.cases import rounded
from tests.fuzzing.drawn import Numbers

SMALL = 12  # elements of which the oracle gives the results


class Wanted(NamedTuple):
    exact: np.ndarray
    """The result in float64."""
    size: Any
    """That of its terms: of all of them, or of each."""
    real: np.dtype[Any]
    """The type that it is computed in."""


def expected(loss: Any, made: Numbers, weight: Any, letters: list[str], reduction: str) -> list[list[Wanted]]:
    """Return what each result should be."""
    zs = made.predictions
    reals = [_arrays.real_of(z.dtype) for z in zs]
    with np.errstate(all="ignore"):
        if isinstance(loss, Grouped):
            values, slopes, bends, sizes, divisor = _of_groups(loss, made, weight)
        else:
            values, slopes, bends, sizes, divisor = _of_others(loss, made, weight, reals[0])
        factor = np.float64(1)
        if reduction == "mean":
            factor /= divisor
        value = values if reduction == "none" else values.sum() * (1 if reduction == "sum" else factor)
        if reduction == "mean":
            value = values.sum() / np.float64(divisor)
        size = sizes[0]
        if reduction != "none":
            size = np.max(size, initial=0) * max(1, values.size) * (1.0 if reduction == "sum" else abs(factor))
        widest = max(reals, key=lambda t: t.itemsize)
        return [
            {
                "v": [Wanted(np.asarray(value), size, widest)],
                "g": [
                    Wanted(np.where(g == 0, 0, g * factor), sizes[1] * abs(factor), r)  # 0 also where 0 divides
                    for g, r in zip(slopes, reals, strict=True)
                ],
                "h": [Wanted(h, sizes[2], r) for h, r in zip(bends, reals, strict=True)],
            }[letter]
            for letter in letters
        ]


def spread(weight: Any, shape: tuple[int, ...]) -> np.ndarray:
    w = np.asarray(1.0 if weight is None else weight, np.float64)
    return np.broadcast_to(w.reshape(w.shape + (1,) * (len(shape) - w.ndim) if w.ndim else ()), shape)


def _of_others(loss: Any, made: Numbers, weight: Any, real: Any) -> Any:
    """Return values, gradients and Hessians with their weights, the sizes of their terms, and the divisor."""
    zs, w = made.predictions, spread(weight, made.shape)
    of_sets = not isinstance(loss, Pointwise | Rowwise | Vectorwise)
    doubles = [z.astype(np.float64) for z in zs]
    kind = np.int64 if _is_whole(loss, made) else np.float64
    targets = [y.astype(kind) for y in made.targets]
    in_double = getattr(loss, "in_double", False)
    if isinstance(loss, Pointwise) and loss.domain.target != REAL and not in_double:  # which kernels narrow
        targets = [y.astype(real).astype(np.float64) for y in targets]
    target: Any = tuple(targets) if len(targets) > 1 else targets[0] if targets else None
    z = doubles[0] if len(zs) == 1 else tuple(doubles)
    exact = rounded(loss, real.type) if isinstance(loss, Pointwise | Rowwise) and not in_double else loss
    is_small = 0 < zs[0].size <= SMALL
    if of_sets:  # whose oracle takes long where there are limits to find
        is_small = is_small and weight is None and all(np.isfinite(a).all() for a in (*doubles, *targets))
        is_small = is_small and not (kind == np.int64 and zs[0].shape[-1] == 1)  # of which it takes labels for targets
    if is_small:
        v, g, h = nbloss.reference.derivatives(exact, target, z)
    else:
        v = exact.value(target, z, weight if of_sets else None, reduction="none")
        g, h = exact.gradient_and_hessian(target, z, weight if of_sets else None)
    v = np.asarray(v)
    slopes, bends = ([np.asarray(a) for a in (x if isinstance(x, tuple) else (x,))] for x in (g, h))
    if isinstance(loss, Pointwise) and not isinstance(loss, Paired):  # numbers of all magnitudes beside each other
        of_inputs = sum(np.nan_to_num(np.abs(a), posinf=0) for a in (*doubles, *targets)) + 1
        sizes = [np.nan_to_num(np.abs(x), posinf=0) + of_inputs for x in (v, slopes[0], bends[0])]
    else:
        inputs = sum(_greatest(a) for a in (*doubles, *targets))
        sizes = [max(map(_greatest, x)) + inputs + 1 for x in ((v,), slopes, bends)]
    if of_sets:
        return v, slopes, bends, sizes, float(v.size)
    values = np.where(w == 0, 0, w * v)
    each = w.reshape(w.shape + (1,) * (zs[0].ndim - v.ndim))
    slopes, bends = ([np.where(each == 0, 0, each * a) for a in x] for x in (slopes, bends))
    most = max(1.0, float(np.nan_to_num(np.abs(w)).max(initial=0)))
    divisor = float(np.sum(np.where(w == 0, 0, w * _divisors(loss, made))))
    return values, slopes, bends, [s * most for s in sizes], divisor


def _of_groups(loss: Any, made: Numbers, weight: Any) -> Any:
    sizes, z = made.sizes or [], made.predictions[0]
    starts = np.cumsum([0, *sizes])
    is_cox = isinstance(loss, nbloss.Cox)
    w = None if weight is None else np.asarray(weight, np.float64)
    of_rows = np.ones(z.size) if w is None else np.repeat(w, sizes) if w.shape == (len(sizes),) else spread(w, z.shape)
    if is_cox and w is not None:
        of_rows = spread(w, z.shape)
    values, of_groups = np.zeros(len(sizes)), np.ones(len(sizes))
    slopes, bends = np.zeros(z.size), np.zeros(z.size)
    for g, (first, last) in enumerate(itertools.pairwise(starts)):
        kept = np.flatnonzero(of_rows[first:last] != 0) + first
        if w is not None and not is_cox:
            by_row = of_rows[kept].sum() / max(1, kept.size)
            of_groups[g] = w[g] if w.shape == (len(sizes),) else w if not w.shape else by_row
        numbers = [np.asarray(y, np.float64) for y in made.targets] + ([of_rows] if is_cox else [])
        rows = tuple(loss._row(int(i), *(float(a[i]) for a in numbers)) for i in kept)
        if 0 < kept.size <= SMALL:
            found = derivatives_of_part(loss, Part(rows, (tuple(z[kept].astype(np.float64).tolist()),)))
            values[g], slopes[kept], bends[kept] = float(found[0]), _floats(found[1][0]), _floats(found[2][0])
        elif kept.size:
            return _of_plain_groups(loss, made, weight, of_rows, of_groups)
    return _weighed(loss, values, slopes, bends, of_rows, of_groups, weight, z)


def _of_plain_groups(loss: Any, made: Numbers, weight: Any, of_rows: Any, of_groups: Any) -> Any:
    y = tuple(np.asarray(a, np.float64) for a in made.targets)
    z, w = made.predictions[0].astype(np.float64), None if weight is None else np.asarray(weight, np.float64)
    target = y if len(y) > 1 else y[0]
    values = loss.value(target, z, w, reduction="none", groups=made.sizes)
    slopes, bends = loss.gradient_and_hessian(target, z, w, groups=made.sizes)
    divisor = len(values) if w is None or isinstance(loss, nbloss.Cox) else None
    if divisor is None:
        with np.errstate(all="ignore"):
            mean, total = (loss.value(target, z, w, reduction=r, groups=made.sizes) for r in ("mean", "sum"))
            divisor = total / mean if total else 1.0
    return values, [slopes], [bends], _sizes(values, slopes, bends, z), divisor


def _weighed(loss: Any, values: Any, slopes: Any, bends: Any, of_rows: Any, of_groups: Any, weight: Any, z: Any) -> Any:
    if isinstance(loss, nbloss.Cox):
        return values, [slopes], [bends], _sizes(values, slopes, bends, z), float(values.size)
    values = np.where(of_groups == 0, 0, of_groups * values)
    slopes, bends = (np.where(of_rows == 0, 0, of_rows * a) for a in (slopes, bends))
    return values, [slopes], [bends], _sizes(values, slopes, bends, z), float(of_groups.sum())


def _sizes(values: Any, slopes: Any, bends: Any, z: Any) -> list[float]:
    return [_greatest(x) + _greatest(z) + 100 for x in (values, slopes, bends)]


def _floats(numbers: Any) -> list[float]:
    return [float(x) for x in numbers]


def _is_whole(loss: Any, made: Numbers) -> bool:
    if isinstance(loss, Pointwise | Vectorwise | Margins) or getattr(loss, "real_targets", False):
        return False
    return made.targets[0].shape != made.predictions[0].shape


def _greatest(a: Any) -> float:
    a = np.asarray(a, np.float64)
    return float(np.abs(a[np.isfinite(a)]).max(initial=0))


def _divisors(loss: Any, made: Numbers) -> Any:
    """Return what each loss counts in the divisor of a mean, besides its weight."""
    z = made.predictions[0]
    if not isinstance(loss, Rowwise) or getattr(loss, "real_targets", False):
        return 1.0
    y = made.targets[0]
    labels = y.ndim < z.ndim
    classes, c = z.shape[-1], loss.parameters.get("class_weight")
    each: Any = np.ones(z.shape[:-1])
    if c is not None:
        c = np.broadcast_to(np.asarray(c, float), (classes,))
        each = c[np.clip(y.astype(int), 0, classes - 1)] if labels else y.astype(float) @ c
    ignored = loss.parameters.get("ignore_index")
    return np.where(y == ignored, 0, each) if labels and ignored is not None else each


def compare(letter: str, got: np.ndarray, wanted: Wanted) -> None:
    """Raise unless a result is near enough."""
    real = min(got.dtype, wanted.real, key=lambda t: t.itemsize)
    assert got.shape == wanted.exact.shape, (letter, got.shape, wanted.exact.shape)
    info = np.finfo(real)
    with np.errstate(all="ignore"):
        want = wanted.exact.astype(real).astype(np.float64)
        got = got.astype(np.float64)
        slack = 256 * info.eps * (np.abs(want) + np.nan_to_num(wanted.size)) + info.smallest_subnormal
        near = np.abs(got - want) <= slack
        near |= np.isinf(got) & (np.abs(wanted.exact) * (1 + 256 * info.eps) > info.max) & (got * want > 0)
    same = (got == want) | (np.isnan(got) & np.isnan(want)) | near
    assert same.all(), f"{letter}: got {got[~same][:5]}, not {want[~same][:5]}, at {np.argwhere(~same)[:5].tolist()}"
