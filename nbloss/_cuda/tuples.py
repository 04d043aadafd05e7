"""Tuples of numbers in kernels, which have no loop over the entries of a tuple: functions made for each length."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba.extending import register_jitable

from nbloss._cuda.layout import reader, writer

Function = Callable[..., Any]


def _device(function: Function) -> Function:
    registered: Function = register_jitable(function)
    return registered


@functools.cache
def taker(count: int) -> Function:
    """Return the function that gives *count* elements of a vector, from one on, as a tuple."""
    if count == 0:
        return _device(lambda a, i: ())
    others = taker(count - 1)
    return _device(lambda a, i: (a[i], *others(a, i + 1)))


@functools.cache
def putter(count: int) -> Function:
    """Return the function that writes a tuple of *count* numbers to a vector, from one element on."""
    if count == 0:
        return _device(lambda a, i, x: None)
    others = putter(count - 1)

    def put(a: Any, i: Any, x: Any) -> None:
        a[i] = x[0]
        others(a, i + 1, x[1:])

    return _device(put)


@functools.cache
def caster(real: Any, count: int) -> Function:
    """Return the function that gives the entries of a tuple in the type *real*."""
    if count == 0:
        return _device(lambda x: ())
    others = caster(real, count - 1)
    return _device(lambda x: (real(x[0]), *others(x[1:])))


@functools.cache
def adder(count: int) -> Function:
    """Return the function that adds a weighted tuple to another, in float64; nothing where the weight is 0."""
    if count == 0:
        return _device(lambda total, x, w: ())
    others = adder(count - 1)

    def add(total: Any, x: Any, w: Any) -> Any:
        return (total[0] + np.float64(x[0]) * w if w != 0 else total[0], *others(total[1:], x[1:], w))

    return _device(add)


@functools.cache
def mapper(function: Function, count: int) -> Function:
    """Return the function that gives, of tuples, the tuple of *function* of their entries."""
    if count == 0:
        return _device(lambda *x: ())
    others = mapper(function, count - 1)
    if function.__code__.co_argcount == 1:
        return _device(lambda x: (function(x[0]), *others(x[1:])))
    if function.__code__.co_argcount == 2:
        return _device(lambda x, y: (function(x[0], y[0]), *others(x[1:], y[1:])))
    return _device(lambda x, y, z: (function(x[0], y[0], z[0]), *others(x[1:], y[1:], z[1:])))


@functools.cache
def double_readers(forms: tuple[Any, ...]) -> Function:
    """Return the function that gives element i of each operand, as a tuple of float64 numbers."""
    if not forms:
        return _device(lambda operands, i, lengths: ())
    first, others = reader(forms[0]), double_readers(forms[1:])
    return _device(
        lambda operands, i, lengths: (np.float64(first(operands[0], i, lengths)), *others(operands[1:], i, lengths))
    )


@functools.cache
def writers(forms: tuple[Any, ...]) -> Function:
    """Return the function that makes numbers, times two factors, element i of each operand; 0 if the first is 0."""
    if not forms:
        return _device(lambda operands, i, lengths, x, factor, scale: None)
    first, others = writer(forms[0]), writers(forms[1:])

    def write(operands: Any, i: Any, lengths: Any, x: Any, factor: Any, scale: Any) -> None:
        first(operands[0], i, lengths, x[0] * factor * scale if factor != 0 else np.float64(0))
        others(operands[1:], i, lengths, x[1:], factor, scale)

    return _device(write)


@_device
def larger(a: Any, b: Any) -> Any:
    """Return a, or the size of b where it is larger."""
    return abs(b) if abs(b) > a else a


@_device
def power_of_2(x: Any) -> Any:
    """Return the largest power of 2 up to x, of which the inverse is a number too; 1 for 0, and infinity for itself."""
    if x == 0.0 or x == math.inf:
        return x if x > 0.0 else 1.0
    return math.ldexp(1.0, max(math.frexp(x)[1] - 1, -1022))


@_device
def inverse(x: Any) -> Any:
    """Return 1 / x."""
    return 1.0 / x


@_device
def over_size(x: Any, size: Any, inverse: Any) -> Any:
    """Return x over its size; beside infinity, what is finite is 0."""
    sign = 1.0 if x == math.inf else -1.0 if x == -math.inf else 0.0
    return sign if size == math.inf else x * inverse
