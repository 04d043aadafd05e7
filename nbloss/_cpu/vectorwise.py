"""Losses of vectors along the last axis, on the CPU: rows are read twice, once for their size, once for their sums.

Everything is computed in float64. Kernels take matrices of rows, in blocks of fixed size: a parallel kernel and its
serial twin for small arrays.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import float64, prange, types
from numba.extending import overload, register_jitable

from nbloss._arrays import DOUBLE, divide
from nbloss._compile import INLINE, compiled, inlined
from nbloss._cpu.lanes import LANES, fold
from nbloss._cpu.layout import slabs
from nbloss._cpu.pointwise import REALS, TARGETS, in_parallel
from nbloss._cpu.setwise import add, fill, tree
from nbloss._cpu.sums import weigh
from nbloss._cpu.tuples import (
    added,
    are_numbers,
    at,
    doubles,
    from_bits,
    largest,
    none_of,
    put,
    put_times,
    rest_of,
    scaled,
    sizes_of,
    taken,
)
from nbloss._program import VectorProgram

BLOCK = 1 << 12  # elements of a block of rows, or one row
RUN = 1024  # elements that are added up before they join the rest
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
        xs = tuple(np.ascontiguousarray(a[index], DOUBLE).reshape(-1, size) for a in arrays)
        y_part, w_part = (None if a is None else np.ascontiguousarray(a[index], DOUBLE).reshape(-1) for a in (y, w))
        n = len(xs[0])
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
    key = (letters, len(xs), dtype, target, weight, in_parallel(xs[0].size))
    kernel = program.kernels.get(key)
    if kernel is None:
        kernel = program.kernels[key] = _compiled(program, *key)
    value = parts["v"][0] if "v" in parts else None
    return float(kernel(xs, y, w, program.numbers, scale, value, *(parts.get(letter) for letter in "ghm")))


def _compiled(
    program: VectorProgram, letters: str, count: int, dtype: Any, target: Any, weight: Any, parallel: bool
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
    kernel = _making(formulas, program.choices, program.counts)
    return compiled(
        kernel, signature, program.finish, *program.choices, letters, count, dtype, target, weight, parallel=parallel
    )


def _making(formulas: Any, choices: Any, counts: Any) -> Any:
    vectors, terms, finish, slopes, curvature = formulas
    no_vectors, no_sums, many_sums = (0,) * counts[0], (0.0,) * counts[1], counts[1]

    def kernel(xs, y, w, numbers, scale, value, gradients, hessians, matrices):  # type: ignore[no-untyped-def]
        rows, size = xs[0].shape
        step = max(1, BLOCK // max(size, 1))
        blocks = (rows + step - 1) // step
        totals = np.zeros(blocks)
        for b in prange(blocks):
            total = 0.0
            scratch, lanes = taken(np.empty((many_sums, RUN)), no_sums), np.empty(LANES)
            for r in range(b * step, min(rows, (b + 1) * step)):
                here = at(xs, r)
                most, inside = _most(vectors, choices, here, no_vectors)
                sizes, inverses = sizes_of(most)
                sums = _sums(vectors, terms, choices, here, sizes, inverses, no_sums, scratch, lanes)
                label = 0.0 if y is None else np.float64(y[r])
                found = finish(label, sums, sizes, *numbers, *choices)
                loss, coefficients = found[0], rest_of(found)
                if not (inside and label == label):
                    loss = math.nan
                weight = 1.0 if w is None else np.float64(w[r])
                factor = weight if loss == loss else math.nan if weight != 0 else 0.0
                if value is not None:
                    value[r] = weigh(loss, weight)
                total += weigh(loss, weight)
                for k in range(0 if gradients is None and hessians is None else size):
                    u = scaled(vectors(doubles(here, k), *choices), sizes, inverses)
                    if gradients is not None:
                        put_times(at(gradients, r), k, slopes(u, coefficients, *choices), factor, scale)
                    if hessians is not None:
                        put_times(at(hessians, r), k, curvature(u, u, 1.0, coefficients, *choices), factor, 1.0)
                for i in range(0 if matrices is None else size):
                    u = scaled(vectors(doubles(here, i), *choices), sizes, inverses)
                    for k in range(size):
                        v = scaled(vectors(doubles(here, k), *choices), sizes, inverses)
                        same = 1.0 if i == k else 0.0
                        if matrices is not None:
                            into = at(at(matrices, r), i)
                            put_times(into, k, curvature(u, v, same, coefficients, *choices), factor, 1.0)
            totals[b] = total
        return tree(totals)

    return kernel


@register_jitable(**INLINE)
def _most(vectors: Any, choices: Any, rows: Any, none: Any) -> Any:
    """Return the bits of the sizes of the largest elements of the vectors, and whether nothing is nan.

    Sizes are compared by their bits, as integers: so the loop is vectorised, and nan is beyond infinity.
    """
    most, most_of_all = none, none_of(rows)
    for k in range(rows[0].size):
        x = doubles(rows, k)
        most_of_all = largest(most_of_all, x)
        most = largest(most, vectors(x, *choices))
    return most, are_numbers(from_bits(most_of_all))


@register_jitable(**INLINE)
def _sums(
    vectors: Any, terms: Any, choices: Any, rows: Any, sizes: Any, inverses: Any, zero: Any, scratch: Any, lanes: Any
) -> Any:
    """Return the sums of the terms: in lanes, where there are enough of them to fill these."""
    total, size = zero, rows[0].size
    for first in range(0, size, RUN):
        some = at(rows, slice(first, min(size, first + RUN)))
        for k in range(some[0].size):
            u = scaled(vectors(doubles(some, k), *choices), sizes, inverses)
            put(scratch, k, terms(u, *choices), True)
        total = added(total, summed(at(scratch, slice(0, some[0].size)), lanes))
    return total


@register_jitable(error_model="numpy")
def _sum(x: Any, lanes: Any) -> float:
    """Return the sum of a vector."""
    if x.size < 2 * LANES:
        total = 0.0
        for k in range(x.size):
            total += x[k]
        return total
    fill(lanes, 0.0)
    add(x, None, lanes)
    fold(lanes)
    return lanes[0]


def summed(arrays: Any, lanes: Any) -> Any:
    """Return the sums of the vectors in a tuple."""
    return tuple(_sum(x, lanes) for x in arrays)


@overload(summed, strict=False, jit_options=INLINE)
def _summed(arrays: Any, lanes: Any) -> Any:
    if len(arrays) == 0:
        return lambda arrays, lanes: ()
    return lambda arrays, lanes: (_sum(arrays[0], lanes), *summed(arrays[1:], lanes))
