"""Numbers that look drawn by chance, from a seed and an index alone: the same on every device, in any order.

The mixing function is that of SplitMix64: G. L. Steele, D. Lea, C. H. Flood, *Fast Splittable Pseudorandom Number
Generators*, OOPSLA 2014, 453-472.
"""

from __future__ import annotations

STEP, FIRST, SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
"""What is added, and the factors, of 64-bit arithmetic that wraps around."""

_ALL = (1 << 64) - 1


def mixed(x: int) -> int:
    """Return 64 bits of which each depends on all bits of x."""
    x = (x + STEP) & _ALL
    x = ((x ^ (x >> 30)) * FIRST) & _ALL
    x = ((x ^ (x >> 27)) * SECOND) & _ALL
    return x ^ (x >> 31)


def unit(seed: int, index: int) -> float:
    """Return a number in [0, 1), a multiple of 2**-53: the upper bits of ``mixed(mixed(seed) + index)``."""
    return (mixed((mixed(seed) + index) & _ALL) >> 11) * 2.0**-53
