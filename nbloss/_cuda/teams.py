"""Teams of threads that work on one row together.

A team is a power of 2 of the threads of a block, side by side. What its threads found is combined in shared memory in
a tree, always the same. A team of one thread has nothing to combine, and kernels of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import cuda

from nbloss._cuda.blocks import BLOCK, BUSY
from nbloss._cuda.layout import on_device

FEW = 32
"""Up to so many classes, a row is the work of one thread."""

EACH = 8
"""So many classes a thread of a team takes at least: each step of a tree costs more than a class."""


def team_for(rows: int, classes: int, are_apart: bool) -> int:
    """Return how many threads work on a row.

    Where the classes of a row *are apart* in memory, and the same class of two rows beside each other, threads side by
    side take a row each, if there are rows enough.
    """
    if classes <= FEW or (are_apart and rows >= BUSY * BLOCK):
        return 1
    return int(min(BLOCK, 1 << (-(-classes // EACH) - 1).bit_length()))


@cuda.jit(device=True)
def _summed(x: Any, lane: Any, team: Any, room: Any) -> Any:
    me = cuda.threadIdx.x
    room[me] = x
    half = team // 2
    while half > 0:
        cuda.syncthreads()
        if lane < half:
            room[me] += room[me + half]
        half //= 2
    cuda.syncthreads()
    result = room[me - lane]
    cuda.syncthreads()  # before the next call writes to it
    return result


@cuda.jit(device=True)
def _greatest(x: Any, lane: Any, team: Any, room: Any) -> Any:
    me = cuda.threadIdx.x
    room[me] = x
    half = team // 2
    while half > 0:
        cuda.syncthreads()
        if lane < half and room[me + half] > room[me]:
            room[me] = room[me + half]
        half //= 2
    cuda.syncthreads()
    result = room[me - lane]
    cuda.syncthreads()
    return type(x)(result)


_alone = on_device(lambda x, lane, team, room: x)


def summed(together: bool) -> Callable[..., Any]:
    """Return the function that gives all threads of a team the sum of their x, in double precision."""
    return _summed if together else _alone


def greatest(together: bool) -> Callable[..., Any]:
    """Return the function that gives all threads of a team the greatest of their x; nan may be passed over."""
    return _greatest if together else _alone
