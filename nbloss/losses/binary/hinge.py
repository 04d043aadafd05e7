"""Hinge loss."""

from dataclasses import dataclass
from typing import Any

from nbloss import _statistics
from nbloss.families.pointwise import Pointwise


@dataclass(frozen=True)
class Hinge(Pointwise):
    r"""The loss of support vector machines: linear until the label is won by a margin of 1.

    .. math:: \ell(y, z) = \max(0, 1 - m), \qquad m = s z

    Labels are 0 and 1 or -1 and 1: s is 1 where y > 0, else -1. Predictions are scores, any real numbers, for which the
    link is the identity. At the kink, m = 1, the gradient is 0; the Hessian is 0 everywhere.

    References
    ----------
    C. Cortes, V. Vapnik, *Support-Vector Networks*, Mach. Learn. 20 (1995), 273-297.
    """

    @staticmethod
    def formula(y: float, z: float) -> tuple[float, float, float]:
        zero, one = type(z)(0), type(z)(1)
        s = one if y > zero else -one
        m = s * z
        return max(one - m, zero), -s if m < one else zero, zero

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        return max(0, 1 - z if y > 0 else 1 + z)

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        positive, negative = _statistics.weight_of_signs(y, w)
        return float((positive > negative) - (positive < negative))  # all between -1 and 1 are best if they are equal
