"""Negative binomial loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbloss import _statistics, links
from nbloss._math import exp, fma, log, log1p_positive, log1p_unit
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
        log_a = log(a)  # once for a whole array
        # of the mean and its inverse, the one that is not large beside a is enough
        is_high = z + log_a > zero
        # far out, it is subnormal or 0, but not its product with y: keep it as a square
        is_far = abs(z) > real(FAR)
        x = half * z if is_far else z
        power = exp(-x if is_high else x)
        again = power if is_far else one
        whole = power * again
        share = (a * again) * power if a > zero else zero
        is_tiny = is_far & (is_high == (z > zero))
        # mean / (1 + a * mean) and 1 / (1 + a * mean), of which the tiny one is still to be multiplied by last
        larger, smaller = (max(a, whole), min(a, whole)) if is_high else (one, share)
        total = larger + smaller
        by_total = one / total
        last, tiny = (again, power) if is_tiny else (one, whole)
        small = tiny * by_total
        m, c = (by_total, small) if is_high else (small, by_total)
        gradient = fma(-(y * last), c, m) if is_high else fma(-y, c, m * last)
        # the square of by_total doubles its error, which is put back
        lost = fma(-by_total, total, one) - by_total * (smaller - (total - larger))
        count = y * last if a > zero else zero  # without dispersion the Hessian has no y, which may be infinite
        hessian = c * (fma(a * m, count, m * last) if a > one else m * fma(a, count, last))
        hessian = fma(lost + lost, hessian, hessian) if hessian < real(math.inf) else hessian
        return _value(y, z, a, log_a, whole, share, is_high), gradient, hessian

    @staticmethod
    def reference(m: Any, y: Any, z: Any, dispersion: Any) -> Any:
        if dispersion == 0:
            return m.exp(z) - y * z
        return (y + 1 / dispersion) * m.log1p(dispersion * m.exp(z)) - y * z

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        return _statistics.log_of_mean(y, w)


def _value(y: float, z: float, a: float, log_a: float, whole: float, share: float, is_high: bool) -> float:
    """Return the loss, given the inverse of the mean as *whole* if *is_high*, else the mean, and a times that."""
    real = type(z)
    zero, quarter = real(0), real(0.25)  # a quarter, so that no term overflows where the loss does not
    of_mean = a / whole if is_high else share
    logarithm = z + log_a if of_mean > real(1e30) else log1p_positive(of_mean)
    by_a = quarter * whole if of_mean < real(2.0**-60) else (quarter * logarithm) / a
    # logarithm - z, which for a large mean is log(a + 1 / mean): there it is not to feel the size of z
    rest = log_a + log1p_unit(whole / a) if is_high else logarithm - z
    counts = (y > zero) & (by_a < real(math.inf))  # the power is infinite, where y * z may be, too
    return real(4) * (fma(y, quarter * rest, by_a) if counts else by_a)
