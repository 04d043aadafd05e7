"""Losses of rows that are a formula of the whole row, on the CPU.

Each loss has its own kernels, made from its formula: a parallel one over blocks of rows, its serial twin, and one for
matrices of second derivatives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import float64, prange, types
from numba.extending import overload, register_jitable

from nbloss._arrays import DOUBLE, divide
from nbloss._compile import INLINE, compiled, inlined
from nbloss._cpu import lines as lines  # registers what compiled formulas use in place of nbloss._lines
from nbloss._cpu import rows as rows  # and what kernels call of nbloss._rows
from nbloss._cpu.blocks import add_up
from nbloss._cpu.pointwise import REALS, TARGETS, bounds_of, in_parallel
from nbloss._cpu.row_layout import Rows, aligned, fitted
from nbloss._cpu.sums import total
from nbloss._line_program import LineProgram
from nbloss._lines import Label, at, put
from nbloss._rows import is_inside, masked

CHUNK = 4  # blocks that share a scratch
MOST = 256  # rows in a block


def run(
    program: LineProgram, want: str, mean: bool, y: Any, z: Any, w: Any, outs: Sequence[Any], real: np.dtype[Any]
) -> None:
    """Evaluate a loss row by row, with results in the type *real*.

    *y* holds labels or rows. *want* has a letter for each array in *outs*: "v", "g", "h" for values, gradients and
    Hessians, "s" for the sum of the values or, with *mean*, their weighted mean. A gradient beside it is scaled alike.
    """
    placed = dict(zip(want, outs, strict=True))
    w = _spread(w, z.shape[:-1])
    divisor = 1.0
    if mean and "s" in want:
        divisor = math.prod(z.shape[:-1]) if w is None else float(w.sum(dtype=DOUBLE))
    pull = divide(1.0, divisor) if "g" in want else 1.0
    rows = Rows(y, z, w, placed.get("v"), placed.get("g"), placed.get("h"))
    totals = [
        fitted(some, real, lambda fit, by_lines: _call(program, want, pull, fit, by_lines)) for some in aligned(rows)
    ]
    if "s" in want:
        outs[0][()] = divide(sum(totals), divisor)


def run_matrix(program: LineProgram, y: Any, z: Any, w: Any, out: Any, real: np.dtype[Any]) -> None:
    """Write to *out*, of shape (..., K, K), the weighted second derivatives by each two predictions of a row."""
    classes, has_labels = z.shape[-1], y.ndim < z.ndim
    if not z.size:
        return
    z = np.ascontiguousarray(z, real).reshape(-1, classes)  # copies are small beside what is written
    y = (
        np.ascontiguousarray(y, np.int64).reshape(-1)
        if has_labels
        else np.ascontiguousarray(y, real).reshape(-1, classes)
    )
    w = np.empty(0) if w is None else np.ascontiguousarray(_spread(w, out.shape[:-2]), DOUBLE).reshape(-1)
    key = ("matrix", y.dtype, y.ndim, z.dtype, w.dtype, True, in_parallel(out.size))
    _kernel_for(program, key)(y, z, w, program.numbers, out.reshape(-1, classes, classes))


def _spread(w: Any, shape: tuple[int, ...]) -> Any:
    """Return the weights of all rows, from those of the first axis or one number."""
    return (
        None
        if w is None
        else np.broadcast_to(w.reshape(w.shape + (1,) * (len(shape) - w.ndim) if w.ndim else ()), shape)
    )


def _call(program: LineProgram, want: str, pull: float, rows: Rows, by_lines: bool) -> float:
    """Run the kernel for arrays that fit it; return the sum of the values."""
    y, z, w, value, gradient, hessian = rows
    at_once = min(MOST, max(1, 8192 // z.shape[1 if by_lines else 0]))
    w = np.empty(0) if w is None else w
    value = np.empty(0, z.dtype) if value is None else value
    slopes = None
    if gradient is not None or hessian is not None:
        nothing = np.empty((0, 0), z.dtype)
        slopes = tuple(nothing if a is None else a for a in (gradient, hessian))
    key = (slopes is not None, y.dtype, y.ndim, z.dtype, w.dtype, by_lines, in_parallel(z.size))
    total: float = _kernel_for(program, key)(y, z, w, at_once, program.numbers, pull, value, slopes)
    return total


def _kernel_for(program: LineProgram, key: tuple[Any, ...]) -> Any:
    kernel = program.kernels.get(key)
    if kernel is None:
        kernel = program.kernels[key] = _compiled(program, *key)
    return kernel


def _compiled(
    program: LineProgram, role: Any, target: Any, rank: int, dtype: Any, weight: Any, by_lines: bool, parallel: bool
) -> Any:
    """Return a kernel: *role* is "matrix", or whether there are derivatives. Few variants: each takes a second."""
    real = REALS[dtype]
    inputs = _readonly(TARGETS[target], rank), _readonly(real, 2), _readonly(REALS[weight], 1)
    numbers = types.UniTuple(float64, len(program.numbers)) if program.numbers else types.Tuple(())
    target_bounds, bounds = (bounds_of(interval, dtype) for interval in program.domain)
    evaluate = _evaluation(program, (*target_bounds, *bounds))
    signature: tuple[Any, ...]
    if role == "matrix":
        kernel, signature = _pairing(evaluate, inlined(program.mixed)), (*inputs, numbers, types.Array(real, 3, "C"))
    else:
        slopes = types.UniTuple(types.Array(real, 2, "C"), 2) if role else types.none
        kernel = _filling(evaluate, by_lines)
        signature = (*inputs, types.int64, numbers, float64, types.Array(real, 1, "C"), slopes)
    names = (role, target, rank, dtype, weight, "lines" if by_lines else "columns")
    return compiled(kernel, signature, program.formula, *program.choices, *names, parallel=parallel)


def _readonly(dtype: Any, rank: int) -> Any:
    return types.Array(dtype, rank, "C", readonly=True)


def _evaluation(program: LineProgram, bounds: tuple[float, ...]) -> Any:
    """Return the function that evaluates the formula of a row: nan where an element lies outside the domain."""
    f, choices = inlined(program.formula), program.choices

    def evaluate(t, z, gradient, hessian, numbers):  # type: ignore[no-untyped-def]
        inside = True
        for k in range(z.size):
            inside &= is_inside(at(t, k), bounds[0], bounds[1]) & is_inside(at(z, k), bounds[2], bounds[3])
        value = f(t, z, gradient, hessian, z.size, *numbers, *choices)
        return value if inside else math.nan

    return inlined(evaluate)


def _filling(evaluate: Any, by_lines: bool) -> Any:
    """Return the kernel that writes weighted values and derivatives, and gives the sum of the values.

    What is not wanted is empty. Derivatives, if the other of the two is wanted, are written to a scratch then.
    """
    part = line if by_lines else column

    def kernel(y, z, w, at_once, numbers, pull, value, slopes):  # type: ignore[no-untyped-def]
        n, classes = z.shape if by_lines else (z.shape[1], z.shape[0])
        blocks = (n + at_once - 1) // at_once
        totals = np.empty(blocks)
        for chunk in prange((blocks + CHUNK - 1) // CHUNK):
            values = np.empty(MOST)
            scratch = np.empty((1, classes) if by_lines else (classes, 1), z.dtype)
            for b in range(chunk * CHUNK, min(blocks, (chunk + 1) * CHUNK)):
                first = b * at_once
                rows = min(n - first, at_once)
                for j in range(rows):
                    i = first + j
                    g, h = derivative(slopes, 0, scratch, i, part), derivative(slopes, 1, scratch, i, part)
                    v = evaluate(targets_of(y, i, part), part(z, i), g, h, numbers)
                    weight = np.float64(w[i]) if w.size > 0 else 1.0
                    values[j] = masked(v * weight, weight)
                    factor = math.nan if v != v else weight * pull
                    scale(g, factor, weight)
                    scale(h, factor, weight)
                totals[b] = total(values[:rows], None)
                for j in range(min(rows, value.size)):
                    value[first + j] = values[j]
        return add_up(totals)

    return kernel


def _pairing(evaluate: Any, mixed: Any) -> Any:
    """Return the kernel that writes matrices of second derivatives."""

    def kernel(y, z, w, numbers, out):  # type: ignore[no-untyped-def]
        n, classes = z.shape
        for i in prange(n):
            t, diagonal = targets_of(y, i, line), out[i].reshape(classes * classes)[:: classes + 1]
            x = evaluate(t, z[i], None, diagonal, numbers)
            weight = np.float64(w[i]) if w.size > 0 else 1.0
            factor = math.nan if x != x else weight
            for j in range(classes):
                for k in range(classes):
                    if j != k:
                        out[i, j, k] = masked(mixed(t, diagonal, j, k) * factor, weight)
            scale(diagonal, factor, weight)

    return kernel


# Arrays of which there are kinds


@register_jitable(**INLINE)
def line(a: Any, i: Any) -> Any:
    """Return row i."""
    return a[i]


@register_jitable(**INLINE)
def column(a: Any, i: Any) -> Any:
    """Return column i."""
    return a[:, i]


def derivative(slopes: Any, which: Any, scratch: Any, i: Any, part: Any) -> Any:
    """Return where the derivatives of row i go: to the scratch if they are not wanted, None if there are none."""


@overload(derivative, target="cpu", strict=False)
def _derivative(slopes: Any, which: Any, scratch: Any, i: Any, part: Any) -> Any:
    if isinstance(slopes, types.NoneType):
        return lambda slopes, which, scratch, i, part: None

    def found(slopes: Any, which: Any, scratch: Any, i: Any, part: Any) -> Any:
        return part(slopes[which], i) if slopes[which].size > 0 else part(scratch, 0)

    return found


def targets_of(y: Any, i: Any, part: Any) -> Any:
    """Return the line of targets of row i, from labels or from rows."""


@overload(targets_of, target="cpu", strict=False)
def _targets_of(y: Any, i: Any, part: Any) -> Any:
    if y.ndim == 1:
        return lambda y, i, part: Label(np.int64(y[i]))  # type: ignore[arg-type]  # an int as numba sees it
    return lambda y, i, part: part(y, i)


def scale(derivatives: Any, factor: Any, weight: Any) -> Any:
    """Multiply a line of derivatives, if there is one, with a factor; without weight they are 0."""


@overload(scale, target="cpu", strict=False)
def _scale(derivatives: Any, factor: Any, weight: Any) -> Any:
    if isinstance(derivatives, types.NoneType):
        return lambda derivatives, factor, weight: None

    def multiplied(derivatives: Any, factor: Any, weight: Any) -> None:
        for k in range(derivatives.size):
            put(derivatives, k, masked(at(derivatives, k) * factor, weight))

    return multiplied
