"""Generalised cross-entropy."""

from dataclasses import dataclass
from typing import Any

from nbloss import _statistics
from nbloss._math import expm1, power
from nbloss.families.rowwise import Rowwise
from nbloss.loss import Interval, param
from nbloss.losses.multiclass._reference import log_softmax, targets


@dataclass(frozen=True)
class GeneralizedCrossEntropy(Rowwise):
    r"""Between cross-entropy (q to 0) and mean absolute error (q = 1): bounded, and so robust to wrong labels.

    .. math:: \ell(t, z) = \sum_k t_k \, \frac{1 - p_k^q}{q}, \qquad p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}

    Targets are labels, 0 to K - 1, or rows of probabilities in [0, 1]. Predictions are logits; the link is the softmax.
    There is no kink. The Hessian is exact, and negative where a class is badly missed.

    Parameters
    ----------
    q : float, default=0.7
        The exponent, in (0, 1].

    References
    ----------
    Z. Zhang, M. R. Sabuncu, *Generalized Cross Entropy Loss for Training Deep Neural Networks with Noisy Labels*,
    NeurIPS 2018, 8778-8788.
    """

    q: float = param(0.7, Interval(0, 1, low_open=True))

    softmax = True

    @staticmethod
    def formula(t: float, x: float, p: float, q: float, exponent: float) -> tuple[float, float, float]:
        zero = type(x)(0)
        slope = t * power(p, exponent)
        return -t * (expm1(exponent * x) / exponent) if t != zero else zero, -slope, -(exponent * slope)

    @staticmethod
    def reference(m: Any, y: Any, z: Any, q: Any) -> Any:
        return sum(t * (1 - m.exp(q * x)) for t, x in zip(targets(y, z), log_softmax(m, z), strict=True) if t != 0) / q

    def minimiser(self, masses: Any, total: float) -> Any:
        return _statistics.simplex(masses, lambda p: p ** (self.q - 1))
