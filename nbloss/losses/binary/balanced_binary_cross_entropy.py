"""Balanced binary cross-entropy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbloss import _statistics, links
from nbloss.families.pointwise import Pointwise
from nbloss.loss import REAL, UNIT, Domain, choice, vector
from nbloss.losses.binary._cross_entropy import from_logit, from_probability


@dataclass(frozen=True)
class BalancedBinaryCrossEntropy(Pointwise):
    r"""Binary cross-entropy that gives one class the weight :math:`\alpha` and the other :math:`1 - \alpha`.

    .. math:: \ell(y, z) = -\alpha \, y \log p - (1 - \alpha) (1 - y) \log (1 - p), \qquad p = \frac{1}{1 + e^{-z}}

    Targets are labels 0 and 1 or probabilities, in [0, 1]. There is no kink. The Hessian from logits,
    :math:`(\alpha y + (1 - \alpha) (1 - y)) \, p \, (1 - p)`, is not negative and vanishes far out. The link from
    logits is the sigmoid; from probabilities, y_pred is p itself, in [0, 1], and the link is the identity. With
    :math:`\alpha = 1/2` it is half of :class:`BinaryCrossEntropy`.

    Parameters
    ----------
    alpha : float or tuple of float, default=0.5
        The weight of the positive class, in [0, 1]. A tuple has a number for each entry of the last axis.
    from_logits : bool, default=True
        Whether predictions are logits z or probabilities p.

    References
    ----------
    S. Xie, Z. Tu, *Holistically-Nested Edge Detection*, ICCV 2015, 1395-1403.
    """

    alpha: float | tuple[float, ...] = vector(0.5, UNIT)
    from_logits: bool = choice(True, True, False)

    @classmethod
    def from_labels(cls, y: Any, *, from_logits: bool = True) -> BalancedBinaryCrossEntropy:
        """Return the loss in which both classes of the labels *y* weigh the same: alpha is the share of the negatives.

        Parameters
        ----------
        y : array_like
            Labels 0 and 1 or probabilities, in host memory.
        from_logits : bool, default=True
            Passed on.

        Raises
        ------
        ValueError
            If there are no labels, or any outside [0, 1].
        """
        return cls(_statistics.share_of_negatives(y), from_logits)

    @property
    def domain(self) -> Domain:
        return Domain(UNIT, REAL if self.from_logits else UNIT)

    @property
    def link(self) -> Callable[..., Any]:
        return links.sigmoid if self.from_logits else links.identity

    @staticmethod
    def formula(y: float, z: float, alpha: float, from_logits: bool) -> tuple[float, float, float]:
        one = type(z)(1)
        negative = (one - alpha) * (one - y)
        if from_logits:
            return from_logit(z, y, alpha, negative, alpha * y + negative, False)
        return from_probability(z, alpha * y, negative)

    @staticmethod
    def reference(m: Any, y: Any, z: Any, alpha: Any, from_logits: Any) -> Any:
        p, q = (1 / (1 + m.exp(-z)), 1 / (1 + m.exp(z))) if from_logits else (z, 1 - z)
        return -(alpha * y * m.log(p) + (1 - alpha) * (1 - y) * m.log(q))

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        (alpha,) = numbers
        return _statistics.odds((w * alpha * y).sum(), (w * (1 - alpha) * (1 - y)).sum(), self.from_logits)
