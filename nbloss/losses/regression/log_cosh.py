"""Log-cosh loss."""

from dataclasses import dataclass
from typing import Any

from nbloss._math import exp_expm1, log1p
from nbloss.families.pointwise import Pointwise
from nbloss.losses.regression._residual import distance

LOG_2 = 0.6931471805599453


@dataclass(frozen=True)
class LogCosh(Pointwise):
    r"""Logarithm of the hyperbolic cosine: half the squared error near the target, the absolute error far from it.

    .. math:: \ell(y, z) = \log \cosh r, \qquad r = z - y

    Defined for all real targets and predictions, with no kink. The gradient is :math:`\tanh r`; the Hessian,
    :math:`1 / \cosh^2 r`, is positive and vanishes like :math:`4 e^{-2 |r|}` far from the target. The link is the
    identity.

    References
    ----------
    P. J. Green, *Bayesian Reconstructions from Emission Tomography Data Using a Modified EM Algorithm*, IEEE Trans. Med.
    Imaging 9 (1990), 84-93.
    """

    @staticmethod
    def formula(y: float, z: float) -> tuple[float, float, float]:
        real = type(z)
        zero, one, two = real(0), real(1), real(2)
        a, lost = distance(y, z)
        e, m = exp_expm1(-a)
        value = log1p(m * m / (two * e)) if a < real(20) else a - real(LOG_2)
        e, m = exp_expm1(-two * a)
        tanh = -m / (one + e)
        # Far out, the Hessian feels the residual's rounding error 2 * abs(r) times.
        e = e - e * (two * lost) if e > zero else zero
        return value, tanh if z > y else -tanh, real(4) * e / ((one + e) * (one + e))

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        return m.log(m.cosh(z - y))
