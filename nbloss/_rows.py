"""The arithmetic of losses of rows, one number at a time, for every target: plain Python, which backends compile.

The softmax is made from powers e of the predictions, relative to each other, of which *peak* is the greatest, and from
*rest*, the sum of all but one of those that are that. So neither 1 minus a probability, nor the logarithm of one that
is close to 1, loses digits. Where ``e = exp(z - top)``, the peak is 1.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from nbloss._math import fma, log1p

DOUBLE_MOST, SINGLE_MOST = sys.float_info.max, 2.0**128 - 2.0**104


def finite(top: Any) -> Any:
    """Return the greatest prediction, or the greatest number if it is infinite."""
    real = type(top)
    most = real(DOUBLE_MOST) if real(DOUBLE_MOST) < real(math.inf) else real(SINGLE_MOST)
    return most if top > most else top


def log_probability(z: Any, top: Any, mass: Any) -> Any:
    """Return ``(z - top) - mass``, where *mass* is the logarithm of the sum of all e."""
    return (type(z)(0) if z == top else z - top) - mass


def log_mass(rest: Any, peak: Any = 1) -> Any:
    """Return the logarithm of the sum of all e, relative to the greatest."""
    return log1p(rest / type(rest)(peak))


def inverse_of_mass(rest: Any, peak: Any = 1) -> Any:
    """Return ``1 / (peak + rest)``, as if the sum were not rounded."""
    one, top = type(rest)(1), type(rest)(peak)
    mass = top + rest
    inverse = one / mass
    lost = (top - mass) + rest if rest < top else (rest - mass) + top
    return inverse - inverse * (fma(mass, inverse, -one) + lost * inverse)


def complement(e: Any, rest: Any, inverse: Any, peak: Any = 1) -> Any:
    """Return ``1 - e * inverse``, where *inverse* is ``1 / (peak + rest)``, as a product of positive numbers."""
    return (rest + (type(e)(peak) - e)) * inverse


def but_one(x: Any, e: Any, at_top: Any, below: Any, peak: Any = 1) -> Any:
    """Return the sum of all classes but that of *x*, where *at_top* is that of the greatest e, *below* the rest.

    Where one class has nearly all the probability, what the others add would be lost in the sum of all.
    """
    return type(e)((at_top - x) + below if e == type(e)(peak) else (below - x) + at_top)


def pulled_back(a: Any, b: Any, other_a: Any, other_b: Any, p: Any, q: Any) -> Any:
    """Return the derivatives by a logit, from those by log-probabilities: of its own class, a and b, and of others."""
    crossed = ((a + other_a) * p) * q
    return fma(a, q, -(p * other_a)), fma(b * q, q, fma(other_b * p, p, -crossed))


def between(b: Any, c: Any, all_a: Any, other_b: Any, p: Any, q: Any, u: Any, v: Any) -> Any:
    """Return the second derivative by the logits of two classes, of probabilities p and u = 1 - v, from those by x.

    These are b of the first class, c of the second one and *other_b* of all others.
    """
    return (all_a + other_b) * (p * u) - ((b * q) * u + (c * v) * p)


def masked(x: Any, weight: Any) -> Any:
    """Return *x*, and exactly 0 where the row has no weight."""
    return x if weight != type(weight)(0) else type(x)(0)


def is_inside(x: Any, low: Any, high: Any) -> Any:
    """Whether *x* lies between two bounds; nan does not."""
    return (type(x)(low) <= x) & (x <= type(x)(high))


def nan_unless(inside: Any, real: Any) -> Any:
    """Return what multiplies a row: nan where an element lies outside the domain."""
    return real(1) if inside else real(math.nan)


def smoothed(t: Any, factor: Any, smoothing: Any, share: Any) -> Any:
    """Return what the formula takes as the target of a class."""
    return factor * (t * (type(t)(1) - smoothing) + share)


FUNCTIONS = (
    finite, log_probability, log_mass, inverse_of_mass, complement, but_one, pulled_back, between, masked, is_inside,
    nan_unless, smoothed,
)  # fmt: skip
