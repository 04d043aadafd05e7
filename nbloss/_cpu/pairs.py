"""One list of rows that are to be put in order: what the kernels of :mod:`nbloss._cpu.lists` do with it.

Rows of the room in which a list is worked on are the strengths of its labels, predictions, slopes and bends, and what
else a loss needs. Loops over the rows of the list take whole steps, so that all of them is vectorised: rows that are
none follow the last, and have no pair.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import register_jitable

from nbloss._compile import INLINE, inlined
from nbloss._cpu.radix import key_of, sort
from nbloss._cpu.sums import LANES, total
from nbloss._math import log, log1p, power_below, shares, two_difference

FEW = 512  # rows up to which counting those before each of them is faster than a sort
STEP = 16  # rows that loops take at once: those of what is left over would take one
MOST = 1 << 16  # discounts of pairs of places that are kept

LN2 = math.log(2)

for _function in (log, log1p, power_below, shares, two_difference):
    inlined(_function)

STRENGTH, Z, SLOPES, BENDS = 0, 1, 2, 3


@register_jitable(**INLINE)
def part(a: Any, first: Any, last: Any) -> Any:
    """Return a slice of a vector, or the vector if it has no elements."""
    return a[first:last] if a.size else a[0:0]


@register_jitable(**INLINE)
def longest_of(starts: Any, first: Any, last: Any, most: Any) -> Any:
    """Return the greatest size of groups, of those that are not greater than *most*."""
    longest = 0
    for g in range(first, last):
        size = starts[g + 1] - starts[g]
        longest = max(longest, size if size <= most else 0)
    return longest


@register_jitable(**INLINE)
def take(w: Any, strength: Any, z: Any, items: Any, room: Any) -> Any:
    """Bring the rows that count together; return how many there are, and whether any is nan."""
    count, is_nan = 0, False
    for i in range(z.size):
        if w.size == 0 or w[i] != 0.0:
            items[count] = i
            room[STRENGTH, count], room[Z, count] = strength[i], z[i]
            is_nan |= strength[i] != strength[i] or z[i] != z[i]
            count += 1
    return count, is_nan


@register_jitable(**INLINE)
def give(items: Any, is_nan: Any, room: Any, w: Any, scale: Any, gradient: Any, hessian: Any) -> None:
    """Write the derivatives of rows that count to where these came from, and 0 to the others."""
    for out, source, factor in ((gradient, SLOPES, scale), (hessian, BENDS, 1.0)):
        for i in range(out.size):
            out[i] = 0.0
        if out.size:
            for k in range(items.size):
                i = items[k]
                x = room[source, k] if w.size == 0 else room[source, k] * w[i]
                out[i] = math.nan if is_nan else x * factor


@register_jitable(**INLINE)
def _order(x: Any, order: Any) -> None:
    """Write the indices of numbers from the greatest to the least; of equal ones the first comes first."""
    n = x.size
    if n <= FEW:
        for i in range(n):
            own, place = x[i], 0
            before, after = x[:i], x[i + 1 :]
            for j in range(before.size):
                place += before[j] >= own
            for j in range(after.size):
                place += after[j] > own
            order[place] = i
    else:
        keys, items = np.empty(n, np.uint64), np.empty(n, np.int64)
        for i in range(n):
            keys[i], items[i] = key_of(-x[i]), i
        _, found = sort(keys, items, np.empty(n, np.uint64), np.empty(n, np.int64), 1)
        for i in range(n):  # as a slice, it would take seconds to compile
            order[i] = found[i]


@register_jitable(**INLINE)
def _clear(room: Any) -> None:
    for k in range(room.shape[1]):
        room[STRENGTH, k] = room[Z, k] = 0.0


@register_jitable(**INLINE)
def all_pairs(f: Any, numbers: Any, room: Any, order: Any, wants_value: Any) -> Any:
    """Write the derivatives of all pairs of a list, and return the value."""
    n = order.size
    _order(room[STRENGTH, :n], order)
    labels, z = room[4], room[5]
    for k in range(n):
        labels[k], z[k] = room[STRENGTH, order[k]], room[Z, order[k]]
    for k in range(n, n + LANES):
        labels[k], z[k] = labels[0], z[0]  # is no lower than any, and so has no pair
    _clear(room)  # for the derivatives, in the order of labels
    value, lower = 0.0, 0
    for i in range(n):
        if i == lower:  # the first of those with its label
            while lower < n and labels[lower] == labels[i]:
                lower += 1
        if lower == n:
            break
        last = lower + whole(n - lower, STEP)
        others, below = labels[lower:last], z[lower:last]
        gains, curves, values = room[6], room[7], room[8]
        label, own = labels[i], z[i]
        if wants_value:
            _below(f, numbers, label, own, others, below, gains, curves, values, True)
            value += _padded_total(values, below.size)
        else:
            _below(f, numbers, label, own, others, below, gains, curves, values, False)
        _move(gains, curves, room[STRENGTH, lower:last], room[Z, lower:last])
        room[STRENGTH, i] += _padded_total(gains, below.size)
        room[Z, i] += _padded_total(curves, below.size)
    for k in range(n):
        room[SLOPES, order[k]], room[BENDS, order[k]] = room[STRENGTH, k], room[Z, k]
    return value


@register_jitable(**INLINE)
def _below(
    f: Any, numbers: Any, label: Any, own: Any, others: Any, below: Any, gains: Any, curves: Any, values: Any,
    has_value: Any,
) -> None:  # fmt: skip
    """Write derivatives and, if wanted, losses of the pairs of one row with those of lower labels."""
    for j in range(below.size):
        d, lost = two_difference(own, below[j])
        x, slope, bend = f(d, lost, *numbers)
        gains[j] = slope if others[j] < label else 0.0
        curves[j] = bend if others[j] < label else 0.0
        if has_value:
            values[j] = x if others[j] < label else 0.0


@register_jitable(**INLINE)
def whole(n: Any, step: Any) -> Any:
    """Return the least multiple of *step* that is not less than n."""
    return (n + step - 1) // step * step


@register_jitable(**INLINE)
def _padded_total(x: Any, n: Any) -> Any:
    """Return the sum of the first n numbers, after which there is room."""
    for j in range(n, whole(n, LANES)):
        x[j] = 0.0
    return total(x[: whole(n, LANES)], None)


@register_jitable(**INLINE)
def _move(gains: Any, curves: Any, slopes: Any, bends: Any) -> None:
    """Add the derivatives of pairs by the row that they share to the derivatives by the others."""
    for j in range(slopes.size):
        slopes[j] -= gains[j]
    for j in range(bends.size):
        bends[j] += curves[j]


@register_jitable(**INLINE)
def row_of_pairs(f: Any, numbers: Any, i: Any, labels: Any, z: Any, spare: Any, room: Any, wants_value: Any) -> Any:
    """Write the derivatives of one row; return the sum of the losses of its pairs with rows of lower labels."""
    label, own = labels[i], z[i]
    values, gains, curves = spare[0], spare[1], spare[2]
    value = 0.0
    if wants_value:
        for j in range(z.size):
            d, lost = two_difference(own, z[j])
            x, _, _ = f(d, lost, *numbers)
            values[j] = x if labels[j] < label else 0.0
        value = total(values, None)
    for j in range(z.size):
        is_lower, differs = labels[j] < label, labels[j] != label
        d, lost = two_difference(own if is_lower else z[j], z[j] if is_lower else own)
        _, slope, bend = f(d, lost, *numbers)
        gains[j] = (slope if is_lower else -slope) if differs else 0.0
        curves[j] = bend if differs else 0.0
    room[SLOPES, i], room[BENDS, i] = total(gains, None), total(curves, None)
    return value


@register_jitable(**INLINE)
def pairs_by_places(
    f: Any, importance: Any, numbers: Any, truncation: Any, norm: Any, room: Any, order: Any, table: Any,
    wants_value: Any,
) -> Any:  # fmt: skip
    """Write the derivatives of the pairs of a list that count by their places, and return the value."""
    n = order.size
    gain, z, place = room[4], room[5], room[10]
    gains, curves, steps, values = room[6], room[7], room[8], room[9]
    _order(room[STRENGTH, :n], order)
    best = 0.0
    for k in range(min(n, truncation)):
        best += room[STRENGTH, order[k]] * (LN2 / log(2.0 + k))
    _order(room[Z, :n], order)
    for k in range(n):
        gain[k], z[k], place[k] = room[STRENGTH, order[k]], room[Z, order[k]], k + 1.0
    for k in range(n, n + LANES):
        gain[k], z[k], place[k] = 0.0, 0.0, 0.0  # no place: no pair
    _clear(room)  # for the derivatives, in the order of predictions
    value = steep = 0.0
    is_normed = norm and n > 0 and z[0] != z[n - 1]
    for i in range(min(truncation, n - 1) if best > 0 else 0):
        last = i + 1 + whole(n - i - 1, STEP)
        later, of_later, places = z[i + 1 : last], gain[i + 1 : last], place[i + 1 : last]
        near, own, of_own = place[i], z[i], gain[i]
        row = table[i, i + 1 : last] if i < len(table) else room[11, : last - i - 1]
        if i >= len(table):
            _discounts(near, places, row)
        if wants_value:
            _later(
                f, importance, numbers, own, of_own, later, of_later, places, row, is_normed, best, gains, curves,
                steps, values, True,
            )  # fmt: skip
            value += _padded_total(values, later.size)
        else:
            _later(
                f, importance, numbers, own, of_own, later, of_later, places, row, is_normed, best, gains, curves,
                steps, values, False,
            )  # fmt: skip
        _move(gains, curves, room[STRENGTH, i + 1 : last], room[Z, i + 1 : last])
        room[STRENGTH, i] += _padded_total(gains, later.size)
        room[Z, i] += _padded_total(curves, later.size)
        steep += 2.0 * _padded_total(steps, later.size)
    factor = log1p(steep) / (LN2 * steep) if norm and steep > 0 else 1.0
    for k in range(n):
        room[SLOPES, order[k]], room[BENDS, order[k]] = factor * room[STRENGTH, k], factor * room[Z, k]
    return factor * value


@register_jitable(**INLINE)
def _discounts(near: Any, places: Any, out: Any) -> None:
    """Write by how much less than at the place *near* a gain counts at others; 0 for places before it.

    That is 1 / log2(1 + near) - 1 / log2(1 + place), without cancellation.
    """
    factor = LN2 / log(1.0 + near)
    for j in range(places.size):
        ahead = places[j] - near
        out[j] = factor * (log1p(ahead / (1.0 + near)) / log(1.0 + places[j])) if ahead > 0.0 else 0.0


@register_jitable(**INLINE)
def table_of(truncation: Any, width: Any) -> Any:
    """Return what :func:`_discounts` gives for pairs of places, or no rows if there are too many."""
    table, places = np.empty((truncation if truncation * width <= MOST else 0, width)), np.empty(width)
    for j in range(width):
        places[j] = j + 1.0
    for i in range(len(table)):
        _discounts(places[i], places, table[i])
    return table


@register_jitable(**INLINE)
def _later(
    f: Any, importance: Any, numbers: Any, own: Any, of_own: Any, later: Any, of_later: Any, places: Any,
    discounts: Any, norm: Any, best: Any, gains: Any, curves: Any, steps: Any, values: Any, has_value: Any,
) -> None:  # fmt: skip
    """Write derivatives and, if wanted, losses of the pairs of one row with those at later places."""
    for j in range(later.size):
        is_better = of_own > of_later[j]
        d, lost = two_difference(own if is_better else later[j], later[j] if is_better else own)
        x, slope, bend = f(d, lost, *numbers)
        weight = importance(abs(of_own - of_later[j]), discounts[j], abs(d), norm) / best
        counts = (weight != 0.0) & (places[j] > 0.0)
        slope, bend = slope * weight if counts else 0.0, bend * weight if counts else 0.0
        gains[j], curves[j], steps[j] = slope if is_better else -slope, bend, -slope
        if has_value:
            values[j] = x * weight if counts else 0.0


@register_jitable(**INLINE)
def softmax_shares(f: Any, room: Any, n: Any) -> Any:
    """Write the derivatives of a list of *n* rows by its softmax, and return the value."""
    # a line first, then a part of it: so numba knows that it is contiguous, and loops have packed instructions
    mass, z, slopes = room[STRENGTH][:n], room[Z][:n], room[SLOPES][:n]
    bends, powers = room[BENDS][:n], room[4][:n]
    if n == 0:
        return 0.0
    top = 0
    for i in range(n):
        top = i if z[i] > z[top] else top
    highest, whole = z[top], total(mass, None)
    for i in range(n):
        powers[i] = power_below(highest, z[i])
    powers[top] = 0.0
    rest = total(powers, None)
    powers[top] = 1.0
    beyond = log1p(rest)
    for i in range(n):
        p, q = shares(powers[i], rest)
        below = z[i] - highest if z[i] != highest else 0.0
        value, slopes[i], bends[i] = f(mass[i] / whole, below - beyond, p, q)
        powers[i] = value
    return total(powers, None)
