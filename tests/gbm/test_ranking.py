"""Law: losses that rank train the models of the libraries' own objectives, where formulas agree, and as good ones."""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
import pytest
import xgboost
from sklearn.metrics import ndcg_score

import nbloss
from nbloss.gbm import Objective

rng = np.random.default_rng(0)
SIZES = rng.integers(5, 40, 80)
N = int(SIZES.sum())
X = rng.normal(size=(N, 5))
Y = np.clip(np.round(X[:, 0] + np.sin(2 * X[:, 1]) + 0.7 * rng.normal(size=N)), 0, 4).astype(np.float32)
WEIGHTS = [None, rng.uniform(0.2, 3, len(SIZES)).astype(np.float32)]
TRAINED = 60  # groups; the others are for looking
ROWS = int(SIZES[:TRAINED].sum())


def of_xgboost(settings: dict[str, Any], objective: Any = None, weight: Any = None, rounds: int = 5) -> Any:
    """Return the margins of a model that is trained on the first groups, for all rows."""
    data = xgboost.DMatrix(X[:ROWS], Y[:ROWS], weight=weight)
    data.set_group(SIZES[:TRAINED])
    shared = {"max_depth": 3, "eta": 0.3, "nthread": 1, "base_score": 0.0, "tree_method": "exact"}
    model = xgboost.train(shared | {"disable_default_eval_metric": 1} | settings, data, rounds, obj=objective)
    return model.predict(xgboost.DMatrix(X), output_margin=True)


def of_lightgbm(settings: dict[str, Any], rounds: int = 5) -> Any:
    """Return the scores of a model, likewise."""
    shared = {"num_leaves": 7, "verbose": -1, "num_threads": 1, "deterministic": True}
    return lightgbm.train(
        shared | settings, lightgbm.Dataset(X[:ROWS], Y[:ROWS], group=SIZES[:TRAINED]), rounds
    ).predict(X)


def quality(scores: Any) -> float:
    """Return the mean NDCG of the first 10 places, in the groups that no model has seen."""
    ends = np.cumsum(SIZES)
    each = [
        ndcg_score([2 ** Y[b - n : b] - 1], [scores[b - n : b]], k=10)
        for n, b in zip(SIZES[TRAINED:], ends[TRAINED:], strict=True)
    ]
    return float(np.mean(each))


ALL_PAIRS = {"lambdarank_pair_method": "topk", "lambdarank_num_pair_per_sample": 1000}
PLAIN = {"lambdarank_normalization": False, "lambdarank_score_normalization": False}


@pytest.mark.parametrize("weight", WEIGHTS, ids=["unweighted", "weighted"])
@pytest.mark.parametrize(
    ("loss", "settings"),
    [
        (nbloss.RankNet(), {"objective": "rank:pairwise"} | ALL_PAIRS | PLAIN),
        (nbloss.LambdaRank(truncation_level=None), {"objective": "rank:ndcg"} | ALL_PAIRS),
        (nbloss.LambdaRank(truncation_level=None, norm=False), {"objective": "rank:ndcg"} | ALL_PAIRS | PLAIN),
        (
            nbloss.LambdaRank(truncation_level=8),
            {"objective": "rank:ndcg"} | ALL_PAIRS | {"lambdarank_num_pair_per_sample": 8},
        ),
    ],
    ids=["pairwise", "ndcg", "ndcg-plain", "ndcg-8"],
)
def test_xgboost(loss: nbloss.Loss, settings: dict[str, Any], weight: Any) -> None:
    """The same to float32, of weights of groups that it divides by their mean."""
    w = None if weight is None else weight[:TRAINED] / weight[:TRAINED].mean()
    expected = of_xgboost(settings, weight=w)
    found = of_xgboost({}, Objective(loss, hessian="xgboost"), w)
    np.testing.assert_allclose(found, expected, atol=2e-6, rtol=0)
    assert np.abs(expected).max() > 0.5
    assert np.abs(of_xgboost({}, Objective(loss), w) - expected).max() > 1e-2  # twice the diagonal is another Hessian


@pytest.mark.parametrize("norm", [False, True])
def test_lightgbm(norm: bool) -> None:
    """Its table of the logistic function has steps of 5e-5, of which a tenth is left in the scores."""
    loss = Objective(nbloss.LambdaRank(norm=norm), hessian="lightgbm")
    expected = of_lightgbm({"objective": "lambdarank", "lambdarank_norm": norm})
    found = of_lightgbm({"objective": loss})
    np.testing.assert_allclose(found, expected, atol=5e-5, rtol=0)
    assert np.abs(expected).max() > 0.2


def test_quality() -> None:
    """Where formulas differ, as LightGBM's rank_xendcg, which draws numbers in each round, models are as good."""
    rounds = 30
    ours = {
        "RankNet": of_xgboost({}, Objective(nbloss.RankNet()), rounds=rounds),
        "LambdaRank": of_lightgbm({"objective": Objective(nbloss.LambdaRank())}, rounds),
        "XeNDCG": of_lightgbm({"objective": Objective(nbloss.XeNDCG())}, rounds),
    }
    theirs = {
        "RankNet": of_xgboost({"objective": "rank:pairwise"}, rounds=rounds),
        "LambdaRank": of_lightgbm({"objective": "lambdarank"}, rounds),
        "XeNDCG": of_lightgbm({"objective": "rank_xendcg", "objective_seed": 1}, rounds),
    }
    found = {name: (quality(scores), quality(theirs[name])) for name, scores in ours.items()}
    by_chance = quality(rng.normal(size=N))
    for name, (a, b) in found.items():
        assert a > b - 0.02 and a > by_chance + 0.1, (name, found, by_chance)
