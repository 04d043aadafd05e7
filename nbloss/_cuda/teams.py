"""Teams of threads that work on one row together.

A team is a power of 2 of the threads of a block, side by side. Threads of a warp tell each other what they found; what
warps found goes through shared memory. All is combined in the same order in every thread. A team of one thread has
nothing to combine, and kernels of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import cuda

from nbloss._cuda.blocks import ALL, BLOCK, BUSY, WARP
from nbloss._cuda.layout import on_device

FEW = 4
"""Up to so many classes, a row is the work of one thread."""

EACH = 8
"""So many classes a thread of a large team takes at least: what is done once a row is done by each of its threads."""

SECTOR = 8
"""Threads that write to 32 bytes of memory at once, the least that is moved: no team is smaller."""


def team_for(rows: int, classes: int, are_apart: bool) -> int:
    """Return how many threads work on a row.

    Where the classes of a row *are apart* in memory, and the same class of two rows beside each other, threads side by
    side take a row each, if there are rows enough.
    """
    if classes <= FEW or (are_apart and rows >= BUSY * BLOCK):
        return 1
    return int(min(BLOCK, max(SECTOR, 1 << (-(-classes // EACH) - 1).bit_length())))


@cuda.jit(device=True)
def _summed(x: Any, lane: Any, team: Any, room: Any) -> Any:
    step = min(team, WARP) >> 1
    while step > 0:
        x += cuda.shfl_xor_sync(ALL, x, step)
        step >>= 1
    if team > WARP:
        me = cuda.threadIdx.x
        if me & (WARP - 1) == 0:
            room[me // WARP] = x
        cuda.syncthreads()
        warps = team // WARP
        x = room[(me - lane) // WARP + (me & (warps - 1))]
        cuda.syncthreads()  # before the next call writes to it
        step = warps >> 1
        while step > 0:
            x += cuda.shfl_xor_sync(ALL, x, step)
            step >>= 1
    return x


@cuda.jit(device=True)
def _greatest(x: Any, lane: Any, team: Any, room: Any) -> Any:
    step = min(team, WARP) >> 1
    while step > 0:
        other = cuda.shfl_xor_sync(ALL, x, step)
        x = other if other > x else x
        step >>= 1
    if team > WARP:
        me = cuda.threadIdx.x
        if me & (WARP - 1) == 0:
            room[me // WARP] = x
        cuda.syncthreads()
        warps = team // WARP
        x = type(x)(room[(me - lane) // WARP + (me & (warps - 1))])
        cuda.syncthreads()
        step = warps >> 1
        while step > 0:
            other = cuda.shfl_xor_sync(ALL, x, step)
            x = other if other > x else x
            step >>= 1
    return x


_alone = on_device(lambda x, lane, team, room: x)


def summed(together: bool) -> Callable[..., Any]:
    """Return the function that gives all threads of a team the sum of their x, in double precision."""
    return _summed if together else _alone


def greatest(together: bool) -> Callable[..., Any]:
    """Return the function that gives all threads of a team the greatest of their x; nan may be passed over."""
    return _greatest if together else _alone
