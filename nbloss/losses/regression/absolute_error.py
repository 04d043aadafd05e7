"""Absolute error."""

from dataclasses import dataclass
from typing import Any

from nbloss import _statistics
from nbloss.families.pointwise import Pointwise


@dataclass(frozen=True)
class AbsoluteError(Pointwise):
    r"""Absolute error, the loss whose minimiser is the median.

    .. math:: \ell(y, z) = |r|, \qquad r = z - y

    Defined for all real targets and predictions. At the kink, r = 0, the gradient is 0; the Hessian is 0 everywhere.
    The link is the identity. L1 is ``reduction="sum"``, the mean absolute error ``reduction="mean"``.

    References
    ----------
    R. J. Boscovich, *De litteraria expeditione per pontificiam ditionem*, Bologna 1757.
    """

    names = ("l1", "mae")

    @staticmethod
    def formula(y: float, z: float) -> tuple[float, float, float]:
        real = type(z)
        zero, one = real(0), real(1)
        r = z - y
        return abs(r), one if r > zero else -one if r < zero else zero, zero

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        return abs(y - z)

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        return _statistics.quantile(y, w, 0.5)
