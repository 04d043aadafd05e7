"""Sums kept in LANES separate sums, element j in lane j % LANES, which are added up in a fixed tree.

So the bits depend neither on the number of threads nor on how LLVM vectorises a loop.
"""

from __future__ import annotations

from typing import Any

from numba import types
from numba.extending import overload, register_jitable

from nbloss._compile import INLINE

LANES = 64


@register_jitable(**INLINE)
def fold(lanes: Any, count: int = LANES) -> None:
    """Add up so many lanes, a power of 2, in a tree; the sum is left in the first."""
    half = count // 2
    while half > 0:
        for j in range(half):
            lanes[j] += lanes[j + half]
        half //= 2


def row(a: Any, i: Any) -> Any:
    """Return ``a[i]``, or None where there is no array."""


@overload(row, target="cpu", strict=False)
def _row(a: Any, i: Any) -> Any:
    return (lambda a, i: None) if a is types.none else (lambda a, i: a[i])
