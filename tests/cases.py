"""The losses and the numbers that the laws are tested on."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import nbloss
from nbloss.families.vectorwise import Vectorwise
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
    nbloss.PseudoHuber(delta=1e20),
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
    nbloss.AsymmetricLoss(),
    nbloss.AsymmetricLoss(gamma_pos=0.0, gamma_neg=1.7, clip=0.2),
    nbloss.CrossEntropyLambda(),
    nbloss.Fair(c=0.3),
    nbloss.Poisson(),
    nbloss.Gamma(),
    nbloss.Tweedie(power=1.9),
    nbloss.NegativeBinomial(dispersion=0.2),
    nbloss.NegativeBinomial(dispersion=0.0),
]

ROW_CASES = [
    nbloss.CrossEntropy(),
    nbloss.CrossEntropy(label_smoothing=0.1, class_weight=(1.0, 2.0, 0.5, 0.0), base=2.0),
    nbloss.CrossEntropy(from_logits=False),
    nbloss.CrossEntropy(class_weight=2.5, ignore_index=2),
    nbloss.CrossEntropy(from_logits=False, label_smoothing=0.1, class_weight=(1.0, 2.0, 0.5, 0.0)),
    nbloss.NLL(class_weight=(1.0, 2.0, 0.5, 0.0)),
    nbloss.Focal(),
    nbloss.Focal(gamma=0.0),
    nbloss.Focal(gamma=1.7, alpha=(1.0, 2.0, 0.5, 0.0)),
    nbloss.Focal(gamma=0.5, alpha=0.25),
    nbloss.Focal(from_logits=False),
    nbloss.Focal(gamma=1.7, from_logits=False),
    nbloss.KLDivergence(),
    nbloss.KLDivergence(from_logits=True, base=2.0),
    nbloss.KLDivergence(log_input=True, log_target=True),
    nbloss.JensenShannon(),
    nbloss.JensenShannon(from_logits=True),
    nbloss.Poly1CrossEntropy(),
    nbloss.GeneralizedCrossEntropy(),
    nbloss.SymmetricCrossEntropy(),
    nbloss.MultiLabelSoftMargin(),
]
"""Losses of rows; those with a number for each class have 4 of them."""

ORDERED_CASES = [
    nbloss.LovaszHinge(),
    nbloss.LovaszHinge(per_image=True, ignore_index=0),
    nbloss.LovaszSoftmax(),
    nbloss.LovaszSoftmax(classes="all", per_image=True, ignore_index=-1),
    nbloss.LovaszSoftmax(classes=(0, 2), ignore_index=2),
    nbloss.LovaszSoftmax(from_logits=False),
]
"""Losses of sets whose errors are put in order; they are for targets and predictions of :func:`image`."""

SET_CASES: list[Any] = [
    nbloss.RootMeanSquaredError(),
    nbloss.Dice(),
    nbloss.Dice(smooth=1.5, per_image=True),
    nbloss.Dice(from_logits=False),
    nbloss.Tversky(),
    nbloss.Tversky(alpha=0.3, beta=0.8, smooth=0.5),
    nbloss.Tversky(alpha=0.7, beta=0.0, from_logits=False),
    nbloss.FocalTversky(),
    nbloss.FocalTversky(alpha=0.3, beta=0.7, gamma=2.0, per_image=True),
    nbloss.FocalTversky(gamma=1.0, from_logits=False),
    nbloss.Jaccard(),
    nbloss.Jaccard(smooth=1.0, from_logits=False, per_image=True),
    nbloss.CosineSimilarity(),
    nbloss.CosineEmbedding(),
    nbloss.CosineEmbedding(margin=0.3),
    nbloss.TripletMargin(),
    nbloss.TripletMargin(margin=0.2, p=1),
    nbloss.MarginRanking(),
    nbloss.MarginRanking(margin=0.4),
]
"""Losses of sets and of vectors."""

LINE_CASES = [
    nbloss.CategoricalHinge(),
    nbloss.MultiMargin(),
    nbloss.MultiMargin(p=2),
    nbloss.MultiMargin(margin=0.3),
    nbloss.MultiMargin(margin=-0.5, p=2),
    nbloss.MultiLabelMargin(),
]
"""Losses of rows that compare the classes with each other."""

PAIR_CASES: list[Any] = [
    nbloss.AFT(),
    nbloss.AFT(distribution="logistic", scale=0.3),
    nbloss.AFT(distribution="extreme", scale=2.0),
    nbloss.CrossEntropyLambda(),
]
"""Losses of two targets; they are for those of :func:`pairs`."""

LOG_LINKED = (nbloss.Poisson, nbloss.Gamma, nbloss.Tweedie, nbloss.NegativeBinomial)
"""Losses that predict the logarithm of a mean, and leave out what no prediction moves."""

GROUP_CASES: list[Any] = [
    nbloss.RankNet(),
    nbloss.RankNet(sigma=1.7),
    nbloss.LambdaRank(),
    nbloss.LambdaRank(sigma=0.7, truncation_level=2, norm=False),
    nbloss.LambdaRank(truncation_level=None, label_gain=(0.0, 0.5, 1.5, 4.0)),
    nbloss.XeNDCG(),
    nbloss.XeNDCG(seed=3),
    nbloss.Cox(),
]
"""Losses of groups of rows."""

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
        z = (0 if target == UNIT or isinstance(loss, LOG_LINKED) else y) + rng.normal(size=n) * 2
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
        if interval.low == 0:
            return np.abs(x)
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


def rows(
    loss: nbloss.Loss, n: int, dtype: type = np.float64, *, labels: bool, classes: int = 4, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Return targets and predictions of a loss of rows: rows of one class and of many, sure, unsure and wrong."""
    rng = np.random.default_rng(seed)
    some = rng.integers(0, classes, n)
    if loss.domain.prediction == UNIT:
        z = rng.dirichlet(np.ones(classes) / 2, n)
        if not isinstance(loss, nbloss.JensenShannon):  # of which the textbook has 0 * inf there
            z[::5] = np.eye(classes)[some[::5]]
    else:
        z = rng.normal(size=(n, classes)) * rng.choice([0.01, 1, 10, 20, 1e30], (n, 1))
        z[::7] = np.round(z[::7, :1])  # all equal
        if isinstance(loss, nbloss.NLL) or loss.parameters.get("log_input"):
            z = -np.abs(z)
    if labels:
        return rng.integers(0, classes, n), z.astype(dtype)
    t = np.where(rng.random((n, 1)) < 0.4, np.eye(classes)[some], rng.dirichlet(np.ones(classes), n))
    if loss.parameters.get("log_target"):
        t = np.log(np.maximum(t, 1e-5))
    return t.astype(dtype), z.astype(dtype)


def image(loss: nbloss.Loss, shape: tuple[int, ...], dtype: type = np.float64, seed: int = 0) -> tuple[Any, Any]:
    """Return labels and predictions of an ordered loss, which are right more often than not; of three classes."""
    rng = np.random.default_rng(seed)
    if isinstance(loss, nbloss.LovaszHinge):
        y = rng.integers(-1, 2, shape)
        return y, (np.sign(y - 0.5) * 0.7 + rng.normal(size=shape)).astype(dtype)
    y = rng.integers(0, 3, shape)
    z = (np.eye(3)[y] + rng.normal(size=(*shape, 3))).astype(dtype)
    if not loss.parameters["from_logits"]:
        z = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    return np.where(rng.random(shape) < 0.2, loss.parameters["ignore_index"] or 0, y), z


def of_sets(loss: Any, dtype: type = np.float64, *, n: int = 24, classes: int = 0, seed: int = 0) -> tuple[Any, Any]:
    """Return targets and predictions of a loss of sets or vectors: *n* elements or rows; with *classes*, their labels.

    Sets have two axes, of which the first has 4 entries, and vectors have 5 elements.
    """
    rng = np.random.default_rng(seed)
    if isinstance(loss, Vectorwise):
        zs = tuple(rng.normal(size=n if loss.of_numbers else (n, 5)).astype(dtype) for _ in range(loss.predictions))
        if loss.target == "vector":
            return rng.normal(size=(n, 5)).astype(dtype), zs[0]
        return (rng.integers(0, 2, n) if loss.target else None), zs
    shape = (4, n // 4)
    if isinstance(loss, nbloss.RootMeanSquaredError):
        return rng.normal(size=shape).astype(dtype), rng.normal(size=shape).astype(dtype)
    if classes:
        z = 2 * rng.normal(size=(*shape, classes))
        if not loss.from_logits:
            z = rng.random((*shape, classes))
        return rng.integers(0, classes, shape), z.astype(dtype)
    y = np.where(rng.random(shape) < 0.8, rng.integers(0, 2, shape), rng.random(shape)).astype(dtype)
    return y, (2 * rng.normal(size=shape) if loss.from_logits else rng.random(shape)).astype(dtype)


def of_groups(loss: Any, sizes: Any, dtype: type = np.float64, seed: int = 0) -> tuple[Any, Any]:
    """Return targets and predictions of a loss of groups with these sizes, in which some labels or times are equal."""
    rng = np.random.default_rng(seed)
    n = int(np.sum(sizes))
    z = (2 * rng.normal(size=n)).astype(dtype)
    if isinstance(loss, nbloss.Cox):
        return (np.where(rng.random(n) < 0.5, rng.integers(0, 3, n), rng.random(n)), rng.integers(0, 2, n)), z
    return rng.integers(0, 4, n), z


def pairs(loss: nbloss.Loss, n: int, dtype: type = np.float64, seed: int = 0) -> tuple[Any, np.ndarray]:
    """Return two targets and predictions: times known, censored on either side, or in intervals wide and narrow."""
    rng = np.random.default_rng(seed)
    if isinstance(loss, nbloss.CrossEntropyLambda):
        labels = np.where(rng.random(n) < 0.7, rng.integers(0, 2, n), rng.random(n))
        return (labels.astype(dtype), rng.exponential(1.5, n).astype(dtype)), (2 * rng.normal(size=n)).astype(dtype)
    lower = np.exp(rng.normal(size=n) * rng.choice([0.1, 1, 3], n))
    width = rng.choice([0, 0, 1e-12, 1e-6, 1e-3, 0.1, 0.5, 1, 10, 1e5], n) * rng.random(n)
    upper = np.where(rng.random(n) < 0.15, np.inf, lower * (1 + width))
    z = np.log(lower) + rng.normal(size=n) * rng.choice([0.1, 1, 5, 30, 300], n) * loss.parameters["scale"]
    return (np.where(rng.random(n) < 0.15, 0, lower), upper), z.astype(dtype)


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
