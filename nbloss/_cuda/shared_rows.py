"""Rows on their way through the memory that the threads of a block share.

Where rows stand side by side, those that a block works on at a time are one piece of memory. The block brings it over
16 bytes at a time, reads it there as often as it has to, and takes the derivatives back in the same way: the memory of
the device is read once and written once, in whole lines, whatever the number of classes is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numba import cuda, from_dtype

from nbloss._cuda.blocks import BLOCK
from nbloss._cuda.layout import decoder, encoder, on_device
from nbloss._cuda.wide import each, is_wide, load, load_shared, pointer_to, store, width_for

ROOM = 48 << 10
"""Bytes that a block can have on every device without asking for more."""

NONE, PREDICTIONS, DERIVATIVES, TOO_LARGE = range(4)
"""What goes by way of shared memory: nothing, what is read, what is written as well, or nothing, since there is no room
for it: nor will it be in a cache when it is read again."""


def stage_for(classes: int, team: int, real: np.dtype[Any], z: Any, outs: Sequence[Any]) -> tuple[int, int]:
    """Return what goes by way of shared memory, and how many bytes of it a block needs.

    The operands are those of :mod:`nbloss._cuda.row_layout`; a team of threads works on a row.
    """
    piece = real.itemsize * region_for(classes, team, real)
    if piece > ROOM:
        return TOO_LARGE, 0
    if not _is_side_by_side(z, classes):
        return NONE, 0
    outs = [a for a in outs if isinstance(a, tuple)]
    if outs and len(outs) * piece <= ROOM and all(_is_side_by_side(a, classes) for a in outs):
        return DERIVATIVES, len(outs) * piece
    return PREDICTIONS, piece


def region_for(classes: int, team: int, real: np.dtype[Any]) -> int:
    """Return how many numbers there is room for: those of a block's rows, wherever these begin within 16 bytes."""
    width = width_for(real.itemsize)
    return (-(-BLOCK // team * classes // width) + 1) * width


def _is_side_by_side(a: Any, classes: int) -> bool:
    pointer, start, steps, within = a
    return start == 0 and steps == (classes,) and within == (1,) and is_wide((pointer,))


Staging = tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any], Callable[..., Any]]


def staging(staged: int, real: np.dtype[Any], z: Any, gradient: Any, hessian: Any) -> Staging:
    """Return what a kernel does before and after it works on rows, where its room is, and at what it meets in between.

    ``enter(z, gradient, hessian, first, count, classes, team, room)`` returns the operands to work with, for *count*
    rows from *first* on; ``leave`` takes the same. All threads of a block come to each of them.
    """
    if staged in (NONE, TOO_LARGE):
        return (
            on_device(lambda: 0),
            on_device(lambda z, gradient, hessian, first, count, classes, team, room: (z, gradient, hessian)),
            on_device(lambda gradient, hessian, first, count, classes, team, room: None),
            _not_at_all,
        )
    number, width, are_both = from_dtype(real), width_for(real.itemsize), gradient is not None and hessian is not None
    bring, writes = _bringing(z, width), staged == DERIVATIVES
    take_gradient = _taking(gradient if writes else None, width)
    take_hessian = _taking(hessian if writes else None, width)

    def room_of() -> Any:
        return pointer_to(cuda.shared.array(0, number, 16))

    def region(classes: Any, team: Any) -> Any:
        """Return what :func:`region_for` does, if there are two regions."""
        return ((BLOCK // team * classes + width - 1) // width + 1) * width if are_both else np.int64(0)

    region = on_device(region)

    def enter(z: Any, gradient: Any, hessian: Any, first: Any, count: Any, classes: Any, team: Any, room: Any) -> Any:
        begin = first * classes
        shift = begin & (width - 1)  # where 16 bytes begin is the same there as here
        bring(z[0], begin, begin + count * classes, room, shift)
        cuda.syncthreads()
        at = room, shift - begin, (classes,), (1,)
        if not writes:
            return at, gradient, hessian
        return at, at, (room, shift - begin + region(classes, team), (classes,), (1,))

    def leave(gradient: Any, hessian: Any, first: Any, count: Any, classes: Any, team: Any, room: Any) -> None:
        cuda.syncthreads()
        begin = first * classes
        end, shift = begin + count * classes, begin & (width - 1)
        if writes:
            take_gradient(gradient, begin, end, room, shift)
            take_hessian(hessian, begin, end, room, shift + region(classes, team))
            cuda.syncthreads()

    return _device(room_of), _device(enter), _device(leave), _together if writes else _not_at_all


def _device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let kernels call *function*, which asks what thread it is or meets others."""
    made: Callable[..., Any] = cuda.jit(device=True)(function)
    return made


@_device
def _together() -> None:
    """Meet: what lies in shared memory has been read by those who need it, and may be written to."""
    cuda.syncthreads()


_not_at_all = on_device(lambda: None)


def _bringing(form: Any, width: int) -> Callable[..., Any]:
    """Return the function that brings elements *begin* to *end* of an array to shared memory, from *shift* on."""
    decode, decode_all = decoder(form.dtype), each(decoder(form.dtype), width)

    def bring(a: Any, begin: Any, end: Any, room: Any, shift: Any) -> None:
        me = cuda.threadIdx.x
        start = min(begin + (-begin & (width - 1)), end)  # from here on, so many elements lie in the same 16 bytes
        to, stop = np.int32(shift + start - begin), np.int32((end - start) // width * width)
        if begin + me < start:
            room[shift + me] = decode(a[begin + me])
        k = np.int32(me * width)
        while k < stop:
            store(room, to + k, decode_all(load(a, start + k, width)))
            k = np.int32(k + (BLOCK * width))
        last = stop + me
        if start + last < end:
            room[to + last] = decode(a[start + last])

    return _device(bring)


def _taking(form: Any, width: int) -> Callable[..., Any]:
    """Return the function that does the reverse."""
    if form is None:
        return on_device(lambda a, begin, end, room, shift: None)
    encode, encode_all = encoder(form.dtype), each(encoder(form.dtype), width)

    def take(a: Any, begin: Any, end: Any, room: Any, shift: Any) -> None:
        to, me = a[0], cuda.threadIdx.x
        start = min(begin + (-begin & (width - 1)), end)
        at, stop = np.int32(shift + start - begin), np.int32((end - start) // width * width)
        if begin + me < start:
            to[begin + me] = encode(room[shift + me])
        k = np.int32(me * width)
        while k < stop:
            store(to, start + k, encode_all(load_shared(room, at + k, width)))
            k = np.int32(k + (BLOCK * width))
        last = stop + me
        if start + last < end:
            to[start + last] = encode(room[at + last])

    return _device(take)
