"""The losses and the numbers that the laws are tested on."""

from __future__ import annotations

import dataclasses

import numpy as np

import nbloss
from nbloss.loss import REAL, UNIT

CASES = [
    nbloss.SquaredError(),
    nbloss.HalfSquaredError(),
    nbloss.AbsoluteError(),
    nbloss.Huber(),
    nbloss.Huber(delta=0.3),
    nbloss.SmoothL1(),
    nbloss.SmoothL1(beta=0.3),
    nbloss.SmoothL1(beta=0.0),
    nbloss.PseudoHuber(),
    nbloss.PseudoHuber(delta=0.3),
    nbloss.LogCosh(),
    nbloss.Quantile(),
    nbloss.Quantile(alpha=0.9),
    nbloss.Expectile(),
    nbloss.Expectile(alpha=0.9),
    nbloss.SquaredLogarithmicError(),
    nbloss.AbsolutePercentageError(),
    nbloss.ZeroOne(),
    nbloss.ZeroOne(tolerance=0.5),
    nbloss.BinaryCrossEntropy(),
    nbloss.BinaryCrossEntropy(label_smoothing=0.1, pos_weight=3.0),
    nbloss.BinaryCrossEntropy(from_logits=False),
    nbloss.BalancedBinaryCrossEntropy(),
    nbloss.BalancedBinaryCrossEntropy(alpha=0.8, from_logits=False),
    nbloss.BinaryFocal(gamma=0.0, alpha=None),
    nbloss.BinaryFocal(gamma=1.0),
    nbloss.BinaryFocal(),
    nbloss.BinaryFocal(gamma=3.0),
    nbloss.BinaryFocal(gamma=1.7),
    nbloss.BinaryFocal(from_logits=False),
    nbloss.BinaryFocal(gamma=1.7, alpha=None, from_logits=False),
    nbloss.Brier(),
    nbloss.Brier(from_logits=False),
    nbloss.Hinge(),
    nbloss.SquaredHinge(),
    nbloss.Perceptron(),
    nbloss.Exponential(),
    nbloss.HingeEmbedding(),
    nbloss.HingeEmbedding(margin=2.0),
]

REPRESENTATIVES = [nbloss.Huber(delta=1.5), nbloss.BinaryCrossEntropy(), nbloss.BinaryFocal()]
"""A loss of the residual, one with exp and log, one with a parameter that may be None."""


def rounded(loss: nbloss.Loss, dtype: type) -> nbloss.Loss:
    """Return *loss* with its parameters as kernels of *dtype* see them."""
    numbers = {k: float(dtype(v)) for k, v in loss.parameters.items() if type(v) is float}
    return dataclasses.replace(loss, **numbers)


def ordinary(loss: nbloss.Loss, n: int, dtype: type = np.float64, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return targets and predictions such as people have: hard and soft labels, residuals around 1."""
    rng = np.random.default_rng(seed)
    target, prediction = loss.domain
    if target == UNIT:
        y = np.where(rng.random(n) < 0.7, rng.integers(0, 2, n), rng.random(n))
    elif target == REAL:
        y = np.where(rng.random(n) < 0.3, rng.integers(-1, 2, n), rng.normal(size=n))
        if isinstance(loss, nbloss.AbsolutePercentageError):
            y = np.where(y == 0, 2, y)  # where it is infinite
    else:
        y = target.low + rng.exponential(2, n)
    if prediction == UNIT:
        z = rng.random(n)
    elif prediction == REAL:
        z = (0 if target == UNIT else y) + rng.normal(size=n) * 2
    else:
        z = prediction.low + rng.exponential(2, n)
    return y.astype(dtype), z.astype(dtype)


def extreme(loss: nbloss.Loss, n: int, dtype: type, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return targets and predictions of every magnitude: huge, tiny, subnormal, nearly equal, at kinks."""
    with np.errstate(all="ignore"):
        return _extreme(loss, n, dtype, seed)


def _extreme(loss: nbloss.Loss, n: int, dtype: type, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    info = np.finfo(dtype)
    target, prediction = loss.domain

    def anything(size: int) -> np.ndarray:
        exponents = rng.uniform(np.log2(info.smallest_subnormal), np.log2(info.max) - 1, size)
        return (rng.choice([-1, 1], size) * 2**exponents).astype(dtype)

    def into(x: np.ndarray, interval: nbloss.Interval) -> np.ndarray:
        if interval == UNIT:
            x = np.abs(x)
            return np.where(x > 1, 1 - np.minimum(1 / x, 1).astype(dtype), x).astype(dtype)
        if interval.low == -1:
            return np.where(x > -1, x, np.where(x < -4, -1 - 2 / x, 3 + x / 2)).astype(dtype).clip(-1 + info.eps)
        return x

    y = into(anything(n), target)
    if target == UNIT:
        y = np.where(y < info.smallest_normal / info.eps, 0, y)  # a share whose products are subnormal is none
    labels = rng.integers(0, 2, n).astype(dtype)
    if target == UNIT:
        y = np.where(rng.random(n) < 0.6, labels, y)
    elif loss.__module__.startswith("nbloss.losses.binary"):
        y = np.where(rng.random(n) < 0.5, labels, y)
    z = anything(n)
    logits = rng.normal(size=n).astype(dtype) * rng.choice(np.array([0.1, 3, 30, 300], dtype), n)
    z = np.where(rng.random(n) < 0.5, logits, z)
    near = y * (1 + rng.integers(-4, 5, n).astype(dtype) * info.eps)  # a few ulp away, or equal
    same_scale = y * (1 + rng.normal(size=n).astype(dtype))
    z = np.select([rng.random(n) < p for p in (0.15, 0.2)], [near, same_scale], z)
    z = np.where(np.isfinite(z - y), z, dtype(0.5))
    for i, bound in enumerate(x for x in loss.parameters.values() if type(x) is float):
        z[i::37] = y[i::37] + dtype(bound)  # at the kinks of Huber and its like
    z = into(z, prediction)
    return y.astype(dtype), np.where(np.isfinite(z - y), z, dtype(0.5)).astype(dtype)


# Losses of rows

CLASS_WEIGHTS = (0.5, 2.0, 0.0, 1.0, 3.0)

ROW_CASES = [
    nbloss.CrossEntropy(),
    nbloss.CrossEntropy(label_smoothing=0.1),
    nbloss.CrossEntropy(class_weight=2.5, base=2.0),
    nbloss.CrossEntropy(class_weight=CLASS_WEIGHTS),
    nbloss.CrossEntropy(ignore_index=1),
    nbloss.CrossEntropy(label_smoothing=0.1, class_weight=CLASS_WEIGHTS, ignore_index=-100, base=10.0),
    nbloss.CrossEntropy(from_logits=False),
    nbloss.CrossEntropy(from_logits=False, label_smoothing=0.1, class_weight=CLASS_WEIGHTS, ignore_index=0),
    nbloss.NLL(),
    nbloss.NLL(class_weight=CLASS_WEIGHTS, ignore_index=0),
]
"""The laws of losses of rows are tested on these, with 5 classes; :func:`with_classes` makes it another number."""


def with_classes(loss: nbloss.Loss, classes: int) -> nbloss.Loss:
    """Return *loss* with parameters for so many classes."""
    tuples = {k: v for k, v in loss.parameters.items() if isinstance(v, tuple)}
    return dataclasses.replace(loss, **{k: tuple(np.resize(v, classes).tolist()) for k, v in tuples.items()})


def ordinary_rows(
    loss: nbloss.Loss, shape: tuple[int, ...], dtype: type = np.float64, seed: int = 0
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    """Return labels, rows of targets and predictions of a shape; None for rows of targets that the loss does not take.

    Some labels are those that the loss leaves out.
    """
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, shape[-1], shape[:-1])
    ignored = loss.parameters.get("ignore_index")
    if ignored is not None:
        labels = np.where(rng.random(shape[:-1]) < 0.2, ignored, labels)
    z = rng.normal(size=shape) * 3
    if loss.domain.prediction == UNIT:
        z = np.exp(z - z.max(-1, keepdims=True))
        z /= z.sum(-1, keepdims=True)
    targets = rng.dirichlet(np.ones(shape[-1]) / 2, shape[:-1])
    return labels, None if ignored is not None else targets.astype(dtype), z.astype(dtype)
