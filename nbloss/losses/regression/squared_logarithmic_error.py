"""Squared logarithmic error."""

from dataclasses import dataclass
from typing import Any

from nbloss import _statistics
from nbloss._math import fma, log1p_positive
from nbloss.families.pointwise import Pointwise
from nbloss.loss import Domain, Interval
from nbloss.losses.regression._residual import is_finite

ABOVE_MINUS_ONE = Interval(-1, low_open=True)
LOG_2 = 0.6931471805599453


@dataclass(frozen=True)
class SquaredLogarithmicError(Pointwise):
    r"""Squared difference of logarithms, for targets that matter by their ratio.

    .. math:: \ell(y, z) = d^2, \qquad d = \log(1 + z) - \log(1 + y)

    Defined where both target and prediction are greater than -1. There is no kink. The Hessian,
    :math:`2 (1 - d) / (1 + z)^2`, is negative where the prediction is more than e times too large, d > 1. The link is
    the identity: the prediction is on the scale of the target.

    References
    ----------
    C. Tofallis, *A Better Measure of Relative Prediction Accuracy for Model Selection and Model Estimation*, J. Oper.
    Res. Soc. 66 (2015), 1352-1362.
    """

    names = ("msle",)

    @property
    def domain(self) -> Domain:
        return Domain(ABOVE_MINUS_ONE, ABOVE_MINUS_ONE)

    @staticmethod
    def formula(y: float, z: float) -> tuple[float, float, float]:
        real = type(z)
        zero, one, quarter = real(0), real(1), real(0.25)
        # d = log1p(u) with u = (high - low) / (1 + low), which is well conditioned since u >= 0. Its square doubles the
        # relative error of u, so u needs the remainders of all three operations.
        low, high = min(y, z), max(y, z)
        a, b, c = high - low, one + low, one + high
        a_lost = min(high, -low) - (a - max(high, -low))
        b_lost = min(low, one) - (b - max(low, one))
        c_lost = min(high, one) - (c - max(high, one))
        # 4: the reciprocal of the largest number would be subnormal
        by_low, by_high = real(4) / b, real(4) / c
        overflows = a > real(3e38) * b
        u = (a * real(2.0**-66) if overflows else a * quarter) * by_low
        remainder = (fma(-u, b, a) + fma(-u, b_lost, a_lost)) * (quarter * by_high)
        remainder = remainder if is_finite(remainder) else zero  # where a is infinite
        d = log1p_positive(u) + (real(64 * LOG_2) if overflows else remainder)
        d = d if z > y else -d
        by_z = by_high if z > y else by_low
        gradient = real(0.5) * (d * by_z)
        error = by_z * (c_lost if z > y else b_lost)
        hessian = ((one - d) * by_z) * fma(real(0.125) * by_z, real(-0.5) * error, real(0.125) * by_z)
        is_limit = by_z == zero  # for an infinite prediction, whose d times 0 would be nan
        return d * d, zero if is_limit else gradient, zero if is_limit else hessian

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        return (m.log(1 + z) - m.log(1 + y)) ** 2

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        return _statistics.mean_by_log1p(y, w)
