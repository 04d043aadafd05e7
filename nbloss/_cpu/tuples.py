"""Tuples of numbers, from and into arrays: compiled code has no loop over the entries of a tuple."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba.extending import overload, register_jitable

from nbloss._compile import INLINE


def taken(a: Any, like: Any) -> Any:
    """Return the first entries of *a* as a tuple as long as *like*."""
    return tuple(a[i] for i in range(len(like)))


@overload(taken, target="cpu", strict=False, jit_options=INLINE)
def _taken(a: Any, like: Any) -> Any:
    if len(like) == 0:
        return lambda a, like: ()
    last = len(like) - 1
    return lambda a, like: (*taken(a, like[:-1]), a[last])


def put(a: Any, i: Any, x: Any, inside: Any) -> None:
    """Write the numbers of the tuple *x* to element *i* of each array of the tuple *a*, or nan if not *inside*."""
    for array, number in zip(a, x, strict=True):
        array[i] = number if inside else math.nan


@overload(put, target="cpu", strict=False, jit_options=INLINE)
def _put(a: Any, i: Any, x: Any, inside: Any) -> Any:
    if len(x) == 0:
        return lambda a, i, x, inside: None

    def implementation(a: Any, i: Any, x: Any, inside: Any) -> None:
        a[0][i] = x[0] if inside else type(x[0])(math.nan)
        put(a[1:], i, x[1:], inside)

    return implementation


def keep(a: Any, i: Any, x: Any) -> None:
    """Write the numbers of the tuple *x* to element *i* of each array of the tuple *a*."""
    for array, number in zip(a, x, strict=True):
        array[i] = number


@overload(keep, target="cpu", strict=False, jit_options=INLINE)
def _keep(a: Any, i: Any, x: Any) -> Any:
    if len(x) == 0:
        return lambda a, i, x: None

    def implementation(a: Any, i: Any, x: Any) -> None:
        a[0][i] = x[0]
        keep(a[1:], i, x[1:])

    return implementation


def spread(a: Any, x: Any) -> None:
    """Write the numbers of the tuple *x* to the first elements of the vector *a*."""
    for i, number in enumerate(x):
        a[i] = number


@overload(spread, target="cpu", strict=False, jit_options=INLINE)
def _spread(a: Any, x: Any) -> Any:
    if len(x) == 0:
        return lambda a, x: None

    def implementation(a: Any, x: Any) -> None:
        a[0] = x[0]
        spread(a[1:], x[1:])

    return implementation


def cast(real: Any, x: Any) -> Any:
    """Return the numbers of the tuple *x* in the type *real*."""
    return tuple(real(number) for number in x)


@overload(cast, target="cpu", strict=False, jit_options=INLINE)
def _cast(real: Any, x: Any) -> Any:
    if len(x) == 0:
        return lambda real, x: ()
    return lambda real, x: (real(x[0]), *cast(real, x[1:]))


def added(a: Any, b: Any) -> Any:
    """Return the sums of the entries of two tuples."""
    return tuple(x + y for x, y in zip(a, b, strict=True))


@overload(added, target="cpu", strict=False, jit_options=INLINE)
def _added(a: Any, b: Any) -> Any:
    if len(a) == 0:
        return lambda a, b: ()
    return lambda a, b: (a[0] + b[0], *added(a[1:], b[1:]))


def at(a: Any, i: Any) -> Any:
    """Return element, row or slice *i* of each array of the tuple *a*."""
    return tuple(array[i] for array in a)


@overload(at, target="cpu", strict=False, jit_options=INLINE)
def _at(a: Any, i: Any) -> Any:
    if len(a) == 0:
        return lambda a, i: ()
    return lambda a, i: (a[0][i], *at(a[1:], i))


SIZE = 0x7FFFFFFFFFFFFFFF  # all bits of a float64 but that of the sign
EXPONENT = 0x7FF0000000000000  # those of its exponent
ONE = 0x3FF0000000000000  # the bits of 1
LEAST = 0x0010000000000000  # the bits of the least normal number


def largest(a: Any, b: Any) -> Any:
    """Return the entries of the tuple *a*, or the bits of the sizes of those of *b* where these are more."""
    return tuple(max(x, _bits(y)) for x, y in zip(a, b, strict=True))


@overload(largest, target="cpu", strict=False, jit_options=INLINE)
def _largest(a: Any, b: Any) -> Any:
    if len(a) == 0:
        return lambda a, b: ()
    return lambda a, b: (max(a[0], _bits(b[0])), *largest(a[1:], b[1:]))


@register_jitable(**INLINE)
def _bits(x: Any) -> Any:
    return np.float64(x).view(np.int64) & np.int64(SIZE)


def from_bits(x: Any) -> Any:
    """Return the float64 numbers of which the tuple *x* has the bits."""
    return tuple(np.int64(bits).view(np.float64) for bits in x)


@overload(from_bits, target="cpu", strict=False, jit_options=INLINE)
def _from_bits(x: Any) -> Any:
    if len(x) == 0:
        return lambda x: ()
    return lambda x: (np.int64(x[0]).view(np.float64), *from_bits(x[1:]))


def none_of(x: Any) -> Any:
    """Return a 0 for each entry of the tuple *x*."""
    return (0,) * len(x)


@overload(none_of, target="cpu", strict=False, jit_options=INLINE)
def _none_of(x: Any) -> Any:
    zeros = (0,) * len(x)
    return lambda x: zeros


def doubles(a: Any, i: Any) -> Any:
    """Return element *i* of each array of the tuple *a*, as float64."""
    return tuple(np.float64(array[i]) for array in a)


@overload(doubles, target="cpu", strict=False, jit_options=INLINE)
def _doubles(a: Any, i: Any) -> Any:
    if len(a) == 0:
        return lambda a, i: ()
    return lambda a, i: (np.float64(a[0][i]), *doubles(a[1:], i))


def are_numbers(x: Any) -> Any:
    """Whether no entry of the tuple *x* is nan."""
    return all(number == number for number in x)


@overload(are_numbers, target="cpu", strict=False, jit_options=INLINE)
def _are_numbers(x: Any) -> Any:
    if len(x) == 0:
        return lambda x: True
    return lambda x: (x[0] == x[0]) & are_numbers(x[1:])


def sizes_of(most: Any) -> Any:
    """Return two tuples, powers of 2 and their inverses: for each entry of *most*, the bits of a size, the power below.

    It is at least the least normal number, so that its inverse is one too; 1 for 0, and infinity for itself.
    """
    found = tuple(map(_power_of_2, most))
    return found, tuple(1 / x for x in found)


@overload(sizes_of, target="cpu", strict=False, jit_options=INLINE)
def _sizes_of(most: Any) -> Any:
    if len(most) == 0:
        return lambda most: ((), ())

    def implementation(most: Any) -> Any:
        size = _power_of_2(most[0])
        sizes, inverses = sizes_of(most[1:])
        return (size, *sizes), (1.0 / size, *inverses)

    return implementation


@register_jitable(**INLINE)
def _power_of_2(bits: int) -> float:
    least = ONE if bits == 0 else LEAST
    return np.int64(max(np.int64(bits) & np.int64(EXPONENT), np.int64(least))).view(np.float64)


def scaled(u: Any, sizes: Any, inverses: Any) -> Any:
    """Return the entries of the tuple *u* over their sizes; beside infinity, what is finite is 0."""
    return tuple(map(_scaled, u, sizes, inverses))


@overload(scaled, target="cpu", strict=False, jit_options=INLINE)
def _scaled_tuple(u: Any, sizes: Any, inverses: Any) -> Any:
    if len(u) == 0:
        return lambda u, sizes, inverses: ()
    return lambda u, sizes, inverses: (
        _scaled(u[0], sizes[0], inverses[0]),
        *scaled(u[1:], sizes[1:], inverses[1:]),
    )


@register_jitable(**INLINE)
def _scaled(x: float, size: float, inverse: float) -> float:
    sign = 1.0 if x == math.inf else -1.0 if x == -math.inf else 0.0
    return sign if size == math.inf else x * inverse


def rest_of(x: Any) -> Any:
    """Return all but the first entry of a tuple."""
    return x[1:]


@overload(rest_of, target="cpu", strict=False, jit_options=INLINE)
def _rest_of(x: Any) -> Any:
    return lambda x: x[1:]


def put_times(a: Any, i: Any, x: Any, factor: Any, scale: Any) -> None:
    """Write the entries of the tuple *x*, times two factors, to element *i* of each array; 0 if the first is 0."""
    for array, number in zip(a, x, strict=True):
        array[i] = number * factor * scale if factor != 0 else 0


@overload(put_times, target="cpu", strict=False, jit_options=INLINE)
def _put_times(a: Any, i: Any, x: Any, factor: Any, scale: Any) -> Any:
    if len(x) == 0:
        return lambda a, i, x, factor, scale: None

    def implementation(a: Any, i: Any, x: Any, factor: Any, scale: Any) -> None:
        a[0][i] = x[0] * factor * scale if factor != 0.0 else 0.0
        put_times(a[1:], i, x[1:], factor, scale)

    return implementation
