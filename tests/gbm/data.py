"""The data that models are trained on, and the settings under which two trainings can be the same."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import catboost
import lightgbm
import numpy as np
import xgboost

N = 2000
ROUNDS = 20
CLASSES = 4


class Data(NamedTuple):
    """Features, weights and targets of several kinds of so many rows."""

    x: Any
    weight: Any
    real: Any
    binary: Any
    rare: Any
    """Labels 0 and 1, of which few are 1."""
    count: Any
    positive: Any
    labels: Any
    share: Any
    """Probabilities."""


@functools.cache
def made(rows: int) -> Data:
    """Return data of so many rows, which are read-only."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, 6)).astype(np.float32)
    signal = x[:, 0] - 0.5 * x[:, 1] * x[:, 2]
    weight = rng.uniform(0.2, 3, rows)
    real = signal + rng.normal(size=rows)
    latent = signal + rng.logistic(size=rows)
    count = rng.poisson(np.exp(0.5 * signal))
    positive = rng.gamma(2, np.exp(0.5 * signal))
    labels = np.digitize(signal + rng.normal(size=rows), (-1, 0, 1))
    share = 1 / (1 + np.exp(-signal.astype(np.float64)))
    found = [x, weight, real, latent > 0, latent > 2, count, positive, labels]
    single = [a.astype(np.float32) for a in found]
    for a in (*single, share):
        a.flags.writeable = False
    return Data(*single, share)


X, WEIGHT, REAL, BINARY, _, COUNT, POSITIVE, LABELS, _ = made(N)
WEIGHTS = [None, WEIGHT]

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


def of_xgboost(
    y: Any, weight: Any, settings: dict[str, Any], objective: Any = None, rounds: int = ROUNDS, x: Any = X
) -> Any:
    """Return the margins of a model, and where its trees split."""
    data = xgboost.DMatrix(x, y, weight=weight)
    model = xgboost.train(XGBOOST | settings, data, rounds, obj=objective)
    splits = [[line.split(",")[0] for line in tree.splitlines() if "[" in line] for tree in model.get_dump()]
    return model.predict(data, output_margin=True), splits


def of_lightgbm(y: Any, weight: Any, settings: dict[str, Any], x: Any = X) -> Any:
    """Return the raw predictions of a model."""
    model = lightgbm.train(LIGHTGBM | settings, lightgbm.Dataset(x, y, weight=weight), ROUNDS)
    return np.asarray(model.predict(x, raw_score=True))


def of_catboost(y: Any, weight: Any, loss: Any, rows: int | None = None, x: Any = X, **settings: Any) -> Any:
    """Return the raw predictions of a model trained on the first rows, by default all."""
    parameters = CATBOOST | {"loss_function": loss, "eval_metric": "RMSE"} | settings
    model = catboost.CatBoost(parameters)
    model.fit(catboost.Pool(x[:rows], y[:rows], weight=None if weight is None else weight[:rows]))
    return model.predict(x, prediction_type="RawFormulaVal")
