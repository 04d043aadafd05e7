"""Squared hinge loss."""

from dataclasses import dataclass
from typing import Any

from nbloss import _statistics
from nbloss.families.pointwise import Pointwise


@dataclass(frozen=True)
class SquaredHinge(Pointwise):
    r"""Hinge loss, squared: quadratic until the label is won by a margin of 1, and smoother at the margin.

    .. math:: \ell(y, z) = \max(0, 1 - m)^2, \qquad m = s z

    Labels are 0 and 1 or -1 and 1: s is 1 where y > 0, else -1. Predictions are scores, any real numbers, for which the
    link is the identity. The Hessian is 2 where m < 1, and 0 at m = 1 and beyond.

    References
    ----------
    C. Cortes, V. Vapnik, *Support-Vector Networks*, Mach. Learn. 20 (1995), 273-297.
    """

    @staticmethod
    def formula(y: float, z: float) -> tuple[float, float, float]:
        zero, one, two = type(z)(0), type(z)(1), type(z)(2)
        s = one if y > zero else -one
        m = s * z
        gap = max(one - m, zero)
        return gap * gap, -s * (two * gap), two if m < one else zero

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        return max(0, 1 - z if y > 0 else 1 + z) ** 2

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        positive, negative = _statistics.weight_of_signs(y, w)
        return (positive - negative) / (positive + negative)
