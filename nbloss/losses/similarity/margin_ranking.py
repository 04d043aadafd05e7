"""Margin ranking loss."""

from dataclasses import dataclass
from typing import Any

from nbloss.families.vectorwise import Vectorwise
from nbloss.loss import NON_NEGATIVE, param


@dataclass(frozen=True)
class MarginRanking(Vectorwise):
    r"""Of two scores, the one that the label prefers is to be higher, by a margin.

    .. math:: \ell(y, x_1, x_2) = \max(0, -s \, (x_1 - x_2) + m), \qquad s = \begin{cases} 1 & y > 0 \\ -1 & y \le 0
              \end{cases}

    Targets are labels, 0 and 1 or -1 and 1; predictions are a tuple of two arrays of the same shape, and there is a
    loss for each element. At the kink, where the loss becomes 0, the gradient is 0; the Hessian is 0 everywhere, and
    matrices of it are of shape (..., 1, 1). The link is the identity.

    Parameters
    ----------
    margin : float, default=0.0
        m; at least 0.

    References
    ----------
    R. Herbrich, T. Graepel, K. Obermayer, *Large Margin Rank Boundaries for Ordinal Regression*, in: Advances in Large
    Margin Classifiers, MIT Press 2000, 115-132.
    """

    margin: float = param(0.0, NON_NEGATIVE)

    counts = 1, 1
    predictions = 2
    target = "number"
    of_numbers = True

    @staticmethod
    def vectors(x: tuple[float, float]) -> tuple[float]:
        return (x[0] - x[1],)

    @staticmethod
    def terms(u: tuple[float]) -> tuple[float]:
        return u

    @staticmethod
    def finish(y: float, sums: tuple[float], sizes: tuple[float], margin: float) -> tuple[float, float]:
        zero, one = 0.0, 1.0
        sign = one if y > zero else -one
        value = margin - sign * (sums[0] * sizes[0])
        return zero if value <= zero else value, sign if value > zero else zero

    @staticmethod
    def slopes(u: tuple[float], coefficients: tuple[float]) -> tuple[float, float]:
        return -coefficients[0], coefficients[0]

    @staticmethod
    def curvature(u: tuple[float], v: tuple[float], same: float, coefficients: tuple[float]) -> tuple[float, float]:
        return 0.0, 0.0

    @staticmethod
    def reference(m: Any, target: Any, predictions: Any, margin: Any) -> Any:
        (first,), (second,) = predictions
        return max(m.jet(0), -(1 if target > 0 else -1) * (first - second) + margin)
