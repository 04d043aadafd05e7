"""Triplet margin loss."""

from dataclasses import dataclass
from typing import Any

from nbloss._math import sqrt
from nbloss.families.vectorwise import Vectorwise
from nbloss.loss import NON_NEGATIVE, choice, param

Two = tuple[float, float]
Three = tuple[float, float, float]
Five = tuple[float, float, float, float, float]

LARGE = 2.0**900  # lengths beyond are subtracted scaled by ...
DOWN = 2.0**-60  # ... this, for they may be infinite


@dataclass(frozen=True)
class TripletMargin(Vectorwise):
    r"""An anchor is to be nearer to what it belongs to than to what it does not, by a margin.

    .. math:: \ell(a, p, n) = \max(0, \lVert a - p \rVert - \lVert a - n \rVert + m)

    Predictions are a tuple of three arrays, anchor, positive and negative, with vectors along the last axis; there is
    no target: y_true is None. Where a distance is 0, its gradient and Hessian are 0; at the kink, where the loss
    becomes 0, so are those of the loss. For p = 1 the Hessian is 0. The link is the identity.

    No small number is added to the differences, as PyTorch does.

    Parameters
    ----------
    margin : float, default=1.0
        m; at least 0.
    p : {1, 2}, default=2
        Which norm the distance is: the sum of absolute differences, or the Euclidean.

    References
    ----------
    F. Schroff, D. Kalenichenko, J. Philbin, *FaceNet: A Unified Embedding for Face Recognition and Clustering*, CVPR
    2015, 815-823, with squared distances; V. Balntas, E. Riba, D. Ponsa, K. Mikolajczyk, *Learning Local Feature
    Descriptors with Triplets and Shallow Convolutional Neural Networks*, BMVC 2016.
    """

    margin: float = param(1.0, NON_NEGATIVE)
    p: int = choice(2, 1, 2)

    counts = 2, 2
    predictions = 3
    target = None

    @staticmethod
    def vectors(x: Three, p: int) -> Two:
        return x[0] - x[1], x[0] - x[2]

    @staticmethod
    def terms(u: Two, p: int) -> Two:
        if p == 1:
            return abs(u[0]), abs(u[1])
        return u[0] * u[0], u[1] * u[1]

    @staticmethod
    def finish(
        y: float, sums: Two, sizes: Two, margin: float, p: int
    ) -> tuple[float, float, float, float, float, float]:
        zero, one = 0.0, 1.0
        near, far = (sums[0], sums[1]) if p == 1 else (sqrt(sums[0]), sqrt(sums[1]))
        scale = DOWN if max(sizes[0], sizes[1]) > LARGE else one
        value = (near * (sizes[0] * scale) - far * (sizes[1] * scale)) / scale + margin
        active = one if value > zero else zero
        a, b = one / near if near > zero else zero, one / far if far > zero else zero
        return zero if value <= zero else value, active, a, b, one / sizes[0], one / sizes[1]

    @staticmethod
    def slopes(u: Two, coefficients: Five, p: int) -> Three:
        active, a, b, _, _ = coefficients
        x, y = (sign(u[0]), sign(u[1])) if p == 1 else (u[0] * a, u[1] * b)
        return active * (x - y), -active * x, active * y

    @staticmethod
    def curvature(u: Two, v: Two, same: float, coefficients: Five, p: int) -> Three:
        zero = 0.0
        active, a, b, near, far = coefficients
        if p == 1 or active == zero:
            return zero, zero, zero
        x = (same - u[0] * a * (v[0] * a)) * a * near
        y = (same - u[1] * b * (v[1] * b)) * b * far
        return x - y, x, -y

    @staticmethod
    def reference(m: Any, target: Any, predictions: Any, margin: Any, p: Any) -> Any:
        def distance(s: Any, t: Any) -> Any:
            if p == 1:
                return sum(abs(x - y) for x, y in zip(s, t, strict=True))
            total = sum((x - y) ** 2 for x, y in zip(s, t, strict=True))
            return m.sqrt(total) if total != 0 else m.jet(0)

        anchor, positive, negative = predictions
        return max(m.jet(0), distance(anchor, positive) - distance(anchor, negative) + margin)


def sign(x: float) -> float:
    """Return 1, 0 or -1."""
    zero, one = 0.0, 1.0
    return one if x > zero else -one if x < zero else zero
