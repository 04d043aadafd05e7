"""Large results go to memory past the caches.

A store through the caches reads each line of memory before it is overwritten, and puts out something that may be
wanted: a loop that reads two arrays and writes two moves six. So blocks of large results are made in a scratch that
stays in the cache, and poured out from there by whole lines.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic, overload, register_jitable

from nbloss._compile import INLINE
from nbloss._cpu.blocks import BLOCK
from nbloss._cpu.views import address, either, on_stack, view

STREAM_FROM = 1 << 24
"""Bytes of a result from which on it is poured out; what is smaller may well be found in the caches by its reader."""

LINE = 64  # bytes


@intrinsic
def room_for(context: Any, a: Any) -> Any:
    """Return a scratch for a block of the result *a* on the stack of the caller, or None where there is no result."""
    if a is types.none:
        return types.none(a), lambda context, builder, signature, arguments: context.get_dummy_value()
    kind = types.Array(a.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return on_stack(context, builder, kind, BLOCK)

    return kind(a), generate


def lead_of(a: Any) -> int:
    """Return how many elements the first block of the result *a* lacks, so that the others begin with a line.

    Returns -1 where the result is not poured out.
    """
    return -1


@overload(lead_of, strict=False)
def _lead_of(a: Any) -> Any:
    if a is types.none:
        return lambda a: -1

    def lead(a: Any) -> int:
        return address(a) % LINE // a.itemsize if a.size * a.itemsize >= STREAM_FROM else -1

    return lead


def place_in(a: Any, room: Any, first: int, last: int, streams: bool) -> Any:
    """Return where the elements from *first* to *last* of a result are made: in the scratch if they are poured out."""
    if a is None:
        return None
    return room[: last - first] if streams else a[first:last]


@overload(place_in, strict=False)
def _place_in(a: Any, room: Any, first: int, last: int, streams: bool) -> Any:
    if a is types.none:
        return lambda a, room, first, last, streams: None

    return lambda a, room, first, last, streams: either(streams, room, 0, a, first, last - first)


def pour(a: Any, room: Any, first: int, last: int) -> None:
    """Bring what was made in the scratch to its place; until :func:`settle`, no other thread may read it."""
    if a is not None:
        a[first:last] = room[: last - first]


@overload(pour, strict=False)
def _pour(a: Any, room: Any, first: int, last: int) -> Any:
    if a is types.none:
        return lambda a, room, first, last: None
    return lambda a, room, first, last: _copy(view(room, 0, last - first), view(a, first, last))


@register_jitable(**INLINE)
def _copy(source: Any, target: Any) -> None:
    step = LINE // target.itemsize
    end = target.size // step * step if address(target) % LINE == 0 else 0
    for i in range(0, end, step):
        _put_line(source, target, i)
    for i in range(end, target.size):
        target[i] = source[i]


@intrinsic
def _put_line(context: Any, source: Any, target: Any, i: Any) -> Any:
    """Copy a line from element *i* on; it must be aligned in the target."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real = context.get_data_type(target.dtype)
        line = ir.VectorType(real, LINE // (target.dtype.bitwidth // 8)).as_pointer()
        places = [
            builder.bitcast(builder.gep(context.make_array(t)(context, builder, a).data, [arguments[2]]), line)
            for t, a in zip((source, target), arguments, strict=False)
        ]
        numbers = builder.load(places[0], align=target.dtype.bitwidth // 8)
        store = builder.store(numbers, places[1], align=LINE)
        store.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
        return context.get_dummy_value()

    return types.void(source, target, types.intp), generate


@intrinsic
def settle(context: Any) -> Any:
    """Let all that was poured out reach memory before anything else does."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


if config.DISABLE_JIT:  # nothing is poured out: see lead_of

    def _no_room(a: Any) -> None:
        return None

    room_for = _no_room
