"""Whether all of an array is finite, at the speed of memory."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numba import prange, types

from nbloss._compile import compiled
from nbloss._cpu.pointwise import REALS, in_parallel

BLOCK = 1 << 14
"""Elements that are looked at before anything is decided, so that the loop over them has packed instructions."""


def all_finite(x: Any) -> bool:
    """Whether there is neither nan nor infinity in *x*."""
    if x.dtype not in REALS or not (x.flags.c_contiguous or x.flags.f_contiguous) or not x.flags.aligned:
        return bool(np.isfinite(x).all())
    flat = x.reshape(-1) if x.flags.c_contiguous else x.T.reshape(-1)
    return bool(_kernel(x.dtype, in_parallel(x.size))(flat))


@functools.cache
def _kernel(dtype: Any, parallel: bool) -> Any:
    def kernel(x):  # type: ignore[no-untyped-def]
        n, zero = x.size, x.dtype.type(0)
        blocks = (n + BLOCK - 1) // BLOCK
        found = np.zeros(blocks, np.bool_)
        for b in prange(blocks):
            bad = False
            for value in x[b * BLOCK : min(n, (b + 1) * BLOCK)]:
                bad |= value - value != zero  # nan for what is not finite
            found[b] = bad
        return not found.any()

    signature = (types.Array(REALS[dtype], 1, "C", readonly=True),)
    return compiled(kernel, signature, all_finite, dtype, parallel=parallel)
