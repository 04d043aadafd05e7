"""Root mean squared error."""

from dataclasses import dataclass
from typing import Any

from nbloss._math import sqrt
from nbloss.families.setwise import Setwise
from nbloss.losses.regression.squared_error import SquaredError

FAR, NEAR = 2.0**500, 2.0**-500  # between them, squares and their sums are in range
UP, DOWN = 2.0**600, 2.0**-600  # what brings the others there
INF = float("inf")
INFINITE = 2.0**500  # in the place of infinity, brought down
BEYOND = 2.0**900  # above all sums of numbers brought down, below the square of what stands for infinity


@dataclass(frozen=True)
class RootMeanSquaredError(Setwise):
    r"""Root of the mean squared error, which is one loss of the whole array.

    .. math:: \ell(y, z) = \sqrt{\frac{\sum_i w_i r_i^2}{\sum_i w_i}}, \qquad r = z - y

    Defined for all real targets and predictions; without sample weights, every :math:`w_i` is 1. Where all residuals
    are 0, gradient and Hessian are 0. The Hessian is its exact diagonal, and the link the identity. The loss of no
    elements is nan.

    Sums are kept apart for large, usual and small residuals, so that no square overflows or vanishes.

    References
    ----------
    J. L. Blue, *A Portable Fortran Program to Find the Euclidean Norm of a Vector*, ACM Trans. Math. Softw. 4 (1978),
    15-23, for the sums.
    """

    names = ("rmse",)

    sums, coefficients = 4, 3
    in_double = True

    @staticmethod
    def terms(y: float, z: float) -> tuple[float, float, float, float]:
        real = type(z)
        zero = real(0)
        r = abs(z - y)
        is_far, is_near = r > real(FAR), r < real(NEAR)
        x = r * (real(DOWN) if is_far else real(UP) if is_near else real(1))
        x = min(x, real(INFINITE)) if is_far else x
        square = x * x
        is_usual = not (is_far | is_near)  # so is nan
        return square if is_far else zero, square if is_usual else zero, square if is_near else zero, real(1)

    @staticmethod
    def finish(far: float, usual: float, near: float, weight: float) -> tuple[float, float, float, float]:
        real = type(far)
        zero, one, up, down = real(0), real(1), real(UP), real(DOWN)
        is_far, is_usual = far != zero, usual != zero
        total = far + usual * down * down if is_far else usual + near * down * down if is_usual else near
        root = sqrt(total / weight)
        value = root * (up if is_far else one if is_usual else down)
        # beside infinity, every number is 0
        scale = zero if far > real(BEYOND) else down if is_far else one if is_usual else up
        return value, scale, one / root if root != zero else zero, one / weight

    @staticmethod
    def slopes(y: float, z: float, scale: float, inverse: float, share: float) -> tuple[float, float, float]:
        real = type(z)
        r, inf = z - y, real(INF)
        x = (real(INFINITE) if r == inf else -real(INFINITE) if r == -inf else r * scale) * inverse
        a = scale * inverse * share
        return x * share, a, -a * share * x * x

    @staticmethod
    def reference(m: Any, target: Any, predictions: Any) -> Any:
        total = sum((z - y) ** 2 for y, z in zip(target, predictions, strict=True))
        return m.sqrt(total / len(target)) if total != 0 else 0 if target else float("nan")

    def init_score(self, y_true: Any, sample_weight: Any = None) -> float:
        """Return the constant prediction with the least loss, the weighted mean: see :class:`SquaredError`."""
        return SquaredError().init_score(y_true, sample_weight)
