"""Losses of rows that are sums over the classes, on the CPU.

Each loss has its own kernels, made from its formula: parallel ones over blocks of rows, and their serial twins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import int64, types

from nbloss._arrays import divide
from nbloss._compile import compiled
from nbloss._cpu.layout import PIECE
from nbloss._cpu.pointwise import REALS, TARGETS, bounds_of, in_parallel
from nbloss._cpu.row_kernels import MOST, Options, columns_dense, columns_sparse, lines_dense, lines_sparse
from nbloss._cpu.row_layout import Rows, aligned, fitted
from nbloss._row_program import RowProgram

FEW = 48
"""Up to so many classes, rows are transposed."""


def run(
    program: RowProgram, want: str, mean: bool, y: Any, z: Any, w: Any, outs: Sequence[Any], real: np.dtype[Any]
) -> None:
    """Evaluate a loss row by row, in the type *real*.

    *y* holds labels or rows. *want* has a letter for each array in *outs*: "v", "g", "h" for values, gradients and
    Hessians, "s" for the sum of the values or, with *mean*, their weighted mean. A gradient beside it is scaled alike.
    """
    placed = dict(zip(want, outs, strict=True))
    if w is not None:
        w = np.broadcast_to(w.reshape(w.shape + (1,) * (z.ndim - 1 - w.ndim) if w.ndim else ()), z.shape[:-1])
    rows = Rows(y, z, w, placed.get("v"), placed.get("g"), placed.get("h"))
    divisor = _divisor(program, rows) if mean and "s" in want else 1.0
    pull = divide(1.0, divisor) if "g" in want else 1.0
    totals = [
        fitted(some, real, lambda fit, by_lines: _call(program, want, pull, fit, by_lines)) for some in aligned(rows)
    ]
    if "s" in want:
        outs[0][()] = divide(sum(totals), divisor)


def _divisor(program: RowProgram, rows: Rows) -> float:
    """Return the sum of the weights of the rows, times those of their classes if they count."""
    factors = np.array(program.factors) if program.factors is not None and program.weighs else None
    ignored = program.ignored if rows.y.ndim < rows.z.ndim else None
    if factors is None and rows.w is None and ignored is None:
        return float(math.prod(rows.z.shape[:-1]))
    sums = []
    for some in aligned(rows):
        for first in range(0, len(some.z), PIECE):
            y, w = some.y[first : first + PIECE], None if some.w is None else some.w[first : first + PIECE]
            weight = np.ones(len(y)) if w is None else w.astype(np.float64)
            kept = weight != 0 if ignored is None else (weight != 0) & (y != ignored)
            weight, y = weight[kept], y[kept]
            if factors is not None:
                weight = weight * (factors[y.astype(np.int64)] if y.ndim == 1 else y.astype(np.float64) @ factors)
            sums.append(float(weight.sum()))
    return sum(sums)


def _call(program: RowProgram, want: str, pull: float, rows: Rows, by_lines: bool) -> float:
    """Run the kernel for arrays that fit it; return the sum of the values."""
    y, z, w, value, gradient, hessian = rows
    real = z.dtype.type
    n, classes = z.shape if by_lines else z.shape[::-1]
    few = classes <= FEW or not by_lines
    at_once = min(MOST, max(8, 4096 // classes // 8 * 8)) if few else min(MOST, max(1, 8192 // classes))
    sparse = program.sparse and program.softmax and y.ndim == 1 and not program.smoothing
    factors = None if program.factors is None else np.array(program.factors, z.dtype)
    if factors is not None:
        factors.flags.writeable = False  # as in the signature: inside a tuple, nothing is converted
    ignored = program.ignored if y.ndim == 1 else None
    with np.errstate(over="ignore"):
        options = Options(
            factors, real(program.smoothing), real(program.smoothing / classes), ignored, real(program.scale), real(pull)
        )
    key = (
        want, y.dtype, y.ndim, z.dtype, None if w is None else w.dtype, by_lines, few, sparse, factors is None,
        ignored is None, in_parallel(z.size),
    )  # fmt: skip
    kernel = program.kernels.get(key)
    if kernel is None:
        kernel = program.kernels[key] = _compiled(program, key)
    total: float = kernel(y, z, w, at_once, program.numbers, options, value, gradient, hessian)
    return total


def _compiled(program: RowProgram, key: tuple[Any, ...]) -> Any:
    want, target, rank, dtype, weight, by_lines, few, sparse, no_factors, no_ignored, parallel = key
    real = REALS[dtype]
    if few:
        make = columns_sparse if sparse else columns_dense
    else:
        make = lines_sparse if sparse else lines_dense
    bounds = (*bounds_of(program.domain.target, dtype), *bounds_of(program.domain.prediction, dtype))
    kernel = make(program, bounds if rank == 2 else (-math.inf, math.inf, *bounds[2:]), by_lines)
    options = types.NamedTuple(
        [
            types.none if no_factors else _readonly(real, 1), real, real, types.none if no_ignored else int64, real, real,
        ],
        Options,
    )  # fmt: skip
    value, gradient, hessian = (
        types.Array(real, rank, "C") if letter in want else types.none for letter, rank in (("v", 1), ("g", 2), ("h", 2))
    )
    signature = (
        _readonly(TARGETS[target], rank), _readonly(real, 2), types.none if weight is None else _readonly(REALS[weight], 1),
        int64, types.Tuple([real] * len(program.numbers)), options, value, gradient, hessian,
    )  # fmt: skip
    names = (
        want, target, rank, dtype, weight, "lines" if by_lines else "columns", make.__name__, not no_factors,
        not no_ignored,
    )  # fmt: skip
    return compiled(kernel, signature, program.formula, *program.choices, *names, parallel=parallel)


def _readonly(dtype: Any, rank: int) -> Any:
    return types.Array(dtype, rank, "C", readonly=True)


def check_labels(y: Any, classes: int, ignored: int | None) -> None:
    """Raise unless all of *y* are labels: whole numbers from 0 to *classes* - 1, or the ignored one."""
    bad = first_bad_label(y, classes, ignored)
    if bad >= 0:
        place = tuple(map(int, np.unravel_index(bad, y.shape)))
        besides = "" if ignored is None else f" (or {ignored}, which is ignored)"
        raise ValueError(
            f"y_true must hold whole numbers from 0 to {classes - 1}{besides}, got {y[place]} at index {place}"
        )


def first_bad_label(y: Any, classes: int, ignored: int | None) -> int:
    """Return the index, in C order, of the first of *y* that is no label, or -1."""
    flat = y.reshape(-1) if y.flags.c_contiguous else y.flat
    for first in range(0, y.size, PIECE):
        some = flat[first : first + PIECE]
        if some.dtype.kind in "biu" and some.min() >= 0 and some.max() < classes:
            continue
        with np.errstate(invalid="ignore"):
            bad = ~((some >= 0) & (some < classes) & (some == np.floor(some)))
        if ignored is not None:
            bad &= some != ignored
        if bad.any():
            return first + int(bad.argmax())
    return -1


def run_matrix(program: RowProgram, y: Any, z: Any, w: Any, out: Any, real: np.dtype[Any]) -> None:
    """Write to *out*, of shape (..., K, K), the weighted second derivatives by each two predictions of a row."""
