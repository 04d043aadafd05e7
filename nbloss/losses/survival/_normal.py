"""Minus the logarithm of the normal probability of an interval, and its derivatives, in double precision.

With P = Phi(b) - Phi(a), the first derivative of -log P, as both ends move, is the mean of the distribution cut off at
a and b, and the second one 1 minus its variance. Either cancels in the far tails and in narrow intervals, so that there
are three ways to them, of which one is right for each interval.
"""

import math

from nbloss._math import exp_expm1, exp_sum, fma, log
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
    e, less = exp_expm1(-growth)  # e: the density at the upper end over that at the lower one
    is_narrow, is_tail = (d <= 1.0) & (growth <= 2.0), low >= 0.0
    part, mean, bend = _narrow(middle, d)
    near = abs(low)
    ratio, rest = mills(near)
    high_ratio, high_rest = mills(high)
    # with both ends on one side, all is over the density at the lower one, and all terms are positive;
    # else the probability is 1 minus two tails
    density = 1.0 if is_tail else _density(near)
    beyond = e * high_ratio
    outside = density * ratio + density * beyond
    mass = ratio - beyond if is_tail else 1.0 - outside
    first = -(density * less) / mass
    step = e * (d * (ratio - high_ratio)) if e > 0.0 else 0.0
    slope = min(near, 1e9) * density + (density * e * high if e > 0.0 else 0.0)
    second = (fma(-less, rest - e * high_rest, step) if is_tail else slope) / mass
    second = second / mass if is_tail else fma(first, first, second)
    is_far = low > 1e8  # where both are so to the last digit
    first, second = low if is_far else first, 1.0 if is_far else second
    first, second = mean if is_narrow else first, bend if is_narrow else second
    # the logarithm, and what the difference lost of which it is one
    share = d * part if is_narrow else mass
    lost = 0.0 if is_narrow | is_tail else ((1.0 - mass) - outside) / mass
    square = middle if is_narrow else low if is_tail else 0.0
    constant = LOG_ROOT_2_PI if is_narrow | is_tail else 0.0
    value = fma(0.5 * square, square, constant) - (log(share) + lost)
    if d == 0.0:
        return fma(0.5 * a, a, LOG_ROOT_2_PI), a, 1.0
    return value, -first if is_turned else first, second


def _density(x: float) -> float:
    square = x * x
    return BY_ROOT_2_PI * exp_sum(-0.5 * square, -0.5 * fma(x, x, -square))


def _narrow(middle: float, d: float) -> Triple:
    """Return the probability over d and the density in the middle, and the derivatives, for d <= 1, d * middle <= 2.

    They come from the powers of x in exp(-k x - v x^2 / 2), |x| <= 1.
    """
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
    return mass, fma(half, mean, middle), fma(-v, second / mass - mean * mean, 1.0)


def _two_more(
    even: float, odd: float, k: float, v: float, n: float, mass: float, first: float, second: float
) -> tuple[float, float, float, float, float]:
    """Return the coefficients of the powers n and n + 1, and the integrals with them added."""
    by, by_next, by_third = 1.0 / n, 1.0 / (n + 1.0), 1.0 / (n + 3.0)  # constants: n is known while this is compiled
    even = -fma(k, odd, v * even) * by
    odd = -fma(k, even, v * odd) * by_next
    return even, odd, fma(even, by_next, mass), fma(odd, by_third, first), fma(even, by_third, second)
