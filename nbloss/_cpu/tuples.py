"""Tuples of numbers, from and into arrays: compiled code has no loop over the entries of a tuple."""

from __future__ import annotations

import math
from typing import Any

from numba.extending import overload

from nbloss._compile import INLINE


def taken(a: Any, like: Any) -> Any:
    """Return the first entries of *a* as a tuple as long as *like*."""
    return tuple(a[i] for i in range(len(like)))


@overload(taken, strict=False, jit_options=INLINE)
def _taken(a: Any, like: Any) -> Any:
    if len(like) == 0:
        return lambda a, like: ()
    last = len(like) - 1
    return lambda a, like: (*taken(a, like[:-1]), a[last])


def put(a: Any, i: Any, x: Any, inside: Any) -> None:
    """Write the numbers of the tuple *x* to element *i* of each array of the tuple *a*, or nan if not *inside*."""
    for array, number in zip(a, x, strict=True):
        array[i] = number if inside else math.nan


@overload(put, strict=False, jit_options=INLINE)
def _put(a: Any, i: Any, x: Any, inside: Any) -> Any:
    if len(x) == 0:
        return lambda a, i, x, inside: None

    def implementation(a: Any, i: Any, x: Any, inside: Any) -> None:
        a[0][i] = x[0] if inside else type(x[0])(math.nan)
        put(a[1:], i, x[1:], inside)

    return implementation


def spread(a: Any, x: Any) -> None:
    """Write the numbers of the tuple *x* to the first elements of the vector *a*."""
    for i, number in enumerate(x):
        a[i] = number


@overload(spread, strict=False, jit_options=INLINE)
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


@overload(cast, strict=False, jit_options=INLINE)
def _cast(real: Any, x: Any) -> Any:
    if len(x) == 0:
        return lambda real, x: ()
    return lambda real, x: (real(x[0]), *cast(real, x[1:]))


def added(a: Any, b: Any) -> Any:
    """Return the sums of the entries of two tuples."""
    return tuple(x + y for x, y in zip(a, b, strict=True))


@overload(added, strict=False, jit_options=INLINE)
def _added(a: Any, b: Any) -> Any:
    if len(a) == 0:
        return lambda a, b: ()
    return lambda a, b: (a[0] + b[0], *added(a[1:], b[1:]))


def at(a: Any, i: Any) -> Any:
    """Return element, row or slice *i* of each array of the tuple *a*."""
    return tuple(array[i] for array in a)


@overload(at, strict=False, jit_options=INLINE)
def _at(a: Any, i: Any) -> Any:
    if len(a) == 0:
        return lambda a, i: ()
    return lambda a, i: (a[0][i], *at(a[1:], i))
