"""Zero-one loss."""

from dataclasses import dataclass
from typing import Any

from nbloss.families.pointwise import Pointwise
from nbloss.loss import NON_NEGATIVE, param
from nbloss.losses.regression._residual import excess


@dataclass(frozen=True)
class ZeroOne(Pointwise):
    r"""One for a miss, zero for a hit: with ``reduction="mean"``, the error rate.

    .. math:: \ell(y, z) = [\, |r| \ge \tau \,] \text{ for } \tau > 0, \qquad [\, r \ne 0 \,] \text{ for } \tau = 0,
              \qquad r = z - y

    A metric: it compares values (labels with predicted labels), not scores; gradient and Hessian are 0. Defined for all
    real targets and predictions. The link is the identity.

    Parameters
    ----------
    tolerance : float, default=0.0
        The residual :math:`\tau` from which on a prediction is a miss; at least 0.

    References
    ----------
    T. Hastie, R. Tibshirani, J. Friedman, *The Elements of Statistical Learning*, 2nd ed., Springer, 2009, section 2.4.
    """

    tolerance: float = param(0.0, NON_NEGATIVE)

    @staticmethod
    def formula(y: float, z: float, tolerance: float) -> tuple[float, float, float]:
        real = type(z)
        zero, one = real(0), real(1)
        is_miss = excess(y, z, tolerance) >= zero if tolerance > zero else z != y
        return one if is_miss else zero, zero, zero

    @staticmethod
    def reference(m: Any, y: Any, z: Any, tolerance: Any) -> Any:
        return 1 if z != y and abs(z - y) >= tolerance else 0

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        raise TypeError("ZeroOne is a metric: it has no best constant prediction")
