"""Law: with the convention of a library, its built-in objective and ours train the same model.

CI trains on 2000 rows with weights, ``-m slow`` on 20 000 and without weights as well. Of the objectives whose models
can be had exactly, those are missing that no loss of the library is: LightGBM's binary with another slope than 1, and
mape, whose leaves it renews; CatBoost's Lq.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

import nbloss
from nbloss.gbm import HistGradientBoostingLoss, Objective
from tests.gbm import data
from tests.gbm.data import BINARY, COUNT, LABELS, POSITIVE, ROUNDS, WEIGHT, made, of_catboost, of_lightgbm, of_xgboost
from tests.selection import slow

MANY = {"num_class": data.CLASSES}
LEVELS = (0.2, 0.5, 0.9)

# the loss, the targets, the name of the built-in objective and its parameters
TO_XGBOOST: list[tuple[nbloss.Loss, str, str, dict[str, Any]]] = [
    (nbloss.HalfSquaredError(), "real", "reg:squarederror", {}),
    (nbloss.BinaryCrossEntropy(), "binary", "binary:logistic", {}),
    (nbloss.BinaryCrossEntropy(), "share", "reg:logistic", {}),
    (nbloss.BinaryCrossEntropy(pos_weight=3.0), "rare", "binary:logistic", {"scale_pos_weight": 3.0}),
    (nbloss.PseudoHuber(delta=1.5), "real", "reg:pseudohubererror", {"huber_slope": 1.5}),
    (nbloss.Poisson(), "count", "count:poisson", {}),
    (nbloss.Gamma(), "positive", "reg:gamma", {}),
    (nbloss.Tweedie(power=1.5), "count", "reg:tweedie", {"tweedie_variance_power": 1.5}),
    (nbloss.CrossEntropy(), "labels", "multi:softprob", MANY),
    # before 3.4 XGBoost replaces the leaves of these, also beside a custom objective; since then it smooths gradients
    (nbloss.AbsoluteError(), "real", "reg:absoluteerror", {}),
    (nbloss.Quantile(alpha=0.3), "real", "reg:quantileerror", {"quantile_alpha": 0.3}),
    (nbloss.MultiQuantile(alphas=LEVELS), "real", "reg:quantileerror", {"quantile_alpha": list(LEVELS)}),
]
TO_LIGHTGBM: list[tuple[nbloss.Loss, str, str, dict[str, Any]]] = [
    (nbloss.HalfSquaredError(), "real", "regression", {}),
    (nbloss.Huber(delta=0.9), "real", "huber", {"alpha": 0.9}),
    (nbloss.Fair(c=0.7), "real", "fair", {"fair_c": 0.7}),
    (nbloss.Poisson(), "count", "poisson", {}),
    (nbloss.Gamma(), "positive", "gamma", {}),
    (nbloss.Tweedie(power=1.5), "count", "tweedie", {"tweedie_variance_power": 1.5}),
    (nbloss.BinaryCrossEntropy(), "binary", "binary", {}),
    (nbloss.BinaryCrossEntropy(pos_weight=3.0), "rare", "binary", {"scale_pos_weight": 3.0}),
    (nbloss.BinaryCrossEntropy(), "share", "cross_entropy", {}),
    (nbloss.CrossEntropy(), "labels", "multiclass", MANY),
]
TO_CATBOOST: list[tuple[nbloss.Loss, str, str]] = [
    (nbloss.HalfSquaredError(), "real", "RMSE"),
    (nbloss.BinaryCrossEntropy(), "binary", "Logloss"),
    (nbloss.BinaryCrossEntropy(), "share", "CrossEntropy"),
    (nbloss.Poisson(), "count", "Poisson"),
    (nbloss.Tweedie(power=1.5), "count", "Tweedie:variance_power=1.5"),
    (nbloss.LogCosh(), "real", "LogCosh"),
    (nbloss.Huber(delta=0.9), "real", "Huber:delta=0.9"),
    (nbloss.Expectile(alpha=0.8), "real", "Expectile:alpha=0.8"),
]
TO_SCIKIT_LEARN: list[tuple[nbloss.Loss, str, str, dict[str, Any]]] = [
    (nbloss.HalfSquaredError(), "real", "squared_error", {}),
    (nbloss.Poisson(), "count", "poisson", {}),
    (nbloss.Gamma(), "positive", "gamma", {}),
    (nbloss.AbsoluteError(), "real", "absolute_error", {}),
    (nbloss.Quantile(alpha=0.8), "real", "quantile", {"quantile": 0.8}),
    (nbloss.BinaryCrossEntropy(), "binary", "log_loss", {}),
    (nbloss.CrossEntropy(), "labels", "log_loss", {}),
]


def ids(case: Any) -> str:
    return case if isinstance(case, str) else type(case).__name__ if isinstance(case, nbloss.Loss) else ""


def weighted(test: Any) -> Any:
    """Run a test without and with weights, on few rows and on many."""
    weights = [*slow([False]), True]
    test = pytest.mark.parametrize("with_weights", weights, ids=["unweighted", "weighted"])(test)
    return pytest.mark.parametrize("rows", [data.N, pytest.param(20_000, marks=pytest.mark.slow)])(test)


def given(rows: int, target: str, with_weights: bool) -> tuple[Any, Any, Any]:
    """Return features, targets and weights."""
    all_of_it = made(rows)
    return all_of_it.x, getattr(all_of_it, target), all_of_it.weight if with_weights else None


@weighted
@pytest.mark.parametrize(("loss", "target", "name", "settings"), TO_XGBOOST, ids=ids)
def test_xgboost(
    loss: nbloss.Loss, target: str, name: str, settings: dict[str, Any], rows: int, with_weights: bool
) -> None:
    x, y, weight = given(rows, target, with_weights)
    settings = settings | {"objective": name, "base_score": 0.5}
    expected, splits = of_xgboost(y, weight, settings, x=x)
    found, ours = of_xgboost(y, weight, settings, Objective(loss, hessian="xgboost"), x=x)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    assert ours == splits


@weighted
def test_xgboost_of_logarithms(rows: int, with_weights: bool) -> None:
    """Its objective is half of the loss, of which twice the penalties make the same trees."""
    x, y, weight = given(rows, "positive", with_weights)
    expected, splits = of_xgboost(y, weight, {"objective": "reg:squaredlogerror", "base_score": 0.5}, x=x)
    twice = {"base_score": 0.5, "lambda": 2.0, "min_child_weight": 2.0}
    found, ours = of_xgboost(y, weight, twice, Objective(nbloss.SquaredLogarithmicError(), hessian_floor=2e-6), x=x)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    assert ours == splits


@pytest.mark.parametrize(
    "settings",
    [
        {"subsample": 0.8, "colsample_bytree": 0.7, "seed": 3},
        {"booster": "dart", "rate_drop": 0.2, "seed": 3},
        {"grow_policy": "lossguide", "max_leaves": 6, "monotone_constraints": "(1,0,0,0,0,0)"},
        {"tree_method": "approx", "alpha": 0.5, "gamma": 0.1},
        {"tree_method": "exact", "num_parallel_tree": 2},
    ],
    ids=lambda settings: next(iter(settings.values())),
)
def test_xgboost_with_other_trees(settings: dict[str, Any]) -> None:
    settings = settings | {"objective": "binary:logistic", "base_score": 0.5}
    expected, _ = of_xgboost(BINARY, WEIGHT, settings)
    found, _ = of_xgboost(BINARY, WEIGHT, settings, Objective(nbloss.BinaryCrossEntropy(), hessian="xgboost"))
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)


@weighted
@pytest.mark.parametrize(("loss", "target", "name", "settings"), TO_LIGHTGBM, ids=ids)
def test_lightgbm(
    loss: nbloss.Loss, target: str, name: str, settings: dict[str, Any], rows: int, with_weights: bool
) -> None:
    x, y, weight = given(rows, target, with_weights)
    expected = of_lightgbm(y, weight, settings | {"objective": name}, x)
    ours = {name: value for name, value in settings.items() if name != "scale_pos_weight"}
    found = of_lightgbm(y, weight, ours | {"objective": Objective(loss, hessian="lightgbm")}, x)
    atol = 1e-7 if name == "cross_entropy" else 1e-9
    if name == "regression" and weight is not None:
        atol = 1e-8  # LightGBM rounds the residual to float32, and then once more the product with the weight
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


@weighted
def test_lightgbm_of_roots_of_unbalanced_and_of_classes_by_themselves(rows: int, with_weights: bool) -> None:
    x, y, weight = given(rows, "real", with_weights)
    atol = 1e-9 if weight is None else 1e-8  # as above
    root = np.sign(y) * np.sqrt(np.abs(y))
    found = of_lightgbm(root, weight, {"objective": Objective(nbloss.HalfSquaredError())}, x)
    expected = of_lightgbm(y, weight, {"objective": "regression", "reg_sqrt": True}, x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)

    y = made(rows).rare
    ratio = float((y == 0).sum() / (y == 1).sum())
    found = of_lightgbm(y, weight, {"objective": Objective(nbloss.BinaryCrossEntropy(pos_weight=ratio))}, x)
    expected = of_lightgbm(y, weight, {"objective": "binary", "is_unbalance": True}, x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)

    y, k = made(rows).labels, data.CLASSES  # our loss is the mean of the classes, of which there are a power of 2
    ours = {"objective": Objective(nbloss.MultiLabelSoftMargin(), hessian_floor=0.0), "min_sum_hessian": 1e-3 / k}
    found = of_lightgbm(y, weight, ours | MANY, x)
    expected = of_lightgbm(y, weight, {"objective": "multiclassova"} | MANY, x)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "settings",
    [
        {"bagging_fraction": 0.7, "bagging_freq": 1},
        {"data_sample_strategy": "goss"},
        {"extra_trees": True, "path_smooth": 1.0},
        {"linear_tree": True},
        {"feature_fraction_bynode": 0.7, "monotone_constraints": [1, 0, 0, 0, 0, 0]},
        {"use_quantized_grad": True, "max_delta_step": 0.5},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_lightgbm_with_other_trees(settings: dict[str, Any]) -> None:
    expected = of_lightgbm(BINARY, WEIGHT, settings | {"objective": "binary"})
    found = of_lightgbm(BINARY, WEIGHT, settings | {"objective": Objective(nbloss.BinaryCrossEntropy())})
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


@weighted
@pytest.mark.parametrize("method", ["Newton", "Gradient"])
@pytest.mark.parametrize(("loss", "target", "name"), TO_CATBOOST, ids=ids)
def test_catboost(loss: nbloss.Loss, target: str, name: str, method: str, rows: int, with_weights: bool) -> None:
    x, y, weight = given(rows, target, with_weights)
    expected = of_catboost(y, weight, name, x=x, leaf_estimation_method=method, eval_metric=name)
    found = of_catboost(y, weight, Objective(loss, hessian_floor=0.0), x=x, leaf_estimation_method=method)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@weighted
def test_catboost_with_classes(rows: int, with_weights: bool) -> None:
    x, y, weight = given(rows, "labels", with_weights)
    settings = {"leaf_estimation_method": "Newton", "eval_metric": "MultiClass", "classes_count": data.CLASSES}
    expected = of_catboost(y, weight, "MultiClass", x=x, **settings)
    found = of_catboost(y, weight, Objective(nbloss.CrossEntropy()), x=x, **settings)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@weighted
@pytest.mark.parametrize(("loss", "target", "name", "settings"), TO_SCIKIT_LEARN, ids=ids)
def test_scikit_learn(
    loss: nbloss.Loss, target: str, name: str, settings: dict[str, Any], rows: int, with_weights: bool
) -> None:
    x, y, weight = given(rows, target, with_weights)
    is_regression = name != "log_loss"
    make = HistGradientBoostingRegressor if is_regression else HistGradientBoostingClassifier
    shared = {"max_iter": ROUNDS, "max_leaf_nodes": 8, "early_stopping": False, "min_samples_leaf": 20}
    ours = HistGradientBoostingLoss(loss, data.CLASSES if isinstance(loss, nbloss.CrossEntropy) else None)
    with threadpool_limits(1, "openmp"):  # its threads would wait for those of other tests
        expected = make(loss=name, **shared, **settings).fit(x, y, weight)
        found = make(loss=ours, **shared).fit(x, y, weight)
    for method in ("predict",) if is_regression else ("predict", "predict_proba", "decision_function"):
        a, b = getattr(found, method)(x), getattr(expected, method)(x)
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


def test_settings_of_the_trees_belong_to_poisson() -> None:
    """XGBoost's count:poisson also sets max_delta_step; LightGBM's Hessian is greater than the exact one."""
    expected, _ = of_xgboost(COUNT, None, {"objective": "count:poisson", "base_score": 0.5})
    alone = {"base_score": float(np.log(0.5))}  # of the link of another objective
    objective = Objective(nbloss.Poisson(), hessian="xgboost")
    found, _ = of_xgboost(COUNT, None, alone | {"max_delta_step": 0.7}, objective)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    found, _ = of_xgboost(COUNT, None, alone, objective)
    assert np.abs(found - expected).max() > 1e-2
    expected = of_lightgbm(COUNT, None, {"objective": "poisson"})
    assert np.abs(of_lightgbm(COUNT, None, {"objective": Objective(nbloss.Poisson())}) - expected).max() > 1e-2


def test_weights_count() -> None:
    loss = Objective(nbloss.BinaryCrossEntropy())
    for train in (lambda w: of_xgboost(BINARY, w, {}, loss)[0], lambda w: of_lightgbm(BINARY, w, {"objective": loss})):
        assert np.abs(train(WEIGHT) - train(None)).max() > 1e-2
