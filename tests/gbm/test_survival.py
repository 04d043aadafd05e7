"""Law: losses of times of events train the models of XGBoost's own objectives, but where those are wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost

import nbloss
from nbloss.gbm import Objective

rng = np.random.default_rng(0)
N = 2000
X = rng.normal(size=(N, 5))
TIME = np.exp(0.5 * X[:, 0] + 0.7 * rng.normal(size=N)).astype(np.float32)
END = rng.exponential(3, N).astype(np.float32)
SEEN = END >= TIME
KNOWN = np.minimum(TIME, END)
WEIGHT = rng.uniform(0.2, 3, N).astype(np.float32)


def of_xgboost(
    label: Any, settings: dict[str, Any], objective: Any = None, weight: Any = None, upper: Any = None
) -> Any:
    """Return the margins of a model, and where its trees split."""
    data = xgboost.DMatrix(X, label, weight=weight)
    if upper is not None:
        data.set_float_info("label_lower_bound", label)
        data.set_float_info("label_upper_bound", upper)
    shared = {"max_depth": 3, "eta": 0.3, "nthread": 1, "disable_default_eval_metric": 1}
    model = xgboost.train(shared | settings, data, 20, obj=objective)
    splits = [[line.split(",")[0] for line in tree.splitlines() if "[" in line] for tree in model.get_dump()]
    return model.predict(data, output_margin=True), splits


def test_cox() -> None:
    assert len(np.unique(KNOWN)) == N
    label = np.where(SEEN, KNOWN, -KNOWN)
    built_in, start = {"objective": "survival:cox", "base_score": 1.0}, {"base_score": 0.0}
    expected, splits = of_xgboost(label, built_in)
    found, ours = of_xgboost(label, start, Objective(nbloss.Cox()))
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    assert ours == splits

    # weights: XGBoost multiplies the derivatives of the likelihood without weights by them, which are those of no loss
    expected, splits = of_xgboost(label, built_in, weight=WEIGHT)

    def multiplied(z: Any, data: Any) -> Any:
        gradient, hessian = nbloss.Cox().gradient_and_hessian((KNOWN, SEEN), z)
        return WEIGHT * gradient, WEIGHT * hessian

    found, ours = of_xgboost(label, start, multiplied, WEIGHT)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    assert ours == splits
    found, _ = of_xgboost(label, start, Objective(nbloss.Cox()), WEIGHT)
    assert np.abs(found - expected).max() > 1e-2

    # equal times: in XGBoost a row feels only those of the events at its time that come before it in the order it sorts
    tied = np.where(SEEN, np.ceil(4 * KNOWN), -np.ceil(4 * KNOWN)).astype(np.float32)
    expected, _ = of_xgboost(tied, built_in)
    found, _ = of_xgboost(tied, start, Objective(nbloss.Cox()))
    assert np.abs(found - expected).max() > 1e-3


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
@pytest.mark.parametrize(("distribution", "scale"), [("normal", 1.0), ("logistic", 0.8), ("extreme", 1.2)])
def test_aft(distribution: str, scale: float, weight: Any) -> None:
    """Of exact times, intervals, and times censored on both sides, none of them where XGBoost cuts derivatives."""
    lower, upper = KNOWN.copy(), np.where(SEEN, KNOWN, np.inf).astype(np.float32)
    upper[SEEN & (np.arange(N) % 7 == 0)] *= 1.7
    lower[SEEN & (np.arange(N) % 11 == 0)] = 0
    settings = {"aft_loss_distribution": distribution, "aft_loss_distribution_scale": scale, "base_score": 1.0}
    expected, splits = of_xgboost(lower, {"objective": "survival:aft"} | settings, None, weight, upper)
    objective = Objective(nbloss.AFT(distribution=distribution, scale=scale), hessian_floor=1e-16)
    found, ours = of_xgboost(lower, {"base_score": 0.0}, objective, weight, upper)
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=0)
    assert ours == splits
    assert np.abs(expected).max() > 1
