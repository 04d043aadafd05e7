"""Brier score."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbloss import _statistics, links
from nbloss._math import exp_minus, fma
from nbloss.families.pointwise import Pointwise
from nbloss.loss import REAL, UNIT, Domain, choice
from nbloss.losses.binary._logit import power_of_1_plus, with_sign


@dataclass(frozen=True)
class Brier(Pointwise):
    r"""Half the squared error of a probability.

    .. math:: \ell(y, z) = \frac{(p - y)^2}{2}, \qquad p = \frac{1}{1 + e^{-z}}

    Targets are labels 0 and 1 or probabilities, in [0, 1]. There is no kink.

    From logits, the loss is not convex: the gradient :math:`(p - y) \, p \, (1 - p)` vanishes far out, even where the
    label is badly missed, and the Hessian, :math:`p \, (1 - p) \, (p \, (1 - p) + (p - y) (1 - 2 p))`, is negative
    there. The link is the sigmoid. From probabilities, y_pred is p itself, in [0, 1]; the Hessian is 1 and the link the
    identity.

    Parameters
    ----------
    from_logits : bool, default=True
        Whether predictions are logits z or probabilities p.

    References
    ----------
    G. W. Brier, *Verification of Forecasts Expressed in Terms of Probability*, Mon. Weather Rev. 78 (1950), 1-3.
    """

    from_logits: bool = choice(True, True, False)

    @property
    def domain(self) -> Domain:
        return Domain(UNIT, REAL if self.from_logits else UNIT)

    @property
    def link(self) -> Callable[..., Any]:
        return links.sigmoid if self.from_logits else links.identity

    @staticmethod
    def formula(y: float, z: float, from_logits: bool) -> tuple[float, float, float]:
        half, one = type(z)(0.5), type(z)(1)
        if not from_logits:
            r = z - y
            return (half * r) * r, r, one
        ahead, behind = (y, one - y) if z > type(z)(0) else (one - y, y)
        e = exp_minus(abs(z))
        # over 1 + e, p - y or its negative; nothing cancels for labels 0 and 1
        r = fma(-ahead, e, behind)
        gradient = r * e / power_of_1_plus(e, 3)
        hessian = e * fma(-r, one - e, e) / power_of_1_plus(e, 4)
        return (half * r) * r / power_of_1_plus(e, 2), with_sign(gradient, z), hessian

    @staticmethod
    def reference(m: Any, y: Any, z: Any, from_logits: Any) -> Any:
        p = 1 / (1 + m.exp(-z)) if from_logits else z
        return (p - y) ** 2 / 2

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        return _statistics.odds((w * y).sum(), (w * (1 - y)).sum(), self.from_logits)
