"""Smooth L1."""

from dataclasses import dataclass
from typing import Any

from nbloss.families.pointwise import Pointwise
from nbloss.loss import NON_NEGATIVE, param
from nbloss.losses.regression._residual import excess


@dataclass(frozen=True)
class SmoothL1(Pointwise):
    r"""Absolute error with a rounded corner: Huber's loss, divided by its width.

    .. math::

        \ell(y, z) = \begin{cases}
            r^2 / (2 \beta) & |r| < \beta \\
            |r| - \beta / 2 & |r| \ge \beta
        \end{cases}, \qquad r = z - y

    Defined for all real targets and predictions. The Hessian is :math:`1 / \beta` below :math:`|r| = \beta`, and 0
    there and beyond. With :math:`\beta = 0` it is the absolute error, whose gradient is 0 at r = 0. The link is the
    identity.

    Parameters
    ----------
    beta : float, default=1.0
        The residual at which the loss becomes linear; at least 0.

    References
    ----------
    R. Girshick, *Fast R-CNN*, ICCV 2015, 1440-1448.
    """

    beta: float = param(1.0, NON_NEGATIVE)

    @staticmethod
    def formula(y: float, z: float, beta: float) -> tuple[float, float, float]:
        real = type(z)
        zero, half, one = real(0), real(0.5), real(1)
        r = z - y
        inside = excess(y, z, beta) < zero
        value = (half * r) * (r / beta) if inside else abs(r) - half * beta
        gradient = r / beta if inside else one if r > zero else -one if r < zero else zero
        return value, gradient, one / beta if inside else zero

    @staticmethod
    def reference(m: Any, y: Any, z: Any, beta: Any) -> Any:
        r = abs(y - z)
        return r**2 / (2 * beta) if r < beta else r - beta / 2
