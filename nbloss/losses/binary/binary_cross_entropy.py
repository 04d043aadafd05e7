"""Binary cross-entropy."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbloss import _statistics, links
from nbloss._math import fma
from nbloss.families.pointwise import Pointwise
from nbloss.loss import NON_NEGATIVE, REAL, UNIT, Domain, choice, param, vector
from nbloss.losses.binary._cross_entropy import from_logit, from_probability


@dataclass(frozen=True)
class BinaryCrossEntropy(Pointwise):
    r"""Negative log-likelihood of a Bernoulli variable, also known as logistic loss or log loss.

    .. math:: \ell(y, z) = -c \, t \log p - (1 - t) \log (1 - p), \qquad p = \frac{1}{1 + e^{-z}},
              \qquad t = (1 - \varepsilon) \, y + \varepsilon / 2

    with the weight :math:`c` of the positive class and the label smoothing :math:`\varepsilon`. Targets are labels 0
    and 1 or probabilities, in [0, 1]. There is no kink; with a soft target the least loss is its entropy, not 0.

    From logits, the gradient is :math:`(1 - t) \, p - c \, t \, (1 - p)`, which is p - y without weight and smoothing,
    and the Hessian :math:`(c \, t + 1 - t) \, p \, (1 - p)` is positive and vanishes far out. The link is the sigmoid.

    From probabilities, y_pred is p itself, in [0, 1], and the link is the identity. Value and derivatives by p are
    exact to the ends: infinite where a class has probability 0 and occurs, and without a contribution of a class that
    does not occur.

    Parameters
    ----------
    from_logits : bool, default=True
        Whether predictions are logits z or probabilities p.
    label_smoothing : float, default=0.0
        How far targets are drawn towards 1/2, in [0, 1].
    pos_weight : float or tuple of float, default=1.0
        The weight of the positive class; at least 0. A tuple has a number for each entry of the last axis.

    References
    ----------
    D. R. Cox, *The Regression Analysis of Binary Sequences*, J. R. Stat. Soc. B 20 (1958), 215-242.
    """

    from_logits: bool = choice(True, True, False)
    label_smoothing: float = param(0.0, UNIT)
    pos_weight: float | tuple[float, ...] = vector(1.0, NON_NEGATIVE)

    names = ("bce", "binary_crossentropy", "log_loss", "logloss")

    @property
    def choices(self) -> tuple[Any, ...]:
        return self.from_logits, self.label_smoothing == 0 and self.pos_weight == 1  # plain: in fewer operations

    @property
    def domain(self) -> Domain:
        return Domain(UNIT, REAL if self.from_logits else UNIT)

    @property
    def link(self) -> Callable[..., Any]:
        return links.sigmoid if self.from_logits else links.identity

    @staticmethod
    def formula(
        y: float, z: float, label_smoothing: float, pos_weight: float, from_logits: bool, is_plain: bool
    ) -> tuple[float, float, float]:
        one = type(z)(1)
        if is_plain:
            if from_logits:
                return from_logit(z, y, one, one - y, one, False)
            return from_probability(z, y, one - y)
        keep, half = one - label_smoothing, type(z)(0.5) * label_smoothing
        label, negative = fma(y, keep, half), fma(one - y, keep, half)
        if from_logits:
            return from_logit(z, label, pos_weight, negative, pos_weight * label + negative, True)
        return from_probability(z, pos_weight * label, negative)

    @staticmethod
    def reference(m: Any, y: Any, z: Any, from_logits: Any, label_smoothing: Any, pos_weight: Any) -> Any:
        p, q = (1 / (1 + m.exp(-z)), 1 / (1 + m.exp(z))) if from_logits else (z, 1 - z)
        t = y * (1 - label_smoothing) + label_smoothing / 2
        return -(pos_weight * t * m.log(p) + (1 - t) * m.log(q))

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        smoothing, pos_weight = numbers
        positive = (w * pos_weight * (y * (1 - smoothing) + smoothing / 2)).sum()
        negative = (w * ((1 - y) * (1 - smoothing) + smoothing / 2)).sum()
        return _statistics.odds(positive, negative, self.from_logits)
