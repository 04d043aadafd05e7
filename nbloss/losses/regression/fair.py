"""Fair's loss."""

from dataclasses import dataclass
from typing import Any

from nbloss._math import fma, log1p_positive
from nbloss.families.pointwise import Pointwise
from nbloss.loss import POSITIVE, param
from nbloss.losses.regression._residual import distance, residual

# (x - log1p(x)) / s - x = -s^2 times this, in powers of s^2, for 0 <= x <= 1 and s = x / (2 + x)
TAIL = (
    0.6666666666666631, 0.40000000000156166, 0.28571428547968375, 0.22222223963422832, 0.18181744127704016,
    0.1538655591174911, 0.13301023071475376, 0.12105715315375339, 0.08341647196304874, 0.17015829447421962,
)  # fmt: skip


@dataclass(frozen=True)
class Fair(Pointwise):
    r"""Quadratic near the target, and nearly linear far from it, with derivatives that are nowhere 0.

    .. math:: \ell(y, z) = c^2 \Bigl( \frac{|r|}{c} - \log \Bigl( 1 + \frac{|r|}{c} \Bigr) \Bigr), \qquad r = z - y

    Defined for all real targets and predictions, with no kink. The gradient is :math:`c r / (c + |r|)`, which tends to
    c; the Hessian, :math:`(c / (c + |r|))^2`, is 1 at the target and always positive, which trees like. The link is the
    identity. LightGBM starts from the mean of the targets; `init_score` is the constant of least loss.

    Parameters
    ----------
    c : float, default=1.0
        The slope far from the target, and the scale of the residuals at which half of it is reached; positive.

    References
    ----------
    R. C. Fair, *On the Robust Estimation of Econometric Models*, Ann. Econ. Soc. Meas. 3 (1974), 667-677.
    """

    c: float = param(1.0, POSITIVE)

    @staticmethod
    def formula(y: float, z: float, c: float) -> tuple[float, float, float]:
        real = type(z)
        zero, one, two = real(0), real(1), real(2)
        r, _ = residual(y, z)
        a, lost = distance(y, z)
        is_linear = a > real(2.0**60) * c  # where c is nothing beside it
        whole = a + c
        larger, smaller = max(a, c), min(a, c)
        by = one / whole
        # what the rounding of the residual, of the sum and of the quotient took away: a square doubles it
        whole_lost = (smaller - (whole - larger)) + lost
        q = c * by
        rest = fma(-q, whole, c) - q * whole_lost
        hessian = fma(two * q, rest * by, q * q)
        value = c * _far(a, c) if a > c else c * _near(a, lost, c)
        gradient = r * q if not is_linear else c if r > zero else -c
        return c * a if is_linear else value, gradient, hessian if not is_linear else (c / a) * (c / a)

    @staticmethod
    def reference(m: Any, y: Any, z: Any, c: Any) -> Any:
        a = abs(z - y)
        return c * a - c**2 * m.log(1 + a / c)


def _near(a: float, lost: float, c: float) -> float:
    """Return ``a - c * log1p(a / c)`` for 0 <= a <= c, from a series, since the difference cancels."""
    real = type(a)
    whole = fma(real(2), c, a)
    s = a / whole
    x = s * s
    t = fma(x, real(TAIL[9]), real(TAIL[8]))
    t = fma(x, t, real(TAIL[7]))
    t = fma(x, t, real(TAIL[6]))
    t = fma(x, t, real(TAIL[5]))
    t = fma(x, t, real(TAIL[4]))
    t = fma(x, t, real(TAIL[3]))
    t = fma(x, t, real(TAIL[2]))
    t = fma(x, t, real(TAIL[1]))
    t = fma(x, t, real(TAIL[0]))
    gap = fma(-c * x, t, a)
    return fma(s, gap, (lost + lost) * s)


def _far(a: float, c: float) -> float:
    """Return the same for a > c."""
    return a - c * log1p_positive(min(a / c, type(a)(1e30)))
