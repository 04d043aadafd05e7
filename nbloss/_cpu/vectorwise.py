"""Losses of vectors along the last axis, on the CPU: how their arrays come before the kernels.

Everything is computed in float64. Kernels take matrices of rows, in blocks of fixed size: a parallel kernel and its
serial twin for small arrays. They are those of :mod:`nbloss._cpu.vector_kernels`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import float64, types

from nbloss._arrays import DOUBLE, divide
from nbloss._compile import compiled, inlined
from nbloss._cpu.layout import slabs
from nbloss._cpu.pointwise import REALS, TARGETS, in_parallel
from nbloss._cpu.sums import LANES
from nbloss._cpu.vector_kernels import FEW, making, rows_at_once
from nbloss._program import VectorProgram

SLAB = 1 << 17  # elements that are copied at a time, where they do not lie as kernels want them


def run(
    program: VectorProgram, whole: bool, of_numbers: bool, mean: bool, y: Any, zs: list[Any], w: Any,
    placed: dict[str, list[Any]],
) -> None:  # fmt: skip
    """Evaluate a loss of vectors.

    *whole* tells whether targets *y* are vectors too, else there is one for each or none; *of_numbers* whether there
    is no axis of elements, and a vector is one number. *placed* has arrays by letters: "v", "g", "h" for values,
    gradients and Hessians, "m" for matrices of second derivatives, "s" for the sum of the values or, with *mean*,
    their weighted mean. A gradient beside it is scaled as it is.
    """
    shape = zs[0].shape if of_numbers else zs[0].shape[:-1]
    arrays = [y, *zs] if whole else zs
    labels = None if whole else y
    weight = math.prod(shape) if w is None else _total(w, shape)
    scale = divide(1.0, weight) if mean and "s" in placed else 1.0
    outs = {letter: found for letter, found in placed.items() if letter != "s"}
    total = 0.0
    for xs, y_part, w_part, parts in _rows(shape, arrays, labels, w, outs):
        total += _evaluate(program, xs, y_part, w_part, scale, "s" in placed, parts)
    if "s" in placed:
        placed["s"][0][()] = divide(total, weight) if mean else total


def _total(w: Any, shape: tuple[int, ...]) -> float:
    """Return the sum of the weights of all losses."""
    return float(w.sum(dtype=np.float64)) * (math.prod(shape) / w.size if w.size else 0)


def _rows(
    shape: tuple[int, ...], arrays: list[Any], y: Any, w: Any, outs: dict[str, list[Any]]
) -> Iterator[tuple[Any, Any, Any, dict[str, Any]]]:
    """Yield the arrays as matrices, targets and weights as vectors, contiguous and of types with a kernel.

    If they do not lie so, they are copied slab by slab, and what is written is copied back to *outs*.
    """
    real = arrays[0].dtype
    size = arrays[0].shape[-1] if arrays[0].ndim > len(shape) else 1
    count = math.prod(shape)

    def reshaped(a: Any, letter: str) -> Any:
        return a.reshape({"v": (count,), "m": (count, size, size)}.get(letter, (count, size)))

    flat = [a for found in outs.values() for a in found]
    as_is = real in REALS and all(a.dtype == real for a in (*arrays, *flat))
    as_is = as_is and (y is None or y.dtype in TARGETS) and (w is None or (w.dtype in REALS and w.shape == shape))
    as_is = as_is and all(a is None or (a.flags.c_contiguous and a.flags.aligned) for a in (*arrays, *flat, y, w))
    if as_is:
        parts = {letter: tuple(reshaped(a, letter) for a in found) for letter, found in outs.items()}
        xs = tuple(reshaped(a, "") for a in arrays)
        yield xs, None if y is None else y.reshape(count), None if w is None else w.reshape(count), parts
        return
    if w is not None:
        w = np.broadcast_to(w.reshape(w.shape + (1,) * (len(shape) - w.ndim)) if w.ndim else w, shape)
    for index in slabs(shape, max(1, SLAB // max(size, 1) // (max(size, 1) if "m" in outs else 1))):
        n = np.broadcast_to(np.int8(0), shape)[index].size
        xs = tuple(np.ascontiguousarray(a[index], DOUBLE).reshape(n, size) for a in arrays)
        y_part, w_part = (None if a is None else np.ascontiguousarray(a[index], DOUBLE).reshape(-1) for a in (y, w))
        shapes = {"v": (n,), "g": (n, size), "h": (n, size), "m": (n, size, size)}
        parts = {letter: tuple(np.empty(shapes[letter]) for _ in found) for letter, found in outs.items()}
        yield xs, y_part, w_part, parts
        for letter, found in outs.items():
            for a, b in zip(found, parts[letter], strict=True):
                a[index] = b.reshape(a[index].shape)


def _evaluate(
    program: VectorProgram, xs: Any, y: Any, w: Any, scale: float, adds: bool, parts: dict[str, Any]
) -> float:
    """Write the arrays of *parts*; return the sum of the weighted values if *adds*."""
    letters = "".join(letter for letter in "vghm" if letter in parts) + ("s" if adds else "")
    dtype, target, weight = xs[0].dtype, None if y is None else y.dtype, None if w is None else w.dtype
    size = xs[0].shape[1]
    short = size if 0 < size <= FEW and "m" not in letters else 0
    key = (letters, len(xs), dtype, target, weight, short, in_parallel(xs[0].size))
    kernel = program.kernels.get(key)
    if kernel is None:
        kernel = program.kernels[key] = _compiled(program, *key)
    value = parts["v"][0] if "v" in parts else None
    return float(kernel(xs, y, w, program.numbers, scale, value, *(parts.get(letter) for letter in "ghm")))


def _compiled(
    program: VectorProgram, letters: str, count: int, dtype: Any, target: Any, weight: Any, short: int, parallel: bool
) -> Any:
    real = REALS[dtype]
    formulas = tuple(map(inlined, (program.vectors, program.terms, program.finish, program.slopes, program.curvature)))
    several = program.predictions
    signature = (
        types.UniTuple(types.Array(real, 2, "C", readonly=True), count),
        types.none if target is None else types.Array(TARGETS[target], 1, "C", readonly=True),
        types.none if weight is None else types.Array(REALS[weight], 1, "C", readonly=True),
        types.UniTuple(float64, len(program.numbers)) if program.numbers else types.Tuple(()),
        float64,
        real[::1] if "v" in letters else types.none,
        types.UniTuple(real[:, ::1], several) if "g" in letters else types.none,
        types.UniTuple(real[:, ::1], several) if "h" in letters else types.none,
        types.UniTuple(real[:, :, ::1], several) if "m" in letters else types.none,
    )
    at_once = rows_at_once(short) if short else LANES
    kernel = making(formulas, program.choices, program.counts, count, several, dtype.type, (0,) * short, at_once)
    names = *program.choices, letters, count, dtype, target, weight, short
    return compiled(kernel, signature, program.finish, *names, parallel=parallel)
