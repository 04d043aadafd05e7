"""The threads of a block as greenlets of one thread of the host, in the place of those of numba's simulator.

There each is a thread of the host, and all wait for each other at every barrier, which takes milliseconds. Here one
runs until it comes to a barrier, then the next; forwards and backwards in turn, so that a barrier that is missing
shows: whoever reads too early gets what was there before, in one order or the other.

Operations of a warp, which the simulator lacks, are here too. All lanes of a warp must come to them.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

import greenlet
import numpy as np

from nbloss._cuda.blocks import WARP


class Thread:
    """What the simulator asks of the thread that runs."""

    def __init__(self, block: Block, block_place: Any, place: Any, body: Callable[[], None]) -> None:
        from numba.cuda.simulator.kernel import Dim3

        self.block, self.blockIdx, self.threadIdx = block, Dim3(*block_place), Dim3(*place)
        size = Dim3(*block._block_dim)
        self.thread_id = self.threadIdx.x + size.x * (self.threadIdx.y + size.y * self.threadIdx.z)
        self.greenlet = greenlet.greenlet(body)
        self.waits_for: Any = None
        """The threads, by their numbers, that must come to the barrier at which this one is; None where it runs."""

    def wait_for(self, threads: range) -> None:
        self.waits_for = threads
        self.block.hub.switch()

    def syncthreads(self) -> None:
        self.wait_for(range(self.block.size))

    def _told(self, value: Any) -> list[Any]:
        """Return what all threads of the block say."""
        return self._exchanged(value, range(self.block.size))

    def syncthreads_count(self, value: Any) -> int:
        return sum(map(bool, self._told(value)))

    def syncthreads_and(self, value: Any) -> int:
        return int(all(self._told(value)))

    def syncthreads_or(self, value: Any) -> int:
        return int(any(self._told(value)))

    def _exchanged(self, value: Any, threads: range) -> list[Any]:
        self.block.said[self.thread_id] = value
        self.wait_for(threads)
        found = [self.block.said[i] for i in threads]
        self.wait_for(threads)
        return found

    def of_warp(self, value: Any) -> tuple[int, list[Any]]:
        """Return the lane of this thread, and what all lanes of its warp say."""
        first = self.thread_id // WARP * WARP
        return self.thread_id - first, self._exchanged(value, range(first, min(first + WARP, self.block.size)))


class Block:
    """Runs the threads of a block, as the class `BlockManager` of the simulator does."""

    running: Thread | None = None

    def __init__(self, f: Callable[..., None], grid_dim: Any, block_dim: Any, debug: bool) -> None:
        self._f, self._grid_dim, self._block_dim = f, grid_dim, block_dim
        self.size = math.prod(block_dim)
        self.said: dict[int, Any] = {}

    def run(self, grid_point: Any, *args: Any) -> None:
        self.hub = greenlet.getcurrent()
        threads = [
            Thread(self, grid_point, place, lambda: self._f(*args)) for place in np.ndindex(*self._block_dim)
        ]  # fmt: skip
        threads.sort(key=lambda thread: thread.thread_id)
        forwards = True
        while any(not thread.greenlet.dead for thread in threads):
            moved = False
            for thread in threads if forwards else reversed(threads):
                if thread.waits_for is None and not thread.greenlet.dead:
                    Block.running = thread
                    thread.greenlet.switch()
                    moved = True
            forwards = not forwards
            here = [not thread.greenlet.dead and thread.waits_for is not None for thread in threads]
            dead = [thread.greenlet.dead for thread in threads]
            free = [
                thread
                for thread in threads
                if thread.waits_for is not None and all(here[i] or dead[i] for i in thread.waits_for)
            ]
            met = {thread.thread_id: thread.waits_for for thread in free}
            for thread in free:
                if any(met.get(i, thread.waits_for) != thread.waits_for for i in thread.waits_for):
                    raise RuntimeError(f"thread {thread.thread_id} waits at another barrier than those it waits for")
            for thread in free:
                thread.waits_for = None
            if not moved and not free:
                raise RuntimeError("the threads of a block wait for each other for ever")


def current() -> Any:
    return Block.running


def shfl_sync(self: Any, mask: Any, value: Any, source: Any) -> Any:
    _lane, found = current().of_warp(value)
    return found[source % WARP] if source % WARP < len(found) else value


def shfl_xor_sync(self: Any, mask: Any, value: Any, other: Any) -> Any:
    lane, found = current().of_warp(value)
    return found[lane ^ other] if lane ^ other < len(found) else value


def shfl_down_sync(self: Any, mask: Any, value: Any, by: Any) -> Any:
    lane, found = current().of_warp(value)
    return found[lane + by] if lane + by < len(found) else value


def shfl_up_sync(self: Any, mask: Any, value: Any, by: Any) -> Any:
    lane, found = current().of_warp(value)
    return found[lane - by] if lane >= by else value


def syncwarp(self: Any, mask: Any = 0xFFFFFFFF) -> None:
    current().of_warp(None)


WARP_OPERATIONS = (shfl_sync, shfl_xor_sync, shfl_down_sync, shfl_up_sync, syncwarp)


def install() -> None:
    """Put this in the place of the simulator's threads."""
    import threading

    from numba.cuda.simulator import kernel, kernelapi

    kernel.BlockManager = Block
    kernelapi.threading = types.SimpleNamespace(current_thread=current, Lock=threading.Lock)
    for operation in WARP_OPERATIONS:
        setattr(kernelapi.FakeCUDAModule, operation.__name__, operation)
