"""Law: with the convention of a library, its built-in objective and ours train the same model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

import nbloss
from nbloss.gbm import HistGradientBoostingLoss, Objective
from tests.gbm import data
from tests.gbm.data import (
    BINARY,
    COUNT,
    LABELS,
    POSITIVE,
    REAL,
    ROUNDS,
    WEIGHT,
    WEIGHTS,
    of_catboost,
    of_lightgbm,
    of_xgboost,
)

MANY = {"num_class": data.CLASSES}
LEVELS = (0.2, 0.5, 0.9)

# the loss, the targets, the name of the built-in objective and its parameters
TO_XGBOOST: list[tuple[nbloss.Loss, Any, str, dict[str, Any]]] = [
    (nbloss.HalfSquaredError(), REAL, "reg:squarederror", {}),
    (nbloss.BinaryCrossEntropy(), BINARY, "binary:logistic", {}),
    (nbloss.PseudoHuber(delta=1.5), REAL, "reg:pseudohubererror", {"huber_slope": 1.5}),
    (nbloss.Poisson(), COUNT, "count:poisson", {}),
    (nbloss.Gamma(), POSITIVE, "reg:gamma", {}),
    (nbloss.Tweedie(power=1.5), COUNT, "reg:tweedie", {"tweedie_variance_power": 1.5}),
    (nbloss.CrossEntropy(), LABELS, "multi:softprob", MANY),
    # before 3.4 XGBoost replaces the leaves of these, also beside a custom objective; since then it smooths gradients
    (nbloss.AbsoluteError(), REAL, "reg:absoluteerror", {}),
    (nbloss.Quantile(alpha=0.3), REAL, "reg:quantileerror", {"quantile_alpha": 0.3}),
    (nbloss.MultiQuantile(alphas=LEVELS), REAL, "reg:quantileerror", {"quantile_alpha": list(LEVELS)}),
]
TO_LIGHTGBM: list[tuple[nbloss.Loss, Any, str, dict[str, Any]]] = [
    (nbloss.HalfSquaredError(), REAL, "regression", {}),
    (nbloss.Huber(delta=0.9), REAL, "huber", {"alpha": 0.9}),
    (nbloss.Fair(c=0.7), REAL, "fair", {"fair_c": 0.7}),
    (nbloss.Poisson(), COUNT, "poisson", {}),
    (nbloss.Gamma(), POSITIVE, "gamma", {}),
    (nbloss.Tweedie(power=1.5), COUNT, "tweedie", {"tweedie_variance_power": 1.5}),
    (nbloss.BinaryCrossEntropy(), BINARY, "binary", {}),
    (nbloss.BinaryCrossEntropy(), 1 / (1 + np.exp(-data.SIGNAL)), "cross_entropy", {}),
    (nbloss.CrossEntropyLambda(), BINARY, "cross_entropy_lambda", {}),
    (nbloss.CrossEntropyLambda(), 1 / (1 + np.exp(-data.SIGNAL)), "cross_entropy_lambda", {}),
    (nbloss.CrossEntropy(), LABELS, "multiclass", MANY),
]
TO_CATBOOST: list[tuple[nbloss.Loss, Any, str]] = [
    (nbloss.HalfSquaredError(), REAL, "RMSE"),
    (nbloss.BinaryCrossEntropy(), BINARY, "Logloss"),
    (nbloss.Poisson(), COUNT, "Poisson"),
    (nbloss.Tweedie(power=1.5), COUNT, "Tweedie:variance_power=1.5"),
    (nbloss.LogCosh(), REAL, "LogCosh"),
    (nbloss.Huber(delta=0.9), REAL, "Huber:delta=0.9"),
]
TO_SCIKIT_LEARN: list[tuple[nbloss.Loss, Any, str, dict[str, Any]]] = [
    (nbloss.HalfSquaredError(), REAL, "squared_error", {}),
    (nbloss.Poisson(), COUNT, "poisson", {}),
    (nbloss.Gamma(), POSITIVE, "gamma", {}),
    (nbloss.AbsoluteError(), REAL, "absolute_error", {}),
    (nbloss.Quantile(alpha=0.8), REAL, "quantile", {"quantile": 0.8}),
    (nbloss.BinaryCrossEntropy(), BINARY, "log_loss", {}),
    (nbloss.CrossEntropy(), LABELS, "log_loss", {}),
]


def ids(case: Any) -> str:
    return case if isinstance(case, str) else type(case).__name__ if isinstance(case, nbloss.Loss) else ""


weighted = pytest.mark.parametrize("weight", WEIGHTS, ids=["unweighted", "weighted"])


@weighted
@pytest.mark.parametrize(("loss", "y", "name", "settings"), TO_XGBOOST, ids=ids)
def test_xgboost(loss: nbloss.Loss, y: Any, name: str, settings: dict[str, Any], weight: Any) -> None:
    settings = settings | {"objective": name, "base_score": 0.5}
    expected, splits = of_xgboost(y, weight, settings)
    found, ours = of_xgboost(y, weight, settings, Objective(loss, hessian="xgboost"))
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
    assert ours == splits


@weighted
@pytest.mark.parametrize(("loss", "y", "name", "settings"), TO_LIGHTGBM, ids=ids)
def test_lightgbm(loss: nbloss.Loss, y: Any, name: str, settings: dict[str, Any], weight: Any) -> None:
    expected = of_lightgbm(y, weight, settings | {"objective": name})
    found = of_lightgbm(y, weight, settings | {"objective": Objective(loss, hessian="lightgbm")})
    atol = 1e-7 if name == "cross_entropy" else 1e-9
    if name == "regression" and weight is not None:
        atol = 1e-8  # LightGBM rounds the residual to float32, and then once more the product with the weight
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@weighted
@pytest.mark.parametrize("method", ["Newton", "Gradient"])
@pytest.mark.parametrize(("loss", "y", "name"), TO_CATBOOST, ids=ids)
def test_catboost(loss: nbloss.Loss, y: Any, name: str, method: str, weight: Any) -> None:
    settings = {"leaf_estimation_method": method, "eval_metric": name}
    expected = of_catboost(y, weight, name, **settings)
    found = of_catboost(y, weight, Objective(loss, hessian_floor=0.0), **settings)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@weighted
def test_catboost_with_classes(weight: Any) -> None:
    settings = {"iterations": 3, "leaf_estimation_method": "Newton", "eval_metric": "MultiClass", "classes_count": 4}
    expected = of_catboost(LABELS, weight, "MultiClass", 150, **settings)
    found = of_catboost(LABELS, weight, Objective(nbloss.CrossEntropy()), 150, **settings)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@weighted
@pytest.mark.parametrize(("loss", "y", "name", "settings"), TO_SCIKIT_LEARN, ids=ids)
def test_scikit_learn(loss: nbloss.Loss, y: Any, name: str, settings: dict[str, Any], weight: Any) -> None:
    is_regression = name != "log_loss"
    make = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
    shared = {"max_iter": ROUNDS, "max_leaf_nodes": 8, "early_stopping": False, "min_samples_leaf": 20}
    ours = HistGradientBoostingLoss(loss, data.CLASSES if isinstance(loss, nbloss.CrossEntropy) else None)
    expected = make(loss=name, **shared, **settings).fit(data.X, y, weight)
    found = make(loss=ours, **shared).fit(data.X, y, weight)
    for method in ("predict",) if is_regression else ("predict", "predict_proba", "decision_function"):
        a, b = getattr(found, method)(data.X), getattr(expected, method)(data.X)
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6)


# What must not be the same: where it is, a test above says nothing.


def test_another_start_is_another_model() -> None:
    loss = Objective(nbloss.HalfSquaredError())
    expected, _ = of_xgboost(POSITIVE, None, {"objective": "reg:squarederror"})  # it starts at the mean
    found, _ = of_xgboost(POSITIVE, None, {}, loss)
    assert np.abs(found - expected).max() > 1e-2
    expected = of_lightgbm(POSITIVE, None, {"objective": "regression", "boost_from_average": True})
    assert np.abs(of_lightgbm(POSITIVE, None, {"objective": loss}) - expected).max() > 1e-2


def test_another_convention_is_another_model() -> None:
    for settings in ({"objective": "multi:softprob", "base_score": 0.5} | MANY,):
        expected, _ = of_xgboost(LABELS, None, settings)
        found, _ = of_xgboost(LABELS, None, settings, Objective(nbloss.CrossEntropy()))
        assert np.abs(found - expected).max() > 1e-2
    expected = of_lightgbm(LABELS, None, {"objective": "multiclass"} | MANY)
    for hessian in ("exact", "xgboost"):
        found = of_lightgbm(LABELS, None, {"objective": Objective(nbloss.CrossEntropy(), hessian)} | MANY)
        assert np.abs(found - expected).max() > 1e-2


def test_weights_count() -> None:
    loss = Objective(nbloss.BinaryCrossEntropy())
    for train in (lambda w: of_xgboost(BINARY, w, {}, loss)[0], lambda w: of_lightgbm(BINARY, w, {"objective": loss})):
        assert np.abs(train(WEIGHT) - train(None)).max() > 1e-2
