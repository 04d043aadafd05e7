"""Losses in which every element stands alone, on the CPU.

Each loss has its own kernels, made from its formula: a parallel one over blocks of fixed size, and its serial twin
for small arrays over the same blocks. They take contiguous vectors; :mod:`nbloss._cpu.layout` brings them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import float32, float64, prange, types

from nbloss import _parallel
from nbloss._arrays import DOUBLE, SINGLE, divide
from nbloss._compile import INLINED, compiled, inlined
from nbloss._cpu.blocks import (
    BLOCK,
    add,
    add_up,
    add_weights,
    are_apart,
    fill,
    narrowed,
    parts,
    put_total,
    room_beside,
    sums_beside,
)
from nbloss._cpu.layout import as_vectors, pieces
from nbloss._cpu.streams import lead_of, place_in, pour, room_for, settle
from nbloss._cpu.views import part
from nbloss._program import Program
from nbloss.loss import REAL, Domain, Interval

PARALLEL_FROM = 64 * BLOCK  # elements; below, starting threads costs more than it saves
CHUNK = 8  # blocks that share a scratch, at least

REALS = {np.dtype(np.float32): float32, np.dtype(np.float64): float64}
LABELS = {np.dtype(name): getattr(types, name) for name in ("int64", "int32", "int8", "uint8")}
TARGETS = REALS | LABELS | {np.dtype(np.bool_): types.boolean}  # the types of targets that kernels take as they are


def run(
    program: Program, want: str, mean: bool, y: Any, z: Any, w: Any, outs: Sequence[Any], real: np.dtype[Any]
) -> None:
    """Evaluate a loss element by element, in the type *real*.

    *want* has a letter for each array in *outs*: "v", "g", "h" for the values, gradients and Hessians, "s" for the sum
    of the values or, with *mean*, their weighted mean. A gradient beside it is scaled as it is.
    """
    placed = dict(zip(want, outs, strict=True))
    if "s" not in want:
        _run(program, want, y, z, w, 1.0, placed, real)
        return
    scale = 1.0
    if mean and want != "s":
        scale = divide(1.0, z.size if w is None else _run(_NOTHING, "s", z, z, w, 1.0, {}, DOUBLE)[1])
    total, weight = _run(program, want, y, z, w, scale, placed, real)
    if w is not None and "g" in placed and not math.isfinite(scale):  # what has no weight gives 0, whatever divides
        of_elements = w.reshape(w.shape + (1,) * (z.ndim - w.ndim)) if w.ndim else w
        np.copyto(placed["g"], 0, where=of_elements == 0)
    outs[0][()] = divide(total, weight) if mean else total


def ratio(total: Any, weight: Any, result: Any) -> None:
    """Write the quotient of two 0-d arrays."""
    result[()] = divide(float(total[()]), float(weight[()]))


def _nothing(y: Any, z: Any) -> tuple[Any, Any, Any]:
    return type(z)(0), type(z)(0), type(z)(0)


_NOTHING = Program(_nothing, (), (), Domain(REAL, REAL), {}, False, {})  # for the sum of the weights alone


def _run(
    program: Program, want: str, y: Any, z: Any, w: Any, scale: float, outs: dict[str, Any], real: np.dtype[Any]
) -> tuple[float, float]:
    """Write the arrays of *outs*; return the sums of the weighted values and of the weights if "s" is wanted."""
    value, gradient, hessian = outs.get("v"), outs.get("g"), outs.get("h")
    target = y.dtype if y.dtype in TARGETS else real
    weight = None if w is None else w.dtype if w.dtype in REALS else DOUBLE
    # another type than that of the predictions to compute in has its own kernel only where that pays
    as_is = z.dtype == real or (z.dtype in REALS and z.size >= PARALLEL_FROM)
    as_is = as_is and target == y.dtype and (w is None or weight == w.dtype) and not program.vectors
    more = [x for x in program.numbers if type(x) is np.ndarray]  # one for each element
    as_is = as_is and all(a.dtype == z.dtype for a in more)
    results = {a.dtype for a in (value, gradient, hessian) if a is not None}
    # float64 may come out as float32, which is what LightGBM and scikit-learn want
    is_narrow = results == {SINGLE} and z.dtype == real == DOUBLE and "s" not in want
    if as_is and (results <= {z.dtype} or is_narrow):
        vectors = as_vectors([y, z, w, value, gradient, hessian, *more])
        if vectors is not None:
            numbers = tuple(vectors.pop(6) if type(x) is np.ndarray else x for x in program.numbers)
            return run_vectors(program, want, numbers, real, scale, *vectors)
    given = [a for a in (value, gradient, hessian) if a is not None]
    inputs = [(y, target)] if w is None else [(y, target), (w, weight)]
    inputs += [(a, real) for a in more]
    last = [np.array(x, real) for x in program.vectors.values()]
    total, weights = 0.0, 0.0
    for z_piece, y_piece, *rest in pieces(z, inputs, last, given, real):
        w_piece = None if w is None else rest.pop(0)
        numbers = tuple(rest.pop(0) if type(x) in (tuple, np.ndarray) else x for x in program.numbers)
        v, g, h = (None if a is None else rest.pop(0) for a in (value, gradient, hessian))
        added, weighed = run_vectors(program, want, numbers, real, scale, y_piece, z_piece, w_piece, v, g, h)
        total += added
        weights += weighed
    return total, weights


def run_vectors(
    program: Program, want: str, numbers: Any, real: Any, scale: float, y: Any, z: Any, w: Any,
    value: Any, gradient: Any, hessian: Any,
) -> tuple[float, float]:  # fmt: skip
    """Do the work of :func:`_run` on contiguous vectors of which the types have a kernel."""
    results = [a.dtype for a in (value, gradient, hessian) if a is not None]
    result = results[0] if results else z.dtype
    kernel = kernel_for(program, want, y.dtype, z.dtype, None if w is None else w.dtype, z.size, real, result)
    if "s" not in want:
        kernel(y, z, w, numbers, value, gradient, hessian)
        return 0.0, 0.0
    total, weight = kernel(y, z, w, numbers, scale, gradient)
    return total, z.size if w is None else weight


def in_parallel(size: int) -> bool:
    """Whether an array of this size is worth threads, and the call may use them."""
    return size >= PARALLEL_FROM and _parallel.is_allowed(size)


def kernel_for(
    program: Program, want: str, target: Any, dtype: Any, weight: Any, size: int, real: Any = None, result: Any = None
) -> Any:
    """Return the kernel for vectors of these dtypes that computes in *real* and writes *result*.

    By default these are the type of the predictions. It is compiled at its first use.
    """
    key = (want, target, dtype, weight, real or dtype, result or dtype, in_parallel(size))
    kernel = program.kernels.get(key)
    if kernel is None:
        kernel = program.kernels[key] = _compiled(program, *key)
    return kernel


def _compiled(
    program: Program, want: str, target: Any, dtype: Any, weight: Any, compute: Any, result: Any, parallel: bool
) -> Any:
    prediction, real = REALS[dtype], REALS[compute]
    kinds = {float: real, tuple: _readonly(real), np.ndarray: _readonly(prediction), type(None): types.none}
    numbers = types.Tuple([kinds[type(x)] for x in program.numbers])
    weights = types.none if weight is None else _readonly(REALS[weight])
    value, gradient, hessian = (REALS[result][::1] if letter in want else types.none for letter in "vgh")
    inputs = (_readonly(TARGETS[target]), _readonly(prediction), weights, numbers)
    f, bounds = (
        inlined(program.formula, INLINED),
        (*bounds_of(program.domain.target, compute), *bounds_of(program.domain.prediction, compute)),
    )
    signature: tuple[Any, ...]
    if "s" in want:
        kernel, signature = _summing(f, program.choices, bounds, compute.type), (*inputs, float64, gradient)
    else:
        kernel, signature = _filling(f, program.choices, bounds, compute.type), (*inputs, value, gradient, hessian)
    letters = "".join(type(x).__name__[0] for x in program.numbers)
    names = (letters, want, target, dtype, weight, compute, *([] if result == dtype else [result]))
    return compiled(kernel, signature, f, *program.choices, *names, parallel=parallel)


def _filling(f: Any, choices: Any, bounds: Any, real: Any) -> Any:
    """Return a kernel that does nothing and returns False if what it is to write shares memory with anything else.

    This costs next to nothing here, but more than a small kernel in Python.
    """

    def kernel(y, z, w, numbers, value, gradient, hessian):  # type: ignore[no-untyped-def]
        if not are_apart(value, gradient, y, z, w) or not are_apart(gradient, hessian, y, z, w):
            return False
        if not are_apart(hessian, value, y, z, w):
            return False
        lead = max(lead_of(value), lead_of(gradient), lead_of(hessian))
        streams, lead = lead >= 0, max(lead, 0)
        n = z.size
        blocks = (n + lead + BLOCK - 1) // BLOCK
        chunk = CHUNK + blocks // 256
        for c in prange((blocks + chunk - 1) // chunk):
            room = room_beside(y, real)
            values, gradients, hessians = room_for(value, z, 24), room_for(gradient, z, 12), room_for(hessian, z, 36)
            for b in range(c * chunk, min(blocks, (c + 1) * chunk)):
                first = max(0, b * BLOCK - lead)
                last = min(n, (b + 1) * BLOCK - lead)
                fill(
                    f, choices, bounds, real, parts(numbers, first, last), narrowed(part(y, first, last), room),
                    part(z, first, last), part(w, first, last), place_in(value, values, first, last, streams),
                    place_in(gradient, gradients, first, last, streams),
                    place_in(hessian, hessians, first, last, streams),
                )  # fmt: skip
                if streams:
                    pour(value, values, first, last)
                    pour(gradient, gradients, first, last)
                    pour(hessian, hessians, first, last)
            if streams:
                settle()
        return True

    return kernel


def _summing(f: Any, choices: Any, bounds: Any, real: Any) -> Any:
    def kernel(y, z, w, numbers, scale, gradient):  # type: ignore[no-untyped-def]
        n = z.size
        blocks = (n + BLOCK - 1) // BLOCK
        chunk = CHUNK + blocks // 256
        chunks = (blocks + chunk - 1) // chunk
        totals, total_weights = np.empty(chunks), sums_beside(w, chunks)
        for c in prange(chunks):
            start, end = c * chunk, min(blocks, (c + 1) * chunk)
            room, values, weights = room_beside(y, real), np.empty(end - start), sums_beside(w, end - start)
            for b in range(start, end):
                first = b * BLOCK
                last = min(n, first + BLOCK)
                values[b - start] = add(
                    f, choices, bounds, real, parts(numbers, first, last), scale,
                    narrowed(part(y, first, last), room), part(z, first, last), part(w, first, last),
                    part(gradient, first, last),
                )  # fmt: skip
                add_weights(part(w, first, last), weights, b - start)
            totals[c] = add_up(values)
            put_total(weights, total_weights, c)
        return add_up(totals), add_up(total_weights)

    return kernel


def _readonly(dtype: Any) -> Any:
    """Return the type of a contiguous vector that is only read: arrays that may be written match it too."""
    return types.Array(dtype, 1, "C", readonly=True)


def bounds_of(interval: Interval, dtype: np.dtype[Any]) -> tuple[float, float]:
    """Return the least and the greatest number of *dtype* in *interval*."""
    low, high = dtype.type(interval.low), dtype.type(interval.high)
    least = np.nextafter(low, dtype.type(np.inf)) if interval.low_open else low
    return float(least), float(np.nextafter(high, low) if interval.high_open else high)
