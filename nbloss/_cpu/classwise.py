"""Losses of sets with classes, on the CPU: sums for each class, and the mean of what they give.

Rows of K predictions become probabilities twice, once for the sums and once for the derivatives; nothing of the size of
the predictions is kept between. Arrays come as rows of each set, and all is computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numba import float64, prange, types
from numba.extending import register_jitable

from nbloss._arrays import DOUBLE, divide, real_of
from nbloss._compile import INLINE, compiled, inlined
from nbloss._cpu.lanes import row
from nbloss._cpu.layout import slabs
from nbloss._cpu.pointwise import REALS, TARGETS, in_parallel
from nbloss._cpu.setwise import fill, reduce, tree
from nbloss._cpu.sums import weigh
from nbloss._cpu.tuples import spread, taken
from nbloss._math import exp_sum
from nbloss._program import SetProgram

CHUNKS = 64  # parts of a set, at most, that are added up on their own
LEAST = 1 << 13  # predictions in such a part
RUN = 256  # rows that are added up before they join the rest
SLAB = 1 << 17  # predictions that are copied at a time, where they do not lie as kernels want them


def run(
    program: SetProgram, want: str, mean: bool, per_image: bool, y: Any, z: Any, w: Any, outs: Sequence[Any]
) -> None:
    """Evaluate the mean over classes of a loss of sets; see :func:`nbloss._cpu.setwise.run`.

    *y* holds a label for each row of *z*, and *w* a weight for each or for each entry of the first axis.
    """
    placed = dict(zip(want, outs, strict=True))
    gradient, hessian = placed.get("g"), placed.get("h")
    sets, classes = z.shape[0] if per_image else 1, z.shape[-1]
    totals = np.zeros((sets, 4, classes))
    for s, some in _rows(per_image, y, z, w, None, None):
        totals[s : s + len(some[1])] += _sums(program, *some[:3])
    values, coefficients = _finish(program, totals)
    if gradient is not None or hessian is not None:
        scale = divide(1.0, sets) if mean and "s" in want else 1.0
        for s, some in _rows(per_image, y, z, w, gradient, hessian):
            _derive(program, coefficients[s : s + len(some[1])], scale, *some)
    reduce(values, mean, placed)


def _rows(per_image: bool, y: Any, z: Any, w: Any, *outs: Any) -> Iterator[tuple[int, list[Any]]]:
    """Yield parts of the arrays, contiguous and of types with a kernel, with the set that the first of them is of.

    Each of them has the axes set, row and, but labels and weights, class. What is written is copied to *outs*.
    """
    sets, classes = z.shape[0] if per_image else 1, z.shape[-1]
    arrays = [y, z, w, *outs]
    as_is = z.dtype in REALS and y.dtype in TARGETS and (w is None or (w.dtype in REALS and w.shape == y.shape))
    as_is = as_is and all(a is None or a.dtype == z.dtype for a in outs)
    if as_is and all(a is None or (a.flags.c_contiguous and a.flags.aligned) for a in arrays):
        rows = y.size // max(sets, 1)
        shapes = [(sets, rows), (sets, rows, classes), (sets, rows), *[(sets, rows, classes)] * len(outs)]
        yield 0, [None if a is None else a.reshape(shape) for a, shape in zip(arrays, shapes, strict=True)]
        return
    real = real_of(z.dtype)
    if w is not None:
        w = np.broadcast_to(w.reshape(w.shape + (1,) * (y.ndim - w.ndim)) if w.ndim else w, y.shape)
    for s in range(sets):
        labels, logits, weights, *into = (  # of the set
            None if a is None else a[s, ...] if per_image else a for a in (y, z, w, *outs)
        )
        for index in slabs(y.shape[1:] if per_image else y.shape, max(1, SLAB // max(classes, 1))):
            matrix: Any = np.ascontiguousarray(logits[index], real).reshape(1, -1, classes)  # type: ignore[index]
            parts: list[Any] = [np.ascontiguousarray(labels[index], DOUBLE).reshape(1, -1), matrix]  # type: ignore[index]
            parts.append(None if weights is None else np.ascontiguousarray(weights[index], DOUBLE).reshape(1, -1))
            parts += [None if a is None else np.empty(matrix.shape, real) for a in into]
            yield s, parts
            for a, found in zip(into, parts[3:], strict=True):
                if a is not None:
                    a[index] = found.reshape(a[index].shape)


def _sums(program: SetProgram, y: Any, z: Any, w: Any) -> Any:
    """Return, for each set and class, the three sums and how many rows have its label."""
    return _kernel(program, "sums", y, z, w)(y, z, w)


def _finish(program: SetProgram, totals: Any) -> tuple[Any, Any]:
    """Return the losses of the sets, and the coefficients of their classes."""
    found: tuple[Any, Any] = _kernel(program, "finish", totals, totals, None)(totals, program.numbers)
    return found


def _derive(
    program: SetProgram, coefficients: Any, scale: float, y: Any, z: Any, w: Any, gradient: Any, hessian: Any
) -> None:
    """Write the gradients, multiplied by *scale*, and Hessians."""
    want = ("g" if gradient is not None else "") + ("h" if hessian is not None else "")
    _kernel(program, want, y, z, w)(y, z, w, coefficients, scale, gradient, hessian)


def _kernel(program: SetProgram, role: str, y: Any, z: Any, w: Any) -> Any:
    parallel = role != "finish" and in_parallel(z.size)
    key = ("classes", role, y.dtype, z.dtype, None if w is None else w.dtype, parallel)
    kernel = program.kernels.get(key)
    if kernel is None:
        kernel = program.kernels[key] = _compiled(program, *key[1:])
    return kernel


def _compiled(program: SetProgram, role: str, target: Any, dtype: Any, weight: Any, parallel: bool) -> Any:
    counts, moves = map(inlined, program.of_class)
    (from_logits, *_), high = program.choices, program.domain.prediction.high
    weights = types.none if weight is None else _readonly(REALS[weight], 2)
    inputs = _readonly(TARGETS[target], 2), _readonly(REALS[dtype], 3), weights
    signature: tuple[Any, ...]
    if role == "sums":
        formula, kernel, signature = counts, _summing(counts, from_logits, high), inputs
    elif role == "finish":
        formula = inlined(program.finish)
        kernel = _finishing(formula, from_logits, (0.0,) * program.sums, 1 + program.coefficients)
        signature = float64[:, :, ::1], types.UniTuple(float64, len(program.numbers))
    else:
        formula, kernel = moves, _deriving(moves, from_logits, (0.0,) * program.coefficients)
        outs = [REALS[dtype][:, :, ::1] if letter in role else types.none for letter in "gh"]
        signature = (*inputs, float64[:, :, ::1], float64, *outs)
    return compiled(kernel, signature, formula, from_logits, "classes", role, target, dtype, weight, parallel=parallel)


def _readonly(dtype: Any, axes: int) -> Any:
    return types.Array(dtype, axes, "C", readonly=True)


def _summing(f: Any, from_logits: bool, high: float) -> Any:
    def kernel(y, z, w):  # type: ignore[no-untyped-def]
        sets, rows, classes = z.shape
        chunks = max(1, min(CHUNKS, rows * classes // LEAST))
        found = np.zeros((sets * chunks, 4, classes))
        for chunk in prange(sets * chunks):
            s, i = chunk // chunks, chunk % chunks
            p, now = np.empty(classes), np.zeros((4, classes))
            last = (i + 1) * rows // chunks
            for first in range(i * rows // chunks, last, RUN):
                for k in range(4):
                    fill(now[k], 0.0)
                for r in range(first, min(last, first + RUN)):
                    _add(f, from_logits, high, y[s, r], z[s, r], None if w is None else np.float64(w[s, r]), p, now)
                for k in range(4):
                    for c in range(classes):
                        found[chunk, k, c] += now[k, c]
        totals = np.zeros((sets, 4, classes))
        for s in range(sets):
            for k in range(4):
                for c in range(classes):
                    totals[s, k, c] = tree(found[s * chunks : (s + 1) * chunks, k, c])
        return totals

    return kernel


def _finishing(f: Any, from_logits: bool, like: Any, width: int) -> Any:
    def kernel(totals, numbers):  # type: ignore[no-untyped-def]
        sets, _, classes = totals.shape
        values, coefficients = np.empty(sets), np.zeros((sets, classes, width))
        for s in range(sets):
            value, count = 0.0, 0
            for k in range(classes):
                found = coefficients[s, k]
                spread(found, f(*taken(totals[s, :, k], like), *numbers, from_logits))
                occurs = totals[s, 3, k] > 0
                if occurs or math.isnan(found[0]):
                    value, count = value + found[0], count + 1
                # a loss of 0 with slopes without bound comes of logits that have no slope any more
                if not occurs or (from_logits and math.isinf(found[1])):
                    fill(found, 0.0)
            values[s] = value / count if count > 0 else math.nan
            # the first coefficient that is kept is the share of the class in the mean
            fill(coefficients[s, :, 0], math.nan if math.isnan(values[s]) else 1.0 / count)
        return values, coefficients

    return kernel


def _deriving(f: Any, from_logits: bool, like: Any) -> Any:
    def kernel(y, z, w, coefficients, scale, gradient, hessian):  # type: ignore[no-untyped-def]
        sets, rows, classes = z.shape
        chunks = max(1, min(CHUNKS, rows * classes // LEAST))
        for chunk in prange(sets * chunks):
            s, i = chunk // chunks, chunk % chunks
            p, slopes, bends = np.empty(classes), np.empty(classes), np.empty(classes)
            for r in range(i * rows // chunks, (i + 1) * rows // chunks):
                weight = 1.0 if w is None else np.float64(w[s, r])
                if weight == 0:
                    _zero(row(row(gradient, s), r))
                    _zero(row(row(hessian, s), r))
                else:
                    _derive_row(
                        f, from_logits, like, coefficients[s], scale, y[s, r], z[s, r], weight, p, slopes, bends,
                        row(row(gradient, s), r), row(row(hessian, s), r),
                    )  # fmt: skip

    return kernel


@register_jitable(**INLINE)
def _zero(a: Any) -> None:
    if a is not None:
        fill(a, 0.0)


@register_jitable(**INLINE)
def _softmax(z: Any, p: Any) -> tuple[int, float]:
    """Write the probabilities of a row; return its most probable class, and the probability of all others."""
    top = 0
    for k in range(z.size):
        if z[k] > z[top]:
            top = k
    most = np.float64(z[top])
    for k in range(z.size):
        x = np.float64(z[k])
        d = x - most
        lost = (x - (d + (x - d))) + ((x - d) - most)  # what the difference was rounded by
        p[k] = 1.0 if x == most else exp_sum(d, lost)  # also where the difference of infinities is nan
    p[top] = 0.0
    rest = 0.0
    for k in range(z.size):
        rest += p[k]
    total = 1.0 + rest
    for k in range(z.size):
        p[k] /= total
    p[top] = 1.0 / total
    return top, rest / total


@register_jitable(**INLINE)
def _add(f: Any, from_logits: Any, high: Any, label: Any, z: Any, w: Any, p: Any, sums: Any) -> None:
    """Add what a row counts to the sums of the classes."""
    if w is not None and w == 0.0:
        return  # here the label may be anything
    label = int(label)
    top, rest = -1, 0.0
    if from_logits:
        top, rest = _softmax(z, p)
    for k in range(z.size):
        if not from_logits:
            p[k] = z[k] if (z[k] >= 0) & (z[k] <= high) else math.nan
        a, b, c = f(1.0 if k == label else 0.0, p[k], rest if k == top else 1.0 - p[k])
        sums[0, k] += a if w is None else weigh(a, w)
        sums[1, k] += b if w is None else weigh(b, w)
        sums[2, k] += c if w is None else weigh(c, w)
    sums[3, label] += 1


@register_jitable(**INLINE)
def _derive_row(
    f: Any, from_logits: Any, like: Any, coefficients: Any, scale: Any, label: Any, z: Any, w: Any, p: Any, slopes: Any,
    bends: Any, gradient: Any, hessian: Any,
) -> None:  # fmt: skip
    """Write the derivatives by the predictions of a row, through the softmax if they are logits.

    With a the slopes by the probabilities, the gradient is p_k (a_k - sum of a p). Its terms are taken relative to the
    slope of the most probable class, so that nothing cancels where that class has nearly all.
    """
    top, rest = -1, 0.0
    if from_logits:
        top, rest = _softmax(z, p)
    for k in range(z.size):
        share, c = coefficients[k, 0], taken(coefficients[k, 1:], like)
        first, second = f(1.0 if k == int(label) else 0.0, 1.0, *c)
        slopes[k], bends[k] = first * share, second * share
        if from_logits:
            _, second = f(1.0 if k == int(label) else 0.0, p[k], *c)
            bends[k] = second * share
    if not from_logits:
        for k in range(z.size):
            if gradient is not None:
                gradient[k] = slopes[k] * w * scale
            if hessian is not None:
                hessian[k] = bends[k] * w * w
        return
    mean, bend = 0.0, 0.0
    for k in range(z.size):
        if k != top:
            mean += p[k] * (slopes[k] - slopes[top])
            bend += bends[k]
    for k in range(z.size):
        x = p[k] * ((slopes[k] - slopes[top]) - mean)
        if gradient is not None:
            gradient[k] = x * w * scale
        if hessian is not None:
            q = rest if k == top else 1.0 - p[k]
            _, own = f(1.0 if k == int(label) else 0.0, p[k] * q, *taken(coefficients[k, 1:], like))
            others = bend if k == top else bend + bends[top] - bends[k]
            hessian[k] = w * (x * (q - p[k]) + w * (own * coefficients[k, 0] + others * p[k] * p[k]))
