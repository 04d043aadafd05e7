"""Several elements at once: vectors in memory, which a device loads and stores in one instruction of up to 16 bytes.

An array can be read so where its elements lie side by side and the first one at a multiple of 16 bytes. What a kernel
computes it computes element by element, with functions that are made for each number of elements: numba's tuples have
no loops.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from numba import config, types

from nbloss._cuda.launch import Pointer
from nbloss._cuda.layout import NUMBER, decoder, encoder, on_device, reader, writer

BYTES = 16
"""The size of the widest load that every device has."""


def width_for(itemsize: int) -> int:
    """Return how many elements of this size a thread works on at once."""
    return BYTES // itemsize


if config.ENABLE_CUDASIM:

    def load(a: Any, i: Any, count: Any) -> Any:
        """Return *count* elements, from element i on, which lies at a multiple of their size together."""
        return tuple(a[i + k] for k in range(count))

    load_shared = load

    def store(a: Any, i: Any, x: Any) -> None:
        """Write the tuple *x* to the elements from element i on, which lies at a multiple of their size together."""
        for k, part in enumerate(x):
            a[i + k] = part

    def pointer_to(a: Any) -> Any:
        """Return the first element of an array in shared memory, for code that indexes it and asks nothing else."""
        return a

else:
    from llvmlite import ir
    from numba.cuda.extending import intrinsic

    def _loading(is_input: bool, a: Any, i: Any, count: Any) -> Any:
        """Return signature and code of :func:`load` and :func:`load_shared`."""
        if not (isinstance(a, types.CPointer) and isinstance(count, types.IntegerLiteral)):
            return None
        n = count.literal_value

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            model = context.data_model_manager[a.dtype]
            element = model.get_data_type()
            place = builder.gep(arguments[0], [arguments[1]])
            vector = ir.VectorType(element, n)
            loaded = builder.load(
                builder.bitcast(place, vector.as_pointer()), align=_alignment(context, element, n)
            )  # fmt: skip
            if is_input:
                loaded.set_metadata("invariant.load", builder.module.add_metadata([]))  # no kernel writes to these
            found = [builder.extract_element(loaded, ir.Constant(ir.IntType(32), k)) for k in range(n)]
            return context.make_tuple(builder, signature.return_type, [model.from_data(builder, x) for x in found])

        return types.UniTuple(a.dtype, n)(a, i, count), generate

    @intrinsic
    def load(typing: Any, a: Any, i: Any, count: Any) -> Any:
        """Return *count* elements, from element i on, which lies at a multiple of their size together."""
        return _loading(True, a, i, count)

    @intrinsic
    def load_shared(typing: Any, a: Any, i: Any, count: Any) -> Any:
        """Return what :func:`load` does, of memory that kernels write to."""
        return _loading(False, a, i, count)

    @intrinsic
    def pointer_to(typing: Any, a: Any) -> Any:
        """Return the first element of an array in shared memory, for code that indexes it and asks nothing else."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return context.make_array(a)(context, builder, arguments[0]).data

        return types.CPointer(a.dtype)(a), generate

    @intrinsic
    def store(typing: Any, a: Any, i: Any, x: Any) -> Any:
        """Write the tuple *x* to the elements from element i on, which lies at a multiple of their size together."""
        if not (isinstance(a, types.CPointer) and isinstance(x, types.UniTuple)):
            return None

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            model = context.data_model_manager[a.dtype]
            element = model.get_data_type()
            vector = ir.Constant(ir.VectorType(element, x.count), ir.Undefined)
            for k in range(x.count):
                part = context.cast(builder, builder.extract_value(arguments[2], k), x.dtype, a.dtype)
                vector = builder.insert_element(vector, model.as_data(builder, part), ir.Constant(ir.IntType(32), k))
            place = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), vector.type.as_pointer())
            builder.store(vector, place, align=_alignment(context, element, x.count))
            return context.get_dummy_value()

        return types.void(a, i, x), generate

    def _alignment(context: Any, element: Any, count: int) -> int:
        return min(BYTES, int(context.get_abi_sizeof(element)) * count)


@functools.cache
def loader(form: Any, width: int, is_wide: bool) -> Callable[..., Any]:
    """Return the function that gives the tuple of *width* elements of an operand, from element i on."""
    if is_wide and form is not None and form != NUMBER:
        decode = each(decoder(form.dtype), width)
        return on_device(lambda a, i, lengths: decode(load(a, i, width)))
    return on_device(_reads(reader(form), width))


@functools.cache
def storer(form: Any, width: int, is_wide: bool) -> Callable[..., Any]:
    """Return the function that makes a tuple of *width* numbers the elements of an operand, from element i on."""
    if form is None:
        return on_device(lambda a, i, lengths, x: None)
    if is_wide:
        encode = each(encoder(form.dtype), width)
        return on_device(lambda a, i, lengths, x: store(a, i, encode(x)))
    return on_device(_writes(writer(form), width))


def _reads(read: Callable[..., Any], width: int) -> Callable[..., Any]:
    if width == 1:
        return lambda a, i, lengths: (read(a, i, lengths),)
    others = on_device(_reads(read, width - 1))
    return lambda a, i, lengths: (read(a, i, lengths), *others(a, i + 1, lengths))


def _writes(write: Callable[..., Any], width: int) -> Callable[..., Any]:
    if width == 1:
        return lambda a, i, lengths, x: write(a, i, lengths, x[0])
    others = on_device(_writes(write, width - 1))

    def put(a: Any, i: Any, lengths: Any, x: Any) -> None:
        write(a, i, lengths, x[0])
        others(a, i + 1, lengths, x[1:])

    return put


@functools.cache
def each(function: Callable[..., Any], width: int) -> Callable[..., Any]:
    """Return the function that applies *function* to each entry of a tuple."""
    if width == 1:
        return on_device(lambda x: (function(x[0]),))
    others = each(function, width - 1)
    return on_device(lambda x: (function(x[0]), *others(x[1:])))


def evaluating(one: Callable[..., Any], width: int) -> Callable[..., Any]:
    """Return the function that gives three tuples, of what *one* gives for the entries of three tuples.

    Besides these, both take what all entries have in common, and the lengths of axes; *one* the index of its entry.
    """
    if width == 1:

        def only(y: Any, z: Any, w: Any, common: Any, i: Any, lengths: Any) -> Any:
            v, g, h = one(y[0], z[0], w[0], common, i, lengths)
            return (v,), (g,), (h,)

        return on_device(only)
    others = evaluating(one, width - 1)

    def every(y: Any, z: Any, w: Any, common: Any, i: Any, lengths: Any) -> Any:
        v, g, h = one(y[0], z[0], w[0], common, i, lengths)
        vs, gs, hs = others(y[1:], z[1:], w[1:], common, i + 1, lengths)
        return (v, *vs), (g, *gs), (h, *hs)

    return on_device(every)


@functools.cache
def adding(width: int) -> Callable[..., Any]:
    """Return the function that adds the entries of a tuple, in their order, to a total."""
    if width == 1:
        return on_device(lambda total, x: total + x[0])
    others = adding(width - 1)
    return on_device(lambda total, x: others(total + x[0], x[1:]))


def is_wide(operands: Any) -> bool:
    """Whether all arrays among the operands, vectors in memory, begin at multiples of 16 bytes."""
    return all(a.address % BYTES == 0 for a in operands if isinstance(a, Pointer))
