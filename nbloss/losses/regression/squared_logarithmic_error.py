"""Squared logarithmic error."""

from dataclasses import dataclass
from typing import Any

from nbloss import _statistics
from nbloss._math import fma, log1p
from nbloss.families.pointwise import Pointwise
from nbloss.loss import Domain, Interval
from nbloss.losses.regression._residual import distance, residual

ABOVE_MINUS_ONE = Interval(-1, low_open=True)
LOG_2 = 0.6931471805599453


@dataclass(frozen=True)
class SquaredLogarithmicError(Pointwise):
    r"""Squared difference of logarithms, for targets that matter by their ratio.

    .. math:: \ell(y, z) = d^2, \qquad d = \log(1 + z) - \log(1 + y)

    Defined where both target and prediction are greater than -1. There is no kink. The Hessian,
    :math:`2 (1 - d) / (1 + z)^2`, is negative where the prediction is more than e times too large, d > 1. The link is the
    identity: the prediction is on the scale of the target.
    """

    names = ("msle",)

    @property
    def domain(self) -> Domain:
        return Domain(ABOVE_MINUS_ONE, ABOVE_MINUS_ONE)

    @staticmethod
    def formula(y: float, z: float) -> tuple[float, float, float]:
        real = type(z)
        zero, one = real(0), real(1)
        # d = log1p(u) with u = (high - low) / (1 + low), which is well conditioned since u >= 0. Its square doubles the
        # relative error of u, so u needs the remainders of all three operations.
        a, a_lost = distance(y, z)
        low = min(y, z)
        b, b_lost = residual(-low, one)
        overflows = a > real(3e38) * b
        # 4: the reciprocal of the largest number would be subnormal
        by_y, by_z = real(4) / (one + y), real(4) / (one + z)
        by_low, by_high = (by_y, by_z) if y < z else (by_z, by_y)
        quarter = real(0.25)
        u = (a * real(2.0**-66) if overflows else a * quarter) * by_low
        remainder = (fma(-u, b, a) + (a_lost - u * b_lost)) * (quarter * by_high)
        d = log1p(u) + (real(64 * LOG_2) if overflows else remainder)
        d = d if z > y else -d
        is_finite = by_z > zero  # for an infinite prediction, d times the inverse would be nan
        gradient = (real(0.5) * d) * by_z if is_finite else zero
        hessian = ((one - d) * by_z) * (real(0.125) * by_z) if is_finite else zero
        return d * d, gradient, hessian

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        return (m.log(1 + z) - m.log(1 + y)) ** 2

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        return _statistics.mean_by_log1p(y, w)
