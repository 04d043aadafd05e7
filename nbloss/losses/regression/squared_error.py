"""Squared error."""

from dataclasses import dataclass
from typing import Any

from nbloss import _statistics
from nbloss.families.pointwise import Pointwise


@dataclass(frozen=True)
class SquaredError(Pointwise):
    r"""Squared error, the loss whose minimiser is the mean.

    .. math:: \ell(y, z) = r^2, \qquad r = z - y

    Defined for all real targets and predictions; the Hessian is 2 and the link the identity. The mean squared error is
    ``reduction="mean"``.

    See Also
    --------
    HalfSquaredError : the convention of boosting libraries, with a Hessian of 1.

    References
    ----------
    A. M. Legendre, *Nouvelles méthodes pour la détermination des orbites des comètes*, Paris 1805.
    """

    names = ("mse",)

    @staticmethod
    def formula(y: float, z: float) -> tuple[float, float, float]:
        two = type(z)(2)
        r = z - y
        return r * r, two * r, two

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        return (y - z) ** 2

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        return _statistics.mean(y, w)
