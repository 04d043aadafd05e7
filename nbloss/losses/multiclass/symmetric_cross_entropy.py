"""Symmetric cross-entropy."""

from dataclasses import dataclass
from typing import Any

from nbloss._math import log
from nbloss.families.rowwise import Rowwise
from nbloss.loss import NON_NEGATIVE, Interval, param
from nbloss.losses.multiclass._reference import log_softmax, softmax, targets


@dataclass(frozen=True)
class SymmetricCrossEntropy(Rowwise):
    r"""Cross-entropy plus the reverse one, which does not trust every label.

    .. math:: \ell(t, z) = -\alpha \sum_k t_k \log p_k - \beta \sum_k p_k \max(\log t_k, A),
              \qquad p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}

    where A stands for the logarithm of 0. Targets are labels, 0 to K - 1, or rows of probabilities in [0, 1].
    Predictions are logits; the link is the softmax. With a label y, the second sum is :math:`-\beta A (1 - p_y)`.
    There is no kink. The Hessian is exact, and negative where a class is badly missed and beta is not small.

    Parameters
    ----------
    alpha : float, default=0.1
        The weight of the cross-entropy; at least 0.
    beta : float, default=1.0
        The weight of the reverse cross-entropy; at least 0.
    log_zero : float, default=-4.0
        A, at most 0. The authors' paper has -4, their code log(1e-4).

    References
    ----------
    Y. Wang, X. Ma, Z. Chen, Y. Luo, J. Yi, J. Bailey, *Symmetric Cross Entropy for Robust Learning with Noisy Labels*,
    ICCV 2019, 322-330.
    """

    alpha: float = param(0.1, NON_NEGATIVE)
    beta: float = param(1.0, NON_NEGATIVE)
    log_zero: float = param(-4.0, Interval(high=0))

    softmax = True
    sparse = False

    @staticmethod
    def formula(
        t: float, x: float, p: float, q: float, alpha: float, beta: float, log_zero: float
    ) -> tuple[float, float, float]:
        zero = type(x)(0)
        slope = beta * max(log(t), log_zero) * p
        value = (alpha * (t * x) if t != zero else zero) + slope
        return -value, -(alpha * t + slope), -slope

    @staticmethod
    def reference(m: Any, y: Any, z: Any, alpha: Any, beta: Any, log_zero: Any) -> Any:
        t, floor = targets(y, z), m.exp(log_zero)
        logs = [m.log(a) if a > floor else log_zero for a in t]
        forward = sum(a * x for a, x in zip(t, log_softmax(m, z), strict=True) if a != 0)
        backward = sum(p * x for p, x in zip(softmax(m, z), logs, strict=True))
        return -alpha * forward - beta * backward

    def minimiser(self, masses: Any, total: float) -> Any:
        raise TypeError("SymmetricCrossEntropy has no constant prediction in closed form")
