"""The arrays of the pages "coming from ...", and what the calls of the other libraries return, written in NumPy."""

from __future__ import annotations

import pathlib
import re
from typing import Any

import numpy as np

DOCS = pathlib.Path(__file__).parents[1] / "docs"

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
sign, v = np.where(labels > 1, 1, -1), rng.uniform(0.5, 2, N)
log_t, log_q = np.log(t), np.log(q)
many = np.round(y)
lists = np.array([[*np.flatnonzero(row), *[-1] * K][:K] for row in many])

ARRAYS: dict[str, Any] = {
    "y": y, "z": z, "p": p, "a": a, "b": b, "w": w, "v": v, "labels": labels, "t": t, "q": q, "u": u, "c": c,
    "images": images, "masks": masks, "s": s, "sign": sign, "x1": x1, "x2": x2, "x3": x3, "log_t": log_t,
    "log_q": log_q, "many": many, "lists": lists,
}  # fmt: skip
"""What the names in the tables stand for."""

of = np.arange(N)
weights = np.array(c)
hot, kept = np.eye(K)[labels], labels != 2


def bce(t: Any, p: Any) -> Any:
    return -(t * np.log(p) + (1 - t) * np.log(1 - p))


def focal(t: Any, p: Any, gamma: float, alpha: float) -> Any:
    return -(alpha * t * (1 - p) ** gamma * np.log(p) + (1 - alpha) * (1 - t) * p**gamma * np.log(1 - p))


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


def mean(x: Any) -> Any:
    return np.mean(x, axis=-1)


def cross_entropy(t: Any, x: Any) -> Any:
    return -(t * x).sum(-1)


of_images = -np.take_along_axis(log_softmax(images, 1), masks[:, None], 1)[:, 0]
some, none = many[:, :, None], 1 - many[:, None, :]  # targets j, and classes i that are none
log_p, own = log_softmax(u), log_softmax(u)[of, labels]
hinge, margins = np.maximum(1 - s * z, 0), np.maximum(0, 0.5 - u[of, labels][:, None] + u)
categorical_hinge = np.maximum(((1 - t) * u).max(-1) - (t * u).sum(-1) + 1, 0)
per_cent, logarithms = 100 * np.abs((a - b) / a), (np.log(1 + p) - np.log(1 + q)) ** 2
near = cosine(x1, x2)
hits, misses, alarms = (many * p).sum(), (many * (1 - p)).sum(), ((1 - many) * p).sum()

pixels, found = np.eye(K)[masks].reshape(2, -1, K), np.exp(log_softmax(np.moveaxis(images, 1, -1))).reshape(2, -1, K)
both, only_found, only_there = ((x * y).sum(1) for x, y in ((pixels, found), (1 - pixels, found), (pixels, 1 - found)))
overlap = (both + 1) / (both + 0.3 * only_found + 0.7 * only_there + 1)

PYTORCH = {
    "torch.nn.BCELoss()(p, y)": bce(y, p).mean(),
    "torch.nn.BCELoss(weight=w)(p, y)": (bce(y, p) * w).mean(),
    'torch.nn.functional.binary_cross_entropy(p, y, weight=w, reduction="none")': bce(y, p) * w,
    "torch.nn.BCEWithLogitsLoss()(z, y)": bce(y, p).mean(),
    "torch.nn.BCEWithLogitsLoss(pos_weight=c)(z, y)": -(weights * y * np.log(p) + (1 - y) * np.log(1 - p)).mean(),
    'torch.nn.BCEWithLogitsLoss(weight=w, reduction="sum")(z, y)': (bce(y, p) * w).sum(),
    "torch.nn.functional.binary_cross_entropy_with_logits(z, y)": bce(y, p).mean(),
    "torch.nn.CrossEntropyLoss()(u, labels)": -own.mean(),
    "torch.nn.CrossEntropyLoss(weight=c, label_smoothing=0.1, ignore_index=2)(u, labels)": -(
        weights * smooth(hot, 0.1) * log_p
    )[kept].sum()
    / weights[labels][kept].sum(),
    "torch.nn.CrossEntropyLoss()(u, t)": cross_entropy(t, log_p).mean(),
    "torch.nn.CrossEntropyLoss(weight=c)(u, t)": -(weights * t * log_p).sum() / N,
    "torch.nn.CrossEntropyLoss()(images, masks)": of_images.mean(),
    'torch.nn.functional.cross_entropy(u, labels, reduction="none")': -own,
    "torch.nn.NLLLoss(weight=c, ignore_index=2)(log_q, labels)": -(weights * hot * log_q)[kept].sum()
    / weights[labels][kept].sum(),
    "torch.nn.functional.nll_loss(torch.nn.functional.log_softmax(u, dim=1), labels)": -own.mean(),
    "torch.nn.KLDivLoss()(log_q, t)": (t * np.log(t / q)).mean(),
    'torch.nn.KLDivLoss(reduction="batchmean")(log_q, t)': (t * np.log(t / q)).sum() / N,
    'torch.nn.KLDivLoss(reduction="sum", log_target=True)(log_q, log_t)': (t * np.log(t / q)).sum(),
    "torch.nn.L1Loss()(b, a)": np.abs(a - b).mean(),
    'torch.nn.L1Loss(reduction="sum")(b, a)': np.abs(a - b).sum(),
    'torch.nn.functional.l1_loss(b, a, reduction="none")': np.abs(a - b),
    "torch.nn.SmoothL1Loss(beta=0.5)(b, a)": huber(a - b, 0.5).mean() / 0.5,
    "torch.nn.functional.smooth_l1_loss(b, a, beta=0.5)": huber(a - b, 0.5).mean() / 0.5,
    "torch.nn.HuberLoss(delta=1.5)(b, a)": huber(a - b, 1.5).mean(),
    "torch.nn.MSELoss()(b, a)": ((a - b) ** 2).mean(),
    'torch.nn.functional.mse_loss(b, a, reduction="sum")': ((a - b) ** 2).sum(),
    "torch.nn.SoftMarginLoss()(z, s)": np.log(1 + np.exp(-s * z)).mean(),
    "torch.nn.HingeEmbeddingLoss(margin=2.0)(z, s)": np.where(s == 1, z, np.maximum(0, 2 - z)).mean(),
    "torch.nn.CosineEmbeddingLoss(margin=0.2)(x1, x2, sign)": np.where(
        sign > 0, 1 - near, np.maximum(0, near - 0.2)
    ).mean(),
    "torch.nn.MarginRankingLoss(margin=0.1)(a, b, s)": np.maximum(0, -s * (a - b) + 0.1).mean(),
    "torch.nn.TripletMarginLoss(margin=1.0, p=2, eps=0)(x1, x2, x3)": np.maximum(
        0, distance(x1, x2) - distance(x1, x3) + 1
    ).mean(),
    "torch.nn.MultiMarginLoss(p=2, margin=0.5)(u, labels)": ((1 - hot) * margins**2).sum(-1).mean() / K,
    "torch.nn.MultiLabelMarginLoss()(u, lists)": (some * none * np.maximum(0, 1 - (u[:, :, None] - u[:, None, :])))
    .sum((1, 2))
    .mean()
    / K,
    "torch.nn.MultiLabelSoftMarginLoss()(u, many)": bce(many, 1 / (1 + np.exp(-u))).mean(),
    "torch.nn.PoissonNLLLoss()(z, y)": (np.exp(z) - y * z).mean(),
    "AsymmetricLossOptimized(gamma_neg=2, gamma_pos=1, clip=0.1)(z, many)": -(
        many * (1 - p) * np.log(p) + (1 - many) * np.maximum(p - 0.1, 0) ** 2 * np.log(np.minimum(1 - p + 0.1, 1))
    ).sum(),
    "torch.nn.Sigmoid()(z)": p,
    "torch.nn.Softmax(dim=1)(u)": np.exp(log_p),
    "torch.nn.functional.log_softmax(u, dim=1)": log_p,
}

TF = "tf.keras.losses."
KERAS = {
    "BinaryCrossentropy()(y, p)": bce(y, p).mean(),
    "BinaryCrossentropy(from_logits=True, label_smoothing=0.1)(y, z)": bce(y * 0.9 + 0.05, p).mean(),
    'BinaryCrossentropy(reduction="sum")(y, p)': mean(bce(y, p)).sum(),
    "BinaryCrossentropy()(y, p, sample_weight=v)": (mean(bce(y, p)) * v).mean(),
    'BinaryCrossentropy(reduction="mean_with_sample_weight")(y, p, sample_weight=v)': (mean(bce(y, p)) * v).sum()
    / v.sum(),
    "binary_crossentropy(y, p)": mean(bce(y, p)),
    "binary_crossentropy(y, z, from_logits=True, label_smoothing=0.1)": mean(bce(y * 0.9 + 0.05, p)),
    "BinaryFocalCrossentropy(gamma=2.0, from_logits=True)(many, z)": 2 * focal(many, p, 2, 0.5).mean(),
    "BinaryFocalCrossentropy(apply_class_balancing=True, alpha=0.25, from_logits=True)(many, z)": focal(
        many, p, 2, 0.25
    ).mean(),
    "CategoricalCrossentropy()(t, q)": cross_entropy(t, log_q).mean(),
    "CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)(t, u)": cross_entropy(smooth(t, 0.1), log_p).mean(),
    "categorical_crossentropy(t, q)": cross_entropy(t, log_q),
    "categorical_crossentropy(t, u, from_logits=True, label_smoothing=0.1)": cross_entropy(smooth(t, 0.1), log_p),
    "CategoricalFocalCrossentropy(alpha=0.25, gamma=2.0)(t, q)": cross_entropy(0.25 * t * (1 - q) ** 2, log_q).mean(),
    "CategoricalGeneralizedCrossEntropy(q=0.5)(labels, q)": ((1 - q[of, labels] ** 0.5) / 0.5).mean(),
    "SparseCategoricalCrossentropy(from_logits=True)(labels, u)": -own.mean(),
    "SparseCategoricalCrossentropy(ignore_class=2)(labels, q)": -log_q[of, labels][kept].mean(),
    "sparse_categorical_crossentropy(labels, q)": -log_q[of, labels],
    "sparse_categorical_crossentropy(masks, images, from_logits=True, axis=1)": of_images,
    "KLDivergence()(t, q)": (t * np.log(t / q)).sum(-1).mean(),
    "KLD(t, q)": (t * np.log(t / q)).sum(-1),
    "MeanAbsoluteError()(a, b)": np.abs(a - b).mean(),
    "MAE(a, b)": mean(np.abs(a - b)),
    "MeanAbsolutePercentageError()(a, b)": per_cent.mean(),
    "MAPE(a, b)": mean(per_cent),
    "MeanSquaredError()(a, b)": ((a - b) ** 2).mean(),
    "MSE(a, b)": mean((a - b) ** 2),
    "MeanSquaredLogarithmicError()(p, q)": logarithms.mean(),
    "MSLE(p, q)": mean(logarithms),
    "Huber(delta=1.5)(a, b)": huber(a - b, 1.5).mean(),
    "LogCosh()(a, b)": np.log(np.cosh(a - b)).mean(),
    "Poisson()(y, p)": (p - y * np.log(p)).mean(),
    "CategoricalHinge()(t, u)": categorical_hinge.mean(),
    "categorical_hinge(t, u)": categorical_hinge,
    "Hinge()(s, z)": hinge.mean(),
    "hinge(s, z)": mean(hinge),
    "SquaredHinge()(s, z)": (hinge**2).mean(),
    "squared_hinge(s, z)": mean(hinge**2),
    "CosineSimilarity(axis=-1)(x1, x2)": -near.mean(),
    "cosine_similarity(x1, x2, axis=0)": -cosine(x1, x2, 0),
    "Dice()(many, p)": 1 - (2 * hits + 1e-7) / (many.sum() + p.sum() + 1e-7),
    "Tversky(alpha=0.3, beta=0.7)(many, p)": 1 - (hits + 1e-7) / (hits + 0.3 * misses + 0.7 * alarms + 1e-7),
}

OPTAX = {
    "squared_error(b, a)": (a - b) ** 2,
    "l2_loss(b, a)": (a - b) ** 2 / 2,
    "huber_loss(b, a, delta=1.5)": huber(a - b, 1.5),
    "log_cosh(b, a)": np.log(np.cosh(a - b)),
    "cosine_similarity(x1, x2)": near,
    "cosine_distance(x1, x2)": 1 - near,
    "sigmoid_binary_cross_entropy(z, y)": bce(y, p),
    "sigmoid_focal_loss(z, many, alpha=0.25, gamma=2.0)": focal(many, p, 2, 0.25),
    "hinge_loss(z, s)": hinge,
    "perceptron_loss(z, s)": np.maximum(-s * z, 0),
    "softmax_cross_entropy(u, t)": cross_entropy(t, log_p),
    "safe_softmax_cross_entropy(u, t)": cross_entropy(t, log_p),
    "softmax_cross_entropy(u, optax.smooth_labels(np.eye(4)[labels], 0.1))": cross_entropy(smooth(hot, 0.1), log_p),
    "softmax_cross_entropy_with_integer_labels(u, labels)": -own,
    "softmax_cross_entropy_with_integer_labels(images, masks, axis=1)": of_images,
    "poly_loss_cross_entropy(u, t, epsilon=2.0)": cross_entropy(t, log_p) + 2 * (t * (1 - np.exp(log_p))).sum(-1),
    "ranking_softmax_loss(u, t)": cross_entropy(t, log_p).mean(),
    "kl_divergence(log_q, t)": (t * np.log(t / q)).sum(-1),
    "kl_divergence_with_log_targets(log_q, log_t)": (t * np.log(t / q)).sum(-1),
    "generalized_kl_divergence(log_q, t)": (t * np.log(t / q) + q - t).sum(-1),
    "triplet_margin_loss(x1, x2, x3, margin=0.5, eps=0)": np.maximum(0, distance(x1, x2) - distance(x1, x3) + 0.5),
    "binary_dice_loss(z, many, smooth=1.0)": 1 - ((many * p).sum(-1) + 1) / ((many + p).sum(-1) / 2 + 1),
    "dice_loss(np.moveaxis(images, 1, -1), np.eye(4)[masks], alpha=0.3, beta=0.7)": mean(1 - overlap),
}

BOOSTING = {
    "gradient of XGBoost's reg:squarederror": b - a,
    "gradient of XGBoost's binary:logistic": p - y,
    "gradient of XGBoost's reg:pseudohubererror": (b - a) / np.sqrt(1 + (b - a) ** 2),
    "gradient of XGBoost's count:poisson": np.exp(z) - y,
    "gradient of XGBoost's reg:gamma": 1 - q * np.exp(-u),
    "gradient of XGBoost's reg:tweedie": -y * np.exp(-0.5 * z) + np.exp(0.5 * z),
    'XGBoost\'s survival:aft with aft_loss_distribution="logistic"': -np.log(
        1 / (1 + np.exp(u - np.log(2 * q))) - 1 / (1 + np.exp(u - np.log(q)))
    ).mean(),
    "gradient of LightGBM's fair": 1.5 * (b - a) / (np.abs(b - a) + 1.5),
    "gradient of LightGBM's quantile": np.where(b > a, 0.1, -0.9),
    "gradient of LightGBM's cross_entropy_lambda with weights": (1 - y / (1 - np.exp(-w * np.log1p(np.exp(z)))))
    * w
    * p,
    "CatBoost's MultiQuantile:alpha=0.1,0.3,0.5,0.9": sum(
        np.maximum(level * (a[:, 0] - u[:, k]), (level - 1) * (a[:, 0] - u[:, k]))
        for k, level in enumerate((0.1, 0.3, 0.5, 0.9))
    ).mean(),
}

EXPECTED: dict[str, dict[str, Any]] = {
    "from-pytorch": PYTORCH,
    "from-keras": {TF + call: found for call, found in KERAS.items()},
    "from-optax": {f"optax.losses.{call}": found for call, found in OPTAX.items()},
    "from-boosting": BOOSTING,
}


def table(page: str) -> list[tuple[str, str]]:
    """Return their call and ours in each row of a page."""
    return re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|[^|]*\|$", (DOCS / f"{page}.md").read_text(), re.MULTILINE)
