"""Rows at risk, in the order of time: what the kernels of :mod:`nbloss._cpu.hazards` do with one block of them.

Exponentials are relative to a *level*: the least multiple of 128 that no prediction from this row to the last of its
group exceeds. So sums over those at risk neither overflow nor vanish, wherever predictions lie, and are scaled by
exp(-128) or less when the level changes, which loses nothing: what is left of them counts no more. Sums carry what
rounding took away, so their error does not grow with the number of rows.

Walks from the last time to the first carry the level and the sum over those at risk; walks from the first to the last
carry the sums of events over these sums, by which derivatives follow. Where a group begins, walks begin anew.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

from nbloss._compile import INLINE, inlined
from nbloss._cpu.radix import sort
from nbloss._math import add, exp, log, log1p, power_below

BLOCK = 4096
"""Rows of a block, about."""
FEW = 256
"""Rows up to which counting those before each of them is faster than a sort."""

QUANTUM = 128.0
OWN, DEAD, LEVEL, SHARE, BEND, TERM = range(6)
"""The rows of the room: predictions, weights of events, levels, weights times exponentials, and the losses of events if
they are wanted. At the first row of each time, `OWN` becomes the events over the sum at risk, and `BEND` has that over
the sum once more."""

INFINITE, LOWEST = np.uint64(0xFFF0000000000000), np.uint64(0x000FFFFFFFFFFFFF)
"""The keys of infinity and its negative; nan has one outside."""

for _function in (add, exp, log, log1p, power_below):
    inlined(_function)


@register_jitable(**INLINE)
def order(keys: Any, items: Any, spare_keys: Any, spare_items: Any) -> None:
    """Sort the rows of a group; equal keys stay in their order."""
    n = keys.size
    if n <= FEW:
        for i in range(n):
            own, place = keys[i], 0
            earlier, later = keys[:i], keys[i + 1 :]
            for j in range(earlier.size):
                place += earlier[j] <= own
            for j in range(later.size):
                place += later[j] < own
            spare_keys[place], spare_items[place] = own, items[i]
        for i in range(n):
            keys[i], items[i] = spare_keys[i], spare_items[i]
    else:
        of_keys, of_items = sort(keys, items, spare_keys[:n], spare_items[:n], 1)
        for i in range(n):
            keys[i], items[i] = of_keys[i], of_items[i]


@register_jitable(**INLINE)
def group_of(starts: Any, i: Any) -> Any:
    """Return the group that has row i."""
    low, high = 0, starts.size - 1
    while high - low > 1:
        middle = (low + high) // 2
        if starts[middle] <= i:
            low = middle
        else:
            high = middle
    return low


@register_jitable(**INLINE)
def tie_start(keys: Any, starts: Any, i: Any) -> Any:
    """Return the first row, from row i on, of which the time is not that of the row before it in its group."""
    g = group_of(starts, i)
    if i == starts[g] or keys[i] != keys[i - 1]:
        return i
    low, high = i, starts[g + 1]  # the last known to be equal, and one that is not, or the end
    while high - low > 1:
        middle = (low + high) // 2
        if keys[middle] == keys[i]:
            low = middle
        else:
            high = middle
    return high


@register_jitable(**INLINE)
def gather(
    keys: Any, items: Any, z: Any, w: Any, starts: Any, first: Any, last: Any, room: Any, nans: Any
) -> Any:  # fmt: skip
    """Bring the rows of a block; return the greatest prediction of those in the group of the first row.

    An item is twice the index of a row, plus 1 if it is an event.
    """
    if first == last:
        return -math.inf
    g = group_of(starts, first)
    end = limit = starts[g + 1]
    top = -math.inf
    for k in range(first, last):
        if k >= limit:
            while k >= starts[g + 1]:
                g += 1
            limit = starts[g + 1]
        i = np.int64(items[k] >> 1)
        mass = w[i] if w.size else 1.0
        own = np.float64(z[i]) if mass != 0.0 else -math.inf
        room[OWN, k], room[SHARE, k], room[DEAD, k] = own, mass, mass if items[k] & 1 else 0.0
        if (own != own or mass != mass or keys[k] > INFINITE or keys[k] < LOWEST) and mass != 0.0:
            nans[g] = 1
        if k < end and own > top:
            top = own
    return top


@register_jitable(**INLINE)
def after(bounds: Any, starts: Any, found: Any, room: Any, is_top: Any) -> Any:
    """Return what each block is given of the rows behind it: the greatest prediction, or the sum and what it lost."""
    blocks = bounds.size - 1
    carried = np.empty((2, blocks + 1))
    for b in range(blocks - 1, -1, -1):
        p = bounds[b + 1]
        carried[0, b], carried[1, b] = -math.inf if is_top else 0.0, 0.0
        if p == bounds[blocks]:
            continue
        g = group_of(starts, p)
        if starts[g] == p:
            continue
        reaches = starts[g + 1] > bounds[b + 2]  # beyond the next block
        if is_top:
            carried[0, b] = max(found[0, b + 1], carried[0, b + 1]) if reaches else found[0, b + 1]
        else:
            carried[0, b], carried[1, b] = found[1, b + 1], found[2, b + 1]
            if reaches:
                factor = _factor(room[LEVEL, bounds[b + 2]], room[LEVEL, p])
                carried[0, b], carried[1, b] = add(
                    carried[0, b], carried[1, b] + carried[1, b + 1] * factor, carried[0, b + 1] * factor
                )
    return carried


@register_jitable(**INLINE)
def _factor(level: Any, new: Any) -> Any:
    """Return what sums relative to a level are multiplied by, to be relative to a new one."""
    return 1.0 if level == new else exp(level - new)


@register_jitable(**INLINE)
def levels(keys: Any, starts: Any, first: Any, last: Any, top: Any, room: Any, found: Any, b: Any) -> None:
    """Write levels and exponentials of a block, and find the sum over its rows in the group of the first one."""
    found[1, b] = found[2, b] = 0.0
    if first == last:
        return
    g = group_of(starts, last - 1)
    level = _level(top)
    for k in range(last - 1, first - 1, -1):
        if k < starts[g]:
            while k < starts[g]:
                g -= 1
            top = level = -math.inf
        if room[OWN, k] > top:
            top = room[OWN, k]
            level = _level(top)
        room[LEVEL, k] = level
    for k in range(first + 1, last):
        if k == starts[g + 1]:
            while k == starts[g + 1]:
                g += 1
        elif keys[k] == keys[k - 1]:  # rows at risk together have one level
            room[LEVEL, k] = room[LEVEL, k - 1]
    own, level_of, share = room[OWN, first:last], room[LEVEL, first:last], room[SHARE, first:last]
    for k in range(share.size):
        share[k] = share[k] * power_below(level_of[k], own[k]) if share[k] != 0.0 else 0.0
    g = group_of(starts, first)
    sum_, lost, level = 0.0, 0.0, -math.inf
    for k in range(min(last, starts[g + 1]) - 1, first - 1, -1):
        if room[LEVEL, k] != level:
            factor = _factor(level, room[LEVEL, k])
            sum_, lost, level = sum_ * factor, lost * factor, room[LEVEL, k]
        sum_, lost = add(sum_, lost, room[SHARE, k])
    found[1, b], found[2, b] = sum_, lost


@register_jitable(**INLINE)
def _level(top: Any) -> Any:
    return QUANTUM * np.ceil(top / QUANTUM) if -1e300 < top < 1e300 else top


@register_jitable(**INLINE)
def backward(
    f: Any, keys: Any, w: Any, starts: Any, first: Any, last: Any, carried: Any, wants_value: Any, room: Any,
    found: Any, b: Any,
) -> None:  # fmt: skip
    """Write, at the first row of each time, its events over the sum at risk; and the losses of the events."""
    found[3, b] = found[4, b] = found[5, b] = 0.0
    if first == last:
        return
    g = group_of(starts, last - 1)
    sum_, lost = carried[0, b], carried[1, b]
    level = room[LEVEL, last] if last < starts[g + 1] else -math.inf
    end = last
    while end > first:
        if end <= starts[g]:
            while end <= starts[g]:
                g -= 1
            sum_, lost, level = 0.0, 0.0, -math.inf
        k, deaths, more = end, 0.0, 0.0
        new = room[LEVEL, end - 1]
        if new != level:
            factor = _factor(level, new)
            sum_, lost, level = sum_ * factor, lost * factor, new
        while k > first and k > starts[g] and keys[k - 1] == keys[end - 1]:
            k -= 1
            sum_, lost = add(sum_, lost, room[SHARE, k])
            deaths, more = add(deaths, more, room[DEAD, k])
        deaths += more
        if wants_value:
            for i in range(k, end):
                term = 0.0
                if room[DEAD, i] != 0.0:
                    own = power_below(level, room[OWN, i]) if w.size else room[SHARE, i]
                    far = level - room[OWN, i] if room[OWN, i] != level else 0.0
                    term = room[DEAD, i] * f(own, sum_, lost, far)
                room[TERM, i] = term
        inverse = 1.0 / (sum_ + lost)  # also where nothing happens: cheaper than a branch that is hard to foresee
        rate = deaths * inverse if deaths != 0.0 else 0.0
        room[OWN, k], room[BEND, k] = rate, rate * inverse if deaths != 0.0 else 0.0
        end = k
    g = group_of(starts, last - 1)
    _accumulate(keys, max(first, starts[g]), last, 0.0, 0.0, 0.0, room, found, b)


@register_jitable(**INLINE)
def _accumulate(
    keys: Any, first: Any, last: Any, rate: Any, lost: Any, bend: Any, room: Any, found: Any, b: Any
) -> None:
    """Find the sums of what :func:`backward` wrote over rows of one group, relative to the level of the last one."""
    level = room[LEVEL, first]
    for k in range(first, last):
        if k == first or keys[k] != keys[k - 1]:
            factor = _factor(room[LEVEL, k], level)
            level = room[LEVEL, k]
            rate, lost = add(rate * factor, lost * factor, room[OWN, k])
            bend = bend * factor * factor + room[BEND, k]
    found[3, b], found[4, b], found[5, b] = rate, lost, bend


@register_jitable(**INLINE)
def before(bounds: Any, starts: Any, found: Any, room: Any) -> Any:
    """Return what each block is given of the rows before it: the sums of :func:`_accumulate`."""
    blocks = bounds.size - 1
    earlier = np.zeros((3, blocks))
    for b in range(1, blocks):
        p = bounds[b]
        if p == bounds[blocks]:
            continue
        g = group_of(starts, p)
        if starts[g] == p:
            continue
        earlier[0, b], earlier[1, b], earlier[2, b] = found[3, b - 1], found[4, b - 1], found[5, b - 1]
        q = bounds[b - 1]
        if starts[g] < q:
            factor = _factor(room[LEVEL, p - 1], room[LEVEL, q - 1])
            earlier[0, b], earlier[1, b] = add(
                earlier[0, b], earlier[1, b] + earlier[1, b - 1] * factor, earlier[0, b - 1] * factor
            )
            earlier[2, b] += earlier[2, b - 1] * factor * factor
    return earlier


@register_jitable(**INLINE)
def forward(
    keys: Any, items: Any, w: Any, starts: Any, first: Any, last: Any, earlier: Any, b: Any, nans: Any, scale: Any,
    room: Any, gradient: Any, hessian: Any,
) -> None:  # fmt: skip
    """Write the derivatives of a block."""
    if first == last:
        return
    g = group_of(starts, first)
    rate, lost, bend = earlier[0, b], earlier[1, b], earlier[2, b]
    level = room[LEVEL, first - 1] if first > starts[g] else room[LEVEL, first]
    for k in range(first, last):
        begins = k == starts[g]
        if k == starts[g + 1]:
            while k == starts[g + 1]:
                g += 1
            begins = True
        if begins:
            rate, lost, bend, level = 0.0, 0.0, 0.0, room[LEVEL, k]
        if begins or keys[k] != keys[k - 1]:
            factor = _factor(room[LEVEL, k], level)
            level = room[LEVEL, k]
            rate, lost = add(rate * factor, lost * factor, room[OWN, k])
            bend = bend * factor * factor + room[BEND, k]
        share, i = room[SHARE, k], np.int64(items[k] >> 1)
        risk = share * (rate + lost)
        slope, curve = risk - room[DEAD, k], risk - share * share * bend
        if nans[g]:
            slope = curve = math.nan if w.size == 0 or w[i] != 0.0 else 0.0
        if gradient.size:
            gradient[i] = slope * scale if slope != 0.0 else 0.0
        if hessian.size:
            hessian[i] = curve
