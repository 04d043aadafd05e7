"""Losses of sets with classes, on the CPU: sums for each class, and the mean of what they give.

Arrays come as rows of each set. The kernels are those of :mod:`nbloss._cpu.class_kernels`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numba import float64, types

from nbloss._arrays import DOUBLE, divide, real_of
from nbloss._compile import compiled, inlined
from nbloss._cpu.class_kernels import deriving, rows_at_once, summing
from nbloss._cpu.layout import slabs
from nbloss._cpu.pointwise import REALS, TARGETS, in_parallel
from nbloss._cpu.rowwise import FEW
from nbloss._cpu.setwise import fill, reduce
from nbloss._cpu.tuples import spread, taken
from nbloss._program import SetProgram

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
    classes = z.shape[-1]
    at_once = 0 if role == "finish" else rows_at_once(classes, DOUBLE if program.in_double else z.dtype)
    of_few = classes if classes <= FEW and role != "finish" else 0
    key = ("classes", role, y.dtype, z.dtype, None if w is None else w.dtype, of_few, at_once, parallel)
    kernel = program.kernels.get(key)
    if kernel is None:
        kernel = program.kernels[key] = _compiled(program, *key[1:])
    return kernel


def _compiled(
    program: SetProgram, role: str, target: Any, dtype: Any, weight: Any, classes: int, at_once: int, parallel: bool
) -> Any:
    counts, moves = map(inlined, program.of_class)
    (from_logits, *_), high = program.choices, program.domain.prediction.high
    real: Any = (DOUBLE if program.in_double else dtype).type
    kind = real, dtype != real, (0,) * classes, at_once
    weights = types.none if weight is None else _readonly(REALS[weight], 2)
    inputs = _readonly(TARGETS[target], 2), _readonly(REALS[dtype], 3), weights
    signature: tuple[Any, ...]
    if role == "sums":
        formula, kernel, signature = counts, summing(counts, from_logits, high, *kind), inputs
    elif role == "finish":
        formula = inlined(program.finish)
        kernel = _finishing(formula, from_logits, (0.0,) * program.sums, 1 + program.coefficients)
        signature = float64[:, :, ::1], types.UniTuple(float64, len(program.numbers))
    else:
        formula, kernel = moves, deriving(moves, from_logits, (0.0,) * program.coefficients, *kind)
        outs = [REALS[dtype][:, :, ::1] if letter in role else types.none for letter in "gh"]
        signature = (*inputs, float64[:, :, ::1], float64, *outs)
    names = from_logits, real.__name__, "classes", role, target, dtype, weight, classes, at_once
    return compiled(kernel, signature, formula, *names, parallel=parallel)


def _readonly(dtype: Any, axes: int) -> Any:
    return types.Array(dtype, axes, "C", readonly=True)


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
