"""Log-cosh loss."""

import math
from dataclasses import dataclass
from typing import Any

from nbloss._math import exp_expm1_minus_fraction, fma, log1p_fraction
from nbloss.families.pointwise import Pointwise
from nbloss.losses.regression._residual import residual

LOG_2 = 0.6931471805599453
SERIES = tuple(1 / math.factorial(n) for n in range(2, 20, 2))  # of cosh(a) - 1, in powers of a * a


@dataclass(frozen=True)
class LogCosh(Pointwise):
    r"""Logarithm of the hyperbolic cosine: half the squared error near the target, the absolute error far from it.

    .. math:: \ell(y, z) = \log \cosh r, \qquad r = z - y

    Defined for all real targets and predictions, with no kink. The gradient is :math:`\tanh r`; the Hessian,
    :math:`1 / \cosh^2 r`, is positive and vanishes like :math:`4 e^{-2 |r|}` far from the target. The link is the
    identity.

    References
    ----------
    P. J. Green, *Bayesian Reconstructions from Emission Tomography Data Using a Modified EM Algorithm*, IEEE Trans.
    Med. Imaging 9 (1990), 84-93.
    """

    @staticmethod
    def formula(y: float, z: float) -> tuple[float, float, float]:
        real = type(z)
        zero, one, two = real(0), real(1), real(2)
        r, lost = residual(y, z)
        a = abs(r)
        e, less, unit, shrink = exp_expm1_minus_fraction(two * a)  # exp(-2 a) and expm1(-2 a) are e and less by unit
        is_near = a < one
        # cosh(a) - 1 from a series, since the difference cancels and the square of sinh(a / 2) doubles its error
        part, of = _cosh_minus_1(r, lost) if is_near else e, one if is_near else unit
        value = log1p_fraction(part, of) + (zero if is_near else a - real(LOG_2))
        whole = e + unit
        tanh = less / whole
        tanh = tanh if r < zero else -tanh
        hessian = real(4) * shrink * (e * unit / (whole * whole))
        # far out, it feels the residual's rounding error 2 * a times
        hessian = hessian - hessian * (two * lost * tanh) if hessian > zero else zero
        return value, tanh, hessian

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        return m.log(m.cosh(z - y))


def _cosh_minus_1(r: float, lost: float) -> float:
    """Return ``cosh(r + lost) - 1`` for -1 <= r <= 1, and *lost* below an ulp of it."""
    real = type(r)
    s = r * r
    t = fma(s, real(SERIES[8]), real(SERIES[7]))
    t = fma(s, t, real(SERIES[6]))
    t = fma(s, t, real(SERIES[5]))
    t = fma(s, t, real(SERIES[4]))
    t = fma(s, t, real(SERIES[3]))
    t = fma(s, t, real(SERIES[2]))
    t = fma(s, t, real(SERIES[1]))
    s_lost = fma(r + r, lost, fma(r, r, -s))
    return fma(s, fma(s, t, real(0.5)), s_lost * fma(s, real(2 * SERIES[1]), real(0.5)))
