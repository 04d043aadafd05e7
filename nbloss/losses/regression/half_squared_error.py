"""Half the squared error."""

from dataclasses import dataclass
from typing import Any

from nbloss import _statistics
from nbloss.families.pointwise import Pointwise


@dataclass(frozen=True)
class HalfSquaredError(Pointwise):
    r"""Half the squared error, whose gradient is the residual.

    .. math:: \ell(y, z) = \frac{r^2}{2}, \qquad r = z - y

    Defined for all real targets and predictions; the Hessian is 1 and the link the identity.

    See Also
    --------
    SquaredError : twice this loss.

    References
    ----------
    A. M. Legendre, *Nouvelles méthodes pour la détermination des orbites des comètes*, Paris 1805.
    """

    @staticmethod
    def formula(y: float, z: float) -> tuple[float, float, float]:
        real = type(z)
        r = z - y
        return (real(0.5) * r) * r, r, real(1)  # r * r could overflow where its half does not

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        return (y - z) ** 2 / 2

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        return _statistics.mean(y, w)
