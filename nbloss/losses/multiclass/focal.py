"""Focal loss of several classes."""

import math
from dataclasses import dataclass
from typing import Any

from nbloss import _statistics
from nbloss._math import log, power
from nbloss.families.rowwise import Rowwise
from nbloss.loss import NON_NEGATIVE, choice, label, param, vector
from nbloss.losses.binary._focal import product
from nbloss.losses.multiclass._reference import log_softmax, of_classes, softmax, targets

PRODUCTS = (0.0, 1.0, 2.0, 3.0)


@dataclass(frozen=True)
class Focal(Rowwise):
    r"""Cross-entropy that turns away from rows that are classified well, by a power of the missing probability.

    .. math:: \ell(t, z) = -\sum_k \alpha_k \, t_k \, (1 - p_k)^\gamma \log p_k,
              \qquad p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}

    Targets are labels, 0 to K - 1, or rows of probabilities in [0, 1]. There is no kink. From logits, the loss is not
    convex: the Hessian is exact, and negative where a class is badly missed. The link is the softmax.

    From probabilities, y_pred is p itself, in [0, 1], used as it is, and the link is the identity. Value and
    derivatives by p are exact to the ends: infinite where a class of probability 0 occurs; for :math:`\gamma < 1` and
    other than 0, the Hessian is infinite where a class of probability 1 occurs, too.

    Unlike class weights, :math:`\alpha` does not count in the divisor of a mean.

    Parameters
    ----------
    gamma : float, default=2.0
        The focusing exponent; at least 0. For 0, 1, 2 and 3, powers are products, compiled on their own.
    alpha : float, tuple of float or None, default=None
        A factor for each class, or one for all; at least 0. None: 1.
    from_logits : bool, default=True
        Whether predictions are logits z or probabilities p.
    ignore_index : int or None, default=None
        The label of rows that are left out: their loss and derivatives are 0, and they count in no mean.

    References
    ----------
    T.-Y. Lin, P. Goyal, R. Girshick, K. He, P. Dollár, *Focal Loss for Dense Object Detection*, ICCV 2017, 2999-3007.
    """

    gamma: float = param(2.0, NON_NEGATIVE)
    alpha: float | tuple[float, ...] | None = vector(None, NON_NEGATIVE, optional=True)
    from_logits: bool = choice(True, True, False)
    ignore_index: int | None = label()

    @property
    def choices(self) -> tuple[Any, ...]:
        return self.from_logits, int(self.gamma) if self.gamma in PRODUCTS else None

    @property
    def factors(self) -> float | tuple[float, ...] | None:
        return self.alpha

    @staticmethod
    def formula(
        t: float, x: float, p: float, q: float, gamma: float, from_logits: bool, exponent: int | None
    ) -> tuple[float, float, float]:
        zero, one, two = type(x)(0), type(x)(1), type(x)(2)
        if t == zero:
            return zero, zero, zero
        loss = -x if from_logits else -log(p)
        # loss / q is 1 where q is 0; q ** (gamma - 1) and q ** (gamma - 2) come from q ** gamma, which cannot overflow
        ratio = loss / q if q > zero else one
        outer = power(q, gamma) if exponent is None else product(q, exponent)
        value = t * (outer * loss)
        if from_logits:
            slope = outer * (one + gamma * (p * ratio))
            bend = gamma * (p * (two - loss + (gamma - one) * (p * ratio)))
            below = (outer / q if q > zero else one) if exponent is None else product(q, exponent - 1)
            return value, -t * slope, t * (bend * below) if gamma > zero else zero
        slope = one / p
        gradient = outer * (slope + gamma * ratio)
        bend = gamma * (two * slope + (gamma - one) * ratio) + slope * (slope * q)
        if exponent is None:
            hessian = outer * bend / q
        else:
            hessian = slope * slope if exponent == 0 else product(q, exponent - 1) * bend
        return value, -t * gradient, t * hessian

    @staticmethod
    def reference(m: Any, y: Any, z: Any, gamma: Any, alpha: Any, from_logits: Any, ignore_index: Any) -> Any:
        if y == ignore_index:
            return 0
        ps = softmax(m, z) if from_logits else z
        logs = log_softmax(m, z) if from_logits else [m.log(p) for p in z]
        missing = [1 - p for p in ps]
        if from_logits:
            missing = [sum((p for j, p in enumerate(ps) if j != k), 0 * z[0]) for k in range(len(z))]
        terms = zip(of_classes(alpha, z), targets(y, z), missing, logs, strict=True)
        return -sum(a * t * (q**gamma * x) for a, t, q, x in terms if a * t != 0)

    def minimiser(self, masses: Any, total: float) -> Any:
        def slope(p: float) -> float:
            q = 1 - p
            return q**self.gamma * (1 / p - self.gamma * math.log(p) / q) if q > 0 else float(self.gamma == 0)

        return _statistics.simplex(masses, slope)
