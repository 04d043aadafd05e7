"""Asymmetric loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbloss import _statistics, links
from nbloss._math import fma, log, log1m_unit, power, sigmoids
from nbloss.families.pointwise import Pointwise
from nbloss.loss import NON_NEGATIVE, REAL, UNIT, Domain, Interval, param
from nbloss.losses.binary._cross_entropy import from_logit as cross_entropy_from_logit
from nbloss.losses.binary._focal import from_logit as focal_from_logit

PRODUCTS = (0, 1, 2, 3)  # exponents with code of their own ...
PRODUCTS_OF_SHIFTED = (0, 1, 2, 3, 4)  # ... and those of a probability that is shifted
Triple = tuple[float, float, float]


@dataclass(frozen=True)
class AsymmetricLoss(Pointwise):
    r"""Focal loss with an exponent for each class, for which easy negatives do not count at all.

    .. math:: \ell(y, z) = -y \, (1 - p)^{\gamma_+} \log p - (1 - y) \, p_m^{\gamma_-} \log (1 - p_m), \qquad
              p = \frac{1}{1 + e^{-z}}, \quad p_m = \max(p - m, 0)

    Targets are labels 0 and 1 or probabilities, in [0, 1], as in rows of many labels, of which few are 1. Predictions
    are logits, and the link is the sigmoid. The clip m shifts the probability of negatives: below it, they cost
    nothing. There, and at the kink p = m itself, the negative's share of the derivatives is 0.

    Gradient and Hessian are those of the formula, weights included. The authors' class `AsymmetricLoss` stops the
    gradient of the weights :math:`(1 - p)^{\gamma_+}` and :math:`p_m^{\gamma_-}` unless told otherwise; their
    `AsymmetricLossOptimized` does not. Theirs is a sum, and clamps logarithms at 1e-8. The loss is not convex: the
    Hessian may be negative.

    Parameters
    ----------
    gamma_pos : float, default=1.0
        The exponent of positives, :math:`\gamma_+`; at least 0. The paper prefers 0.
    gamma_neg : float, default=4.0
        The exponent of negatives, :math:`\gamma_-`; at least 0. For small whole numbers, powers are products, compiled
        on their own.
    clip : float, default=0.05
        m; at least 0 and less than 1. Without it and with equal exponents, the loss is `BinaryFocal` without alpha.

    References
    ----------
    T. Ridnik et al., *Asymmetric Loss for Multi-Label Classification*, ICCV 2021, 82-91.
    """

    gamma_pos: float = param(1.0, NON_NEGATIVE)
    gamma_neg: float = param(4.0, NON_NEGATIVE)
    clip: float = param(0.05, Interval(0, 1, high_open=True))

    names = ("asl",)

    @property
    def choices(self) -> tuple[Any, ...]:
        has_clip = self.clip > 0
        products = PRODUCTS_OF_SHIFTED if has_clip else PRODUCTS
        positive = int(self.gamma_pos) if self.gamma_pos in PRODUCTS else None
        return positive, int(self.gamma_neg) if self.gamma_neg in products else None, has_clip

    @property
    def domain(self) -> Domain:
        return Domain(UNIT, REAL)

    @property
    def link(self) -> Callable[..., Any]:
        return links.sigmoid

    @staticmethod
    def formula(
        y: float, z: float, gamma_pos: float, gamma_neg: float, clip: float,
        exponent_pos: int | None, exponent_neg: int | None, has_clip: bool,
    ) -> Triple:  # fmt: skip
        zero, one = type(z)(0), type(z)(1)
        value, gradient, hessian = _focal(z, y, zero, gamma_pos, exponent_pos)
        if has_clip:
            other = _shifted(z, clip, gamma_neg, exponent_neg)
            miss = one - y
            return fma(miss, other[0], value), fma(miss, other[1], gradient), fma(miss, other[2], hessian)
        other = _focal(z, zero, one - y, gamma_neg, exponent_neg)
        return value + other[0], gradient + other[1], hessian + other[2]

    @staticmethod
    def reference(m: Any, y: Any, z: Any, gamma_pos: Any, gamma_neg: Any, clip: Any) -> Any:
        p, q = 1 / (1 + m.exp(-z)), 1 / (1 + m.exp(z))
        positive = -y * (q**gamma_pos * m.log(p))
        if p <= clip:
            return positive
        u, rest = (p - clip, q + clip) if clip > 0 else (p, q)
        return positive - (1 - y) * (u**gamma_neg * m.log(rest))

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        both = float((w * y).sum()), float((w * (1 - y)).sum())
        logit = _statistics.odds(both[0], both[1], True)
        if abs(logit) == math.inf:
            return logit
        low = math.log(self.clip) - math.log1p(-self.clip) if self.clip > 0 else -1500.0
        return _statistics.root(lambda z: float(self.gradient([1.0, 0.0], [z, z], both).sum()), low, 1500.0)


def _focal(z: float, label: float, negative: float, gamma: float, exponent: int | None) -> Triple:
    if exponent == 0:
        return cross_entropy_from_logit(z, label, type(z)(1), negative, label + negative, False)
    return focal_from_logit(z, label, type(z)(1), negative, gamma, exponent)


def _shifted(z: float, clip: float, gamma: float, exponent: int | None) -> Triple:
    """Return ``-u ** gamma * log(1 - u)`` for u = max(p - clip, 0), and its derivatives by *z*."""
    real = type(z)
    zero, half, one, two = real(0), real(0.5), real(1), real(2)
    p, q = sigmoids(z)
    u = p - clip if p < half else (one - clip) - q
    is_on = u > zero
    u = u if is_on else half  # any number that is in order
    rest = q + clip if is_on else half  # 1 - u
    loss = -log1m_unit(u) if u < half else -log(rest)
    ratio, by_rest = loss / u, one / rest
    bend = fma(gamma * (gamma - one), ratio, by_rest * fma(u, by_rest, two * gamma))
    if exponent is None:
        is_steep = gamma < one
        least = power(u, gamma if is_steep else gamma - one)
        outer = least if is_steep else least * u
        second = (least / u if is_steep else least) * bend
    elif exponent == 0:
        outer, second = one, by_rest * by_rest
    else:
        inner = _product(u, exponent - 1)
        outer, second = inner * u, inner * bend
    first, slope = outer * fma(gamma, ratio, by_rest), p * q
    hessian = slope * fma(second, slope, first * (q - p))
    return outer * loss if is_on else zero, first * slope if is_on else zero, hessian if is_on else zero


def _product(u: float, exponent: int) -> float:
    """Return ``u ** exponent`` for an exponent of 0, 1, 2 or 3."""
    square = u * u
    return type(u)(1) if exponent < 1 else u if exponent == 1 else square if exponent == 2 else square * u
