"""Losses of lists that are to be put in order, on the CPU: each list is the work of one thread.

Within a list, loops run over contiguous rows and are vectorised. Derivatives of pairs are added up in an order that
depends on the list alone. Lists of many rows of which all pairs count have threads for blocks of their rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import boolean, float64, int64, prange, types

from nbloss import _hash
from nbloss._compile import compiled, inlined
from nbloss._cpu.grouped import Rows, chunks_of, deliver, doubles, rows, threads, total_weight
from nbloss._cpu.pairs import (
    FEW,
    all_pairs,
    give,
    longest_of,
    pairs_by_places,
    part,
    row_of_pairs,
    softmax_shares,
    table_of,
    take,
)
from nbloss._cpu.sums import LANES, total
from nbloss._program import GroupProgram

MANY = 1 << 12  # rows of a list of which all pairs count, from which on threads share it
BLOCK = 64  # rows that a thread takes of such a list
SHARE = 8  # steps that a row of a softmax takes, of those of a pair

VECTOR = float64[::1]


def run_pairs(
    program: GroupProgram, want: str, mean: bool, y: Any, z: Any, w: Any, starts: Any, outs: Sequence[Any]
) -> None:
    """Evaluate a loss of all pairs with labels *y* that differ.

    *starts* has the place of the first row of each group, and the number of rows. *want* has a letter for each array in
    *outs*: "v", "g", "h" for the losses of the groups, gradients and Hessians, "s" for the sum of the losses or, with
    *mean*, their weighted mean. A gradient beside it is scaled as it is.
    """
    made = rows(want, z, w, starts, outs, None if mean else 1.0)
    sizes, labels = np.diff(starts).astype(np.float64), doubles(y)
    steps = np.where(sizes > MANY, 0, sizes * sizes)
    _run(program, "pairs", made, labels, steps, (int64(MANY),))
    for g in np.flatnonzero(sizes > MANY):
        few = slice(starts[g], starts[g + 1])
        w_ = made.w[few] if made.w.size else made.w
        gradient, hessian = (a[few] if a.size else a for a in (made.gradient, made.hessian))
        kernel = _kernel(program, "blocks", threads(sizes[g] ** 2))
        made.values[g] = kernel(
            program.numbers, labels[few], made.z[few], w_, made.scale, made.wants_value, gradient, hessian
        )
    deliver(made, total_weight(made) if mean else None)


def run_places(
    program: GroupProgram, want: str, mean: bool, y: Any, z: Any, w: Any, starts: Any, highest: float,
    label_gain: tuple[float, ...] | None, truncation: int | None, norm: bool, outs: Sequence[Any],
) -> None:  # fmt: skip
    """Evaluate a loss of pairs that count by their places, as :func:`run_pairs` does.

    Labels are from 0 to *highest*; of a pair, one must be among the first *truncation* places.
    """
    made = rows(want, z, w, starts, outs, None if mean else 1.0)
    sizes = np.diff(starts).astype(np.float64)
    last = max(1, z.size) if truncation is None else truncation
    steps = sizes * np.minimum(sizes, last) + sizes * np.minimum(sizes, FEW) / 4
    if label_gain is None:
        with np.errstate(over="ignore"):
            gain = np.exp2(_within(y, highest)) - 1
    else:
        with np.errstate(invalid="ignore"):  # of what has no weight
            gain = np.asarray(label_gain)[np.clip(np.nan_to_num(doubles(y)), 0, len(label_gain) - 1).astype(np.int64)]
    _run(program, "places", made, gain, steps, (int64(last), norm))
    deliver(made, total_weight(made) if mean else None)


def run_shares(
    program: GroupProgram, want: str, mean: bool, y: Any, z: Any, w: Any, starts: Any, highest: float,
    seed: int | None, outs: Sequence[Any],
) -> None:  # fmt: skip
    """Evaluate a loss of shares of the gain, as :func:`run_pairs` does; *seed* is what makes the noise, if any."""
    made = rows(want, z, w, starts, outs, None if mean else 1.0)
    with np.errstate(over="ignore"):
        mass = np.exp2(_within(y, highest)) - (0.5 if seed is None else _units(seed, y.size))
    _run(program, "shares", made, mass, SHARE * np.diff(starts).astype(np.float64), ())
    deliver(made, total_weight(made) if mean else None)


def _within(y: Any, highest: float) -> Any:
    """Return labels, nan in the place of those that are none."""
    labels = doubles(y)
    outside = ~((labels >= 0) & (labels <= highest))
    return np.where(outside, np.nan, labels) if outside.any() else labels


def _units(seed: int, size: int) -> Any:
    """Return what :func:`nbloss._hash.unit` does for all indices, from its first step."""
    x = np.arange(size, dtype=np.uint64) + np.uint64(seed) + np.uint64(_hash.STEP)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(_hash.FIRST)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(_hash.SECOND)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _run(program: GroupProgram, role: str, made: Rows, strength: Any, steps: Any, options: tuple[Any, ...]) -> None:
    parallel = threads(float(steps.sum()))
    kernel = _kernel(program, role, parallel)
    bounds = chunks_of(steps, parallel)
    kernel(
        program.numbers, *options, strength, made.z, made.w, made.starts, bounds, made.scale, made.wants_value,
        made.values, made.gradient, made.hessian,
    )  # fmt: skip


# Kernels


def _kernel(program: GroupProgram, role: str, parallel: bool) -> Any:
    key = role, parallel
    kernel = program.kernels.get(key)
    if kernel is None:
        formula = inlined(program.formula)
        numbers = types.UniTuple(float64, len(program.numbers)) if program.numbers else types.Tuple(())
        readonly = types.Array(float64, 1, "C", readonly=True)
        outputs = float64, boolean, VECTOR, VECTOR, VECTOR
        inputs = readonly, readonly, readonly, types.Array(int64, 1, "C", readonly=True), int64[::1]
        signature: tuple[Any, ...]
        if role == "pairs":
            made, signature = _pairs_kernel(formula), (numbers, int64, *inputs, *outputs)
        elif role == "places":
            made = _places_kernel(formula, inlined(_second(program)))
            signature = (numbers, int64, boolean, *inputs, *outputs)
        elif role == "shares":
            made, signature = _shares_kernel(formula), (numbers, *inputs, *outputs)
        else:
            made = _blocks_kernel(formula)
            signature = (numbers, readonly, readonly, readonly, float64, boolean, VECTOR, VECTOR)
        kernel = program.kernels[key] = compiled(made, signature, formula, role, parallel=parallel)
    return kernel


def _second(program: GroupProgram) -> Callable[..., Any]:
    assert program.further is not None
    return program.further


def _pairs_kernel(f: Any) -> Any:
    def kernel(  # type: ignore[no-untyped-def]
        numbers, most, strength, z, w, starts, bounds, scale, wants_value, values, gradient, hessian
    ):
        for c in prange(bounds.size - 1):
            longest = longest_of(starts, bounds[c], bounds[c + 1], most)
            room = np.empty((9, longest + LANES))
            items, order = np.empty(longest, np.int64), np.empty(longest, np.int64)
            for g in range(bounds[c], bounds[c + 1]):
                first, last = starts[g], starts[g + 1]
                if last - first > most:
                    continue
                n, is_nan = take(part(w, first, last), strength[first:last], z[first:last], items, room)
                if not is_nan:
                    values[g] = all_pairs(f, numbers, room, order[:n], wants_value)
                else:
                    values[g] = math.nan
                give(
                    items[:n], is_nan, room, part(w, first, last), scale, part(gradient, first, last),
                    part(hessian, first, last),
                )  # fmt: skip

    return kernel


def _places_kernel(f: Any, importance: Any) -> Any:
    def kernel(  # type: ignore[no-untyped-def]
        numbers, truncation, norm, strength, z, w, starts, bounds, scale, wants_value, values, gradient, hessian
    ):
        for c in prange(bounds.size - 1):
            longest = longest_of(starts, bounds[c], bounds[c + 1], z.size)
            room = np.empty((12, longest + LANES))
            items, order = np.empty(longest, np.int64), np.empty(longest, np.int64)
            table = table_of(min(truncation, longest), longest + LANES)
            for g in range(bounds[c], bounds[c + 1]):
                first, last = starts[g], starts[g + 1]
                n, is_nan = take(part(w, first, last), strength[first:last], z[first:last], items, room)
                if not is_nan:
                    values[g] = pairs_by_places(
                        f, importance, numbers, truncation, norm, room, order[:n], table, wants_value
                    )
                else:
                    values[g] = math.nan
                give(
                    items[:n], is_nan, room, part(w, first, last), scale, part(gradient, first, last),
                    part(hessian, first, last),
                )  # fmt: skip

    return kernel


def _shares_kernel(f: Any) -> Any:
    def kernel(  # type: ignore[no-untyped-def]
        numbers, strength, z, w, starts, bounds, scale, wants_value, values, gradient, hessian
    ):
        for c in prange(bounds.size - 1):
            longest = longest_of(starts, bounds[c], bounds[c + 1], z.size)
            room, items = np.empty((5, longest)), np.empty(longest, np.int64)
            for g in range(bounds[c], bounds[c + 1]):
                first, last = starts[g], starts[g + 1]
                n, is_nan = take(part(w, first, last), strength[first:last], z[first:last], items, room)
                if not is_nan:
                    values[g] = softmax_shares(f, room, n)
                else:
                    values[g] = math.nan
                give(
                    items[:n], is_nan, room, part(w, first, last), scale, part(gradient, first, last),
                    part(hessian, first, last),
                )  # fmt: skip

    return kernel


def _blocks_kernel(f: Any) -> Any:
    def kernel(numbers, strength, z, w, scale, wants_value, gradient, hessian):  # type: ignore[no-untyped-def]
        """Write the derivatives of one list, and return its value: each row has all its pairs for itself."""
        room, items = np.empty((4, z.size)), np.empty(z.size, np.int64)
        n, is_nan = take(w, strength, z, items, room)
        values = np.zeros(n)
        for b in prange((n + BLOCK - 1) // BLOCK):
            spare = np.empty((3, n))
            for i in range(b * BLOCK, min(n, b * BLOCK + BLOCK)):
                if not is_nan:
                    values[i] = row_of_pairs(f, numbers, i, room[0, :n], room[1, :n], spare, room, wants_value)
        give(items[:n], is_nan, room, w, scale, gradient, hessian)
        return math.nan if is_nan else total(values, None)

    return kernel
