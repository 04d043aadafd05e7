"""Parts of contiguous vectors, and where these lie, without the counting of references that slices bring.

A slice counts one more reference, an atomic operation or at least a call, for each part of each array: as much time as
a dozen elements take. What is made here must not outlive the array.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array


@intrinsic
def address(context: Any, a: Any) -> Any:
    """Return the address of the first element of an array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(a)(context, builder, arguments[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.intp))

    return types.intp(a), generate


def _place(context: Any, builder: Any, kind: Any, array: Any, i: Any) -> Any:
    """Return the pointer to the element *i* of an array."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [i])


def borrowed(context: Any, builder: Any, kind: Any, data: Any, count: Any) -> Any:
    """Return an array of *count* elements from the pointer *data* on, of the type *kind*."""
    data = builder.bitcast(data, context.get_data_type(kind.dtype).as_pointer())
    array = context.make_array(kind)(context, builder)
    step = cgutils.intp_t(context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    populate_array(array, data=data, shape=[count], strides=[step], itemsize=step, meminfo=None)
    return array._getvalue()


@intrinsic
def part(context: Any, a: Any, first: Any, last: Any) -> Any:
    """Return ``a[first:last]``, or None where there is no array.

    Not register_jitable: of None and an array it makes an optional type, which a parallel loop passes on by a flag that
    is not always set. Nor an overload, which takes as long to compile as the formula of a loss.
    """
    if a is types.none:
        return types.none(a, first, last), no_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, start, end = arguments
        return borrowed(context, builder, a, _place(context, builder, a, array, start), builder.sub(end, start))

    return a(a, types.intp, types.intp), generate


@intrinsic
def part_of_row(context: Any, a: Any, i: Any, first: Any, last: Any) -> Any:
    """Return ``a[i, first:last]`` of a contiguous matrix, or None where there is no array; see :func:`part`."""
    if a is types.none:
        return types.none(a, i, first, last), no_value
    kind = types.Array(a.dtype, 1, "C", readonly=not a.mutable)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        matrix, index, start, end = arguments
        array = context.make_array(a)(context, builder, matrix)
        place = builder.add(builder.mul(index, cgutils.unpack_tuple(builder, array.shape)[1]), start)
        return borrowed(context, builder, kind, builder.gep(array.data, [place]), builder.sub(end, start))

    return kind(a, types.intp, types.intp, types.intp), generate


def no_value(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Generate None."""
    return context.get_dummy_value()


def on_stack(context: Any, builder: Any, kind: Any, count: int) -> Any:
    """Return an array of *count* elements in the frame of the function that is being built: it ends with that."""
    with builder.goto_entry_block():  # cgutils.alloca_once would fill it with zeros
        place = builder.alloca(ir.ArrayType(context.get_data_type(kind.dtype), count))
    place.align = 64
    return borrowed(context, builder, kind, place, cgutils.intp_t(count))


def scratch_of(count: int) -> Any:
    """Return a function that gives room for so many numbers of a type, on the stack; always the same one."""

    if config.DISABLE_JIT:
        return lambda real: np.empty(count, real)

    @intrinsic
    def scratch(context: Any, real: Any) -> Any:
        kind = types.Array(real.dtype, 1, "C")

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return on_stack(context, builder, kind, count)

        return kind(real), generate

    return scratch


if config.DISABLE_JIT:  # the same in Python

    def _part(a: Any, first: int, last: int) -> Any:
        return None if a is None else a[first:last]

    part = _part
