"""Law: our ways to start train what the libraries train with their own objectives, and the start is in the model."""

from __future__ import annotations

import sys
from typing import Any

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost

import nbloss
import nbloss.gbm.catboost
import nbloss.gbm.lightgbm
import nbloss.gbm.xgboost
from nbloss._cpu.quantiles import grouped_quantiles
from nbloss.gbm import Metric, Objective
from tests.gbm.data import BINARY, CATBOOST, COUNT, LABELS, LIGHTGBM, POSITIVE, REAL, WEIGHTS, XGBOOST, N, X, made

ROUNDS = 10
FROM_AVERAGE = LIGHTGBM | {"boost_from_average": True}
weighted = pytest.mark.parametrize("weight", WEIGHTS, ids=["unweighted", "weighted"])


@weighted
@pytest.mark.parametrize(
    ("loss", "y", "name"),
    [
        (nbloss.HalfSquaredError(), POSITIVE, "reg:squarederror"),
        (nbloss.BinaryCrossEntropy(), BINARY, "binary:logistic"),
        (nbloss.Gamma(), POSITIVE, "reg:gamma"),
    ],
    ids=["identity", "sigmoid", "exp"],
)
def test_xgboost(loss: Any, y: Any, name: str, weight: Any) -> None:
    data = xgboost.DMatrix(X, y, weight=weight)
    expected = xgboost.train(XGBOOST | {"objective": name}, data, ROUNDS).predict(data)
    obj = Objective(loss, hessian="xgboost")
    model = nbloss.gbm.xgboost.train(XGBOOST, data, ROUNDS, obj=obj)
    np.testing.assert_allclose(model.predict(data), expected, atol=1e-5, rtol=1e-5)
    estimator = {"learning_rate": 0.3, "max_depth": 3, "n_estimators": ROUNDS, "n_jobs": 1, "objective": obj}
    if name == "binary:logistic":
        start = nbloss.gbm.xgboost.parameters(obj, y, weight)["base_score"]
        classifier = xgboost.XGBClassifier(base_score=start, **estimator).fit(X, y, sample_weight=weight)
        np.testing.assert_allclose(classifier.predict_proba(X)[:, 1], expected, atol=1e-5)


@weighted
def test_xgboost_with_classes(weight: Any) -> None:
    data = xgboost.DMatrix(X, LABELS, weight=weight)
    obj = Objective(nbloss.CrossEntropy(), hessian="xgboost")
    p = nbloss.gbm.xgboost.train(XGBOOST | {"max_depth": 1, "eta": 1e-9}, data, 1, obj=obj).predict(data)
    share = np.bincount(LABELS.astype(int), weight)
    np.testing.assert_allclose(p, np.broadcast_to(share / share.sum(), p.shape), atol=1e-6)
    settings = XGBOOST | {"objective": "multi:softprob", "num_class": 4}
    expected = xgboost.train(settings, data, ROUNDS).predict(data)
    found = nbloss.gbm.xgboost.train(XGBOOST, data, ROUNDS, obj=obj).predict(data)
    # XGBoost adds 1e-6 to the shares, and versions before 3.2 start at 1/2
    np.testing.assert_allclose(found, expected, atol=1e-5)


@weighted
@pytest.mark.parametrize(
    ("loss", "y", "name"),
    [
        (nbloss.HalfSquaredError(), POSITIVE, "regression"),
        (nbloss.BinaryCrossEntropy(), BINARY, "binary"),
        (nbloss.Poisson(), COUNT, "poisson"),
        (nbloss.CrossEntropy(), LABELS, "multiclass"),
    ],
    ids=["identity", "sigmoid", "exp", "softmax"],
)
def test_lightgbm(loss: Any, y: Any, name: str, weight: Any) -> None:
    settings = FROM_AVERAGE | ({"num_class": 4} if name == "multiclass" else {})
    expected = lightgbm.train(settings | {"objective": name}, lightgbm.Dataset(X, y, weight=weight), ROUNDS)
    data = lightgbm.Dataset(X, y, weight=weight)
    objective, history = Objective(loss, hessian="lightgbm"), {}
    model = nbloss.gbm.lightgbm.train(
        settings | {"objective": objective, "metric": "None"}, data, ROUNDS, valid_sets=[data], feval=Metric(loss),
        callbacks=[lightgbm.record_evaluation(history)],
    )  # fmt: skip
    np.testing.assert_allclose(model.predict(X), expected.predict(X, raw_score=True), rtol=2e-8, atol=2e-8)
    np.testing.assert_array_equal(lightgbm.Booster(model_str=model.model_to_string()).predict(X), model.predict(X))
    value = loss(y, model.predict(X), weight)
    assert history["training"][type(loss).__name__][-1] == pytest.approx(value, rel=1e-9)


@weighted
@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        (nbloss.AbsoluteError(), {"objective": "regression_l1"}),
        (nbloss.Quantile(alpha=0.8), {"objective": "quantile", "alpha": 0.8}),
    ],
    ids=["absolute", "quantile"],
)
@pytest.mark.parametrize("rows", [N, pytest.param(20_000, marks=pytest.mark.slow)])
def test_leaf_renewal(loss: Any, settings: dict[str, Any], weight: Any, rows: int) -> None:
    x, y = made(rows).x, made(rows).real
    weight = None if weight is None else made(rows).weight
    expected = lightgbm.train(FROM_AVERAGE | settings, lightgbm.Dataset(x, y, weight=weight), 20)
    data = lightgbm.Dataset(x, y, weight=weight, free_raw_data=False)
    parameters = LIGHTGBM | {"objective": Objective(loss, hessian="lightgbm")}
    model = nbloss.gbm.lightgbm.train_with_leaf_renewal(parameters, data, 20)
    assert model.num_trees() == 20
    np.testing.assert_allclose(model.predict(x), expected.predict(x), rtol=0, atol=1e-12)
    plain = nbloss.gbm.lightgbm.train(parameters, lightgbm.Dataset(x, y, weight=weight), 20)
    assert np.abs(plain.predict(x) - expected.predict(x)).max() > 1e-2


@weighted
def test_catboost(weight: Any) -> None:
    settings = CATBOOST | {"iterations": ROUNDS, "leaf_estimation_method": "Newton"}
    for loss, y, name in (
        (nbloss.HalfSquaredError(), POSITIVE, "RMSE"),
        (nbloss.BinaryCrossEntropy(), BINARY, "Logloss"),
    ):
        expected = catboost.CatBoost(settings | {"loss_function": name, "boost_from_average": True})
        expected.fit(catboost.Pool(X, y, weight=weight))
        model = catboost.CatBoost(settings | {"loss_function": Objective(loss), "eval_metric": Metric(loss)})
        watched = catboost.Pool(X, y, weight=weight)
        nbloss.gbm.catboost.fit(model, catboost.Pool(X, y, weight=weight), watched)
        np.testing.assert_allclose(model.predict(X), expected.predict(X), rtol=0, atol=1e-6)
        found = model.get_evals_result()["validation"]["Metric"][-1]
        assert found == pytest.approx(loss(y, model.predict(X), weight), rel=1e-6)
    objective = Objective(nbloss.CrossEntropy())
    model = catboost.CatBoost(
        settings | {"iterations": 1, "loss_function": objective, "eval_metric": "MultiClass", "classes_count": 4}
    )
    nbloss.gbm.catboost.fit(model, catboost.Pool(X[:100], LABELS[:100]))
    shares = nbloss.softmax(np.asarray(model.get_scale_and_bias()[1]))
    np.testing.assert_allclose(shares, np.bincount(LABELS[:100].astype(int), minlength=4) / 100, atol=1e-12)


def test_labels_of_one_class_have_no_start() -> None:
    ones = np.ones(len(X))
    with pytest.raises(ValueError, match="y_true must hold what BinaryCrossEntropy"):
        nbloss.gbm.xgboost.train({}, xgboost.DMatrix(X, ones), 1, obj=Objective(nbloss.BinaryCrossEntropy()))
    with pytest.raises(TypeError, match=r"objective must be a nbloss.gbm.Objective, got 'binary'"):
        nbloss.gbm.lightgbm.train({"objective": "binary"}, lightgbm.Dataset(X, ones), 1)


def test_what_is_found_cannot_be_given() -> None:
    data = xgboost.DMatrix(X, REAL)
    with pytest.raises(ValueError, match="params must not hold 'base_score'"):
        nbloss.gbm.xgboost.train({"base_score": 0.5}, data, 1, obj=Objective(nbloss.Huber()))
    with pytest.raises(ValueError, match="must not have an init_score"):
        started = lightgbm.Dataset(X, REAL, init_score=REAL)
        nbloss.gbm.lightgbm.train({"objective": Objective(nbloss.Huber())}, started, 1)
    with pytest.raises(ValueError, match="an AbsoluteError or a Quantile"):
        nbloss.gbm.lightgbm.train_with_leaf_renewal({"objective": Objective(nbloss.Huber())}, started, 1)


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_quantiles_of_groups(alpha: float) -> None:
    rng = np.random.default_rng(3)
    x, group = rng.normal(size=500), rng.integers(0, 7, 500).astype(np.int32)
    group[group == 4] = 5
    found = grouped_quantiles(x, group, 8, alpha)
    for k in range(8):
        expected = np.quantile(x[group == k], alpha) if (group == k).any() else np.nan
        np.testing.assert_allclose(found[k], expected, rtol=1e-12)
    weighted = grouped_quantiles(x, group, 8, alpha, np.full(500, 0.5))  # weights below 1: nothing in between
    for k in (0, 5):
        order = np.sort(x[group == k])
        i = min(int(len(order) * alpha), len(order) - 1)
        assert weighted[k] == order[i if i in (0, len(order) - 1) else i - 1]


def test_what_catboost_would_only_print_on_a_gpu_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = catboost.Pool(X, BINARY)
    settings = {"task_type": "GPU", "eval_metric": "RMSE", "allow_writing_files": False}
    model = catboost.CatBoost({"loss_function": Objective(nbloss.CrossEntropy())} | settings)
    with pytest.raises(ValueError, match="loss must be one of single elements, each with one label, for a GPU"):
        nbloss.gbm.catboost.fit(model, pool)
    monkeypatch.delattr(nbloss, "_cuda", raising=False)
    monkeypatch.setitem(sys.modules, "nbloss._cuda", None)
    model = catboost.CatBoost({"loss_function": Objective(nbloss.BinaryCrossEntropy())} | settings)
    with pytest.raises(ImportError):
        nbloss.gbm.catboost.fit(model, pool)
