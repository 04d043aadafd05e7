"""Every pointwise loss from its value alone, as a user would write it for :func:`nbloss.pointwise`.

The functions have the names of the losses. Each is written in a form whose own derivatives do not cancel, where there
is one.
"""

from __future__ import annotations

from typing import Any

import nbloss
from nbloss import math as m
from nbloss.loss import UNIT, vector

ALPHA = vector(0.25, UNIT, optional=True)
LOG_2 = 0.6931471805599453


@nbloss.pointwise
def SquaredError(y: Any, z: Any) -> Any:
    return (z - y) ** 2


@nbloss.pointwise
def HalfSquaredError(y: Any, z: Any) -> Any:
    return (z - y) ** 2 / 2


@nbloss.pointwise
def AbsoluteError(y: Any, z: Any) -> Any:
    return abs(z - y)


@nbloss.pointwise
def Huber(y: Any, z: Any, delta: Any = 1.0) -> Any:
    r = abs(z - y)
    return r**2 / 2 if r <= delta else delta * (r - delta / 2)


@nbloss.pointwise
def SmoothL1(y: Any, z: Any, beta: Any = 1.0) -> Any:
    r = abs(z - y)
    return r**2 / (2 * beta) if r < beta else r - beta / 2


@nbloss.pointwise
def PseudoHuber(y: Any, z: Any, delta: Any = 1.0) -> Any:
    return delta * (m.hypot(z - y, delta) - delta)


@nbloss.pointwise
def LogCosh(y: Any, z: Any) -> Any:
    r = abs(z - y)
    return r + m.softplus(-2 * r) - LOG_2


@nbloss.pointwise
def Quantile(y: Any, z: Any, alpha: Any = 0.5) -> Any:
    return alpha * max(0, y - z) + (1 - alpha) * max(0, z - y)


@nbloss.pointwise
def Expectile(y: Any, z: Any, alpha: Any = 0.5) -> Any:
    return (1 - alpha if z > y else alpha) * (z - y) ** 2


@nbloss.pointwise
def SquaredLogarithmicError(y: Any, z: Any) -> Any:
    return (m.log1p(z) - m.log1p(y)) ** 2


@nbloss.pointwise
def AbsolutePercentageError(y: Any, z: Any) -> Any:
    return 100 * abs(z - y) / abs(y)


@nbloss.pointwise
def ZeroOne(y: Any, z: Any, tolerance: Any = 0.0) -> Any:
    return 1 if z != y and abs(z - y) >= tolerance else 0


def _cross_entropy(positive: Any, negative: Any, z: Any, from_logits: bool) -> Any:
    if from_logits:
        return positive * m.softplus(-z) + negative * m.softplus(z)
    return (-positive * m.log(z) if positive > 0 else 0) + (-negative * m.log1p(-z) if negative > 0 else 0)


@nbloss.pointwise
def BinaryCrossEntropy(
    y: Any, z: Any, from_logits: Any = True, label_smoothing: Any = 0.0, pos_weight: Any = 1.0
) -> Any:
    positive, negative = (t * (1 - label_smoothing) + label_smoothing / 2 for t in (y, 1 - y))
    return _cross_entropy(pos_weight * positive, negative, z, from_logits)


@nbloss.pointwise
def BalancedBinaryCrossEntropy(y: Any, z: Any, alpha: Any = 0.5, from_logits: Any = True) -> Any:
    return _cross_entropy(alpha * y, (1 - alpha) * (1 - y), z, from_logits)


def focal(y: Any, z: Any, gamma: Any, alpha: Any, from_logits: bool) -> Any:
    positive, negative = (y, 1 - y) if alpha is None else (alpha * y, (1 - alpha) * (1 - y))
    if from_logits:
        log_p, log_q = -m.softplus(-z), -m.softplus(z)
        if isinstance(gamma, int):
            p, q = m.sigmoid(z) ** gamma, m.sigmoid(-z) ** gamma
        else:
            p, q = m.exp(gamma * log_p), m.exp(gamma * log_q)
        return -positive * (q * log_p) - negative * (p * log_q)
    return -positive * (1 - z) ** gamma * m.log(z) - negative * z**gamma * m.log1p(-z)


@nbloss.pointwise
def BinaryFocal(y: Any, z: Any, gamma: Any = 2.0, alpha: Any = ALPHA, from_logits: Any = True) -> Any:
    return focal(y, z, gamma, alpha, from_logits)


def focal_with(gamma: int) -> Any:
    """Return the focal loss for one whole exponent, whose powers are products."""

    @nbloss.pointwise
    def BinaryFocal(y: Any, z: Any, alpha: Any = ALPHA, from_logits: Any = True) -> Any:
        return focal(y, z, gamma, alpha, from_logits)

    return BinaryFocal


@nbloss.pointwise
def Brier(y: Any, z: Any, from_logits: Any = True) -> Any:
    r = (1 - y) * m.sigmoid(z) - y * m.sigmoid(-z) if from_logits else z - y
    return r**2 / 2


def margin(y: Any, z: Any) -> Any:
    return z if y > 0 else -z


@nbloss.pointwise
def Hinge(y: Any, z: Any) -> Any:
    return max(0, 1 - margin(y, z))


@nbloss.pointwise
def SquaredHinge(y: Any, z: Any) -> Any:
    return max(0, 1 - margin(y, z)) ** 2


@nbloss.pointwise
def Perceptron(y: Any, z: Any) -> Any:
    return max(0, -margin(y, z))


@nbloss.pointwise
def Exponential(y: Any, z: Any) -> Any:
    return m.exp(-margin(y, z))


@nbloss.pointwise
def HingeEmbedding(y: Any, z: Any, margin: Any = 1.0) -> Any:
    return z if y > 0 else max(0, margin - z)


@nbloss.pointwise
def Fair(y: Any, z: Any, c: Any = 1.0) -> Any:
    r = abs(z - y)
    return c * (r - c * m.log1p(r / c))


@nbloss.pointwise
def Poisson(y: Any, z: Any) -> Any:
    return m.exp(z) - y * z


@nbloss.pointwise
def Gamma(y: Any, z: Any) -> Any:
    return z + y * m.exp(-z)


@nbloss.pointwise
def Tweedie(y: Any, z: Any, power: Any = 1.5) -> Any:
    return m.exp((2 - power) * z) / (2 - power) - y * m.exp((1 - power) * z) / (1 - power)


@nbloss.pointwise
def NegativeBinomial(y: Any, z: Any, dispersion: Any = 1.0) -> Any:
    if dispersion == 0:
        return m.exp(z) - y * z
    return (y + 1 / dispersion) * m.softplus(z + m.log(dispersion)) - y * z


@nbloss.pointwise
def AsymmetricLoss(y: Any, z: Any, gamma_pos: Any = 1.0, gamma_neg: Any = 4.0, clip: Any = 0.05) -> Any:
    p, q = m.sigmoid(z), m.sigmoid(-z)
    positive = y * q**gamma_pos * m.softplus(-z)
    return positive - (1 - y) * (p - clip) ** gamma_neg * m.log(q + clip) if p > clip else positive


@nbloss.pointwise
def CrossEntropyLambda(y: Any, z: Any) -> Any:
    return y * m.softplus(-z) + (1 - y) * m.softplus(z)


def derived(loss: Any) -> Any:
    """Return what :func:`nbloss.pointwise` makes of the value of *loss*, with its parameters."""
    if isinstance(loss, nbloss.BinaryFocal) and loss.gamma.is_integer():
        return focal_with(int(loss.gamma))(alpha=loss.alpha, from_logits=loss.from_logits)
    return globals()[type(loss).__name__](**loss.parameters)
