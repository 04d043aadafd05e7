"""Large results go to memory past the caches.

A store through the caches reads each line of memory before it is overwritten, and puts out something that may be
wanted: a loop that reads two arrays and writes two moves six. So blocks of large results are made in a scratch that
stays in the cache, and poured out from there by whole lines.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic

from nbloss._cpu.blocks import BLOCK
from nbloss._cpu.views import borrowed, no_value, on_stack, part

STREAM_FROM = 1 << 24
"""Bytes of a result from which on it is poured out; what is smaller may well be found in the caches by its reader."""

LINE = 64  # bytes
PAGE = 4096


@intrinsic
def room_for(context: Any, a: Any, z: Any, lines: Any) -> Any:
    """Return a scratch for a block of the result *a* on the stack of the caller, or None where there is no result.

    It begins so many lines after *z* does, but for whole pages. Processors compare the lower 12 bits of addresses
    first: where a scratch lies just before or after an input, what is loaded waits for what was stored. Left to chance,
    that cost 4 to 12 % of the time of gradients and Hessians in float64.
    """
    if a is types.none:
        return types.none(a, z, lines), no_value
    kind = types.Array(a.dtype, 1, "C")

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        size = a.dtype.bitwidth // 8
        base = context.make_array(kind)(context, builder, on_stack(context, builder, kind, BLOCK + PAGE // size)).data
        first = context.make_array(z)(context, builder, arguments[1]).data
        wanted = builder.add(builder.ptrtoint(first, cgutils.intp_t), builder.mul(arguments[2], cgutils.intp_t(LINE)))
        shift = builder.sub(wanted, builder.ptrtoint(base, cgutils.intp_t))
        shift = builder.and_(shift, cgutils.intp_t(PAGE - LINE))
        place = builder.gep(base, [builder.udiv(shift, cgutils.intp_t(size))])
        return borrowed(context, builder, kind, place, cgutils.intp_t(BLOCK))

    return kind(a, z, types.intp), generate


@intrinsic
def lead_of(context: Any, a: Any) -> Any:
    """Return how many elements the first block of the result *a* lacks, so that the others begin with a line.

    Returns -1 where the result is not poured out.
    """
    if a is types.none:
        return types.intp(a), lambda context, builder, signature, arguments: cgutils.intp_t(-1)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        size = a.dtype.bitwidth // 8
        array = context.make_array(a)(context, builder, arguments[0])
        rest = builder.and_(builder.ptrtoint(array.data, cgutils.intp_t), cgutils.intp_t(LINE - 1))
        [count] = cgutils.unpack_tuple(builder, array.shape)
        is_large = builder.icmp_signed(">=", count, cgutils.intp_t(STREAM_FROM // size))
        return builder.select(is_large, builder.udiv(rest, cgutils.intp_t(size)), cgutils.intp_t(-1))

    return types.intp(a), generate


@intrinsic
def place_in(context: Any, a: Any, room: Any, first: Any, last: Any, streams: Any) -> Any:
    """Return where the elements from *first* to *last* of a result are made: in the scratch if they are poured out."""
    if a is types.none:
        return types.none(a, room, first, last, streams), no_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, scratch, start, end, condition = arguments
        there = context.make_array(a)(context, builder, array).data
        here = context.make_array(room)(context, builder, scratch).data
        place = builder.select(condition, here, builder.gep(there, [start]))
        return borrowed(context, builder, a, place, builder.sub(end, start))

    return a(a, room, types.intp, types.intp, types.boolean), generate


@intrinsic
def pour(context: Any, a: Any, room: Any, first: Any, last: Any) -> Any:
    """Bring what was made in the scratch to its place; until :func:`settle`, no other thread may read it.

    A part that does not begin with a line, or what is left of the last one, goes through the caches.
    """
    if a is types.none:
        return types.none(a, room, first, last), no_value

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array, scratch, start, end = arguments
        size = a.dtype.bitwidth // 8
        step = cgutils.intp_t(LINE // size)
        source = context.make_array(room)(context, builder, scratch).data
        target = builder.gep(context.make_array(a)(context, builder, array).data, [start])
        count = builder.sub(end, start)
        rest = builder.and_(builder.ptrtoint(target, cgutils.intp_t), cgutils.intp_t(LINE - 1))
        is_aligned = builder.icmp_signed("==", rest, cgutils.intp_t(0))
        lines = builder.select(is_aligned, builder.udiv(count, step), cgutils.intp_t(0))
        line = ir.VectorType(context.get_data_type(a.dtype), LINE // size).as_pointer()
        with cgutils.for_range(builder, lines) as loop:
            i = builder.mul(loop.index, step)
            numbers = builder.load(builder.bitcast(builder.gep(source, [i]), line), align=LINE)
            store = builder.store(numbers, builder.bitcast(builder.gep(target, [i]), line), align=LINE)
            store.set_metadata("nontemporal", builder.module.add_metadata([ir.IntType(32)(1)]))
        done = builder.mul(lines, step)
        with cgutils.for_range(builder, builder.sub(count, done)) as loop:
            i = builder.add(done, loop.index)
            builder.store(builder.load(builder.gep(source, [i])), builder.gep(target, [i]))
        return context.get_dummy_value()

    return types.void(a, room, types.intp, types.intp), generate


@intrinsic
def settle(context: Any) -> Any:
    """Let all that was poured out reach memory before anything else does."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate


if config.DISABLE_JIT:  # the same in Python, where nothing is poured out

    def _room_for(a: Any, z: Any, lines: int) -> None:
        return None

    def _lead_of(a: Any) -> int:
        return -1

    def _place_in(a: Any, room: Any, first: int, last: int, streams: bool) -> Any:
        return part(a, first, last)

    room_for, lead_of, place_in = _room_for, _lead_of, _place_in
