"""Cosine similarity."""

from dataclasses import dataclass
from typing import Any

from nbloss.families.vectorwise import Vectorwise
from nbloss.losses.similarity._cosine import bend, cosine, itself, products, reference, slope


@dataclass(frozen=True)
class CosineSimilarity(Vectorwise):
    r"""Minus the cosine of the angle between target and prediction, vectors along the last axis.

    .. math:: \ell(y, z) = -\frac{\sum_k y_k z_k}{\sqrt{\sum_k y_k^2} \sqrt{\sum_k z_k^2}}

    Defined for all real vectors, which have the same shape, with values in [-1, 1]: -1 where they point in one
    direction. Where a vector is zero, value, gradient and Hessian are 0. Lengths count for nothing: the gradient is
    orthogonal to the prediction. The link is the identity.

    See Also
    --------
    CosineEmbedding : one minus the cosine, of two predictions.

    References
    ----------
    G. Salton, M. J. McGill, *Introduction to Modern Information Retrieval*, McGraw-Hill 1983.
    """

    counts = 2, 3
    vectors = staticmethod(itself)
    terms = staticmethod(products)

    @staticmethod
    def finish(
        y: float, sums: tuple[float, float, float], sizes: tuple[float, float]
    ) -> tuple[float, float, float, float, float]:
        c, a, b = cosine(sums)
        return -c, c, a, b, 1.0 / sizes[1]

    @staticmethod
    def slopes(u: tuple[float, float], coefficients: tuple[float, float, float, float]) -> tuple[float]:
        c, a, b, unit = coefficients
        return (-slope(c, u[1] * b, u[0] * a, b, unit),)

    @staticmethod
    def curvature(
        u: tuple[float, float], v: tuple[float, float], same: float, coefficients: tuple[float, float, float, float]
    ) -> tuple[float]:
        c, a, b, unit = coefficients
        return (-bend(c, (u[1] * b, v[1] * b), (u[0] * a, v[0] * a), same, b, unit),)

    @staticmethod
    def reference(m: Any, target: Any, prediction: Any) -> Any:
        return -reference(m, target, prediction)
