"""Losses of sets of elements, on the CPU: a kernel that adds up, one that finishes, and one that writes derivatives.

Arrays come as matrices with a row for each set, and are worked on in blocks of fixed size, of which the sums are added
in a fixed tree. The kernels are made from the formulas of a loss: parallel over the blocks, and their serial twins for
small arrays.
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
from nbloss._cpu.blocks import BLOCK
from nbloss._cpu.layout import as_vectors, pieces
from nbloss._cpu.pointwise import REALS, TARGETS, in_parallel
from nbloss._cpu.sums import total, weigh
from nbloss._cpu.tuples import cast, put, spread, taken
from nbloss._cpu.views import part_of_row
from nbloss._program import SetProgram
from nbloss.loss import Interval

CHUNK = 4  # blocks that share a scratch


def run(
    program: SetProgram, want: str, mean: bool, per_image: bool, y: Any, z: Any, w: Any, outs: Sequence[Any]
) -> None:
    """Evaluate a loss of sets: of each entry of the first axis if *per_image*, else of the whole arrays.

    *want* has a letter for each array in *outs*: "v", "g", "h" for the values, gradients and Hessians, "s" for the sum
    of the values or, with *mean*, their plain mean. A gradient beside it is scaled as it is.
    """
    placed = dict(zip(want, outs, strict=True))
    gradient, hessian = placed.get("g"), placed.get("h")
    sets = z.shape[0] if per_image else 1
    scale = divide(1.0, sets) if mean and "s" in want else 1.0
    vectors = _vectors(program, per_image, y, z, w, gradient, hessian)
    if vectors is not None:
        shape = sets, z.size // max(sets, 1)
        matrices = [None if a is None else a.reshape(shape) for a in vectors]
        finished = finish(program, sums(program, *matrices[:3]))
        derive(program, finished, scale, *matrices)
    else:
        images = list(_images(y, z, w, gradient, hessian)) if per_image else [[y, z, w, gradient, hessian]]
        totals = np.zeros((sets, program.sums))
        for image, total in zip(images, totals, strict=True):
            for some in _pieces(program, *image[:3]):
                total += sums(program, *some)[0]
        finished = finish(program, totals)
        if gradient is not None or hessian is not None:
            for i, image in enumerate(images):
                for some in _pieces(program, *image):
                    derive(program, finished[i : i + 1], scale, *some)
    reduce(finished[:, 0], mean, placed)


def reduce(values: Any, mean: bool, placed: dict[str, Any]) -> None:
    """Write the values of the sets, their sum or their mean, to where they are wanted."""
    if "v" in placed:
        placed["v"][...] = values.reshape(placed["v"].shape)
    if "s" in placed:
        placed["s"][()] = divide(values.sum(), values.size) if mean else values.sum()


def _vectors(program: SetProgram, per_image: bool, y: Any, z: Any, w: Any, *outs: Any) -> list[Any] | None:
    """Return arrays as contiguous vectors in one order, set by set, if they are, and of types with a kernel."""
    if z.dtype not in REALS or y.dtype not in TARGETS or not (w is None or w.dtype in REALS):
        return None
    if any(a is not None and a.dtype != z.dtype for a in outs):
        return None
    if per_image and not z.flags.c_contiguous:
        return None
    return as_vectors([y, z, w, *outs])


def _images(*arrays: Any) -> Iterator[list[Any]]:
    """Yield the entries of the first axis of arrays together, each of them an array; a scalar is the same for all."""
    for i in range(len(arrays[0])):
        yield [None if a is None else a[i, ...] if a.ndim else a for a in arrays]


def _pieces(program: SetProgram, y: Any, z: Any, w: Any, *outs: Any) -> Any:
    """Run through arrays that are one set, piece by piece, each of them a matrix of one row."""
    real = _real(program, z.dtype)
    target = y.dtype if y.dtype in TARGETS else real
    inputs = [(y, target)] if w is None else [(y, target), (w, DOUBLE)]
    for z_piece, y_piece, *rest in pieces(z, inputs, [], [a for a in outs if a is not None], real):
        w_piece = None if w is None else rest.pop(0)
        given = [None if a is None else rest.pop(0) for a in outs]
        yield [None if a is None else a[None] for a in (y_piece, z_piece, w_piece, *given)]


def _real(program: SetProgram, dtype: Any) -> np.dtype[Any]:
    return DOUBLE if program.in_double else real_of(dtype)


def sums(program: SetProgram, y: Any, z: Any, w: Any) -> Any:
    """Return a matrix of the sums of the weighted terms, with a row for each set."""
    key = ("sums", y.dtype, z.dtype, None if w is None else w.dtype, in_parallel(z.size))
    kernel = program.kernels.get(key) or _compiled(program, *key)
    return kernel(y, z, w)


def finish(program: SetProgram, totals: Any) -> Any:
    """Return a matrix of the losses and coefficients, with a row for each set."""
    key = ("finish", DOUBLE, DOUBLE, None, False)
    kernel = program.kernels.get(key) or _compiled(program, *key)
    return kernel(totals, program.numbers)


def derive(
    program: SetProgram, finished: Any, scale: float, y: Any, z: Any, w: Any, gradient: Any, hessian: Any
) -> None:
    """Write the gradients, multiplied by *scale*, and Hessians."""
    if gradient is None and hessian is None:
        return
    want = ("g" if gradient is not None else "") + ("h" if hessian is not None else "")
    key = (want, y.dtype, z.dtype, None if w is None else w.dtype, in_parallel(z.size))
    kernel = program.kernels.get(key) or _compiled(program, *key)
    kernel(y, z, w, finished, scale, gradient, hessian)


def _compiled(program: SetProgram, role: str, target: Any, dtype: Any, weight: Any, parallel: bool) -> Any:
    numbers = types.UniTuple(float64, len(program.numbers))
    inputs = [
        _readonly(TARGETS[target]),
        _readonly(REALS[dtype]),
        types.none if weight is None else _readonly(REALS[weight]),
    ]
    real = _real(program, dtype)
    choices, formula = program.choices, inlined(program.terms)
    signature: tuple[Any, ...]
    if role == "sums":
        bounds = tuple(end for interval in program.domain for end in _ends(interval, real))
        kernel, signature = _summing(formula, choices, bounds, real.type, (0.0,) * program.sums), tuple(inputs)
    elif role == "finish":
        formula = inlined(program.finish)
        kernel = _finishing(formula, choices, (0.0,) * program.sums, 1 + program.coefficients)
        signature = float64[:, ::1], numbers
    else:
        formula = inlined(program.slopes)
        kernel = _deriving(formula, choices, real.type, (0.0,) * program.coefficients)
        outs = [REALS[dtype][:, ::1] if letter in role else types.none for letter in "gh"]
        signature = (*inputs, float64[:, ::1], float64, *outs)
    kind = compiled(kernel, signature, formula, *choices, role, target, dtype, weight, real, parallel=parallel)
    program.kernels[role, target, dtype, weight, parallel] = kind
    return kind


def _readonly(dtype: Any) -> Any:
    """Return the type of a contiguous matrix that is only read: arrays that may be written match it too."""
    return types.Array(dtype, 2, "C", readonly=True)


def _ends(interval: Interval, real: Any) -> tuple[float, float]:
    """Return the least and the greatest number of the type *real* in *interval*."""
    low = real.type(interval.low)
    return float(np.nextafter(low, real.type(np.inf)) if interval.low_open else low), float(interval.high)


def _summing(f: Any, choices: Any, bounds: Any, real: Any, like: Any) -> Any:
    width = len(like)

    def kernel(y, z, w):  # type: ignore[no-untyped-def]
        sets, size = z.shape
        blocks = (size + BLOCK - 1) // BLOCK
        found = np.zeros((sets * blocks, width))
        ends = cast(real, bounds)
        for chunk in prange((sets * blocks + CHUNK - 1) // CHUNK):
            scratch = np.empty((width, BLOCK), real)
            for b in range(chunk * CHUNK, min(sets * blocks, (chunk + 1) * CHUNK)):
                s, first = b // blocks, b % blocks * BLOCK
                last = min(size, first + BLOCK)
                targets, predictions = part_of_row(y, s, first, last), part_of_row(z, s, first, last)
                _evaluate(f, choices, real, ends, targets, predictions, taken(scratch, like))
                for k in range(width):
                    found[b, k] = total(part_of_row(scratch, k, 0, last - first), part_of_row(w, s, first, last))
        totals = np.zeros((sets, width))
        for s in range(sets):
            for k in range(width):
                totals[s, k] = tree(found[s * blocks : (s + 1) * blocks, k])
        return totals

    return kernel


def _finishing(f: Any, choices: Any, like: Any, width: int) -> Any:
    def kernel(totals, numbers):  # type: ignore[no-untyped-def]
        finished = np.empty((len(totals), width))
        for s in range(len(totals)):
            spread(finished[s], f(*taken(totals[s], like), *numbers, *choices))
            if math.isnan(finished[s, 0]):
                fill(finished[s], math.nan)
        return finished

    return kernel


def _deriving(f: Any, choices: Any, real: Any, like: Any) -> Any:
    def kernel(y, z, w, finished, scale, gradient, hessian):  # type: ignore[no-untyped-def]
        sets, size = z.shape
        blocks = (size + BLOCK - 1) // BLOCK
        for b in prange(sets * blocks):
            s, first = b // blocks, b % blocks * BLOCK
            last = min(size, first + BLOCK)
            _derive(
                f, choices, real, cast(real, taken(finished[s, 1:], like)), real(scale),
                part_of_row(y, s, first, last), part_of_row(z, s, first, last), part_of_row(w, s, first, last),
                part_of_row(gradient, s, first, last), part_of_row(hessian, s, first, last),
            )  # fmt: skip

    return kernel


@register_jitable(**INLINE)
def fill(a: Any, x: Any) -> None:
    """Write x to all elements of a vector: a slice would take seconds to compile."""
    for i in range(a.size):
        a[i] = x


@register_jitable(**INLINE)
def _evaluate(f: Any, choices: Any, real: Any, ends: Any, y: Any, z: Any, terms: Any) -> None:
    """Write the terms of the elements of a block: nan outside the domain, to which nan never belongs."""
    for i in range(z.size):
        target, prediction = real(y[i]), real(z[i])
        inside = (ends[0] <= target) & (target <= ends[1]) & (ends[2] <= prediction) & (prediction <= ends[3])
        put(terms, i, f(target, prediction, *choices), inside)


@register_jitable(**INLINE)
def _derive(
    f: Any, choices: Any, real: Any, coefficients: Any, scale: Any, y: Any, z: Any, w: Any, gradient: Any, hessian: Any
) -> None:
    """Write the derivatives of a block into those arrays that are given."""
    for i in range(z.size):
        g, a, b = f(real(y[i]), real(z[i]), *coefficients, *choices)
        if gradient is not None:
            gradient[i] = (g if w is None else weigh(g, w[i])) * scale
        if hessian is not None:
            hessian[i] = a + b if w is None else weigh(a + b * w[i], w[i])


@register_jitable(**INLINE)
def tree(sums: Any) -> Any:
    """Sum of a vector, pairwise, in an order that depends on its length only; the vector is used up."""
    count = sums.size
    if count == 0:
        return 0.0
    while count > 1:
        for i in range(count // 2):
            sums[i] = sums[2 * i] + sums[2 * i + 1]
        if count % 2:
            sums[count // 2] = sums[count - 1]
        count = (count + 1) // 2
    return sums[0]
