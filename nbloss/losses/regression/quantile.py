"""Quantile loss."""

from dataclasses import dataclass
from typing import Any

from nbloss import _statistics
from nbloss.families.pointwise import Pointwise
from nbloss.loss import UNIT, param


@dataclass(frozen=True)
class Quantile(Pointwise):
    r"""Tilted absolute error, also known as pinball loss: its minimiser is the :math:`\alpha`-quantile.

    .. math::

        \ell(y, z) = \begin{cases}
            (1 - \alpha) \, r & r > 0 \\
            -\alpha \, r & r \le 0
        \end{cases}, \qquad r = z - y

    Defined for all real targets and predictions. At the kink, r = 0, the gradient is 0; the Hessian is 0 everywhere.
    The link is the identity. With :math:`\alpha = 1/2` it is half the absolute error.

    Parameters
    ----------
    alpha : float, default=0.5
        The level of the quantile, in [0, 1]: the slope, without its sign, where the prediction is too low.

    References
    ----------
    R. Koenker, G. Bassett, *Regression Quantiles*, Econometrica 46 (1978), 33-50.
    """

    alpha: float = param(0.5, UNIT)

    names = ("pinball",)

    @staticmethod
    def formula(y: float, z: float, alpha: float) -> tuple[float, float, float]:
        real = type(z)
        zero = real(0)
        r = z - y
        slope = real(1) - alpha if r > zero else alpha
        value = slope * abs(r) if slope > zero else zero  # 0 also for an infinite residual
        return value, slope if r > zero else -slope if r < zero else zero, zero

    @staticmethod
    def reference(m: Any, y: Any, z: Any, alpha: Any) -> Any:
        return alpha * max(0, y - z) + (1 - alpha) * max(0, z - y)

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        return _statistics.quantile(y, w, self.alpha)
