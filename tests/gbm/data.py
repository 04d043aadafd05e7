"""The data that models are trained on, and the settings under which two trainings can be the same."""

from __future__ import annotations

from typing import Any

import catboost
import lightgbm
import numpy as np
import xgboost

N = 2000
ROUNDS = 20
CLASSES = 4

rng = np.random.default_rng(0)
X = rng.normal(size=(N, 6)).astype(np.float32)
SIGNAL = X[:, 0] - 0.5 * X[:, 1] * X[:, 2]
WEIGHT = rng.uniform(0.2, 3, N).astype(np.float32)
WEIGHTS = [None, WEIGHT]

REAL = (SIGNAL + rng.normal(size=N)).astype(np.float32)
BINARY = (SIGNAL + rng.logistic(size=N) > 0).astype(np.float32)
COUNT = rng.poisson(np.exp(0.5 * SIGNAL)).astype(np.float32)
POSITIVE = rng.gamma(2, np.exp(0.5 * SIGNAL)).astype(np.float32)
LABELS = np.digitize(SIGNAL + rng.normal(size=N), (-1, 0, 1)).astype(np.float32)

XGBOOST = {"max_depth": 3, "eta": 0.3, "nthread": 1}
LIGHTGBM = {"num_leaves": 8, "num_threads": 1, "verbosity": -1, "boost_from_average": False}
CATBOOST = {
    "iterations": ROUNDS,
    "learning_rate": 0.1,
    "depth": 3,
    "thread_count": 1,
    "verbose": 0,
    "allow_writing_files": False,
    "boost_from_average": False,
    "bootstrap_type": "No",
    "random_strength": 0,
    "leaf_estimation_iterations": 1,
    "leaf_estimation_backtracking": "No",
}


def of_xgboost(y: Any, weight: Any, settings: dict[str, Any], objective: Any = None, rounds: int = ROUNDS) -> Any:
    """Return the margins of a model, and where its trees split."""
    data = xgboost.DMatrix(X, y, weight=weight)
    model = xgboost.train(XGBOOST | settings, data, rounds, obj=objective)
    splits = [[line.split(",")[0] for line in tree.splitlines() if "[" in line] for tree in model.get_dump()]
    return model.predict(data, output_margin=True), splits


def of_lightgbm(y: Any, weight: Any, settings: dict[str, Any]) -> Any:
    """Return the raw predictions of a model."""
    model = lightgbm.train(LIGHTGBM | settings, lightgbm.Dataset(X, y, weight=weight), ROUNDS)
    return np.asarray(model.predict(X, raw_score=True))


def of_catboost(y: Any, weight: Any, loss: Any, rows: int = N, **settings: Any) -> Any:
    """Return the raw predictions of a model trained on the first rows."""
    parameters = CATBOOST | {"loss_function": loss, "eval_metric": "RMSE"} | settings
    model = catboost.CatBoost(parameters)
    model.fit(catboost.Pool(X[:rows], y[:rows], weight=None if weight is None else weight[:rows]))
    return model.predict(X, prediction_type="RawFormulaVal")
