"""Cross-entropy with its first polynomial coefficient changed."""

from dataclasses import dataclass
from typing import Any

from nbloss import _statistics
from nbloss.families.rowwise import Rowwise
from nbloss.loss import Interval, param
from nbloss.losses.multiclass._reference import log_softmax, softmax, targets


@dataclass(frozen=True)
class Poly1CrossEntropy(Rowwise):
    r"""Cross-entropy plus a multiple of the missing probability, the first term of its series.

    .. math:: \ell(t, z) = \sum_k t_k \, \bigl( -\log p_k + \epsilon \, (1 - p_k) \bigr),
              \qquad p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}

    Targets are labels, 0 to K - 1, or rows of probabilities in [0, 1]. Predictions are logits; the link is the softmax.
    There is no kink.

    Parameters
    ----------
    epsilon : float, default=1.0
        How much the first term weighs more; at least -1.

    References
    ----------
    Z. Leng, M. Tan, C. Liu, E. D. Cubuk, X. Shi, S. Cheng, D. Anguelov, *PolyLoss: A Polynomial Expansion Perspective
    of Classification Loss Functions*, ICLR 2022.
    """

    epsilon: float = param(1.0, Interval(-1))

    softmax = True

    @staticmethod
    def formula(t: float, x: float, p: float, q: float, epsilon: float) -> tuple[float, float, float]:
        zero = type(x)(0)
        bend = epsilon * p
        return t * (epsilon * q - x) if t != zero else zero, -(t + t * bend), -(t * bend)

    @staticmethod
    def reference(m: Any, y: Any, z: Any, epsilon: Any) -> Any:
        logs = log_softmax(m, z)
        terms = zip(targets(y, z), softmax(m, z), logs, strict=True)
        return sum(t * (epsilon * (1 - p) - x) for t, p, x in terms if t != 0)

    def minimiser(self, masses: Any, total: float) -> Any:
        return _statistics.simplex(masses, lambda p: 1 / p + self.epsilon)
