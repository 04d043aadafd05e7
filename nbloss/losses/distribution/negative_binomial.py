"""Negative binomial loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbloss import _statistics, links
from nbloss._math import exp, fma, log, log1p
from nbloss.families.pointwise import Pointwise
from nbloss.loss import NON_NEGATIVE, REAL, Domain, param

FAR = 30.0  # beyond, powers are kept as squares


@dataclass(frozen=True)
class NegativeBinomial(Pointwise):
    r"""Negative log-likelihood of a negative binomial variable, for counts that vary more than those of `Poisson`.

    .. math:: \ell(y, z) = \Bigl( y + \frac{1}{a} \Bigr) \log (1 + a \mu) - y z, \qquad \mu = e^z

    Targets are counts, at least 0; predictions are the logarithm of the mean, any real numbers. There is no kink. The
    variance is :math:`\mu + a \mu^2` (the form known as NB2), the gradient :math:`(\mu - y) / (1 + a \mu)`, the Hessian
    :math:`\mu (1 + a y) / (1 + a \mu)^2`, which is the exact one and not its expectation, and the link :math:`e^z`.

    Terms that no prediction moves are left out, as in `Poisson`, which is the limit for a = 0: the factorial, the gamma
    functions of y + 1/a and 1/a, and :math:`y \log a`. So losses of different dispersions cannot be compared.

    Parameters
    ----------
    dispersion : float, default=1.0
        a; at least 0. Its inverse is also known as size, number of failures or total count.

    References
    ----------
    J. F. Lawless, *Negative Binomial and Mixed Poisson Regression*, Can. J. Stat. 15 (1987), 209-225.
    """

    dispersion: float = param(1.0, NON_NEGATIVE)

    @property
    def domain(self) -> Domain:
        return Domain(NON_NEGATIVE, REAL)

    @property
    def link(self) -> Callable[..., Any]:
        return links.exp

    @staticmethod
    def formula(y: float, z: float, dispersion: float) -> tuple[float, float, float]:
        real, a = type(z), dispersion
        zero, half, one = real(0), real(0.5), real(1)
        # far out, one of the mean and its inverse is subnormal or 0, but not its product with y: keep it as a square
        is_far = abs(z) > real(FAR)
        x = half * z if is_far else z
        power, inverse_power = exp(x), exp(-x)
        again, inverse_again = (power, inverse_power) if is_far else (one, one)
        mean, inverse = power * again, inverse_power * inverse_again
        share = (a * again) * power if a > zero else zero
        is_high = share > one
        is_tiny = is_far & (is_high == (z > zero))
        # mean / (1 + share) and 1 / (1 + share), of which the tiny one is still to be multiplied by last
        larger, smaller = (max(a, inverse), min(a, inverse)) if is_high else (one, share)
        total = larger + smaller
        by_total = one / total
        first = inverse_power if is_high else power
        last = (inverse_again if is_high else again) if is_tiny else one
        tiny = first if is_tiny else inverse if is_high else mean
        m, c = (by_total, tiny * by_total) if is_high else (tiny * by_total, by_total)
        gradient = fma(-(y * last), c, m) if is_high else fma(-y, c, m * last)
        # the square of by_total doubles its error, which is put back
        lost = fma(-by_total, total, one) - by_total * (smaller - (total - larger))
        count = y * last if a > zero else zero  # without dispersion the Hessian has no y, which may be infinite
        hessian = c * (fma(a * m, count, m * last) if a > one else m * fma(a, count, last))
        is_finite = (mean < real(math.inf)) & (hessian < real(math.inf))
        hessian = fma(lost + lost, hessian, hessian) if is_finite else hessian
        return _value(y, z, a, share), gradient, hessian

    @staticmethod
    def reference(m: Any, y: Any, z: Any, dispersion: Any) -> Any:
        if dispersion == 0:
            return m.exp(z) - y * z
        return (y + 1 / dispersion) * m.log1p(dispersion * m.exp(z)) - y * z

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        return _statistics.log_of_mean(y, w)


def _value(y: float, z: float, a: float, share: float) -> float:
    """Return the loss, given ``share = a * exp(z)``."""
    real = type(z)
    zero, quarter, one = real(0), real(0.25), real(1)  # a quarter, so that no term overflows where the loss does not
    inverse = exp(-z)
    is_huge = share > real(1e30)
    logarithm = z + log(a) if is_huge else log1p(share)
    by_a = quarter * exp(z) if share < real(2.0**-60) else (quarter * logarithm) / a
    # logarithm - z, which for large z is log(a + inverse): there it is not to feel the size of z
    larger, smaller = max(a, inverse), min(a, inverse)
    total = larger + smaller
    lost = smaller - (total - larger)
    is_near = (share > one) & (z > zero)
    rest = log(total) + lost / total if is_near else logarithm - z
    counts = (y > zero) & (by_a < real(math.inf))  # the power is infinite, where y * z may be, too
    return real(4) * (fma(y, quarter * rest, by_a) if counts else by_a)
