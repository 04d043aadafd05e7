"""Cosine embedding loss."""

from dataclasses import dataclass
from typing import Any

from nbloss.families.vectorwise import Vectorwise
from nbloss.loss import Interval, param
from nbloss.losses.similarity import _cosine
from nbloss.losses.similarity._cosine import bend, cosine, itself, products, slope, times

Two = tuple[float, float]
Six = tuple[float, float, float, float, float, float]


@dataclass(frozen=True)
class CosineEmbedding(Vectorwise):
    r"""Draws pairs of vectors into one direction, or apart, as their label says.

    .. math::

        \ell(y, x_1, x_2) = \begin{cases}
            1 - \cos(x_1, x_2) & y > 0 \\
            \max(0, \cos(x_1, x_2) - m) & y \le 0
        \end{cases}

    Targets are labels, 0 and 1 or -1 and 1, one for each pair; predictions are a tuple of two arrays with vectors along
    the last axis. Where a vector is zero, the cosine, and so gradient and Hessian, are 0. At the kink, where the cosine
    is m, gradient and Hessian are 0. The link is the identity.

    Parameters
    ----------
    margin : float, default=0.0
        m, the cosine up to which pairs that do not belong together cost nothing; in [-1, 1].

    References
    ----------
    R. Hadsell, S. Chopra, Y. LeCun, *Dimensionality Reduction by Learning an Invariant Mapping*, CVPR 2006, 1735-1742,
    for losses of pairs; the form is that of PyTorch's ``CosineEmbeddingLoss``, 2017.
    """

    margin: float = param(0.0, Interval(-1, 1))

    counts = 2, 3
    predictions = 2
    target = "number"
    vectors = staticmethod(itself)
    terms = staticmethod(products)

    @staticmethod
    def finish(
        y: float, sums: tuple[float, float, float], sizes: Two, margin: float
    ) -> tuple[float, float, float, float, float, float, float]:
        zero, one = 0.0, 1.0
        c, a, b = cosine(sums)
        excess = c - margin
        sign = -one if y > zero else one if excess > zero else zero
        value = one - c if y > zero else zero if excess <= zero else excess
        return value, sign, c, a, b, one / sizes[0], one / sizes[1]

    @staticmethod
    def slopes(u: Two, coefficients: Six) -> Two:
        sign, c, a, b, first, second = coefficients
        x, y = u[0] * a, u[1] * b
        return times(sign, slope(c, x, y, a, first)), times(sign, slope(c, y, x, b, second))

    @staticmethod
    def curvature(u: Two, v: Two, same: float, coefficients: Six) -> Two:
        sign, c, a, b, first, second = coefficients
        x, y = (u[0] * a, v[0] * a), (u[1] * b, v[1] * b)
        return times(sign, bend(c, x, y, same, a, first)), times(sign, bend(c, y, x, same, b, second))

    @staticmethod
    def reference(m: Any, target: Any, predictions: Any, margin: Any) -> Any:
        c = _cosine.reference(m, *predictions)
        return 1 - c if target > 0 else max(m.jet(0), c - margin)
