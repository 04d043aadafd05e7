"""Law: one object goes to every entry point of every library, and does the same there."""

from __future__ import annotations

from typing import Any

import catboost
import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

import nbloss
from nbloss.gbm import HistGradientBoostingLoss, Metric, Objective
from tests.gbm.data import (
    BINARY,
    CATBOOST,
    LABELS,
    LIGHTGBM,
    REAL,
    WEIGHT,
    WEIGHTS,
    XGBOOST,
    X,
    of_catboost,
    of_lightgbm,
    of_xgboost,
)  # fmt: skip

ROUNDS = 5
OBJECTIVE = Objective(nbloss.PseudoHuber())
METRIC = Metric(nbloss.PseudoHuber())
ESTIMATOR = {"n_estimators": ROUNDS, "learning_rate": 0.3, "max_depth": 3, "n_jobs": 1}

weighted = pytest.mark.parametrize("weight", WEIGHTS, ids=["unweighted", "weighted"])
raw_scores = pytest.mark.filterwarnings("ignore:Cannot compute class probabilities or labels:UserWarning")


def mean_of(z: Any, weight: Any) -> float:
    return float(nbloss.PseudoHuber()(REAL, z, weight))


@weighted
def test_xgboost(weight: Any) -> None:
    data = xgboost.DMatrix(X, REAL, weight=weight)
    settings = XGBOOST | {"base_score": 0.0, "disable_default_eval_metric": 1}
    history: dict[str, Any] = {}
    model = xgboost.train(
        settings, data, ROUNDS, obj=OBJECTIVE, custom_metric=METRIC, evals=[(data, "train")], evals_result=history,
        verbose_eval=False,
    )  # fmt: skip
    expected = model.predict(data)
    assert history["train"]["PseudoHuber"][-1] == pytest.approx(mean_of(expected, weight), rel=1e-6)
    booster = xgboost.Booster(settings, [data])
    for i in range(ROUNDS):
        booster.update(data, i, fobj=OBJECTIVE)
    np.testing.assert_array_equal(booster.predict(data), expected)

    estimator = xgboost.XGBRegressor(objective=OBJECTIVE, base_score=0.0, eval_metric=METRIC, **ESTIMATOR)
    weights = None if weight is None else [weight]
    estimator.fit(X, REAL, sample_weight=weight, eval_set=[(X, REAL)], sample_weight_eval_set=weights, verbose=False)
    np.testing.assert_allclose(estimator.predict(X), expected, atol=1e-6)
    assert list(estimator.evals_result()["validation_0"].values())[-1][-1] == pytest.approx(
        mean_of(expected, weight), rel=1e-5
    )


@weighted
def test_xgboost_classifiers(weight: Any) -> None:
    for loss, y, settings in (
        (nbloss.BinaryCrossEntropy(), BINARY, {}),
        (nbloss.CrossEntropy(), LABELS, {"num_class": 4}),
    ):
        name = "multi:softprob" if settings else "binary:logistic"
        expected, _ = of_xgboost(y, weight, settings | {"objective": name, "base_score": 0.5}, None, ROUNDS)
        objective = Objective(loss, hessian="xgboost")
        model = xgboost.XGBClassifier(objective=objective, base_score=0.5, **ESTIMATOR).fit(X, y, sample_weight=weight)
        p: Any = loss.inverse_link(expected)
        np.testing.assert_allclose(model.predict_proba(X), p if settings else np.stack([1 - p, p], -1), atol=1e-5)


@weighted
def test_lightgbm(weight: Any) -> None:
    data, history = lightgbm.Dataset(X, REAL, weight=weight), {}
    settings = LIGHTGBM | {"objective": OBJECTIVE, "metric": "None", "learning_rate": 0.3}
    recorded = [lightgbm.record_evaluation(history)]
    model = lightgbm.train(settings, data, ROUNDS, valid_sets=[data], feval=METRIC, callbacks=recorded)
    expected = model.predict(X)
    assert history["training"]["PseudoHuber"][-1] == pytest.approx(mean_of(expected, weight), rel=1e-9)

    estimator = lightgbm.LGBMRegressor(objective=OBJECTIVE, verbosity=-1, num_leaves=8, **ESTIMATOR | {"max_depth": -1})
    weights = None if weight is None else [weight]
    estimator.fit(
        X, REAL, sample_weight=weight, eval_X=(X,), eval_y=(REAL,), eval_metric=METRIC, eval_sample_weight=weights
    )
    np.testing.assert_array_equal(estimator.predict(X), expected)
    assert next(iter(estimator.evals_result_.values()))["PseudoHuber"][-1] == pytest.approx(mean_of(expected, weight))


@weighted
def test_lightgbm_classifiers(weight: Any) -> None:
    for loss, y, settings in (
        (nbloss.BinaryCrossEntropy(), BINARY, {}),
        (nbloss.CrossEntropy(), LABELS, {"num_class": 4}),
    ):
        objective = Objective(loss, hessian="lightgbm")
        expected = of_lightgbm(y, weight, settings | {"objective": objective})
        parameters = LIGHTGBM | {"objective": objective, "n_estimators": 20}
        model = lightgbm.LGBMClassifier(**parameters).fit(X, y, sample_weight=weight)
        np.testing.assert_array_equal(model.predict(X, raw_score=True), expected)


@weighted
def test_catboost(weight: Any) -> None:
    expected = of_catboost(REAL, weight, OBJECTIVE, eval_metric=METRIC, leaf_estimation_method="Newton")
    settings = CATBOOST | {"loss_function": OBJECTIVE, "eval_metric": METRIC, "leaf_estimation_method": "Newton"}
    model = catboost.CatBoostRegressor(**settings).fit(X, REAL, sample_weight=weight)
    np.testing.assert_array_equal(model.predict(X), expected)
    history = model.get_evals_result()["learn"]["Metric"]  # CatBoost goes by the class
    assert history[-1] == pytest.approx(mean_of(expected, weight), rel=1e-6)

    loss = nbloss.BinaryFocal()
    settings |= {"loss_function": Objective(loss), "eval_metric": Metric(loss)}
    classifier = catboost.CatBoostClassifier(**settings).fit(X, BINARY, sample_weight=weight)
    p = loss.inverse_link(classifier.predict(X, prediction_type="RawFormulaVal"))
    np.testing.assert_allclose(classifier.predict_proba(X)[:, 1], p, atol=1e-12)


def test_catboost_metric_of_classes() -> None:
    settings = CATBOOST | {
        "iterations": 2, "loss_function": "MultiClass", "eval_metric": Metric(nbloss.CrossEntropy()),
        "custom_metric": ["MultiClass"],
    }  # fmt: skip
    model = catboost.CatBoostClassifier(**settings).fit(X, LABELS, sample_weight=WEIGHT)
    history = model.get_evals_result()["learn"]
    assert history["Metric"][-1] == pytest.approx(history["MultiClass"][-1], rel=1e-6)


def test_early_stopping() -> None:
    half = len(X) // 2
    train, valid = (X[:half], REAL[:half]), (X[half:], REAL[half:])
    settings = XGBOOST | {"base_score": 0.0, "disable_default_eval_metric": 1, "max_depth": 6}
    data = xgboost.DMatrix(*train)
    model = xgboost.train(
        settings, data, 200, obj=OBJECTIVE, custom_metric=METRIC, evals=[(xgboost.DMatrix(*valid), "valid")],
        verbose_eval=False, early_stopping_rounds=5,
    )  # fmt: skip
    assert 5 < model.best_iteration < 190
    train_set = lightgbm.Dataset(*train)
    settings = LIGHTGBM | {"objective": OBJECTIVE, "metric": "None", "num_leaves": 63}
    booster = lightgbm.train(
        settings, train_set, 400, valid_sets=[lightgbm.Dataset(*valid, reference=train_set)], feval=METRIC,
        callbacks=[lightgbm.early_stopping(5, verbose=False)],
    )  # fmt: skip
    assert 5 < booster.best_iteration < 390
    settings = CATBOOST | {"iterations": 500, "depth": 6, "loss_function": OBJECTIVE, "eval_metric": METRIC}
    cat = catboost.CatBoostRegressor(**settings, early_stopping_rounds=5)
    cat.fit(*train, eval_set=valid)
    assert 5 < cat.best_iteration_ < 490


def test_lists_are_ranked_in_their_groups() -> None:
    sizes = np.full(100, 20)
    relevance = np.digitize(REAL, (-0.5, 0.5, 1.5)).astype(np.float32)
    loss = nbloss.XeNDCG()
    objective, metric = Objective(loss), Metric(loss)
    data, history = lightgbm.Dataset(X, relevance, group=sizes), {}
    settings = LIGHTGBM | {"objective": objective, "metric": "None"}
    model = lightgbm.train(
        settings, data, 20, valid_sets=[data], feval=metric, callbacks=[lightgbm.record_evaluation(history)]
    )
    expected = loss(relevance, model.predict(X), groups=sizes)
    assert history["training"]["XeNDCG"][-1] == pytest.approx(expected, rel=1e-6)
    assert expected < loss(relevance, np.zeros(len(X)), groups=sizes) - 0.1
    ranker = lightgbm.LGBMRanker(objective=objective, n_estimators=20, num_leaves=8, n_jobs=1, verbosity=-1)
    np.testing.assert_array_equal(ranker.fit(X, relevance, group=sizes).predict(X), model.predict(X))
    matrix = xgboost.DMatrix(X, relevance)
    matrix.set_group(sizes)
    for weight in (None, np.linspace(0.5, 2, 100)):
        if weight is not None:
            matrix.set_weight(weight)
        booster = xgboost.train(XGBOOST, matrix, 20, obj=objective, custom_metric=metric)
        assert loss(relevance, booster.predict(matrix), weight, groups=sizes) < expected + 1


def test_times_that_are_censored() -> None:
    time, died = np.exp(REAL), BINARY == 1
    signed = np.where(died, time, -time)
    of_cox, of_aft = nbloss.Cox(), nbloss.AFT()
    ends = (time, np.where(died, time, np.inf))
    for loss, targets in ((of_cox, (time, died)), (of_aft, ends)):
        objective, metric, history = Objective(loss), Metric(loss), {}
        data = xgboost.DMatrix(X, signed)
        model = xgboost.train(
            XGBOOST | {"base_score": 0.0, "disable_default_eval_metric": 1}, data, ROUNDS, obj=objective,
            custom_metric=metric, evals=[(data, "train")], evals_result=history, verbose_eval=False,
        )  # fmt: skip
        found = loss(targets, model.predict(data))
        assert history["train"][type(loss).__name__][-1] == pytest.approx(found, rel=1e-5)
        assert found < loss(targets, np.zeros(len(X)))
        booster = lightgbm.train(LIGHTGBM | {"objective": objective}, lightgbm.Dataset(X, signed), ROUNDS)
        assert loss(targets, booster.predict(X)) < loss(targets, np.zeros(len(X)))
    bounded = xgboost.DMatrix(X)
    bounded.set_float_info("label_lower_bound", ends[0])
    bounded.set_float_info("label_upper_bound", ends[1])
    again = xgboost.train(XGBOOST | {"base_score": 0.0}, bounded, ROUNDS, obj=Objective(of_aft))
    np.testing.assert_allclose(again.predict(bounded), model.predict(data), atol=1e-5)


def test_no_metric_is_taken_for_one_to_maximise() -> None:
    greater_is_better = ("auc", "aucpr", "pre", "map", "ndcg", "mape")  # XGBoost goes by the first letters
    assert not [loss for loss in nbloss.ALL if loss.__name__.lower().startswith(greater_is_better)]


ESTIMATORS = {
    "xgboost": lambda: xgboost.XGBRegressor(objective=OBJECTIVE, **ESTIMATOR),
    "lightgbm": lambda: lightgbm.LGBMRegressor(objective=OBJECTIVE, verbosity=-1, **ESTIMATOR),
    "catboost": lambda: catboost.CatBoostRegressor(
        **CATBOOST | {"iterations": 3, "loss_function": OBJECTIVE, "eval_metric": METRIC}
    ),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_clone(name: str) -> None:
    estimator = clone(ESTIMATORS[name]())
    parameters = estimator.get_params()
    assert parameters["loss_function" if name == "catboost" else "objective"] is OBJECTIVE


def test_grid_search_in_processes() -> None:
    from sklearn.ensemble import HistGradientBoostingRegressor

    histogram = HistGradientBoostingRegressor(loss=HistGradientBoostingLoss(nbloss.PseudoHuber()), max_iter=3)
    for estimator in (*(make() for make in ESTIMATORS.values()), histogram):
        name = "depth" if isinstance(estimator, catboost.CatBoost) else "max_depth"
        search = GridSearchCV(estimator, {name: [2, 3]}, cv=2, n_jobs=2).fit(X, REAL)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()
