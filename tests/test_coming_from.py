"""Law: the pages "coming from ..." translate every call and parameter; each row gives what the other library gives."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from sklearn import metrics
from sklearn._loss import loss as sklearn_losses

import nbloss
from tests.coming_from import ARRAYS, DOCS, EXPECTED, table

NAMES = {"nb": nbloss, "nbloss": nbloss, "np": np, **ARRAYS}


@pytest.mark.parametrize("page", EXPECTED)
def test_every_row_is_tested(page: str) -> None:
    assert [theirs for theirs, _ in table(page)] == list(EXPECTED[page])


@pytest.mark.parametrize(
    ("page", "theirs", "ours"), [(page, *row) for page in EXPECTED for row in table(page)], ids=lambda x: x
)
def test_row(page: str, theirs: str, ours: str) -> None:
    np.testing.assert_allclose(eval(ours, dict(NAMES)), EXPECTED[page][theirs], rtol=1e-12)


@pytest.mark.parametrize(("theirs", "ours"), table("from-numpy"))
def test_row_of_numpy(theirs: str, ours: str) -> None:
    np.testing.assert_allclose(eval(ours, dict(NAMES)), eval(theirs, dict(NAMES)), rtol=1e-12)


rng = np.random.default_rng(0)
y, w, raw = rng.exponential(size=20), rng.random(20), rng.normal(size=20)
NUMBERS = {"y": y, "w": w, "p": y + rng.exponential(size=20), "raw": raw, "labels": (raw > rng.normal(size=20)) * 1.0}
NUMBERS |= {"classes": np.arange(20.0) % 4, "rows_of_raw": rng.normal(size=(20, 4))}
CLASSES = {"y": rng.integers(0, 2, 20), "p": rng.random(20), "z": rng.normal(size=20)}
ROWS = {"y": np.arange(20) % 4, "rows": rng.dirichlet(np.ones(4), 20)}
LABELS = {"y": rng.integers(0, 2, 20), "p": rng.integers(0, 2, 20).astype(float)}


def given_for(theirs: str) -> dict[str, Any]:
    name = theirs.partition("(")[0]
    if name in ("zero_one_loss", "jaccard_score"):
        return LABELS
    if name in ("hinge_loss", "brier_score_loss", "log_loss"):
        return ROWS if "rows" in theirs else CLASSES
    return NUMBERS


def test_the_tables_are_found() -> None:
    assert len(table("from-scikit-learn")) == 23 and len(table("from-numpy")) == 24


@pytest.mark.parametrize(("theirs", "ours"), table("from-scikit-learn"))
def test_row_of_scikit_learn(theirs: str, ours: str) -> None:
    given = {"np": np, **given_for(theirs)}
    found = eval(ours, {"nbloss": nbloss, **given})
    expected = eval(theirs, {**vars(metrics), **vars(sklearn_losses), **given})
    assert found == pytest.approx(expected, rel=1e-12)


PARAMETERS = "size_average=None, reduce=None, reduction='mean'"
REDUCTION = "reduction=losses_utils.ReductionV2.AUTO, name"
SIGNATURES = f"""
torch.nn.BCELoss(weight=None, {PARAMETERS})
torch.nn.functional.binary_cross_entropy(input, target, weight, reduction)
torch.nn.BCEWithLogitsLoss(weight=None, {PARAMETERS}, pos_weight=None)
torch.nn.CrossEntropyLoss(weight=None, size_average=None, ignore_index=-100, reduce=None, reduction='mean')
torch.nn.functional.cross_entropy(input, target, weight, size_average, ignore_index, reduce, reduction)
torch.nn.NLLLoss(weight=None, size_average=None, ignore_index=-100, reduce=None, reduction='mean')
torch.nn.functional.nll_loss(input, target, weight, ignore_index, reduction)
torch.nn.functional.log_softmax(input, dim)
torch.nn.KLDivLoss({PARAMETERS}, log_target=False)
torch.nn.L1Loss({PARAMETERS})
torch.nn.functional.l1_loss(input, target, {PARAMETERS})
torch.nn.SmoothL1Loss({PARAMETERS}, beta=1.0)
torch.nn.functional.smooth_l1_loss(input, target, {PARAMETERS}, beta=1.0)
torch.nn.MSELoss({PARAMETERS})
torch.nn.functional.mse_loss(input, target, {PARAMETERS})
torch.nn.HingeEmbeddingLoss(margin=1.0, {PARAMETERS})
torch.nn.CosineEmbeddingLoss(margin=0.0, {PARAMETERS})
torch.nn.Sigmoid()
torch.nn.Softmax(dim=1)
tf.keras.losses.BinaryCrossentropy(from_logits=False, label_smoothing=0, {REDUCTION})
tf.keras.losses.binary_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0)
tf.keras.losses.CategoricalCrossentropy(from_logits=False, label_smoothing=0, {REDUCTION})
tf.keras.losses.categorical_crossentropy(y_true, y_pred, from_logits=False, label_smoothing=0)
tf.keras.losses.SparseCategoricalCrossentropy(from_logits=False, {REDUCTION})
tf.keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=False, axis=-1)
tf.keras.losses.KLD(y_true, y_pred)
tf.keras.losses.KLDivergence({REDUCTION})
tf.keras.losses.MAE(y_true, y_pred)
tf.keras.losses.MeanAbsoluteError({REDUCTION})
tf.keras.losses.MeanAbsolutePercentageError({REDUCTION})
tf.keras.losses.MAPE(y_true, y_pred)
tf.keras.losses.Huber(delta=1.0, {REDUCTION})
tf.keras.losses.MeanSquaredError({REDUCTION})
tf.keras.losses.MSE(y_true, y_pred)
tf.keras.losses.MeanSquaredLogarithmicError({REDUCTION})
tf.keras.losses.MSLE(y_true, y_pred)
tf.keras.losses.CategoricalHinge({REDUCTION})
tf.keras.losses.categorical_hinge(y_true, y_pred)
tf.keras.losses.Hinge({REDUCTION})
tf.keras.losses.hinge(y_true, y_pred)
tf.keras.losses.SquaredHinge({REDUCTION})
tf.keras.losses.squared_hinge(y_true, y_pred)
tf.keras.losses.CosineSimilarity(axis=-1, {REDUCTION})
tf.keras.losses.cosine_similarity(y_true, y_pred, axis=-1)
""".split("\n")[1:-1]
"""What people have met in tutorials: the calls of both libraries with all of their parameters."""


@pytest.mark.parametrize("signature", SIGNATURES)
def test_every_call_and_every_parameter_is_translated(signature: str) -> None:
    """There is a row for the call, and its parameters are in a row of it or in the table of parameters."""
    page = "from-pytorch" if signature.startswith("torch") else "from-keras"
    call, _, rest = signature.rstrip(")").partition("(")
    rows = [theirs for theirs, _ in table(page) if f"{call}(" in theirs]
    assert rows
    parameters = "\n".join(
        re.findall(r"^\| (`[^|]+`[^|]*) \|[^|]*\|$", (DOCS / f"{page}.md").read_text(), re.MULTILINE)
    )
    for name in re.findall(r"(\w+)(?:=[^,]+)?(?:, |$)", rest):
        assert any(f"{name}=" in row for row in rows) or re.search(rf"`{name}\b", parameters), name
