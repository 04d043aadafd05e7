"""Huber's loss."""

from dataclasses import dataclass
from typing import Any

from nbloss.families.pointwise import Pointwise
from nbloss.loss import POSITIVE, param
from nbloss.losses.regression._residual import excess


@dataclass(frozen=True)
class Huber(Pointwise):
    r"""Quadratic near the target, linear far from it: outliers pull no harder than :math:`\delta`.

    .. math::

        \ell(y, z) = \begin{cases}
            r^2 / 2 & |r| \le \delta \\
            \delta \, (|r| - \delta / 2) & |r| > \delta
        \end{cases}, \qquad r = z - y

    Defined for all real targets and predictions. The Hessian is 1 up to and at :math:`|r| = \delta` and 0 beyond. The
    link is the identity.

    Parameters
    ----------
    delta : float, default=1.0
        The residual at which the loss becomes linear; positive.

    References
    ----------
    P. J. Huber, *Robust Estimation of a Location Parameter*, Ann. Math. Statist. 35 (1964), 73-101.
    """

    delta: float = param(1.0, POSITIVE)

    @staticmethod
    def formula(y: float, z: float, delta: float) -> tuple[float, float, float]:
        real = type(z)
        zero, one = real(0), real(1)
        r = z - y
        clipped = min(max(r, -delta), delta)
        value = clipped * (r - real(0.5) * clipped)
        return value, clipped, one if excess(y, z, delta) <= zero else zero

    @staticmethod
    def reference(m: Any, y: Any, z: Any, delta: Any) -> Any:
        r = abs(z - y)
        return r**2 / 2 if r <= delta else delta * (r - delta / 2)
