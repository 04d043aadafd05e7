"""One set whose errors are put in order: what the kernels of :mod:`nbloss._cpu.ordered` do with it.

:func:`margins` and :func:`classes` put the steps of a loss together. They are given the steps, and so can be run in two
ways: as Python code between kernels, in which threads share a set, and compiled as a whole, for a set that one thread
has for itself.

A set is worked on in chunks, of which the number changes nothing: a stable sort has one result, counts are whole
numbers, and sums are made in blocks of fixed size.

An item is twice the index of an element, plus 1 if the element is positive.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange
from numba.extending import register_jitable

from nbloss._compile import INLINE, inlined
from nbloss._cpu.power_columns import PEAK, REST, TOP, powers_of_columns
from nbloss._cpu.powers import power, scale_of
from nbloss._cpu.radix import bits_of, chunk, key_of, number_of_bits, number_of_key
from nbloss._cpu.rows import load_some, store_some
from nbloss._math import add
from nbloss._rows import but_one, complement, inverse_of_mass

BLOCK = 4096
"""Elements of which errors are added up one by one."""

IGNORED, NEGATIVE, POSITIVE, NAN = -1, 0, 1, 2
"""What an element can be in a loss of margins."""

INVERSE, AT_TOP, BELOW = range(max(TOP, PEAK, REST) + 1, max(TOP, PEAK, REST) + 4)
"""Lines of numbers of each row of a block, besides those of :mod:`nbloss._cpu.powers`: the inverse of its sum, and sums
of what its greatest powers add, and the others."""
LINES, ROWS = BELOW + 1, 32

inlined(add)


def margins(
    take: Any, sort: Any, scan: Any, increment: Any, kinds: Any, z: Any, gradient: Any, divisor: Any, scratch: Any,
    chunks: Any,
) -> Any:  # fmt: skip
    """Write the gradient of a set of margins, divided by a number, if it has elements; return the value.

    Elements go by their margin, which orders as the error 1 - margin does before it is rounded.
    """
    keys, items, spare_keys, spare_items = scratch
    found = np.zeros((chunks, 3), np.int64)
    count, positives, nans = take(kinds, z, keys, items, gradient, found)
    if nans > 0:
        return math.nan
    keys, items = sort(keys[:count], items[:count], spare_keys[:count], spare_items[:count], chunks)
    return scan(increment, error_of_margin, keys, items, positives, divisor, gradient)


def take_margins(kinds: Any, z: Any, keys: Any, items: Any, gradient: Any, found: Any) -> Any:
    """Make keys and items of the elements whose error is above 0, write the gradient of the others.

    Returns how many these are, and how many elements are positive and nan. If any is nan, the gradient is.
    """
    chunks = len(found)
    for c in prange(chunks):
        part = chunk(z.size, chunks, c)
        _survey_margins(kinds[part], z[part], found[c])
    positives, nans = column_sum(found, 1), column_sum(found, 2)
    count = _from_counts_to_places(found, 0)
    for c in prange(chunks):
        part = chunk(z.size, chunks, c)
        _take_margins(kinds[part], z[part], part.start, keys, items, found[c, 0], nans > 0, gradient[part])
    return count, positives, nans


@register_jitable(**INLINE)
def _margin(kind: Any, z: Any) -> Any:
    return z if kind == POSITIVE else -z


@register_jitable(**INLINE)
def error_of_margin(key: Any) -> Any:
    return 1.0 - np.float64(number_of_key(key))


@register_jitable(**INLINE)
def _survey_margins(kinds: Any, z: Any, found: Any) -> None:
    errors, positives, nans = 0, 0, 0
    for i in range(z.size):
        counts = kinds[i] != IGNORED
        errors += counts and _margin(kinds[i], z[i]) < 1
        positives += kinds[i] == POSITIVE
        nans += kinds[i] == NAN or (counts and z[i] != z[i])
    found[0], found[1], found[2] = errors, positives, nans


@register_jitable(**INLINE)
def _take_margins(
    kinds: Any, z: Any, first: Any, keys: Any, items: Any, place: Any, has_nan: Any, gradient: Any
) -> None:
    for i in range(z.size):
        margin = _margin(kinds[i], z[i])
        counts = kinds[i] != IGNORED
        if gradient.size:
            gradient[i] = math.nan if has_nan and counts else 0
        if counts and margin < 1 and not has_nan:
            keys[place] = key_of(margin)
            items[place] = 2 * (first + i) + (kinds[i] == POSITIVE)
            place += 1


def classes(
    survey: Any, take: Any, finish: Any, sort: Any, scan: Any, increment: Any, labels: Any, z: Any, gradient: Any,
    hessian: Any, counted: Any, only_present: Any, from_logits: Any, divisor: Any, scratch: Any, chunks: Any,
) -> Any:  # fmt: skip
    """Write gradient and Hessian of a set of rows, divided by a number, if they have elements; return the value.

    Until the last step, the array of the gradient, or else of the Hessian, holds the derivatives by probabilities.
    """
    keys, items, spare_keys, spare_items = scratch
    slopes = gradient if gradient.size else hessian
    n, many = z.shape
    tops, rests = np.empty(n if from_logits else 0), np.empty(n if from_logits else 0)
    found = np.zeros((chunks, many + 2), np.int64)
    survey(labels, z, from_logits, tops, rests, found)
    is_nan, total, counting = column_sum(found, many + 1) > 0, 0.0, 0
    for k in range(many):
        counting += counted[k] and (not only_present or column_sum(found, k) > 0)
    for k in range(many):
        positives = column_sum(found, k)
        counts = counted[k] and (not only_present or positives > 0) and not is_nan
        count = take(labels, z, from_logits, tops, rests, k, counts, keys, items, slopes, found)
        if counts:
            by_error, of_error = sort(keys[:count], items[:count], spare_keys[:count], spare_items[:count], chunks)
            total += scan(
                increment, error_of_probability, by_error, of_error, positives, divisor * counting, slopes[:, k]
            )
    finish(labels, z, from_logits, tops, rests, is_nan, slopes, gradient, hessian, chunks)
    return math.nan if is_nan else total / max(counting, 1)


def survey_rows(labels: Any, z: Any, from_logits: Any, tops: Any, rests: Any, found: Any) -> None:
    """Count the rows of each class, those that count, and those with nan; prepare the softmax of each row."""
    chunks = len(found)
    for c in prange(chunks):
        part = chunk(labels.size, chunks, c)
        _survey_rows(labels[part], z[part], from_logits, tops[part], rests[part], found[c])


def take_class(
    labels: Any, z: Any, from_logits: Any, tops: Any, rests: Any, k: Any, counts: Any, keys: Any, items: Any,
    slopes: Any, found: Any,
) -> Any:  # fmt: skip
    """Make keys and items of the errors of a class, if it counts, and return how many; else make its slopes 0."""
    chunks, many = found.shape[0], z.shape[1]
    for c in prange(chunks):
        part, place = chunk(labels.size, chunks, c), 0
        for before in range(c):
            place += found[before, many]
        if counts:
            _take_class(
                k, labels[part], z[part, k], from_logits, tops[part], rests[part], part.start, keys, items, place,
                slopes[part, k],
            )  # fmt: skip
        else:
            slopes[part, k] = 0
    return column_sum(found, many)


def finish_rows(
    labels: Any, z: Any, from_logits: Any, tops: Any, rests: Any, is_nan: Any, slopes: Any, gradient: Any,
    hessian: Any, chunks: Any,
) -> None:  # fmt: skip
    """Make gradient and Hessian of the derivatives by probabilities."""
    for c in prange(chunks):
        part = chunk(labels.size, chunks, c)
        if is_nan:
            _fill_with_nan(labels[part], gradient[part])
            _fill_with_nan(labels[part], hessian[part])
        elif from_logits:
            _through_softmax(labels[part], z[part], slopes[part], gradient[part], hessian[part])
        else:
            hessian[part] = 0


@register_jitable(**INLINE)
def column_sum(a: Any, k: Any) -> Any:
    total = 0
    for i in range(len(a)):
        total += a[i, k]
    return total


@register_jitable(**INLINE)
def _from_counts_to_places(a: Any, k: Any) -> Any:
    """Turn the counts in a column into the sums of those before; return the sum of all."""
    total = 0
    for i in range(len(a)):
        count = a[i, k]
        a[i, k] = total
        total += count
    return total


@register_jitable(**INLINE)
def _soften(z: Any, first: Any, rows: Any, e: Any, found: Any) -> None:
    """Write the powers of so many rows to columns, and what makes probabilities of them to *found*."""
    load_some(z, first, rows, e)
    powers_of_columns(e, 0, (), None, e, found, (), 0)
    for i in range(e.shape[1]):
        found[INVERSE, i] = inverse_of_mass(found[REST, i], found[PEAK, i])


@register_jitable(**INLINE)
def _survey_rows(labels: Any, z: Any, from_logits: Any, tops: Any, rests: Any, found: Any) -> None:
    """Find of each row the largest logit and the sum of the powers of the others."""
    many = z.shape[1]
    for i in range(labels.size):
        if labels[i] == IGNORED:
            continue
        row = z[i]
        found[labels[i]] += 1
        found[many] += 1
        is_nan, has_any = False, not from_logits
        for k in range(many):
            is_nan |= row[k] != row[k] or (not from_logits and not 0 <= row[k] <= 1)
            has_any |= row[k] > -math.inf
        found[many + 1] += is_nan or not has_any  # where all logits are -inf, no class has a probability
    if from_logits:
        e, lines = np.empty((many, ROWS)), np.empty((LINES, ROWS))
        for first in range(0, labels.size, ROWS):
            rows = min(ROWS, labels.size - first)
            _soften(z, first, rows, e, lines)
            for i in range(rows):
                tops[first + i], rests[first + i] = lines[TOP, i], lines[REST, i]


@register_jitable(**INLINE)
def _take_class(
    k: Any, labels: Any, z: Any, from_logits: Any, tops: Any, rests: Any, first: Any, keys: Any, items: Any,
    place: Any, slopes: Any,
) -> None:  # fmt: skip
    shares = np.empty((2, BLOCK), slopes.dtype)
    for start in range(0, labels.size, BLOCK):
        some = z[start : min(start + BLOCK, z.size)]
        p, q = shares[0], shares[1]
        if from_logits:
            _shares_of_class(some, tops[start : start + some.size], rests[start : start + some.size], p, q)
        else:
            for i in range(some.size):
                p[i], q[i] = some[i] + 0.0, 1.0 - some[i]
        for i in range(some.size):
            if labels[start + i] == IGNORED:
                if slopes.size:
                    slopes[start + i] = 0
                continue
            is_positive = labels[start + i] == k
            keys[place] = _key_of_error(q[i], p[i]) if is_positive else _key_of_error(p[i], q[i])
            items[place] = 2 * (first + start + i) + is_positive
            place += 1


@register_jitable(**INLINE)
def _shares_of_class(z: Any, tops: Any, rests: Any, shares: Any, others: Any) -> None:
    """Write the probabilities of one class, and 1 minus them."""
    for i in range(z.size):
        scale = scale_of(tops[i])
        e, peak = power(np.float64(z[i]), scale), power(tops[i], scale)
        inverse = inverse_of_mass(rests[i], peak)
        shares[i], others[i] = e * inverse, complement(e, rests[i], inverse, peak)


@register_jitable(**INLINE)
def _key_of_error(error: Any, other: Any) -> Any:
    """Return a key that falls with an error in [0, 1], given 1 minus it too: the bits of the less of the two.

    So errors near 1 are told apart as finely as those near 0.
    """
    half = bits_of(type(error)(0.5))
    return bits_of(other) if other < error else half + half - bits_of(error)


@register_jitable(**INLINE)
def error_of_probability(key: Any) -> Any:
    half = bits_of(type(number_of_bits(key))(0.5))
    if key < half:
        return 1.0 - np.float64(number_of_bits(key))
    return np.float64(number_of_bits(type(key)(half + half - key)))


@register_jitable(**INLINE)
def _through_softmax(labels: Any, z: Any, slopes: Any, gradient: Any, hessian: Any) -> None:
    """Turn derivatives by the probabilities of rows into gradient and Hessian by the logits."""
    many = z.shape[1]
    if slopes.size == 0:
        return
    wide, lines = np.empty((2, many, ROWS)), np.empty((LINES, ROWS))
    e, a, peak, rest, inverse = wide[0], wide[1], lines[PEAK], lines[REST], lines[INVERSE]
    at_top, below = lines[AT_TOP], lines[BELOW]
    for first in range(0, labels.size, ROWS):
        rows = min(ROWS, labels.size - first)
        _soften(z, first, rows, e, lines)
        load_some(slopes, first, rows, a)
        for i in range(ROWS):
            at_top[i], below[i] = 0.0, 0.0
        for k in range(many):
            for i in range(ROWS):
                a[k, i] *= e[k, i] * inverse[i]
                is_top = e[k, i] == peak[i]
                at_top[i] += a[k, i] if is_top else 0.0
                below[i] += 0.0 if is_top else a[k, i]
        for k in range(many):
            for i in range(ROWS):
                p, q = e[k, i] * inverse[i], complement(e[k, i], rest[i], inverse[i], peak[i])
                slope = a[k, i] * q - p * but_one(a[k, i], e[k, i], at_top[i], below[i], peak[i])
                a[k, i] = slope
                e[k, i] = slope * (1.0 - 2.0 * p if p < q else 2.0 * q - 1.0)  # times q - p, rounded once
        for i in range(rows):
            if labels[first + i] == IGNORED:
                for k in range(many):
                    a[k, i], e[k, i] = 0.0, 0.0
        if gradient.size:
            store_some(a, first, rows, gradient)
        if hessian.size:
            store_some(e, first, rows, hessian)


@register_jitable(**INLINE)
def _fill_with_nan(labels: Any, out: Any) -> None:
    for i in range(len(out)):
        for k in range(out.shape[1]):
            out[i, k] = 0 if labels[i] == IGNORED else math.nan


def scan(increment: Any, error_of: Any, keys: Any, items: Any, positives: Any, divisor: Any, gradient: Any) -> Any:
    """Return the sum of errors, in falling order, times increments; write these, divided, as derivatives."""
    blocks = (keys.size + BLOCK - 1) // BLOCK
    before, sums = np.empty(blocks, np.int64), np.empty((blocks, 2))
    for b in prange(blocks):
        before[b] = _count_positives(items[b * BLOCK : min((b + 1) * BLOCK, items.size)])
    total = 0
    for b in range(blocks):
        total, before[b] = total + before[b], total
    for b in prange(blocks):
        first, last = b * BLOCK, min((b + 1) * BLOCK, keys.size)
        _scan_block(
            increment, error_of, keys[first:last], items[first:last], first, before[b], positives, divisor, gradient,
            sums[b],
        )  # fmt: skip
    value = lost = 0.0
    for b in range(blocks):
        value, lost = add(value, lost + sums[b, 1], sums[b, 0])
    return value + lost


@register_jitable(**INLINE)
def _count_positives(items: Any) -> Any:
    count = 0
    for item in items:
        count += item & 1
    return count


@register_jitable(**INLINE)
def _scan_block(
    increment: Any, error_of: Any, keys: Any, items: Any, first: Any, before: Any, positives: Any, divisor: Any,
    gradient: Any, sums: Any,
) -> None:  # fmt: skip
    value = lost = 0.0
    intersection, union = positives - before, positives + first - before
    for i in range(keys.size):
        is_positive = (items[i] & 1) == 1
        grown = increment(is_positive, intersection, union)
        intersection -= is_positive
        union += not is_positive
        value, lost = add(value, lost, error_of(keys[i]) * grown if grown > 0 else 0.0)
        if gradient.size:
            gradient[items[i] >> 1] = (-grown if is_positive else grown) / divisor
    sums[0], sums[1] = value, lost


@register_jitable(**INLINE)
def softmax(z: Any, out: Any) -> None:
    """Write the softmax of rows."""
    e, lines = np.empty((z.shape[1], ROWS)), np.empty((LINES, ROWS))
    for first in range(0, len(z), ROWS):
        rows = min(ROWS, len(z) - first)
        _soften(z, first, rows, e, lines)
        for k in range(len(e)):
            for i in range(ROWS):
                e[k, i] *= lines[INVERSE, i]
        store_some(e, first, rows, out)


# without threads: those are for the kernels made of the same functions
for _step in (margins, take_margins, classes, survey_rows, take_class, finish_rows):
    register_jitable(error_model="numpy")(_step)
register_jitable(inline="always", error_model="numpy")(scan)  # whose loops are those of the kernel that calls it
