"""A stable sort of numbers by their bits, in parallel: a least-significant-digit radix sort.

A *key* is an unsigned integer that orders as the number that it is made of. Items travel with the keys. Every pass
orders by one digit, from the lowest to the highest, and leaves equal digits in the order in which they were; so the
result, with equal keys in their first order, depends neither on the number of chunks nor on that of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import prange, types
from numba.extending import intrinsic, register_jitable

from nbloss._compile import INLINE

DIGIT = 8  # bits: more would take fewer passes, but write to more places at once than the caches hold
DIGITS = 1 << DIGIT
UPPER = 32  # bits of a key that are sorted first
SHORT = 64  # keys that are alike in these, up to which they are put in order one by one

_UNSIGNED = {types.float32: types.uint32, types.float64: types.uint64}
_REAL = {unsigned: real for real, unsigned in _UNSIGNED.items()}


@intrinsic
def bits_of(context: Any, x: Any) -> Any:
    """Return the bits of the number x, which is not negative: they order as it does."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(x.bitwidth))

    return _UNSIGNED[x](x), generate


@intrinsic
def number_of_bits(context: Any, bits: Any) -> Any:
    """Return the number of which these are the bits."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(signature.return_type))

    return _REAL[bits](bits), generate


@intrinsic
def key_of(context: Any, x: Any) -> Any:
    """Return the key of the number x: of a negative one all bits are flipped, else the sign. -0 has the key of 0."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer = ir.IntType(x.bitwidth)
        bits = builder.bitcast(builder.fadd(arguments[0], ir.Constant(arguments[0].type, 0.0)), integer)
        sign = builder.ashr(bits, integer(x.bitwidth - 1))
        return builder.xor(bits, builder.or_(sign, integer(1 << (x.bitwidth - 1))))

    return _UNSIGNED[x](x), generate


@intrinsic
def number_of_key(context: Any, key: Any) -> Any:
    """Return the number that has this key."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer = ir.IntType(key.bitwidth)
        negative = builder.not_(builder.ashr(arguments[0], integer(key.bitwidth - 1)))
        bits = builder.xor(arguments[0], builder.or_(negative, integer(1 << (key.bitwidth - 1))))
        return builder.bitcast(bits, context.get_value_type(signature.return_type))

    return _REAL[key](key), generate


def sort(keys: Any, items: Any, spare_keys: Any, spare_items: Any, chunks: Any) -> Any:
    """Sort keys and their items; return the arrays that hold them in the end: those given, or the spare ones.

    The work is cut into *chunks*. Where all keys have the same digit, there is nothing to do. Of keys of 64 bits, those
    that are equal in the upper half are few, as a rule, and next to each other once that half is in order: then they
    are put in order one by one, else all digits are gone through from the lowest.
    """
    bits, counts = 8 * keys.itemsize, np.empty((chunks, DIGITS), np.int64)
    low = shift = bits - UPPER
    while shift < bits:
        for c in prange(chunks):
            _count(keys[chunk(keys.size, chunks, c)], shift, counts[c])
        if _into_places(counts) < keys.size:  # else there is one digit for all
            for c in prange(chunks):
                part = chunk(keys.size, chunks, c)
                _move(keys[part], items[part], shift, counts[c], spare_keys, spare_items)
            keys, spare_keys = spare_keys, keys
            items, spare_items = spare_items, items
        shift += DIGIT
        if shift == bits and low > 0:
            for c in prange(chunks):
                counts[c, 0] = _longest(keys[chunk(keys.size, chunks, c)], low)
            longest = 0
            for c in range(chunks):
                longest = max(longest, counts[c, 0])
            low = low if longest <= SHORT else 0
            shift = shift if longest <= SHORT else 0
    if low > 0:
        for c in prange(chunks):
            part = chunk(keys.size, chunks, c)
            _put_in_order(keys, items, part.start, part.stop, low)
    return keys, items


@register_jitable(**INLINE)
def _are_alike(a: Any, b: Any, low: Any) -> Any:
    """Whether two keys are equal but for so many of the lowest bits."""
    return ((a ^ b) >> type(a)(low)) == 0


@register_jitable(**INLINE)
def _longest(keys: Any, low: Any) -> Any:
    """Return how many keys next to each other are alike, at most, and not in order."""
    longest, length, falls = 0, 1, False
    for i in range(1, keys.size):
        alike = _are_alike(keys[i], keys[i - 1], low)
        length = length + 1 if alike else 1
        falls = alike and (falls or keys[i] < keys[i - 1])
        longest = max(longest, length) if falls else longest
    return longest


@register_jitable(**INLINE)
def _put_in_order(keys: Any, items: Any, start: Any, stop: Any, low: Any) -> None:
    """Put the keys in order that are alike: all that begin between two places."""
    while 0 < start < stop and _are_alike(keys[start], keys[start - 1], low):
        start += 1
    for i in range(start + 1, keys.size):
        key = keys[i]
        if i >= stop and not _are_alike(key, keys[i - 1], low):
            break
        if key < keys[i - 1]:
            item, place = items[i], i
            while place > start and keys[place - 1] > key:
                keys[place], items[place] = keys[place - 1], items[place - 1]
                place -= 1
            keys[place], items[place] = key, item


@register_jitable(**INLINE)
def chunk(size: Any, chunks: Any, c: Any) -> Any:
    """Return the slice of chunk *c* of *size* elements that are cut into *chunks*."""
    return slice(size * c // chunks, size * (c + 1) // chunks)


@register_jitable(**INLINE)
def _digit(key: Any, shift: Any) -> Any:
    return np.uintp((key >> type(key)(shift)) & type(key)(DIGITS - 1))  # unsigned: needs no check for negative indices


@register_jitable(**INLINE)
def _count(keys: Any, shift: Any, counts: Any) -> None:
    counts[:] = 0
    for key in keys:
        counts[_digit(key, shift)] += 1


@register_jitable(**INLINE)
def _into_places(counts: Any) -> Any:
    """Turn the counts of each chunk's digits into the places of the first; return the count of the commonest digit."""
    place = most = 0
    for digit in range(DIGITS):
        start = place
        for c in range(len(counts)):
            count = counts[c, digit]
            counts[c, digit] = place
            place += count
        most = max(most, place - start)
    return most


@register_jitable(**INLINE)
def _move(keys: Any, items: Any, shift: Any, places: Any, to_keys: Any, to_items: Any) -> None:
    for i in range(keys.size):
        digit = _digit(keys[i], shift)
        place = places[digit]
        places[digit] = place + 1
        to_keys[place] = keys[i]
        to_items[place] = items[i]


register_jitable(error_model="numpy")(sort)
