"""How kernels find the elements of arrays, of any dtype and layout, where they lie.

What a kernel is given for an array is its *operand*. If all arrays are contiguous in one order, operands are plain
vectors, and element i of each is the i-th in memory. Else an operand is all the memory from an array's first element to
its last, the place in it of element 0, and the strides along the axes. An operand can also be a number, the same for
every element.

Which of these it is, the operand's *form* says. Forms are known before a kernel is compiled: :func:`reader` and
:func:`writer` turn each into the code that it needs.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba.extending import register_jitable

from nbloss._arrays import coalesce, strides_of
from nbloss._cuda.arrays import View, pointer


class Form(NamedTuple):
    """The form of an array."""

    rank: int
    """The number of axes that have strides: 0 for plain vectors."""
    dtype: Any


NUMBER = "number"
"""The form of a number. Nothing at all has the form None, and the operand 0."""


def arrange(z: View, arrays: Sequence[Any]) -> tuple[tuple[int, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Return the lengths of axes in the order in which *z* lies in memory, and forms and operands along these axes.

    Each of *arrays* is a view with the shape of *z*, a number or None.
    """
    views = [a for a in arrays if isinstance(a, View)]
    lengths, strides = coalesce(z.shape, [*(a.strides for a in views), z.strides])
    steps = [tuple(s // a.dtype.itemsize for s in along) for a, along in zip(views, strides[:-1], strict=True)]
    rank = 0 if z.size <= 1 or all(s == (1,) for s in steps) else len(lengths)
    remaining = iter(steps)
    pairs = [strided(a, next(remaining)) if rank and isinstance(a, View) else alone(a) for a in arrays]
    forms, operands = zip(*pairs, strict=True)
    return tuple(lengths), forms, operands


def in_c_order(
    shape: tuple[int, ...], arrays: Sequence[Any]
) -> tuple[tuple[int, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Return what :func:`arrange` does, with the axes in the order of *shape*: element i is the i-th in C order.

    Each of *arrays* is a view with this shape, a number or None.
    """
    views = [a for a in arrays if isinstance(a, View)]
    own = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
    lengths, strides = coalesce(shape, [*(a.strides for a in views), own])
    steps = [tuple(s // a.dtype.itemsize for s in along) for a, along in zip(views, strides[:-1], strict=True)]
    rank = 0 if math.prod(shape) <= 1 or all(s == (1,) for s in steps) else len(lengths)
    remaining = iter(steps)
    pairs = [strided(a, next(remaining)) if rank and isinstance(a, View) else alone(a) for a in arrays]
    forms, operands = zip(*pairs, strict=True)
    return tuple(lengths), forms, operands


def spread(a: Any, shape: tuple[int, ...]) -> Any:
    """Return a view with *shape* of *a*, which has its first axis or none; a 0-d NumPy array as a number."""
    if isinstance(a, View):
        return a._replace(shape=shape, strides=strides_of(a, shape))
    return None if a is None else np.float64(a)


def alone(a: Any) -> tuple[Any, Any]:
    """Return form and operand of a contiguous vector, a number or None."""
    if isinstance(a, View):
        return Form(0, a.dtype), pointer(a)
    return (None, 0) if a is None else (NUMBER, a)


def strided(a: View, steps: tuple[int, ...]) -> tuple[Any, Any]:
    """Return form and operand of an array from its strides, in elements."""
    return Form(len(steps), a.dtype), (pointer(a), a.start, steps)


def on_device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let kernels call *function*."""
    registered: Callable[..., Any] = register_jitable(function)
    return registered


@functools.cache
def reader(form: Any) -> Callable[..., Any]:
    """Return the function that gives element i of an operand, from i and the lengths of the axes."""
    if form is None:
        return on_device(lambda a, i, lengths: None)
    if form == NUMBER:
        return on_device(lambda a, i, lengths: a)
    decode = decoder(form.dtype)
    if form.rank == 0:
        return on_device(lambda a, i, lengths: decode(a[i]))
    place = place_of(form.rank)
    return on_device(lambda a, i, lengths: decode(a[0][a[1] + place(i, lengths, a[2])]))


@functools.cache
def readers(forms: tuple[Any, ...], real: Any) -> Callable[..., Any]:
    """Return the function that gives the tuple of element i of each operand in a tuple, in the type *real*."""
    if not forms:
        return on_device(lambda operands, i, lengths: ())
    read, others = reader(forms[0]), readers(forms[1:], real)
    first = read
    if isinstance(forms[0], Form) and forms[0].dtype != real:
        first = on_device(lambda a, i, lengths: real(read(a, i, lengths)))
    return on_device(lambda operands, i, lengths: (first(operands[0], i, lengths), *others(operands[1:], i, lengths)))


@functools.cache
def writer(form: Any) -> Callable[..., Any]:
    """Return the function that makes x element i of an operand, from i, the lengths of the axes and x."""
    if form is None:
        return on_device(lambda a, i, lengths, x: None)
    encode = encoder(form.dtype)
    if form.rank == 0:

        def write(a: Any, i: Any, lengths: Any, x: Any) -> None:
            a[i] = encode(x)

    else:
        place = place_of(form.rank)

        def write(a: Any, i: Any, lengths: Any, x: Any) -> None:
            a[0][a[1] + place(i, lengths, a[2])] = encode(x)

    return on_device(write)


@functools.cache
def place_of(rank: int) -> Callable[..., Any]:
    """Return the function that gives how far element i is from element 0, where the last axis runs fastest."""
    if rank == 1:
        return on_device(lambda i, lengths, strides: i * strides[0])
    outer = place_of(rank - 1)
    return on_device(
        lambda i, lengths, strides: outer(i // lengths[-1], lengths[:-1], strides[:-1]) + i % lengths[-1] * strides[-1]
    )


@on_device
def as_it_is(x: Any) -> Any:
    """Return x."""
    return x


@on_device
def _from_bfloat16(bits: Any) -> Any:
    """Return the number whose upper half, as float32, are these *bits*."""
    return np.uint32(np.uint32(bits) << np.uint32(16)).view(np.float32)


@on_device
def _to_bfloat16(x: Any) -> Any:
    """Return the upper half of the bits of x as float32, rounded to nearest, ties to even."""
    bits = np.float32(x).view(np.uint32)
    upper = np.uint32(bits >> np.uint32(16))
    rounded = np.uint32(np.uint32(bits + np.uint32(0x7FFF) + (upper & np.uint32(1))) >> np.uint32(16))
    return np.uint16(rounded if x == x else upper | np.uint32(0x40))


_DECODERS = {"bfloat16": _from_bfloat16, "float16": np.float32}  # devices compute with neither
_ENCODERS = {"bfloat16": _to_bfloat16}


def decoder(dtype: Any) -> Callable[..., Any]:
    """Return the function that makes a number to compute with of what lies in memory."""
    return _DECODERS.get(dtype.name, as_it_is)


def encoder(dtype: Any) -> Callable[..., Any]:
    """Return the function that makes what lies in memory of a number."""
    return _ENCODERS.get(dtype.name, as_it_is)
