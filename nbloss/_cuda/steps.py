"""What a call of one kind does: launches of which only the addresses of arrays change."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from nbloss._cuda import arrays as places
from nbloss._cuda import device
from nbloss._cuda.arrays import turn
from nbloss._cuda.launch import Loaded, laid_out, refused

WORD = 8


class Step(NamedTuple):
    """One launch."""

    kernel: Loaded
    blocks: int
    threads: int
    stream: Any
    room: int
    arguments: Sequence[Any]
    addresses: Sequence[tuple[int, int, int]]
    """Which arguments are addresses: places, the numbers of the arrays, and how far behind their first elements."""


class Plan:
    """What a call of one kind does.

    Parameters
    ----------
    steps : list of Step
    given : int
        How many arrays the call is given.
    rooms : list of tuple
        Shapes, dtypes and strides of the arrays to make, which are numbered after those given.
    stream : int
        The stream that these are for.
    apart : list of tuple
        Numbers of two arrays, and between which differences of their addresses they may share memory.
    result : callable
        What makes the result of `out=` and of the arrays made; None where the result is `out=` itself.
    kept : list
        What owns memory that the kernels use besides.
    """

    __slots__ = (
        "_apart", "_further", "_kept", "_launches", "_result", "_rooms", "_seen", "_start", "_stream",
        "_words",
    )  # fmt: skip

    def __init__(
        self, steps: Sequence[Step], given: int, rooms: Sequence[tuple[Any, ...]], stream: int,
        apart: list[tuple[int, int, int, int]], result: Callable[[Any, list[Any]], Any] | None, kept: list[Any],
    ) -> None:  # fmt: skip
        self._rooms, self._stream, self._apart, self._result = rooms, stream, apart, result
        count = given + len(rooms)
        slots = {(number, 0): number for number in range(count)}
        for step in steps:
            for _, number, offset in step.addresses:
                slots.setdefault((number, offset), len(slots))
        self._further = list(slots)[count:]
        # the addresses of a call are written side by side, where the lists of arguments of all launches find them
        self._words: Any = (ctypes.c_uint64 * len(slots))()
        base = ctypes.addressof(self._words)
        self._launches: list[tuple[Any, ...]] = []
        self._kept: list[Any] = [kept]
        for step in steps:
            at = {place: base + WORD * slots[number, offset] for place, number, offset in step.addresses}
            table, memory = laid_out(step.arguments, at)
            self._launches.append(
                (step.kernel.function, step.blocks, 1, 1, step.threads, 1, 1, step.room, step.stream, table, 0)
            )
            self._kept += (memory, step.kernel)
        self._start = device.launcher()
        self._seen: list[int] = []  # the addresses of the last call that gives arrays to write to

    def run(self, like: Any, addresses: list[int], out: Any) -> Any:
        """Launch; return the result, or None if an output may share memory with another array."""
        if self._apart and addresses != self._seen:
            for i, j, low, high in self._apart:
                if low < addresses[i] - addresses[j] < high:
                    return None
            self._seen = addresses[:]
        rooms: list[Any] = []
        if self._rooms:
            like = like[0] if type(like) is tuple else like
            for shape, dtype, strides in self._rooms:
                room = places.room(shape, dtype, strides, like, self._stream)
                rooms.append(room)
                addresses.append(address_of(room))
        start = self._start
        with turn:
            if self._further:
                addresses += [addresses[i] + offset for i, offset in self._further]
            self._words[:] = addresses
            for how in self._launches:
                (error,) = start(*how)
                if error:
                    refused(error)
        return out if self._result is None else self._result(out, rooms)


UNPLANNED = Plan.__new__(Plan)
"""Stands for what no plan can be made of."""


def address_of(a: Any) -> int:
    """Return the address of the first element of an array."""
    if hasattr(a, "data_ptr"):
        return int(a.data_ptr())
    return a.__cuda_array_interface__["data"][0] or 0
