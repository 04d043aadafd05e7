"""Losses of events among those at risk, on a CUDA device: sort by time, then sums from either end.

All groups are sorted at once, by time and then by group, so that each has its rows where they were. Levels, to which
exponentials are relative, and what is carried along, are those of :mod:`nbloss._cpu.risks`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from numba import cuda, float64

from nbloss._arrays import DOUBLE
from nbloss._compile import inlined
from nbloss._cuda.arrays import View, in_order
from nbloss._cuda.grouped import INTEGER, LABEL, Work
from nbloss._cuda.launch import compiled
from nbloss._cuda.radix import DIGITS, sort, tiles_of
from nbloss._cuda.scans import WIDTH, Scan
from nbloss._cuda.sets import LAST, key_of_margin
from nbloss._math import add, exp, power_below
from nbloss._program import GroupProgram

QUANTUM = 128.0

for _function in (add, exp, power_below):
    inlined(_function)

_key = key_of_margin(DOUBLE)


def run(
    program: GroupProgram, want: str, mean: bool, time: Any, event: Any, z: View, w: Any, starts: Any,
    outs: Sequence[View],
) -> None:  # fmt: skip
    """Evaluate a loss of events at times, among the rows of their group that are at risk.

    *starts* has the place of the first row of each group, and the number of rows. *want* has a letter for each array in
    *outs*: "v", "g", "h" for the losses of the groups, gradients and Hessians, "s" for the sum of the losses or, with
    *mean*, that divided by the weights of the events. A gradient beside it is scaled as it is.
    """
    with in_order(z, time, event, w, *outs) as stream:
        work, n = Work(want, z, starts, outs, stream), z.size
        work.take(LABEL, time, event, w, 0.0, None, 0)
        work.factors = work.room(n)
        keys, spare_keys, items, spare_items = (work.room(n, INTEGER) for _ in range(4))
        counts = work.room(tiles_of(n) * DIGITS, INTEGER)
        work.launch(keying, work.strengths, work.weights, work.factors, keys, items)
        if n:
            spare = spare_keys, spare_items
            by_time, of_time = sort(keys, items, *spare, counts, n, stream)
            if work.groups > 1:
                spare = (spare_keys, spare_items) if by_time is keys else (keys, items)
                work.launch(owning, work.owners, of_time, by_time)
                bits = (work.groups - 1).bit_length()
                by_time, of_time = sort(by_time, of_time, *spare, counts, n, stream, bits)
            _scan(program, work, by_time, of_time)
        work.add_up(work.terms, work.values)
        work.deliver(mean, work.of_events)


def _scan(program: GroupProgram, work: Work, keys: Any, items: Any) -> None:
    """Make terms and derivatives of rows in the order of groups and times, in which *items* has them."""
    n, starts, owners = work.size, work.starts, work.owners
    firsts = work.room(n, INTEGER)
    own, mass, dead, tops, levels, powers, sums, losts, rates, bends = (work.room(n) for _ in range(10))
    tiles = work.room(tiles_of(n) * WIDTH)
    work.launch(gathering, items, work.strengths, work.scores, work.weights, work.events, keys, own, mass, dead)
    TOPS.run(n, (starts, owners, own, tops), tiles, work.stream)
    work.launch(levelling, starts, owners, keys, own, mass, tops, levels, powers, firsts)
    AT_RISK.run(n, (starts, owners, levels, mass, powers, sums, losts), tiles, work.stream)
    kernel = program.kernels.get("cuda")
    if kernel is None:
        kernel = program.kernels["cuda"] = rating(program.formula)
    work.launch(kernel, own, dead, levels, powers, sums, losts, firsts, rates, bends, work.terms)
    EVENTS.run(n, (starts, owners, levels, rates, losts, bends), tiles, work.stream)
    work.launch(
        finishing, starts, owners, keys, items, mass, dead, powers, rates, losts, bends, work.slopes, work.bends
    )


def _kernel(function: Any) -> Any:
    return compiled(function, function.__name__)


# Scans: arrays begin with the starts of groups and the group of each row


def _load_top(a: Any, k: Any) -> Any:
    return _ends(a, k), a[2][k], 0.0, 0.0, 0.0


def _ends(a: Any, k: Any) -> Any:
    """Return 1 for the last row of a group, else 0."""
    return 1.0 if k + 1 == a[0][a[1][k] + 1] else 0.0


def _begins(a: Any, k: Any) -> Any:
    """Return 1 for the first row of a group, else 0."""
    return 1.0 if k == a[0][a[1][k]] else 0.0


def _greater(a: Any, b: Any) -> Any:
    return a[0], max(a[1], b[1]), 0.0, 0.0, 0.0


def _store_top(a: Any, k: Any, state: Any) -> None:
    a[3][k] = state[1]


def _load_risk(a: Any, k: Any) -> Any:
    return _ends(a, k), a[2][k], a[3][k] * a[4][k], 0.0, 0.0


def _add_risk(a: Any, b: Any) -> Any:
    """Return the sum over those at risk, relative to the level of the earlier row, which is not lower."""
    factor = _factor(a[1], b[1])
    total, lost = add(a[2] * factor, a[3] * factor, b[2])
    return a[0], b[1], total, lost + b[3], 0.0


def _factor(level: Any, new: Any) -> Any:
    """Return what sums relative to a level are multiplied by, to be relative to a new one."""
    return 1.0 if level == new else exp(level - new)


def _store_risk(a: Any, k: Any, state: Any) -> None:
    a[5][k], a[6][k] = state[2], state[3]


def _load_event(a: Any, k: Any) -> Any:
    return _begins(a, k), a[2][k], a[3][k], 0.0, a[5][k]


def _add_event(a: Any, b: Any) -> Any:
    """Return the sums of events, relative to the level of the later row, which is not higher."""
    factor = _factor(b[1], a[1])
    total, lost = add(a[2] * factor, a[3] * factor, b[2])
    return a[0], b[1], total, lost + b[3], a[4] * factor * factor + b[4]


def _store_event(a: Any, k: Any, state: Any) -> None:
    a[3][k], a[4][k], a[5][k] = state[2], state[3], state[4]


for _helper in (_ends, _begins, _factor):
    inlined(_helper)

TOPS = Scan("tops", _load_top, _greater, _store_top, True)
AT_RISK = Scan("at_risk", _load_risk, _add_risk, _store_risk, True)
EVENTS = Scan("events", _load_event, _add_event, _store_event, False)


# Kernels


@_kernel
def keying(times, weights, factors, keys, items):  # type: ignore[no-untyped-def]
    """Make keys of times, which come last where the weight is 0."""
    i = cuda.grid(1)
    while i < keys.size:
        counts = weights[i] != 0
        keys[i], items[i] = _key(times[i]) if counts else LAST, i
        factors[i] = float64(1) if counts else float64(0)
        i += cuda.gridsize(1)


@_kernel
def owning(owners, items, keys):  # type: ignore[no-untyped-def]
    k = cuda.grid(1)
    while k < keys.size:
        keys[k] = owners[items[k]]
        k += cuda.gridsize(1)


@_kernel
def gathering(items, times, scores, weights, events, keys, own, mass, dead):  # type: ignore[no-untyped-def]
    k = cuda.grid(1)
    while k < keys.size:
        i = items[k]
        mass[k], dead[k] = weights[i], events[i]
        own[k] = scores[i] if weights[i] != 0 else float64(-math.inf)
        keys[k] = _key(times[i]) if weights[i] != 0 else LAST
        k += cuda.gridsize(1)


@cuda.jit(device=True)
def _first_with(keys: Any, low: Any, k: Any) -> Any:
    """Return the first row, from *low* on, with the key of row k."""
    high = k
    while low < high:
        middle = (low + high) // 2
        if keys[middle] == keys[k]:
            high = middle
        else:
            low = middle + 1
    return high


@cuda.jit(device=True)
def _last_with(keys: Any, k: Any, high: Any) -> Any:
    """Return the last row, up to *high*, with the key of row k."""
    low = k
    while low < high:
        middle = (low + high + 1) // 2
        if keys[middle] == keys[k]:
            low = middle
        else:
            high = middle - 1
    return low


@_kernel
def levelling(starts, owners, keys, own, mass, tops, levels, powers, firsts):  # type: ignore[no-untyped-def]
    """Make levels, one for all rows of a time, and exponentials relative to them."""
    k = cuda.grid(1)
    while k < keys.size:
        first = _first_with(keys, starts[owners[k]], k)
        top = tops[first]
        level = -(-top // QUANTUM) * QUANTUM if abs(top) < 1e300 else top
        firsts[k], levels[k] = first, level
        powers[k] = power_below(level, own[k]) if mass[k] != 0 else float64(0)
        k += cuda.gridsize(1)


def rating(formula: Any) -> Any:
    """Return the kernel that makes events over sums at risk, these once more, and losses of events."""
    f = inlined(formula)

    def kernel(own, dead, levels, powers, sums, losts, firsts, rates, bends, terms):  # type: ignore[no-untyped-def]
        k = cuda.grid(1)
        while k < own.size:
            rate = bend = term = float64(0)
            if dead[k] != 0:
                total, lost = sums[firsts[k]], losts[firsts[k]]
                rate = dead[k] / (total + lost)
                bend = rate / (total + lost)
                far = levels[k] - own[k] if levels[k] != own[k] else float64(0)
                term = dead[k] * f(powers[k], total, lost, far)
            rates[k], bends[k], terms[k] = rate, bend, term
            k += cuda.gridsize(1)

    return compiled(kernel, "rating")


@_kernel
def finishing(  # type: ignore[no-untyped-def]
    starts, owners, keys, items, mass, dead, powers, rates, losts, bends, slopes, curves
):
    """Write the derivatives of each row where it came from."""
    k = cuda.grid(1)
    while k < keys.size:
        last = _last_with(keys, k, starts[owners[k] + 1] - 1)
        share = mass[k] * powers[k]
        risk = share * (rates[last] + losts[last])
        slopes[items[k]] = risk - dead[k]
        curves[items[k]] = risk - share * share * bends[last]
        k += cuda.gridsize(1)
