"""Numbers that jets are made of: plain float64 ones, and intervals of mpmath, which hold the truth between two ends."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import numpy as np

RELATIVE = 2.0**-101
"""A result is certain when its interval is narrower than this share of it: 30 digits."""

NEGLIGIBLE = -1100
"""A result is certain to be 0 in float64, whose least number is 2**-1074, when its interval is within 2**this."""


class Floats:
    """float64 numbers: as good as the textbook line is in them."""

    number, zero, sign, exp, log, sqrt = np.float64, np.float64(0), np.sign, np.exp, np.log, np.sqrt
    times, over, power = operator.mul, operator.truediv, operator.pow
    pi, inf = np.float64(math.pi), np.float64(math.inf)

    def __init__(self, side: int) -> None:
        self.side = side

    def erfc(self, x: Any) -> Any:
        return np.float64(math.erfc(x))


class Undecided(ArithmeticError):
    """More digits are needed to tell where a number lies."""


class Intervals:
    """mpmath's intervals, each of which is finite, a single infinity, or the whole line, which stands for nan.

    What would be another one raises :class:`Undecided`. Division by an exact 0 is the limit from above, since what
    textbooks divide by is never negative.
    """

    def __init__(self, digits: int, side: int) -> None:
        from mpmath import MPIntervalContext

        self.side, self.iv = side, MPIntervalContext()  # of its own, whose precision nobody changes
        self.iv.dps = digits
        self.zero, self.half, self.one, self.inf, self.nan = map(self.number, (0, 0.5, 1, math.inf, math.nan))
        # mpmath rounds exp and log to both sides as if the few bits more with which it computes them were the truth:
        # exp(2**-150) is exactly 1 + 2**-150 at 60 digits
        self.blur = 1 + 4 * self.iv.eps * self.iv.mpf([-1, 1])

    def number(self, x: Any) -> Any:
        return self.iv.mpf(x)

    def sign(self, x: Any) -> Any:
        try:
            return (x > self.zero) - (x < self.zero)
        except (TypeError, ValueError):  # mpmath's answers to what is open
            if x == self.nan:
                return math.nan
            raise Undecided from None

    def _is_infinite(self, x: Any) -> bool:
        (low, high), (least, greatest) = x._mpi_, self.nan._mpi_
        return bool(low == least or high == greatest)

    def times(self, a: Any, b: Any) -> Any:
        product = a * b
        if self._is_infinite(product):
            self.sign(a), self.sign(b)
        return product

    def over(self, a: Any, b: Any) -> Any:
        if self.sign(b) == 0:
            return self.times(a, self.inf)
        return self.times(a, self.zero) if abs(b) == self.inf else a / b

    def power(self, x: Any, n: Any) -> Any:
        if self.iv.isint(n) and x != self.nan:
            return self.over(self.one, x**-n) if n < 0 else x**n
        if self.sign(x) == 0:
            return x if self.sign(n) > 0 else self.inf
        return self.exp(self.times(n, self.log(x)))

    def exp(self, x: Any) -> Any:
        if x == self.zero:
            return self.one
        if self._is_infinite(x):
            return self.zero if x == -self.inf else x
        size = self.iv.mag(x)
        if size > 1 << 16:  # the exponent of the result would fill the memory
            if self.sign(x) > 0 or self.iv.mag(x.b) <= 1 << 16:
                raise Undecided
            return self.iv.mpf([0, self.iv.ldexp(1, -1 << 60)])
        shifted = x - self.half
        if size > 40 and self.iv.isint(x) and shifted.a == shifted.b:  # mpmath takes powers of e, which is slow
            return self.exp(shifted) * self.exp(self.half)
        return self.iv.exp(x) * self.blur

    def log(self, x: Any) -> Any:
        sign = self.sign(x)
        if sign > 0:
            return self.iv.ln(x) * self.blur
        return -self.inf if sign == 0 else self.nan

    @property
    def pi(self) -> Any:
        return self.iv.pi

    def erfc(self, x: Any) -> Any:
        """Return the complementary error function, which falls: of the ends, since mpmath has none of intervals."""
        if self._is_infinite(x):
            return self.zero if x == self.inf else 2 * self.one if x == -self.inf else self.nan
        mp = context(self.iv.dps + 10)
        high, low = (mp.erfc(mp.make_mpf(end)) for end in x._mpi_)
        return self.iv.mpf([low, high]) * self.blur

    def sqrt(self, x: Any) -> Any:
        return self.iv.sqrt(x) if self.sign(x) >= 0 else self.nan  # which mpmath rounds as it should


intervals = functools.cache(Intervals)


@functools.cache
def context(digits: int = 60) -> Any:
    """Return a context of mpmath with a precision of its own, which nobody changes: threads may share it."""
    from mpmath import MPContext

    ctx = MPContext()
    ctx.dps = digits
    return ctx


def midpoint(x: Any) -> Any:
    """Return the one mpmath number that an interval stands for, if it is narrow enough."""
    mp = context()
    low, high = map(mp.make_mpf, x._mpi_)
    if low == high:
        return low
    if low == -mp.inf:
        return mp.nan
    if high - low <= RELATIVE * abs(low):
        return mp.ldexp(mp.fadd(low, high, exact=True), -1)  # neither end, where float64 may turn to another number
    if max(-low, high) < mp.ldexp(1, NEGLIGIBLE):
        return mp.zero
    raise Undecided


def rounded(x: Any) -> float:
    """Return the float64 nearest to a number, also where that is subnormal or infinite."""
    if not isinstance(x, float):
        sign, man, low, bits = x._mpf_
        if -1100 < low + bits < -1020:  # mpmath would round to 53 bits, and then a second time to a subnormal
            magnitude: float = man / (1 << -low)
            return -magnitude if sign else magnitude
    return float(x)
