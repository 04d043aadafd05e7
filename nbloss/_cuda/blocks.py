"""What kernels share: the grid, the evaluation of one element, and sums.

The grid depends on the number of elements alone, every thread adds its elements in their order, and the threads' sums
are added in a tree: the same input gives the same bits on every run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import config, cuda, float64
from numba.extending import register_jitable

from nbloss._compile import inlined
from nbloss._program import Program
from nbloss.loss import Interval

BLOCK = 32 if config.ENABLE_CUDASIM else 256
"""Threads in a block, a power of 2. The simulator takes a millisecond to start each."""

WARP = 8 if config.ENABLE_CUDASIM else 32
"""Threads that run together, and tell each other numbers without memory."""

WARPS = BLOCK // WARP
"""Warps in a block."""

ALL = 0xFFFFFFFF
"""All threads of a warp."""

BUSY, MOST = (1, 4) if config.ENABLE_CUDASIM else (128, 2048)
"""Blocks that keep a device busy, and blocks that fill every device."""


def blocks_for(size: int) -> int:
    """Return how many blocks work on *size* elements."""
    return min(MOST, max(1, -(-size // BLOCK)))


def rounded(blocks: int) -> int:
    """Return the size of a grid in which so many blocks have work: not too many for a grid."""
    return max(1, min(blocks, 1 << 20))


def evaluator(program: Program, real: np.dtype[Any]) -> Callable[..., Any]:
    """Return the function that evaluates the formula at one element: nan outside the domain, where nan always is."""
    formula, choices, nan = inlined(program.formula), program.choices, real.type(math.nan)
    (low_y, high_y), (low_z, high_z) = (ends(interval, real) for interval in program.domain)

    def evaluate(y: Any, z: Any, numbers: Any) -> Any:
        value, gradient, hessian = formula(y, z, *numbers, *choices)
        inside = (low_y <= y) & (y <= high_y) & (low_z <= z) & (z <= high_z)
        return value if inside else nan, gradient if inside else nan, hessian if inside else nan

    registered: Callable[..., Any] = register_jitable(evaluate)
    return registered


def ends(interval: Interval, real: np.dtype[Any]) -> tuple[Any, Any]:
    """Return the least and the greatest number of the type *real* in *interval*."""
    low, high = real.type(interval.low), real.type(interval.high)
    least = np.nextafter(low, real.type(math.inf)) if interval.low_open else low
    return least, np.nextafter(high, low) if interval.high_open else high


@register_jitable
def weigh(x: Any, w: Any) -> Any:
    """Return ``w * x``, but exactly 0 where w is 0, even if x is nan or infinite; x where there are no weights."""
    if w is None:
        return x
    return x * w if w != type(w)(0) else type(x * w)(0)


@register_jitable
def unless_masked(x: Any, w: Any) -> Any:
    """Return *x*, but 0 where w is 0: an element without weight counts for nothing, whatever divides it."""
    if w is None:
        return x
    return x if w != type(w)(0) else type(x)(0)


@cuda.jit(device=True)
def tree(x: Any) -> Any:
    """Return, in every thread of the block, the sum of the x of its threads."""
    sums = cuda.shared.array(WARPS, float64)
    me = cuda.threadIdx.x
    x = float64(x)
    step = WARP // 2
    while step > 0:
        x += cuda.shfl_xor_sync(ALL, x, step)
        step >>= 1
    if me & (WARP - 1) == 0:
        sums[me // WARP] = x
    cuda.syncthreads()
    total = sums[0]
    for warp in range(1, WARPS):
        total += sums[warp]
    cuda.syncthreads()  # before the next call writes to it
    return total


@cuda.jit(device=True)
def add_up(sums: Any, size: Any) -> Any:
    """Return, in the block's first thread, the sum of so many numbers."""
    mine = float64(0)
    i = cuda.threadIdx.x
    while i < size:
        mine += sums[i]
        i += BLOCK
    return tree(mine)
