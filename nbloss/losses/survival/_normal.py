"""Minus the logarithm of the normal probability of an interval, and its derivatives, in double precision.

With P = Phi(b) - Phi(a), the first derivative of -log P, as both ends move, is the mean of the distribution cut off at
a and b, and the second one 1 minus its variance. Either cancels in the far tails and in narrow intervals, so that there
are three ways to them, of which one is right for each interval.
"""

import math

from nbloss._math import exp, exp_sum, expm1, fma, log, log1p
from nbloss.losses.survival._mills import mills

LOG_ROOT_2_PI = 0.9189385332046728
BY_ROOT_2_PI = 0.3989422804014327

Triple = tuple[float, float, float]


def normal(a: float, b: float, d: float) -> Triple:
    """Return -log(Phi(b) - Phi(a)) and its first two derivatives, as both ends move, for a < b and d = b - a.

    One end may be infinite, and d with it. If d = 0, it is minus the logarithm of the density at a.
    """
    is_turned = a + b < 0.0  # so that the lower end is not the farther one
    low, high = (-b, -a) if is_turned else (a, b)
    middle = low + 0.5 * d
    growth = math.inf if d == math.inf else d * middle
    e, share = exp(-growth), -expm1(-growth)  # the density at the upper end over that at the lower one
    is_narrow = (d <= 1.0) & (growth <= 2.0)
    narrow = _narrow(middle, d)
    tail, around = _tail(low, high, d, e, share), _around(low, high, e, share)
    value = narrow[0] if is_narrow else tail[0] if low >= 0.0 else around[0]
    first = narrow[1] if is_narrow else tail[1] if low >= 0.0 else around[1]
    second = narrow[2] if is_narrow else tail[2] if low >= 0.0 else around[2]
    if d == 0.0:
        return fma(0.5 * a, a, LOG_ROOT_2_PI), a, 1.0
    return value, -first if is_turned else first, second


def _tail(low: float, high: float, d: float, e: float, share: float) -> Triple:
    """Return the results for 0 <= low, by ratios of Mills: all terms are positive."""
    ratio, rest = mills(low)
    high_ratio, high_rest = mills(high)
    mass = ratio - e * high_ratio  # over the density at the lower end
    step = e * (d * (ratio - high_ratio)) if e > 0.0 else 0.0
    second = (fma(share, rest - e * high_rest, step) / mass) / mass
    is_far = low > 1e8  # where both are so to the last digit
    value = fma(0.5 * low, low, LOG_ROOT_2_PI) - log(mass)
    return value, low if is_far else share / mass, 1.0 if is_far else second


def _around(low: float, high: float, e: float, share: float) -> Triple:
    """Return the results for low < 0 < high, which are not close: the probability is 1 minus two tails."""
    below = -low
    density = _density(below)
    outside = density * mills(below)[0] + density * e * mills(high)[0]
    mass = 1.0 - outside
    first = density * share / mass
    slope = min(below, 1e9) * density + (density * e * high if e > 0.0 else 0.0)
    return -log1p(-outside), first, fma(first, first, slope / mass)


def _density(x: float) -> float:
    square = x * x
    return BY_ROOT_2_PI * exp_sum(-0.5 * square, -0.5 * fma(x, x, -square))


def _narrow(middle: float, d: float) -> Triple:
    """Return the results for d <= 1 and d * middle <= 2, by the powers of x in exp(-k x - v x^2 / 2), |x| <= 1."""
    half = 0.5 * d
    k, v = half * middle, half * half
    even, odd = 1.0, -k
    mass, first, second = 1.0, odd / 3.0, 1.0 / 3.0  # half the integrals of the power, and of x and x^2 times it
    even, odd, mass, first, second = _two_more(even, odd, k, v, 2.0, mass, first, second)
    even, odd, mass, first, second = _two_more(even, odd, k, v, 4.0, mass, first, second)
    even, odd, mass, first, second = _two_more(even, odd, k, v, 6.0, mass, first, second)
    even, odd, mass, first, second = _two_more(even, odd, k, v, 8.0, mass, first, second)
    even, odd, mass, first, second = _two_more(even, odd, k, v, 10.0, mass, first, second)
    even, odd, mass, first, second = _two_more(even, odd, k, v, 12.0, mass, first, second)
    even, odd, mass, first, second = _two_more(even, odd, k, v, 14.0, mass, first, second)
    even, odd, mass, first, second = _two_more(even, odd, k, v, 16.0, mass, first, second)
    even, odd, mass, first, second = _two_more(even, odd, k, v, 18.0, mass, first, second)
    even, odd, mass, first, second = _two_more(even, odd, k, v, 20.0, mass, first, second)
    even, odd, mass, first, second = _two_more(even, odd, k, v, 22.0, mass, first, second)
    even, odd, mass, first, second = _two_more(even, odd, k, v, 24.0, mass, first, second)
    even, odd, mass, first, second = _two_more(even, odd, k, v, 26.0, mass, first, second)
    mean = first / mass
    return (
        fma(0.5 * middle, middle, LOG_ROOT_2_PI) - log(d * mass),
        fma(half, mean, middle),
        fma(-v, second / mass - mean * mean, 1.0),
    )


def _two_more(
    even: float, odd: float, k: float, v: float, n: float, mass: float, first: float, second: float
) -> tuple[float, float, float, float, float]:
    """Return the coefficients of the powers n and n + 1, and the integrals with them added."""
    by, by_next, by_third = 1.0 / n, 1.0 / (n + 1.0), 1.0 / (n + 3.0)  # constants: n is known while this is compiled
    even = -fma(k, odd, v * even) * by
    odd = -fma(k, even, v * odd) * by_next
    return even, odd, fma(even, by_next, mass), fma(odd, by_third, first), fma(even, by_third, second)
