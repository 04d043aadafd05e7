"""Law: init_score is the constant prediction with the least loss, and inverse_link makes a response of it."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import nbloss
from nbloss.loss import UNIT
from tests.cases import CASES, LOG_LINKED, ordinary

TRAINABLE = [loss for loss in CASES if not isinstance(loss, nbloss.ZeroOne)]


def total(loss: nbloss.Loss, y: np.ndarray, w: Any, z: float) -> float:
    """Return the loss of a constant, added up here, so that there is no kernel but that of the values."""
    values = loss.value(y, np.full_like(y, z), reduction="none")
    return math.fsum(values if w is None else (values * w)[w > 0])


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", TRAINABLE, ids=repr)
def test_no_constant_is_better(loss: Any, weighted: bool) -> None:
    y, _ = ordinary(loss, 61)
    if isinstance(loss, nbloss.AbsolutePercentageError):
        y = y[y != 0]
    w = np.random.default_rng(1).integers(0, 4, y.size).astype(float) if weighted else None
    z = loss.init_score(y, w)
    assert type(z) is float
    if math.isinf(z):
        assert total(loss, y, w, math.copysign(100, z)) <= total(loss, y, w, math.copysign(50, z))
        return
    least = total(loss, y, w, z)
    spread = np.concatenate([np.linspace(-3, 3, 121), np.geomspace(1e-7, 1, 40), -np.geomspace(1e-7, 1, 40)])
    for other in z + spread:
        if other in loss.domain.prediction:
            assert least <= total(loss, y, w, other) * (1 + 1e-14) + 1e-14


@pytest.mark.parametrize("loss", TRAINABLE, ids=repr)
def test_weights_count_as_repetitions(loss: Any) -> None:
    y, _ = ordinary(loss, 20)
    w = np.arange(20) % 3
    assert loss.init_score(y, w) == pytest.approx(loss.init_score(np.repeat(y, w)), rel=1e-9, abs=1e-9)


def test_closed_forms() -> None:
    y = np.array([1.0, 2, 4, 9])
    assert nbloss.SquaredError().init_score(y) == 4 and nbloss.AbsoluteError().init_score(y) == 3
    assert nbloss.SquaredError().init_score(y, [1, 1, 0, 0]) == 1.5
    assert nbloss.Quantile(alpha=0.9).init_score(np.arange(11.0)) == 9
    labels = np.array([0, 0, 0, 1])
    for loss in (nbloss.BinaryCrossEntropy(), nbloss.Brier(), nbloss.Exponential()):
        assert float(loss.inverse_link(loss.init_score(labels))) == pytest.approx(0.25, rel=1e-14)
    assert nbloss.BinaryCrossEntropy(from_logits=False).init_score(labels) == 0.25
    assert nbloss.Hinge().init_score(labels) == -1 and nbloss.SquaredHinge().init_score(labels) == -0.5


def test_the_best_constant_of_a_log_link_is_the_mean() -> None:
    y, w = np.array([0.0, 1, 2, 9]), np.array([1.0, 2, 0, 1])
    for loss in (nbloss.Poisson(), nbloss.Tweedie(), nbloss.NegativeBinomial(dispersion=0.7)):
        assert loss.init_score(y, w) == pytest.approx(math.log(11 / 4), rel=1e-15)
        assert loss.init_score([0, 0]) == -math.inf
    assert nbloss.Gamma().init_score(y[1:]) == pytest.approx(math.log(4), rel=1e-15)
    with pytest.raises(ValueError, match=r"y_true must lie in \(0, inf\]"):
        nbloss.Gamma().init_score(y)


def test_one_class_lies_at_infinity() -> None:
    for loss in (nbloss.BinaryCrossEntropy(), nbloss.BinaryFocal(), nbloss.Exponential(), nbloss.Brier()):
        assert loss.init_score([1, 1]) == math.inf and loss.init_score([0, 0]) == -math.inf


def test_errors() -> None:
    with pytest.raises(TypeError, match="ZeroOne"):
        nbloss.ZeroOne().init_score([0, 1])
    with pytest.raises(ValueError, match="weight other than 0"):
        nbloss.Huber().init_score([])
    with pytest.raises(ValueError, match="weight other than 0"):
        nbloss.Huber().init_score([1.0, 2.0], [0, 0])
    for loss, y in ((nbloss.CrossEntropy(), np.zeros((2, 3))), (nbloss.NLL(class_weight=(0, 1)), [0, 0])):
        with pytest.raises(ValueError, match="weight other than 0"):
            loss.init_score(y)
    with pytest.raises(ValueError, match=r"y_true must lie in \[0, 1\]"):
        nbloss.BinaryCrossEntropy().init_score([0, 2])
    with pytest.raises(ValueError, match="y_true must lie in"):
        nbloss.Huber().init_score([np.nan])


@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_inverse_link(loss: Any) -> None:
    z = np.linspace(0.1, 0.9, 5) if loss.domain.prediction == UNIT else np.linspace(-800, 800, 9)
    response = loss.inverse_link(z)
    if isinstance(loss, nbloss.CrossEntropyLambda):
        np.testing.assert_allclose(response, np.logaddexp(0, z), rtol=1e-14)
    elif loss.domain.target == UNIT or isinstance(loss, nbloss.Exponential):
        assert ((response >= 0) & (response <= 1)).all()
    elif isinstance(loss, LOG_LINKED):
        np.testing.assert_allclose(response, np.exp(z.clip(None, 709)) * np.where(z > 709.5, np.inf, 1), rtol=1e-15)
    else:
        np.testing.assert_array_equal(response, z)
    assert loss.inverse_link(z.astype(np.float32)).dtype == np.float32 and (np.diff(response) >= 0).all()
