"""Losses of rows that are sums over the classes, on the CPU.

Each loss has its own kernels, made from its formula: parallel ones over blocks of rows, and their serial twins.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import float32, float64, int64, types

from nbloss._arrays import divide
from nbloss._compile import compiled
from nbloss._cpu.layout import PIECE
from nbloss._cpu.pointwise import REALS, bounds_of, in_parallel
from nbloss._cpu.row_kernels import MOST, Options, columns_dense, lines_dense, sparse
from nbloss._cpu.row_layout import Rows, aligned, fitted
from nbloss._cpu.vectors import BYTES
from nbloss._row_program import RowProgram

NO_LABEL = -(2**63)
"""Stands for the label that is ignored where none is: it is no label."""

FEW = 24
"""Up to so many classes, rows are transposed."""

TILE = 1280
"""Bytes of rows that are transposed together: so few that memory is read and written while others are worked on."""


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
        fitted(some, real, lambda fit, by_lines: _call(program, want, pull, fit, by_lines), narrows=True)
        for some in aligned(rows)
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
    classes = z.shape[1] if by_lines else z.shape[0]
    few = classes <= FEW or not by_lines
    one_tells = program.sparse and program.softmax and y.ndim == 1 and not program.smoothing
    at_once = max(1, 2048 // classes)
    if few:
        lanes = BYTES // z.itemsize
        if one_tells:
            vectors = max(1, round((1 if by_lines else 2) * TILE / BYTES / classes))
        else:
            vectors = max(1, min(MOST, max(64, at_once) if by_lines else 4096 // classes) // lanes)
        if vectors > 2:  # an odd number: so columns share no lines of the cache
            vectors -= (vectors + 1) % 2
        at_once = min(MOST // lanes, vectors) * lanes
    factors = None if program.factors is None else np.array(program.factors, z.dtype)
    ignored = NO_LABEL if program.ignored is None else program.ignored
    scale = program.scale / (classes if program.averaged else 1)
    with np.errstate(over="ignore"):
        numbers = map(real, (program.smoothing, program.smoothing / classes, scale, pull, program.curve))
        smoothing, share, scale, pull, curve = numbers
    options = Options(factors, smoothing, share, ignored, scale, pull, curve)
    narrowed = any(a is not None and a.dtype != z.dtype for a in (gradient, hessian))
    key = (
        want, y.ndim, z.dtype, w is None, by_lines, few, classes if few and by_lines else 0, one_tells, factors is None,
        narrowed, in_parallel(z.size),
    )  # fmt: skip
    kernel = program.kernels.get(key)
    if kernel is None:
        kernel = program.kernels[key] = _compiled(program, key)
    total: float = kernel(y, z, w, at_once, program.numbers, options, value, gradient, hessian)
    return total


def _compiled(program: RowProgram, key: tuple[Any, ...]) -> Any:
    want, rank, dtype, no_weights, by_lines, few, classes, one_tells, no_factors, narrowed, parallel = key
    real = REALS[dtype]
    results = {
        "v": types.Array(real, 1, "C"),
        **dict.fromkeys("gh", types.Array(float32 if narrowed else real, 2, "C")),
    }
    make = sparse if one_tells else columns_dense if few else lines_dense
    bounds = (*bounds_of(program.domain.target, dtype), *bounds_of(program.domain.prediction, dtype))
    adds = "s" in want or "v" in want
    kernel = make(
        program, bounds if rank == 2 else (-math.inf, math.inf, *bounds[2:]), by_lines, (0,) * classes, adds, few
    )
    factors = types.none if no_factors else real[::1]
    weights = types.none if no_weights else _readonly(float64, 1)
    targets = _readonly(int64 if rank == 1 else real, rank)
    signature = (
        targets, _readonly(real, 2), weights, int64,
        types.Tuple([real] * len(program.numbers)),
        types.NamedTuple([factors, real, real, int64, real, real, real], Options),
        *(results[letter] if letter in want else types.none for letter in "vgh"),
    )  # fmt: skip
    names = (
        want, "labels" if rank == 1 else "rows", dtype, *(["weights"] if not no_weights else []),
        "lines" if by_lines else "columns", make.__name__, few, classes, *(["factors"] if not no_factors else []),
        *(["narrowed"] if narrowed else []),
    )  # fmt: skip
    return compiled(kernel, signature, program.formula, *program.choices, *names, parallel=parallel)


def _readonly(dtype: Any, rank: int) -> Any:
    return types.Array(dtype, rank, "C", readonly=True)


def run_matrix(program: RowProgram, y: Any, z: Any, w: Any, out: Any, real: np.dtype[Any]) -> None:
    """Write to *out*, of shape (..., K, K), the weighted second derivatives by each two predictions of a row.

    The diagonal is what the kernel for Hessians gives; the rest is made of what each class adds, its derivatives by x,
    which the same kernel gives if they are not pulled back.
    """
    lead, classes = z.shape[:-1], z.shape[-1]
    alone = program._replace(
        pulled=False, sparse=False, scale=1.0, averaged=False, kernels=program.kernels.setdefault("alone", {})
    )
    at_once = max(1, PIECE // classes**2)
    if w is not None:
        w = np.broadcast_to(w.reshape(w.shape + (1,) * (len(lead) - w.ndim) if w.ndim else ()), lead)
    for first in range(0, math.prod(lead), at_once):
        at = np.unravel_index(np.arange(first, min(math.prod(lead), first + at_once)), lead) if lead else ()
        some_y, some_z, some_w = y[at], z[at], None if w is None else w[at]
        block, h = np.zeros((*some_z.shape, classes), real), np.empty(some_z.shape, real)
        run(program, "h", False, some_y, some_z, some_w, [h], real)
        if program.softmax:
            a, b = np.empty(some_z.shape, real), np.empty(some_z.shape, real)
            run(alone, "gh", False, some_y, some_z, None, [a, b], real)
            block[...] = _mixed(a, b, _softmax(some_z, real))
            block *= real.type(program.scale)
            if some_w is not None:
                block = np.where(some_w[..., None, None] == 0, real.type(0), block * some_w[..., None, None])
        np.einsum("...ii->...i", block)[...] = h
        out[at] = block


def _softmax(z: Any, real: np.dtype[Any]) -> Any:
    e = np.exp(z.astype(real) - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _mixed(a: Any, b: Any, p: Any) -> Any:
    """Return the derivatives by two different logits of a row, from those by log-probabilities."""
    all_a, all_b = (x.sum(-1, dtype=np.float64)[..., None, None].astype(x.dtype) for x in (a, b))
    crossed = b[..., :, None] * p[..., None, :]
    return (all_a + all_b) * (p[..., :, None] * p[..., None, :]) - crossed - np.swapaxes(crossed, -1, -2)
