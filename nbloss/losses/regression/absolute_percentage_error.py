"""Absolute percentage error."""

from dataclasses import dataclass
from typing import Any

from nbloss import _statistics
from nbloss.families.pointwise import Pointwise


@dataclass(frozen=True)
class AbsolutePercentageError(Pointwise):
    r"""Absolute error as a percentage of the target.

    .. math:: \ell(y, z) = 100 \left| \frac{r}{y} \right|, \qquad r = z - y

    Defined for all real targets and predictions. Where the target is 0, the loss is 0 for r = 0 and infinite otherwise,
    and so is the gradient, with the sign of r: no small number is added to the denominator. At the kink, r = 0, the
    gradient is 0; the Hessian is 0 everywhere. The link is the identity.

    References
    ----------
    R. J. Hyndman, A. B. Koehler, *Another Look at Measures of Forecast Accuracy*, Int. J. Forecast. 22 (2006), 679-688.
    """

    names = ("mape",)

    @staticmethod
    def formula(y: float, z: float) -> tuple[float, float, float]:
        real = type(z)
        zero, one, percent = real(0), real(1), real(100)
        r = z - y
        a, b = abs(r), abs(y)
        ratio = a / b if a != b else one  # the limit, where both are infinite
        slope = percent / b
        value = percent * ratio if r != zero else zero
        return value, slope if r > zero else -slope if r < zero else zero, zero

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        return 100 * abs(z - y) / abs(y) if z != y else 0

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        return _statistics.quantile_by_size(y, w, 0.5)
