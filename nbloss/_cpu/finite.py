"""Whether all of an array is finite, or at least as great as a bound: at the speed of memory."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import from_dtype, prange, types

from nbloss._compile import compiled
from nbloss._cpu.pointwise import REALS, in_parallel

BLOCK = 1 << 14
"""Elements that are looked at before anything is decided, so that the loop over them has packed instructions."""

_BITS: dict[Any, tuple[Any, int]] = {
    np.dtype(np.float32): (np.int32, 0x7F800000),
    np.dtype(np.float64): (np.int64, 0x7FF0000000000000),
}
"""By real type: the integers of its size, and the bits of infinity, which are set together in no finite number."""


def all_finite(x: Any) -> bool:
    """Whether there is neither nan nor infinity in *x*."""
    flat = _flat(x)
    if flat is None:
        return bool(np.isfinite(x).all())
    return bool(_finite(x.dtype, in_parallel(x.size))(flat))


def reaches(x: Any, least: float) -> bool:
    """Whether nothing in *x* is less than *least*, a number of at least 0; False may be said of nan and of -0.0."""
    flat = _flat(x)
    if flat is None:
        return not (x < least).any()
    lowest = x.dtype.type(least).view(_BITS[x.dtype][0])
    return bool(_reaching(x.dtype, in_parallel(x.size))(flat, lowest))


def _flat(x: Any) -> Any:
    """Return a view of *x* along one axis, or None for one that kernels do not take."""
    if x.dtype not in REALS or not x.flags.aligned:
        return None
    if x.flags.c_contiguous:
        return x.reshape(-1)
    return x.T.reshape(-1) if x.flags.f_contiguous else None


# The loops are over whole numbers, whose least and greatest LLVM finds lane by lane; and over none that are wider than
# what is read, for which they have to be put back into their type: numba's arithmetic makes 64 bits of them.


@functools.cache
def _finite(dtype: Any, parallel: bool) -> Any:
    integer, infinity = _BITS[dtype]

    def kernel(x):  # type: ignore[no-untyped-def]
        bits = x.view(integer)
        n, limit = bits.size, integer(infinity)
        blocks = (n + BLOCK - 1) // BLOCK
        found = np.zeros(blocks, np.bool_)
        for b in prange(blocks):
            most = integer(0)
            some = bits[b * BLOCK : min(n, (b + 1) * BLOCK)]
            for i in range(some.size):
                exponent = integer(some[i] & limit)
                most = exponent if exponent > most else most
            found[b] = most == limit
        return not found.any()

    signature = (types.Array(REALS[dtype], 1, "C", readonly=True),)
    return compiled(kernel, signature, all_finite, dtype, parallel=parallel)


@functools.cache
def _reaching(dtype: Any, parallel: bool) -> Any:
    integer = _BITS[dtype][0]

    def kernel(x, least):  # type: ignore[no-untyped-def]
        bits = x.view(integer)  # numbers of at least 0 are in the order of their bits, all others negative ones
        n = bits.size
        blocks = (n + BLOCK - 1) // BLOCK
        found = np.zeros(blocks, np.bool_)
        for b in prange(blocks):
            lowest = least
            some = bits[b * BLOCK : min(n, (b + 1) * BLOCK)]
            for i in range(some.size):
                lowest = some[i] if some[i] < lowest else lowest
            found[b] = lowest < least
        return not found.any()

    signature = (types.Array(REALS[dtype], 1, "C", readonly=True), from_dtype(np.dtype(integer)))
    return compiled(kernel, signature, reaches, dtype, parallel=parallel)
