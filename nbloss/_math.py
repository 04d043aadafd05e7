"""The functions that formulas use, on one number each, for every target.

Here they are plain Python on :mod:`math`, which keeps the type of its argument, so that a formula can be stepped
through. Compiled code uses :mod:`nbloss._cpu.math` and :mod:`nbloss._cuda.math` in their place.

Nothing here raises: what overflows is infinite, and what is not a number is nan.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, TypeAlias

Real: TypeAlias = Any
"""A float, a numpy.float32 or a numpy.float64; in compiled code a number of 32 or 64 bits."""

_FLOAT32_END = 2.0**128 - 2.0**103
"""From here on a number rounds to infinity as float32."""


def _primitive(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let numbers that bring functions of their own, to record what is done with them, use those."""

    @functools.wraps(function)
    def call(*operands: Any) -> Any:
        for x in operands:
            if hasattr(x, "functions"):
                return getattr(x.functions, function.__name__)(*operands)
        return function(*operands)

    return call


@_primitive
def fma(a: Real, b: Real, c: Real) -> Real:
    """Return a * b + c; where it is compiled, rounded once."""
    return a * b + c


@_primitive
def exp(x: Real) -> Real:
    """Return e to the power of x."""
    return _like(x, _exp(x))


@_primitive
def exp_minus(x: Real) -> Real:
    """Return exp(-x) for x >= 0 only, which is cheaper than :func:`exp`; where it is compiled, no subnormal but 0."""
    return exp(-x)


@_primitive
def exp_minus_fraction(x: Real) -> tuple[Real, Real, Real]:
    """Return (p, q, factor) with exp(-x) = factor * p / q for x >= 0, where q is between 1 and 3.

    The factor is 1 for x up to 87. Beyond, exp(-x) underflows where its product with another number does not; p / q is
    still nothing beside 1. What is returned takes fewer operations than the quotient, which formulas as often need not.
    """
    real = type(x)
    is_far = x > real(87)
    return exp(real(48) - x if is_far else -x), real(1), real(1.4251640827409352e-21 if is_far else 1)


@_primitive
def exp_minus_quotient(x: Real) -> tuple[Real, Real]:
    """Return (p, q) with exp(-x) = p / q for x >= 0, where q is between 1 and 3; compiled, no subnormal but 0."""
    return exp_minus(x), type(x)(1)


@_primitive
def exp_expm1_minus_fraction(x: Real) -> tuple[Real, Real, Real, Real]:
    """Return (p, m, q, factor) with (p, q, factor) as of :func:`exp_minus_fraction`, and exp(-x) - 1 = m / q."""
    p, q, factor = exp_minus_fraction(x)
    return p, expm1(-x), q, factor


@_primitive
def exp_minus_fraction_words(x: Real) -> tuple[Real, Real, Real, Real, Real]:
    """Return (p, what its rounding took away, q, the same, factor), of which p, q and factor are as usual."""
    p, q, factor = exp_minus_fraction(x)
    return p, type(x)(0), q, type(x)(0), factor


def expm1(x: Real) -> Real:
    """Return exp(x) - 1, without cancellation near 0."""
    try:
        return _like(x, math.expm1(x))
    except OverflowError:
        return type(x)(math.inf)


def exp_expm1(x: Real) -> tuple[Real, Real]:
    """Return (exp(x), expm1(x)): where it is compiled, at little more than the cost of one."""
    return exp(x), expm1(x)


@_primitive
def exp_expm1_minus(x: Real) -> tuple[Real, Real]:
    """Return (exp(-x), expm1(-x)) for x >= 0 only, as :func:`exp_minus` does."""
    return exp(-x), expm1(-x)


@_primitive
def exp_sum(x: Real, dx: Real) -> Real:
    """Return exp(x + dx), where dx is what x lost when it was rounded.

    An exponent as large as 700 is off by half an ulp, which is 1e-13: so would be its power. dx brings that back;
    it is a few ulp of x at most, and is ignored where x is so large that the power is 0 or infinite.
    """
    e = _exp(x)
    return _like(x, e + e * float(dx) if 0 < e < math.inf else e)


@_primitive
def exp_difference(x: Real, top: Real) -> Real:
    """Return exp(x - top) for finite *top*, as if the difference were not rounded, and 1 where x is greater."""
    d = x - top
    back = d - x
    lost = (x - (d - back)) - (top + back)
    return type(x)(1) if d >= 0 else exp_sum(d, lost)


@_primitive
def log(x: Real) -> Real:
    """Return the natural logarithm of x: -inf at 0, nan below."""
    return type(x)(math.log(x) if x > 0 else -math.inf if x == 0 else math.nan)


@_primitive
def log1p(x: Real) -> Real:
    """Return log(1 + x), without cancellation near 0: -inf at -1, nan below."""
    return type(x)(math.log1p(x) if x > -1 else -math.inf if x == -1 else math.nan)


@_primitive
def log1p_positive(x: Real) -> Real:
    """Return log(1 + x) for x >= 0 only, which is cheaper than :func:`log1p`."""
    return log1p(x)


@_primitive
def log1p_unit(x: Real) -> Real:
    """Return log(1 + x) for 0 <= x <= 1 only, which is cheaper than :func:`log1p`."""
    return log1p(x)


@_primitive
def log1p_fraction(p: Real, q: Real) -> Real:
    """Return log(1 + p / q) for 0 <= p <= q, to within 3 ulp."""
    return log1p(p / q)


@_primitive
def log1p_fraction_words(p: Real, p_lost: Real, q: Real, q_lost: Real) -> tuple[Real, Real]:
    """Return two numbers of which the sum is log(1 + p / q), to a fraction of an ulp where it can be."""
    return log1p(p / q), p - p  # nan where p is


@_primitive
def log2(x: Real) -> Real:
    """Return the logarithm of x to base 2: -inf at 0, nan below."""
    return type(x)(math.log2(x) if x > 0 else -math.inf if x == 0 else math.nan)


def log_unit(x: Real) -> Real:
    """Return log(x) for 0 <= x <= 1 only, which is cheaper than :func:`log`."""
    return log(x)


@_primitive
def log1m_unit(x: Real) -> Real:
    """Return log(1 - x), without cancellation near 0, for 0 <= x <= 1 only."""
    return log1p(-x)


@_primitive
def power(x: Real, n: Real) -> Real:
    """Return x to the power of n, for x >= 0: nan below, unless n is 0."""
    try:
        return _like(x, math.pow(abs(x), n) if not x < 0 or n == 0 else math.nan)
    except (OverflowError, ValueError):  # ValueError: a negative power of 0
        return type(x)(math.inf)


@_primitive
def sqrt(x: Real) -> Real:
    """Return the square root of x: nan below 0."""
    return type(x)(math.sqrt(x) if x >= 0 else math.nan)


@_primitive
def tanh(x: Real) -> Real:
    """Return the hyperbolic tangent of x."""
    return type(x)(math.tanh(x))


PRIMITIVES = (
    fma, exp, exp_difference, exp_expm1, exp_expm1_minus, exp_expm1_minus_fraction, exp_minus, exp_minus_fraction,
    exp_minus_fraction_words, exp_minus_quotient, exp_sum, expm1,
    log, log1m_unit, log1p, log1p_fraction, log1p_fraction_words, log1p_positive, log1p_unit, log2, log_unit,
    power, sqrt, tanh,
)  # fmt: skip
"""The functions that each target has on its own; every other one is compiled as it stands."""


def two_difference(a: Real, b: Real) -> tuple[Real, Real]:
    """Return a - b rounded, and what the rounding took away, which is nan if the difference is infinite.

    D. E. Knuth, *The Art of Computer Programming*, vol. 2 (1969): the form without a comparison.
    """
    difference = a - b
    subtracted = a - difference
    return difference, (a - (difference + subtracted)) + (subtracted - b)


def plus(total: Real, lost: Real, x: Real) -> tuple[Real, Real]:
    """Return total + x, and *lost* plus what rounding took away, which is nan if the sum is infinite."""
    after = total + x
    back = after - total
    return after, lost + ((total - (after - back)) + (x - back))


def add(total: Real, lost: Real, x: Real) -> tuple[Real, Real]:
    """Return total + x, and *lost* plus what rounding took away, for numbers that are not negative."""
    larger, smaller = max(total, x), min(total, x)
    rounded = larger + smaller
    return rounded, lost + (smaller - (rounded - larger) if rounded < type(x)(math.inf) else type(x)(0))


def power_below(top: Real, z: Real) -> Real:
    """Return exp(z - top) for z <= top as if the difference were not rounded; 1 where both are infinite alike."""
    difference, lost = two_difference(z, top)
    return type(z)(1) if z == top else exp_sum(difference, lost)


def shares(power: Real, rest: Real) -> tuple[Real, Real]:
    """Return a probability of a softmax, and 1 minus it, neither by a difference that cancels.

    Powers are relative to that of the largest logit, and *rest* is the sum of the others.
    """
    one = type(power)(1)
    whole = one + rest
    others = rest if power == one else one + (rest - power)
    return power / whole, others / whole


def sigmoids(z: Real) -> tuple[Real, Real]:
    """Return (S(z), S(-z)) for the sigmoid S(z) = 1 / (1 + exp(-z)), neither of them as 1 minus the other."""
    one = type(z)(1)
    p, p_lost, q, q_lost, factor = exp_minus_fraction_words(abs(z))
    whole = q + p
    whole_lost = (p - (whole - q)) + (q_lost + p_lost)
    by_whole = one / whole
    is_ahead = z >= type(z)(0)
    a, a_lost, of_a = q if is_ahead else p, q_lost if is_ahead else p_lost, one if is_ahead else factor
    b, b_lost, of_b = p if is_ahead else q, p_lost if is_ahead else q_lost, factor if is_ahead else one
    a_share, b_share = a * by_whole, b * by_whole
    a_rest = fma(-a_share, whole, a) + fma(-a_share, whole_lost, a_lost)
    b_rest = fma(-b_share, whole, b) + fma(-b_share, whole_lost, b_lost)
    return fma(by_whole, a_rest, a_share) * of_a, fma(by_whole, b_rest, b_share) * of_b


def softplus(x: Real) -> Real:
    """Return log(1 + exp(x)), the integral of the sigmoid."""
    p, p_lost, q, q_lost, factor = exp_minus_fraction_words(abs(x))
    high, low = log1p_fraction_words(p, p_lost, q, q_lost)
    total, rest = add(x if x > type(x)(0) else type(x)(0), factor * low, factor * high)
    return total + rest


def lean_sigmoids(z: Real) -> tuple[Real, Real]:
    """Return what :func:`sigmoids` does, within 3 instead of 1.5 ulp, and 0 for subnormal numbers: at half the cost."""
    return sigmoids_of(z, exp_minus(abs(z)))


def sigmoids_of(z: Real, e: Real) -> tuple[Real, Real]:
    """Return what :func:`lean_sigmoids` does, given ``e = exp(-abs(z))``."""
    one = type(z)(1)
    larger = one / (one + e)
    larger = fma(larger, fma(-larger, e, one - larger), larger)  # one step of Newton's: 1 - larger is exact
    smaller = e * larger
    return larger if z >= 0 else smaller, smaller if z >= 0 else larger


def lean_softplus(x: Real) -> Real:
    """Return what :func:`softplus` does, within 3 instead of 1.5 ulp, and 0 for subnormal numbers: at half the cost."""
    return (x if x > 0 else type(x)(0)) + log1p_unit(exp_minus(abs(x)))


def hypot(a: Real, b: Real) -> Real:
    """Return sqrt(a * a + b * b), where the squares do not overflow."""
    larger, smaller = max(abs(a), abs(b)), min(abs(a), abs(b))
    zero, one = type(a)(0), type(a)(1)
    ratio = smaller / larger if larger > zero else zero
    return larger * sqrt(fma(ratio, ratio, one)) if smaller < larger else larger * sqrt(one + one)


def powers(x: Real, n: Real) -> tuple[Real, Real, Real]:
    """Return x to the powers of n, n - 1 and n - 2, as :func:`power` does, of one logarithm; 0 for those times 0."""
    real = type(x)
    zero, one, two, infinity = real(0), real(1), real(2), real(math.inf)
    is_square, is_steep = n >= two, n >= one
    least = power(x, n - two if is_square else n - one if is_steep else n)  # that which cannot overflow near 0
    divisor = x if x > zero else one
    by_x = least / divisor if x > zero else infinity
    by_x = by_x if n != (one if is_steep else zero) or x > zero else zero
    by_square = by_x / divisor if x > zero else by_x
    times_x = least * x
    return (
        times_x * x if is_square else times_x if is_steep else least,
        times_x if is_square else least if is_steep else by_x,
        least if is_square else by_x if is_steep else by_square,
    )


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _like(x: Real, y: float) -> Real:
    """Return y in the type of x, without NumPy's warning where it overflows."""
    overflows = abs(y) >= _FLOAT32_END and not isinstance(x, float)
    return type(x)(math.copysign(math.inf, y) if overflows else y)
