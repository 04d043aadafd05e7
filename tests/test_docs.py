"""Every row of docs/coming-from.md gives what the other library's definition gives, written in NumPy."""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import pytest

import nbloss

PAGE = pathlib.Path(__file__).parents[1] / "docs" / "coming-from.md"

rng = np.random.default_rng(0)
N, K = 6, 4
y, z = rng.random((N, K)).round(1), rng.normal(size=(N, K)) * 2
p = 1 / (1 + np.exp(-z))
a, b, w = rng.normal(size=(N, K)), rng.normal(size=(N, K)), rng.uniform(0.5, 2, (N, K))
labels = np.array([0, 3, 1, 2, 3, 1])
t, q, u = rng.dirichlet(np.ones(K), N), rng.dirichlet(np.ones(K), N), rng.normal(size=(N, K))
images, masks = rng.normal(size=(2, K, 3, 5)), rng.integers(0, K, (2, 3, 5))
s, c = rng.choice([-1, 1], (N, K)), (1.0, 2.0, 0.5, 3.0)
x1, x2, x3 = (rng.normal(size=(N, 5)) for _ in range(3))

of = np.arange(N)
weights = np.array(c)


def bce(t: Any, p: Any) -> Any:
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def log_softmax(x: Any, axis: int = -1) -> Any:
    return x - np.log(np.exp(x).sum(axis, keepdims=True))


def huber(r: Any, delta: float) -> Any:
    return np.where(np.abs(r) <= delta, r**2 / 2, delta * (np.abs(r) - delta / 2))


def cosine(a: Any, b: Any, axis: int = -1) -> Any:
    return (a * b).sum(axis) / np.sqrt((a**2).sum(axis) * (b**2).sum(axis))


def smooth(t: Any, share: float) -> Any:
    return t * (1 - share) + share / t.shape[-1]


def distance(a: Any, b: Any) -> Any:
    return np.sqrt(((a - b) ** 2).sum(-1))


hot, kept = np.eye(K)[labels], labels != 2
of_images = -np.take_along_axis(log_softmax(images, 1), masks[:, None], 1)[:, 0]
many, others = np.round(y)[:, :, None], 1 - np.round(y)[:, None, :]  # targets j, and classes i that are none

THEIRS = {
    "tf.keras.losses.BinaryCrossentropy()": bce(y, p).mean(),
    "tf.keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1)": bce(y * 0.9 + 0.05, p).mean(),
    "tf.keras.losses.BinaryCrossentropy(reduction=SUM)": bce(y, p).mean(-1).sum(),
    "tf.keras.losses.BinaryCrossentropy()(y, p, sample_weight)": (bce(y, p) * w).mean(),
    "tf.keras.losses.binary_crossentropy(y, p)": bce(y, p).mean(-1),
    "tf.keras.losses.CategoricalCrossentropy()": -(t * np.log(q)).sum(-1).mean(),
    "tf.keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)": -(smooth(t, 0.1) * log_softmax(u))
    .sum(-1)
    .mean(),
    "tf.keras.losses.categorical_crossentropy(t, q)": -(t * np.log(q)).sum(-1),
    "tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)": -log_softmax(u)[of, labels].mean(),
    "tf.keras.losses.sparse_categorical_crossentropy(labels, q)": -np.log(q)[of, labels],
    "tf.keras.losses.sparse_categorical_crossentropy(masks, images, from_logits=True, axis=1)": of_images,
    "tf.keras.losses.KLDivergence()": (t * np.log(t / q)).sum(-1).mean(),
    "tf.keras.losses.KLD(t, q)": (t * np.log(t / q)).sum(-1),
    "tf.keras.losses.MeanAbsoluteError()": np.abs(a - b).mean(),
    "tf.keras.losses.MAE(a, b)": np.abs(a - b).mean(-1),
    "tf.keras.losses.MeanAbsolutePercentageError()": 100 * np.abs((a - b) / a).mean(),
    "tf.keras.losses.Huber(delta=1.5)": huber(a - b, 1.5).mean(),
    "tf.keras.losses.MeanSquaredError()": ((a - b) ** 2).mean(),
    "tf.keras.losses.MSE(a, b)": ((a - b) ** 2).mean(-1),
    "tf.keras.losses.MeanSquaredLogarithmicError()": ((np.log(1 + p) - np.log(1 + q)) ** 2).mean(),
    "tf.keras.losses.CategoricalHinge()": np.maximum(((1 - t) * u).max(-1) - (t * u).sum(-1) + 1, 0).mean(),
    "tf.keras.losses.Hinge()": np.maximum(1 - s * z, 0).mean(),
    "tf.keras.losses.SquaredHinge()": (np.maximum(1 - s * z, 0) ** 2).mean(),
    "tf.keras.losses.CosineSimilarity(axis=-1)": -cosine(x1, x2).mean(),
    "tf.keras.losses.CosineSimilarity(axis=0)": -cosine(x1, x2, 0).mean(),
    "torch.nn.BCELoss()": bce(y, p).mean(),
    "torch.nn.BCELoss(weight=w)": (bce(y, p) * w).mean(),
    "torch.nn.BCEWithLogitsLoss(pos_weight=c)": -(weights * y * np.log(p) + (1 - y) * np.log(1 - p)).mean(),
    "torch.nn.CrossEntropyLoss()": -log_softmax(u)[of, labels].mean(),
    "torch.nn.CrossEntropyLoss(weight=c, label_smoothing=0.1, ignore_index=2)": -(
        weights * smooth(hot, 0.1) * log_softmax(u)
    )[kept].sum()
    / weights[labels][kept].sum(),
    "torch.nn.CrossEntropyLoss(weight=c)(u, t)": -(weights * t * log_softmax(u)).sum() / N,
    "torch.nn.CrossEntropyLoss()(images, masks)": of_images.mean(),
    "torch.nn.NLLLoss(weight=c)": -(weights[labels] * np.log(q)[of, labels]).sum() / weights[labels].sum(),
    "torch.nn.KLDivLoss()": (t * np.log(t / q)).mean(),
    'torch.nn.KLDivLoss(reduction="batchmean")': (t * np.log(t / q)).sum() / N,
    'torch.nn.KLDivLoss(reduction="sum", log_target=True)': (t * np.log(t / q)).sum(),
    "torch.nn.L1Loss()": np.abs(a - b).mean(),
    "torch.nn.L1Loss(size_average=False)": np.abs(a - b).sum(),
    "torch.nn.L1Loss(reduce=False)": np.abs(a - b),
    "torch.nn.SmoothL1Loss(beta=0.5)": huber(a - b, 0.5).mean() / 0.5,
    "torch.nn.MSELoss()": ((a - b) ** 2).mean(),
    "torch.nn.HingeEmbeddingLoss(margin=2.0)": np.where(s == 1, z, np.maximum(0, 2 - z)).mean(),
    "torch.nn.CosineEmbeddingLoss(margin=0.2)": np.where(
        labels > 1, 1 - cosine(x1, x2), np.maximum(0, cosine(x1, x2) - 0.2)
    ).mean(),
    "torch.nn.MarginRankingLoss(margin=0.1)": np.maximum(0, -s * (a - b) + 0.1).mean(),
    "torch.nn.TripletMarginLoss(margin=1.0, p=2, eps=0)": np.maximum(0, distance(x1, x2) - distance(x1, x3) + 1).mean(),
    "torch.nn.MultiMarginLoss()": ((1 - hot) * np.maximum(0, 1 - u[of, labels][:, None] + u)).sum(-1).mean() / K,
    "torch.nn.MultiLabelMarginLoss()": (many * others * np.maximum(0, 1 - (u[:, :, None] - u[:, None, :])))
    .sum((1, 2))
    .mean()
    / K,
    "torch.nn.MultiLabelSoftMarginLoss()": bce(np.round(y), 1 / (1 + np.exp(-u))).mean(),
    "torch.nn.PoissonNLLLoss()": (np.exp(z) - y * z).mean(),
    "tf.keras.losses.Poisson()": (p - y * np.log(p)).mean(),
    "sklearn._loss.HalfPoissonLoss()": (np.exp(z) - y * z).mean(),
    "sklearn._loss.HalfGammaLoss()": (u + q * np.exp(-u)).mean(),
    "sklearn._loss.HalfTweedieLoss(power=1.7)": (np.exp(0.3 * z) / 0.3 + y * np.exp(-0.7 * z) / 0.7).mean(),
    "gradient of XGBoost's count:poisson": np.exp(z) - y,
    "gradient of XGBoost's reg:tweedie": -y * np.exp(-0.5 * z) + np.exp(0.5 * z),
    'XGBoost\'s survival:aft with aft_loss_distribution="logistic"': -np.log(
        1 / (1 + np.exp(u - np.log(2 * q))) - 1 / (1 + np.exp(u - np.log(q)))
    ).mean(),
    "gradient of LightGBM's fair": 1.5 * (b - a) / (np.abs(b - a) + 1.5),
    "gradient of LightGBM's cross_entropy_lambda with weights": (1 - y / (1 - np.exp(-w * np.log1p(np.exp(z)))))
    * w
    * p,
    "CatBoost's MultiQuantile:alpha=0.1,0.3,0.5,0.9": sum(
        np.maximum(level * (a[:, 0] - u[:, k]), (level - 1) * (a[:, 0] - u[:, k]))
        for k, level in enumerate((0.1, 0.3, 0.5, 0.9))
    ).mean(),
    "AsymmetricLossOptimized(gamma_neg=2, gamma_pos=1, clip=0.1)": -(
        np.round(y) * (1 - p) * np.log(p)
        + (1 - np.round(y)) * np.maximum(p - 0.1, 0) ** 2 * np.log(np.minimum(1 - p + 0.1, 1))
    ).sum(),
}


def table() -> list[tuple[str, str]]:
    """Return their call and ours in each row of the page."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    cells = [[cell.strip().strip("`") for cell in line.split("|")[1:3]] for line in lines]
    return [(theirs, ours) for theirs, ours in cells]


def test_every_row_is_tested() -> None:
    assert [theirs for theirs, _ in table()] == list(THEIRS)


@pytest.mark.parametrize(("theirs", "ours"), table())
def test_row(theirs: str, ours: str) -> None:
    names = {"nb": nbloss, "np": np, **globals()}
    np.testing.assert_allclose(eval(ours, names), THEIRS[theirs], rtol=1e-12)
