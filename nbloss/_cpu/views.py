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
from numba.extending import intrinsic, overload
from numba.np.arrayobj import populate_array


@intrinsic
def address(context: Any, a: Any) -> Any:
    """Return the address of the first element of an array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(a)(context, builder, arguments[0]).data
        return builder.ptrtoint(data, context.get_value_type(types.intp))

    return types.intp(a), generate


@intrinsic
def view(context: Any, a: Any, first: Any, last: Any) -> Any:
    """Return the elements of a vector from *first* to *last*, which are not checked."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, start, end = arguments
        return borrowed(context, builder, a, _place(context, builder, a, array, start), builder.sub(end, start))

    return a(a, types.intp, types.intp), generate


@intrinsic
def either(context: Any, is_first: Any, a: Any, i: Any, b: Any, j: Any, size: Any) -> Any:
    """Return *size* elements of a vector from *i* on, or else those of another one of its type from *j* on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        condition, a_, i_, b_, j_, count = arguments
        places = _place(context, builder, a, a_, i_), _place(context, builder, b, b_, j_)
        return borrowed(context, builder, a, builder.select(condition, *places), count)

    return a(types.boolean, a, types.intp, b, types.intp, types.intp), generate


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


# Not register_jitable: of None and an array it makes an optional type, which a parallel loop passes on by a flag that
# is not always set.
def part(a: Any, first: int, last: int) -> Any:
    """Return ``a[first:last]``, or None where there is no array."""
    return None if a is None else a[first:last]


@overload(part, strict=False)
def _part(a: Any, first: int, last: int) -> Any:
    return (lambda a, first, last: None) if a is types.none else (lambda a, first, last: view(a, first, last))


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
