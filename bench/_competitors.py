"""Gradient and Hessian of the binary losses, for labels 0 and 1, as others compute them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn._loss import HalfBinomialLoss, HalfGammaLoss, HalfPoissonLoss, HalfTweedieLoss
from sklearn._loss.loss import ExponentialLoss

import nbloss

Pair = tuple[Any, Any]


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def cross_entropy(y: Any, z: Any) -> Pair:
    p = sigmoid(z)
    return p - y, p * (1 - p)


def balanced_cross_entropy(y: Any, z: Any, alpha: float) -> Pair:
    p = sigmoid(z)
    weight = alpha * y + (1 - alpha) * (1 - y)
    return weight * (p - y), weight * p * (1 - p)


def focal(y: Any, z: Any, gamma: float, alpha: float) -> Pair:
    s = 2 * y - 1
    p = sigmoid(s * z)  # of the class that is right
    q = 1 - p
    weight = (alpha * y + (1 - alpha) * (1 - y)) * q**gamma
    loss = -np.log(p)
    gradient = -s * weight * (gamma * p * loss + q)
    return gradient, weight * p * (gamma * loss * (gamma * p - q) + (2 * gamma + 1) * q)


def brier(y: Any, z: Any) -> Pair:
    p = sigmoid(z)
    slope = p * (1 - p)
    return (p - y) * slope, slope * (slope + (p - y) * (1 - 2 * p))


def hinge(y: Any, z: Any) -> Pair:
    s = 2 * y - 1
    return np.where(s * z < 1, -s, 0), np.zeros_like(z)


def squared_hinge(y: Any, z: Any) -> Pair:
    s = 2 * y - 1
    m = s * z
    return np.where(m < 1, -2 * s * (1 - m), 0), np.where(m < 1, z.dtype.type(2), z.dtype.type(0))


def perceptron(y: Any, z: Any) -> Pair:
    s = 2 * y - 1
    return np.where(s * z < 0, -s, 0), np.zeros_like(z)


def exponential(y: Any, z: Any) -> Pair:
    s = 2 * y - 1
    value = np.exp(-s * z)
    return -s * value, value


def hinge_embedding(y: Any, z: Any, margin: float) -> Pair:
    negative = np.where(z < margin, z.dtype.type(-1), z.dtype.type(0))
    return np.where(y > 0, z.dtype.type(1), negative), np.zeros_like(z)


NUMPY: dict[type[nbloss.Loss], Callable[..., Pair]] = {
    nbloss.BinaryCrossEntropy: lambda y, z, **_: cross_entropy(y, z),
    nbloss.BalancedBinaryCrossEntropy: lambda y, z, *, alpha, **_: balanced_cross_entropy(y, z, alpha),
    nbloss.BinaryFocal: lambda y, z, *, gamma, alpha, **_: focal(y, z, gamma, alpha),
    nbloss.Brier: lambda y, z, **_: brier(y, z),
    nbloss.Hinge: hinge,
    nbloss.SquaredHinge: squared_hinge,
    nbloss.Perceptron: perceptron,
    nbloss.Exponential: exponential,
    nbloss.HingeEmbedding: hinge_embedding,
}

SCIKIT_LEARN: dict[type[nbloss.Loss], Any] = {
    nbloss.BinaryCrossEntropy: HalfBinomialLoss(),
    nbloss.Exponential: ExponentialLoss(),
    nbloss.Poisson: HalfPoissonLoss(),
    nbloss.Gamma: HalfGammaLoss(),
    nbloss.Tweedie: HalfTweedieLoss(power=1.5),
}
