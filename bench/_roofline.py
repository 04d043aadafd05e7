"""The least that memory allows: loops in the blocks of the kernels that do next to nothing with each element."""

from __future__ import annotations

from typing import Any

from numba import njit, prange

BLOCK = 1024


@njit(parallel=True)
def copy(a: Any, b: Any, c: Any, d: Any) -> None:
    """Read two arrays and write two, as gradient and Hessian do."""
    for block in prange((a.size + BLOCK - 1) // BLOCK):
        start, stop = block * BLOCK, min(a.size, (block + 1) * BLOCK)
        a_part, b_part, c_part, d_part = a[start:stop], b[start:stop], c[start:stop], d[start:stop]
        for i in range(a_part.size):
            c_part[i] = a_part[i] + b_part[i]
            d_part[i] = a_part[i] - b_part[i]


@njit(parallel=True, fastmath={"reassoc"})
def dot(a: Any, b: Any, sums: Any) -> None:
    """Read two arrays and write one float64 sum a block, as the mean does."""
    for block in prange((a.size + BLOCK - 1) // BLOCK):
        start, stop = block * BLOCK, min(a.size, (block + 1) * BLOCK)
        a_part, b_part = a[start:stop], b[start:stop]
        total = 0.0
        for i in range(a_part.size):
            total += a_part[i] * b_part[i]
        sums[block] = total


@njit(parallel=True)
def spread(a: Any, b: Any, c: Any) -> None:
    """Read one array and write two, as gradient and Hessian of rows of logits do."""
    for block in prange((a.size + BLOCK - 1) // BLOCK):
        start, stop = block * BLOCK, min(a.size, (block + 1) * BLOCK)
        a_part, b_part, c_part = a[start:stop], b[start:stop], c[start:stop]
        for i in range(a_part.size):
            b_part[i] = a_part[i] + a_part[i]
            c_part[i] = a_part[i] * a_part[i]
