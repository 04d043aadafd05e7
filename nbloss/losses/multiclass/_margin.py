"""What the losses of margins between classes share: exact differences and sums, without overflow.

Rows with a huge number are computed as multiples of 2**64, and infinite numbers stand there for 2**1064.
"""

from __future__ import annotations

from typing import Any

from nbloss._lines import at

HUGE = 2.0**480  # up to here, the squares of differences have a sum
UNIT = 2.0**64
INFINITE = (
    2.0**1000
)  # beyond all others by so much that a share of it is beyond them too; there are 2**20 classes or so


def unit_of(z: Any, classes: int, margin: float) -> float:
    """Return the power of 2 of which multiples are taken: 1 for all but huge numbers."""
    top = abs(margin)
    for k in range(classes):
        size = abs(at(z, k))
        top = size if size > top else top
    return UNIT if top > HUGE else 1.0


def multiple(z: Any, k: int, unit: float) -> float:
    """Return the prediction of class k as a multiple of *unit*."""
    x = at(z, k) * (1.0 / unit)
    return min(max(x, -INFINITE), INFINITE)


def gap(a: float, b: float, margin: float) -> float:
    """Return ``a - b + margin``, rounded little more than once: its sign is that of the exact number."""
    d = a - b
    back = d - a
    lost = (a - (d - back)) - (b + back)
    return (d + margin) + lost  # d + margin is exact where they cancel


def whole(total: float, lost: float) -> float:
    """Return the sum with what it has lost, which is no number where the sum is infinite."""
    return total + lost if lost == lost else total
