"""Losses of events among those at risk, on the CPU: sort by time, then sums from the last time and from the first.

Groups of few rows are sorted by one thread each, larger ones by threads together. Then all rows, group after group in
the order of time, are cut into blocks, none of which cuts rows with equal times apart; threads share the blocks. See
:mod:`nbloss._cpu.risks` for what is done with one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import boolean, float64, int64, prange, types, uint32, uint64

from nbloss import _threads
from nbloss._arrays import DOUBLE, real_of
from nbloss._compile import compiled, inlined
from nbloss._cpu import ordered, risks
from nbloss._cpu.grouped import CHUNKS, chunks_of, deliver, doubles, rows, threads
from nbloss._cpu.pointwise import REALS
from nbloss._cpu.radix import key_of, sort
from nbloss._cpu.risks import BLOCK, after, backward, before, forward, gather, levels, tie_start
from nbloss._cpu.rooms import room_of
from nbloss._cpu.sums import total
from nbloss._program import GroupProgram

LARGE = 1 << 15  # rows of a group from which on threads sort it together
STEPS = 32  # that a row takes, of those of a pair
LAST = np.uint64(0xFFFFFFFFFFFFFFFF)
"""The key of what does not count."""

KEY, ITEM = np.dtype(np.uint64), np.dtype(np.uint32)
MOST = 1 << 31  # rows that items tell apart

FLOATS, KEYS, ITEMS, INDICES = float64[::1], uint64[::1], uint32[::1], int64[::1]
ROOM = types.Array(float64, 2, "C")
READONLY, STARTS = types.Array(float64, 1, "C", readonly=True), types.Array(int64, 1, "C", readonly=True)


def run(
    program: GroupProgram, want: str, mean: bool, time: Any, event: Any, z: Any, w: Any, starts: Any,
    outs: Sequence[Any],
) -> None:  # fmt: skip
    """Evaluate a loss of events at times, among the rows of their group that are at risk.

    *starts* has the place of the first row of each group, and the number of rows. *want* has a letter for each array in
    *outs*: "v", "g", "h" for the losses of the groups, gradients and Hessians, "s" for the sum of the losses or, with
    *mean*, that divided by the weights of the events. A gradient beside it is scaled as it is.
    """
    if z.size >= MOST:
        raise ValueError(f"y_pred must have less than {MOST} rows, got {z.size}")
    weights, real = np.empty(0) if w is None else doubles(np.broadcast_to(w, z.shape)), real_of(z.dtype)
    events = np.ascontiguousarray(event != 0)
    divisor = float((events if w is None else weights[events & (weights != 0)]).sum()) if mean else 1.0
    made = rows(want, z, None, starts, outs, divisor, real)
    parallel = threads(STEPS * z.size)
    key = "scanning", real, parallel
    kernel = program.kernels.get(key)
    if kernel is None:
        formula = inlined(program.formula)
        number = REALS[real]
        scores, out = types.Array(number, 1, "C", readonly=True), number[::1]
        signature = KEYS, ITEMS, scores, READONLY, STARTS, float64, boolean, ROOM, FLOATS, out, out
        made_of: Any = _scanning(formula)
        kernel = compiled(made_of, signature, formula, "scanning", real, parallel=parallel)
        program.kernels[key] = kernel
    n, rows_of_room = z.size, 6 if made.wants_value else 5  # see the constants of risks
    times = np.ascontiguousarray(time, real_of(time.dtype))
    with room_of(((rows_of_room, n), DOUBLE), *(((n,), dtype) for dtype in (KEY, ITEM) * 2)) as (room, *of_sort):
        keys, items = _sorted(times, events, weights, starts, parallel, of_sort)
        kernel(
            keys, items, made.z, weights, starts, made.scale, made.wants_value, room, made.values, made.gradient,
            made.hessian,
        )  # fmt: skip
    deliver(made, divisor)


def _sorted(time: Any, events: Any, w: Any, starts: Any, parallel: bool, room: Sequence[Any]) -> tuple[Any, Any]:
    """Return the keys of times, group by group in rising order, and items: see :func:`gather`.

    They are in *room*, which has places for both, twice.
    """
    keys, items, spare_keys, spare_items = room
    sizes = np.diff(starts)
    large = np.flatnonzero(sizes > LARGE) if parallel else np.empty(0, np.int64)
    _kernel("taking", parallel, time.dtype)(
        time, events, w, keys, items, CHUNKS * _threads.get_num_threads() if parallel else 1
    )
    if large.size < sizes.size:
        steps = np.where(sizes > LARGE, 0, sizes) if parallel else sizes
        bounds = chunks_of(steps.astype(np.float64), parallel)
        _kernel("ordering", parallel)(keys, items, starts, bounds, LARGE if parallel else max(1, time.size))
    if large.size:
        together = ordered._step(sort, DOUBLE, ITEM)
        for g in large:
            some = slice(starts[g], starts[g + 1])
            found = together(keys[some], items[some], spare_keys[some], spare_items[some], ordered._chunks())
            if len(sizes) == 1:
                return found[0], found[1]
            keys[some], items[some] = found
    return keys, items


_kernels: dict[Any, Any] = {}


def _kernel(role: str, parallel: bool, real: np.dtype[Any] = DOUBLE) -> Any:
    kernel = _kernels.get((role, parallel, real))
    if kernel is None:
        times, flags = (types.Array(of, 1, "C", readonly=True) for of in (REALS[real], boolean))
        made: Any
        made, signature = {
            "taking": (_taking, (times, flags, READONLY, KEYS, ITEMS, int64)),
            "ordering": (_ordering, (KEYS, ITEMS, STARTS, INDICES, int64)),
        }[role]
        kernel = compiled(made, signature, risks.order, role, real, parallel=parallel)
        _kernels[role, parallel, real] = kernel
    return kernel


def _taking(time, events, w, keys, items, chunks):  # type: ignore[no-untyped-def]
    """Make keys of times, which come last where the weight is 0."""
    for c in prange(chunks):
        for i in range(time.size * c // chunks, time.size * (c + 1) // chunks):
            keys[i], items[i] = key_of(np.float64(time[i])), 2 * i + events[i]
            if w.size and w[i] == 0.0:
                keys[i] = LAST


def _ordering(keys, items, starts, bounds, most):  # type: ignore[no-untyped-def]
    """Sort the rows of each group that has no more than so many."""
    for c in prange(bounds.size - 1):
        longest = 0
        for g in range(bounds[c], bounds[c + 1]):
            size = starts[g + 1] - starts[g]
            longest = max(longest, size if size <= most else 0)
        room = np.empty(longest, np.uint64), np.empty(longest, np.uint32)
        for g in range(bounds[c], bounds[c + 1]):
            first, last = starts[g], starts[g + 1]
            if last - first <= most:
                risks.order(keys[first:last], items[first:last], room[0], room[1])


def _scanning(f: Any) -> Any:
    def kernel(  # type: ignore[no-untyped-def]
        keys, items, z, w, starts, scale, wants_value, room, values, gradient, hessian
    ):
        n, groups = keys.size, starts.size - 1
        blocks = (n + BLOCK - 1) // BLOCK
        bounds = np.empty(blocks + 1, np.int64)
        bounds[blocks] = n
        nans = np.zeros(groups, np.int64)
        found = np.empty((6, blocks + 1))
        for b in prange(blocks):
            bounds[b] = tie_start(keys, starts, b * BLOCK)
        for b in prange(blocks):
            found[0, b] = gather(keys, items, z, w, starts, bounds[b], bounds[b + 1], room, nans)
        tops = after(bounds, starts, found, room, True)
        for b in prange(blocks):
            levels(keys, starts, bounds[b], bounds[b + 1], tops[0, b], room, found, b)
        carried = after(bounds, starts, found, room, False)
        for b in prange(blocks):
            backward(f, keys, w, starts, bounds[b], bounds[b + 1], carried, wants_value, room, found, b)
        if gradient.size or hessian.size:
            earlier = before(bounds, starts, found, room)
            for b in prange(blocks):
                forward(
                    keys, items, w, starts, bounds[b], bounds[b + 1], earlier, b, nans, scale, room, gradient, hessian
                )
        if wants_value:
            for g in prange(groups):
                values[g] = total(room[risks.TERM, starts[g] : starts[g + 1]], None)
        for g in range(groups):
            if nans[g]:
                values[g] = np.nan

    return kernel
