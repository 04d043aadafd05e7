"""Law: every loss is a frozen, checked, picklable record that can be found by its name and reads well."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import numpy as np
import pytest

import nbloss
from nbloss.loss import REAL, UNIT
from tests.cases import (
    CASES,
    GROUP_CASES,
    LINE_CASES,
    LOG_LINKED,
    ORDERED_CASES,
    PAIR_CASES,
    ROW_CASES,
    SET_CASES,
    of_sets,
    ordinary,
    pairs,
)

NAMES = {
    "mse": "SquaredError", "squared_error": "SquaredError", "l1": "AbsoluteError", "mae": "AbsoluteError",
    "mape": "AbsolutePercentageError", "msle": "SquaredLogarithmicError", "smooth_l1": "SmoothL1", "huber": "Huber",
    "pinball": "Quantile", "logloss": "BinaryCrossEntropy", "log_loss": "BinaryCrossEntropy",
    "bce": "BinaryCrossEntropy", "binary_crossentropy": "BinaryCrossEntropy", "binary_focal": "BinaryFocal",
    "hinge": "Hinge", "squared_hinge": "SquaredHinge", "zero_one": "ZeroOne", "exponential": "Exponential",
    "perceptron": "Perceptron", "log_cosh": "LogCosh", "hinge_embedding": "HingeEmbedding",
    "balanced_binary_cross_entropy": "BalancedBinaryCrossEntropy", "pseudo_huber": "PseudoHuber", "brier": "Brier",
    "asl": "AsymmetricLoss", "multi_quantile": "MultiQuantile", "tweedie": "Tweedie",
    "poisson": "Poisson", "negative_binomial": "NegativeBinomial", "cross_entropy_lambda": "CrossEntropyLambda",
    "lovasz": "LovaszSoftmax", "lovasz_hinge": "LovaszHinge", "lovasz_softmax": "LovaszSoftmax",
    "rmse": "RootMeanSquaredError", "root_mean_squared_error": "RootMeanSquaredError", "dice": "Dice",
    "tversky": "Tversky", "focal_tversky": "FocalTversky", "jaccard": "Jaccard", "iou": "Jaccard",
    "cosine_similarity": "CosineSimilarity", "cosine_embedding": "CosineEmbedding", "triplet_margin": "TripletMargin",
    "margin_ranking": "MarginRanking",
    "categorical_hinge": "CategoricalHinge", "multi_margin": "MultiMargin", "multi_label_margin": "MultiLabelMargin",
    "ranknet": "RankNet", "rank_net": "RankNet", "lambdarank": "LambdaRank", "lambda_rank": "LambdaRank",
    "xendcg": "XeNDCG", "rank_xendcg": "XeNDCG", "xe_ndcg": "XeNDCG", "cox": "Cox", "coxph": "Cox", "aft": "AFT",
    "categorical_crossentropy": "CrossEntropy", "sparse_categorical_crossentropy": "CrossEntropy",
    "cross_entropy": "CrossEntropy", "ce": "CrossEntropy", "nll": "NLL", "kld": "KLDivergence",
    "kl_divergence": "KLDivergence", "kl_div": "KLDivergence", "focal": "Focal",
    "poly1_cross_entropy": "Poly1CrossEntropy",
}  # fmt: skip


def test_every_loss_is_tested() -> None:
    cases = [*CASES, *GROUP_CASES, *LINE_CASES, *ORDERED_CASES, *PAIR_CASES, *ROW_CASES, *SET_CASES]
    assert {type(loss) for loss in cases} | {nbloss.MultiQuantile} == set(nbloss.ALL)  # which has a file of tests


@pytest.mark.parametrize("name", NAMES)
def test_get(name: str) -> None:
    assert type(nbloss.get(name)).__name__ == NAMES[name]


def test_get_with_parameters_and_errors() -> None:
    assert nbloss.get("huber", delta=1.5) == nbloss.Huber(delta=1.5)
    with pytest.raises(ValueError, match=r"SquaredError.*RootMeanSquaredError"):
        nbloss.get("l2")
    with pytest.raises(ValueError, match="'huber'"):
        nbloss.get("hubber")
    with pytest.raises(ValueError, match="got 3"):
        nbloss.get(3)  # type: ignore[arg-type]


def test_names_are_of_one_loss_each() -> None:
    names = [name for loss in nbloss.ALL for name in loss.names]
    assert len(names) == len(set(names))
    for loss in nbloss.ALL:
        assert getattr(nbloss, loss.__name__) is loss and loss.__name__ in nbloss.__all__


@pytest.mark.parametrize("loss", [*CASES, *SET_CASES, *PAIR_CASES[:3]], ids=repr)
def test_a_loss_is_a_value(loss: nbloss.Loss) -> None:
    make = of_sets if loss in SET_CASES else pairs if loss in PAIR_CASES[:3] else ordinary
    arrays = make(loss, n=12)
    loss(*arrays)  # what is compiled must stay out of what follows
    assert eval(repr(loss), vars(nbloss)) == loss
    for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss), dataclasses.replace(loss)):
        assert twin == loss and hash(twin) == hash(loss) and twin is not loss
        assert twin(*arrays) == loss(*arrays)
    assert len(pickle.dumps(loss)) < 500
    with pytest.raises(dataclasses.FrozenInstanceError):
        loss.delta = 2.0  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nbloss.Huber(delta=0), ValueError, r"Huber: delta must be a finite number in \(0, inf\], got 0"),
        (lambda: nbloss.Huber(delta=-1.0), ValueError, "got -1.0"),
        (lambda: nbloss.Huber(delta=float("nan")), ValueError, "got nan"),
        (lambda: nbloss.Huber(delta=float("inf")), ValueError, "got inf"),
        (lambda: nbloss.Huber(delta="1"), TypeError, "got '1'"),
        (lambda: nbloss.Huber(delta=True), TypeError, "got True"),
        (lambda: nbloss.Huber(delta=None), TypeError, "got None"),
        (lambda: nbloss.Huber(delta=1j), TypeError, "got 1j"),
        (lambda: nbloss.Huber(delta=(1.0, 2.0)), TypeError, "delta must be a finite number"),
        (lambda: nbloss.SmoothL1(beta=-1), ValueError, "beta"),
        (lambda: nbloss.Quantile(alpha=1.5), ValueError, r"alpha must be a finite number in \[0, 1\]"),
        (lambda: nbloss.Expectile(alpha=-0.5), ValueError, "alpha"),
        (lambda: nbloss.BinaryCrossEntropy(from_logits=1), ValueError, "from_logits must be True or False, got 1"),
        (lambda: nbloss.BinaryCrossEntropy(label_smoothing=2), ValueError, "label_smoothing"),
        (lambda: nbloss.BinaryCrossEntropy(pos_weight=-1), ValueError, "pos_weight"),
        (lambda: nbloss.BinaryCrossEntropy(pos_weight=()), ValueError, "pos_weight .* empty"),
        (lambda: nbloss.BinaryCrossEntropy(pos_weight=(1, -1)), ValueError, "pos_weight"),
        (lambda: nbloss.BinaryCrossEntropy(pos_weight=None), TypeError, "pos_weight"),
        (lambda: nbloss.BinaryFocal(gamma=-1), ValueError, "gamma"),
        (lambda: nbloss.BalancedBinaryCrossEntropy(alpha=1.1), ValueError, "alpha"),
        (lambda: nbloss.ZeroOne(tolerance=-1), ValueError, "tolerance"),
        (lambda: nbloss.Dice(smooth=-1), ValueError, "smooth"),
        (lambda: nbloss.Dice(per_image=1), ValueError, "per_image must be True or False, got 1"),
        (lambda: nbloss.FocalTversky(gamma=0), ValueError, "gamma"),
        (lambda: nbloss.CosineEmbedding(margin=1.5), ValueError, r"margin must be a finite number in \[-1, 1\]"),
        (lambda: nbloss.TripletMargin(p=3), ValueError, "p must be 1 or 2, got 3"),
        (lambda: nbloss.RankNet(sigma=0), ValueError, "sigma"),
        (lambda: nbloss.LambdaRank(truncation_level=0), ValueError, "truncation_level must be a whole number of at"),
        (lambda: nbloss.LambdaRank(truncation_level=1.5), TypeError, "truncation_level .* got 1.5"),
        (lambda: nbloss.LambdaRank(norm=1), ValueError, "norm must be True or False, got 1"),
        (lambda: nbloss.LambdaRank(label_gain=3.0), TypeError, "label_gain must be None or a tuple"),
        (lambda: nbloss.LambdaRank(label_gain=(0, -1)), ValueError, "label_gain must be None or a tuple"),
        (lambda: nbloss.LambdaRank(label_gain=()), ValueError, "label_gain must be None or a tuple"),
        (lambda: nbloss.XeNDCG(seed=0.5), TypeError, "seed must be a whole number or None, got 0.5"),
        (lambda: nbloss.MarginRanking(margin=-0.1), ValueError, "margin"),
    ],
)
def test_parameters_are_checked(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


def test_parameters_are_numbers_of_one_kind() -> None:
    assert (
        nbloss.Huber(1) == nbloss.Huber(1.0) == nbloss.Huber(np.float32(1))
        and repr(nbloss.Huber(1)) == "Huber(delta=1.0)"
    )
    assert nbloss.BinaryCrossEntropy(pos_weight=[1, 2]) == nbloss.BinaryCrossEntropy(pos_weight=np.array([1.0, 2.0]))
    assert nbloss.BinaryCrossEntropy(from_logits=np.True_) == nbloss.BinaryCrossEntropy()
    assert nbloss.BinaryFocal(alpha=None).alpha is None


@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_formulas_can_be_stepped_through(loss: Any) -> None:
    """A formula called from plain Python gives, to rounding, what its kernel gives."""
    y, z = ordinary(loss, 20)
    got = [loss.formula(a, b, *loss.numbers, *loss.choices) for a, b in zip(y.tolist(), z.tolist(), strict=True)]
    want = loss.value(y, z, reduction="none"), *loss.gradient_and_hessian(y, z)
    np.testing.assert_allclose(got, np.transpose(want), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_loss_laws(loss: nbloss.Loss) -> None:
    """No loss is negative, a perfect prediction costs nothing, and a larger error never less."""
    if isinstance(loss, nbloss.HingeEmbedding) or getattr(loss, "label_smoothing", 0):
        return  # a prediction that is a distance, itself the loss of a similar pair; targets that are never hard
    y, _ = ordinary(loss, 50)
    if isinstance(loss, LOG_LINKED):
        check_log_link(loss, y[y > 0])
        return
    binary = loss.__module__.startswith("nbloss.losses.binary")
    if binary:
        y = np.round(np.abs(y).clip(0, 1))
    steps = np.linspace(0, 0.999 if loss.domain.prediction == UNIT else 30, 100)
    for label in y:
        if binary and loss.domain.prediction == REAL:
            z = 15 - steps if label == 1 else steps - 15
            slack = 1e-6
        else:
            z = label + steps * (-1 if binary and label == 1 else 1)
            slack = 0
        value = loss.value(np.full_like(z, label), z, reduction="none")
        assert (value >= 0).all() and value[0] <= slack and (np.diff(value) >= 0).all(), (label, value)


def check_log_link(loss: Any, y: np.ndarray) -> None:
    """Check that nothing costs less than the logarithm of the target, and a larger error never less."""
    steps = np.linspace(0, 30, 100)
    for label in y:
        for sign in (1, -1):
            value = loss.value(np.full_like(steps, label), np.log(label) + sign * steps, reduction="none")
            assert (np.diff(value) >= 0).all(), label


@pytest.mark.parametrize("loss", SET_CASES, ids=repr)
def test_laws_of_sets(loss: Any) -> None:
    """No loss is negative but minus a cosine, and a perfect prediction costs nothing."""
    y, z = of_sets(loss)
    least = -1 if isinstance(loss, nbloss.CosineSimilarity) else 0
    assert (loss.value(y, z, reduction="none") >= least).all()
    if isinstance(loss, nbloss.RootMeanSquaredError | nbloss.CosineSimilarity):
        assert loss(y, y) == least
    elif hasattr(loss, "eps"):
        y = np.round(y)
        perfect = y if not loss.from_logits else np.where(y > 0, 800.0, -800.0)
        assert loss(y, perfect) == 0
        grown = [loss(y, np.where(y > 0, 1, -1) * x if loss.from_logits else y * x / 3) for x in (3.0, 2.0, 0.5)]
        assert grown == sorted(grown)
    elif isinstance(loss, nbloss.CosineEmbedding):
        assert loss(np.ones(24), (z[0], z[0])) == 0
    elif isinstance(loss, nbloss.MarginRanking):
        assert loss(np.ones(24), (z[0] + 1, z[0])) == 0
    else:
        assert loss(None, (z[0], z[0], z[0] + 10)) == 0


@pytest.mark.parametrize("loss", nbloss.ALL, ids=lambda loss: loss.__name__)
def test_docstrings(loss: type[nbloss.Loss]) -> None:
    text = inspect.getdoc(loss) or ""
    assert ".. math::" in text and "References" in text, text
    for field in dataclasses.fields(loss):  # type: ignore[arg-type]
        assert f"\n{field.name} : " in text


def test_public_functions_have_docstrings() -> None:
    for name in nbloss.__all__:
        assert inspect.getdoc(getattr(nbloss, name))
    for name, method in inspect.getmembers(nbloss.Loss, callable):
        if not name.startswith("_"):
            assert inspect.getdoc(method), name
