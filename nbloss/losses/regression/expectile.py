"""Expectile loss."""

from dataclasses import dataclass
from typing import Any

from nbloss.families.pointwise import Pointwise
from nbloss.loss import UNIT, param


@dataclass(frozen=True)
class Expectile(Pointwise):
    r"""Tilted squared error: its minimiser is the :math:`\alpha`-expectile.

    .. math::

        \ell(y, z) = \begin{cases}
            (1 - \alpha) \, r^2 & r > 0 \\
            \alpha \, r^2 & r \le 0
        \end{cases}, \qquad r = z - y

    Defined for all real targets and predictions. The Hessian, twice the factor of :math:`r^2`, jumps at r = 0, where it
    is :math:`2 \alpha`; on one side it is 0 if :math:`\alpha` is 0 or 1. The link is the identity. With
    :math:`\alpha = 1/2` it is half the squared error.

    Parameters
    ----------
    alpha : float, default=0.5
        The level of the expectile, in [0, 1]: the factor where the prediction is too low.

    References
    ----------
    W. K. Newey, J. L. Powell, *Asymmetric Least Squares Estimation and Testing*, Econometrica 55 (1987), 819-847.
    """

    alpha: float = param(0.5, UNIT)

    @staticmethod
    def formula(y: float, z: float, alpha: float) -> tuple[float, float, float]:
        real = type(z)
        zero = real(0)
        r = z - y
        factor = real(1) - alpha if r > zero else alpha
        # r * r may overflow where the loss does not; factor * r may be subnormal, and imprecise, where it is not.
        value = factor * (r * r) if abs(r) < real(1e17) else (factor * r) * r
        twice = real(2) * factor
        is_flat = factor == zero  # also for an infinite residual
        return zero if is_flat else value, zero if is_flat else twice * r, twice

    @staticmethod
    def reference(m: Any, y: Any, z: Any, alpha: Any) -> Any:
        return abs(alpha - (1 if z > y else 0)) * (z - y) ** 2
