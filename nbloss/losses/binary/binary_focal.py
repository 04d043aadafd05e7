"""Binary focal loss."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from nbloss import _statistics, links
from nbloss.families.pointwise import Pointwise
from nbloss.loss import NON_NEGATIVE, REAL, UNIT, Domain, choice, param, vector
from nbloss.losses.binary._cross_entropy import from_logit as cross_entropy_from_logit
from nbloss.losses.binary._cross_entropy import from_probability as cross_entropy_from_probability
from nbloss.losses.binary._focal import from_logit, from_probability

PRODUCTS = (0, 1, 2, 3)  # values of gamma with code of their own


@dataclass(frozen=True)
class BinaryFocal(Pointwise):
    r"""Cross-entropy that counts the well classified less, for rare classes among many easy negatives.

    .. math:: \ell(y, z) = -\alpha \, y \, (1 - p)^\gamma \log p - (1 - \alpha) (1 - y) \, p^\gamma \log (1 - p),
              \qquad p = \frac{1}{1 + e^{-z}}

    Targets are labels 0 and 1 or probabilities, in [0, 1]. There is no kink.

    From logits, the loss is not convex: the Hessian is exact, negative where a label is badly missed, and vanishes far
    out on both sides. The link is the sigmoid.

    From probabilities, y_pred is p itself, in [0, 1], and the link is the identity. Value and derivatives by p are
    exact to the ends: infinite where a class has probability 0 and occurs; for :math:`\gamma < 1` and other than 0, the
    Hessian is infinite where a class has probability 1 and occurs, too.

    Parameters
    ----------
    gamma : float, default=2.0
        The focusing exponent; at least 0. For 0, 1, 2 and 3, powers are products, compiled on their own.
    alpha : float, tuple of float or None, default=0.25
        The weight of the positive class, in [0, 1]; that of the negative class is :math:`1 - \alpha`. A tuple has a
        number for each entry of the last axis. None: both weights are 1.
    from_logits : bool, default=True
        Whether predictions are logits z or probabilities p.

    References
    ----------
    T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár, *Focal Loss for Dense Object Detection*, ICCV 2017, 2999-3007.
    """

    gamma: float = param(2.0, NON_NEGATIVE)
    alpha: float | tuple[float, ...] | None = vector(0.25, UNIT, optional=True)
    from_logits: bool = choice(True, True, False)

    @property
    def choices(self) -> tuple[Any, ...]:
        return self.from_logits, int(self.gamma) if self.gamma in PRODUCTS else None

    @property
    def domain(self) -> Domain:
        return Domain(UNIT, REAL if self.from_logits else UNIT)

    @property
    def link(self) -> Callable[..., Any]:
        return links.sigmoid if self.from_logits else links.identity

    @staticmethod
    def formula(
        y: float, z: float, gamma: float, alpha: float | None, from_logits: bool, exponent: int | None
    ) -> tuple[float, float, float]:
        one = type(z)(1)
        weight = one if alpha is None else alpha
        negative = one - y if alpha is None else (one - alpha) * (one - y)
        if exponent == 0:
            if from_logits:
                return cross_entropy_from_logit(z, y, weight, negative, weight * y + negative, False)
            return cross_entropy_from_probability(z, weight * y, negative)
        if from_logits:
            return from_logit(z, y, weight, negative, gamma, exponent)
        return from_probability(z, weight * y, negative, gamma, exponent)

    @staticmethod
    def reference(m: Any, y: Any, z: Any, gamma: Any, alpha: Any, from_logits: Any) -> Any:
        p, q = (1 / (1 + m.exp(-z)), 1 / (1 + m.exp(z))) if from_logits else (z, 1 - z)
        a, b = (1, 1) if alpha is None else (alpha, 1 - alpha)
        return -(a * y * (q**gamma * m.log(p)) + b * (1 - y) * (p**gamma * m.log(q)))

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        _, alpha = numbers
        a, b = (1.0, 1.0) if alpha is None else (alpha, 1 - alpha)
        positive, negative = (w * a * y).sum(), (w * b * (1 - y)).sum()
        logit = _statistics.odds(positive, negative, True)
        if abs(logit) < float("inf"):  # both classes occur
            plain = replace(self, alpha=None, from_logits=True)
            both = [positive, negative]
            logit = _statistics.root(lambda z: float(plain.gradient([1.0, 0.0], [z, z], both).sum()), -1500.0, 1500.0)
        return logit if self.from_logits else _statistics.probability(logit)
