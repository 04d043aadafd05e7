"""Law: trained by two worker processes, our objectives and the built-in ones make the same models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cloudpickle
import dask.array as da
import lightgbm.dask
import numpy as np
import pytest
import xgboost.dask
from distributed import Client, LocalCluster, wait

import nbloss
from nbloss.gbm import Objective
from tests.gbm.data import BINARY, WEIGHT, X

OBJECTIVE = Objective(nbloss.BinaryCrossEntropy())


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as connected,
    ):
        yield connected


def in_halves(client: Client, *arrays: Any) -> list[Any]:
    """Return dask arrays of which each of the two workers has one half: trees are others where one has got both."""
    workers = list(client.scheduler_info()["workers"])
    halves = [
        [client.persist(da.from_array(a, len(a)), workers=[w]) for a, w in zip(np.split(x, 2), workers, strict=True)]
        for x in arrays
    ]
    wait(halves)
    return [da.concatenate(parts) for parts in halves]


quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@quiet
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
def test_xgboost(client: Client, weight: Any) -> None:
    x, y, *w = in_halves(client, X, BINARY, *([] if weight is None else [weight]))
    data = xgboost.dask.DaskDMatrix(client, x, y, weight=w[0] if w else None)
    settings = {"objective": "binary:logistic", "base_score": 0.5, "max_depth": 3, "tree_method": "hist"}
    models = [xgboost.dask.train(client, settings, data, 10, obj=obj)["booster"] for obj in (OBJECTIVE, None)]
    found, expected = (model.predict(xgboost.DMatrix(X), output_margin=True) for model in models)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@quiet
def test_lightgbm(client: Client) -> None:
    few = np.clip(np.round(4 * X) / 4, -1.5, 1.5)  # values whose bins are the same whichever worker has which part
    x, y = in_halves(client, few, BINARY)
    shared = {"n_estimators": 10, "num_leaves": 8, "tree_learner": "data", "verbosity": -1, "client": client}
    found = lightgbm.dask.DaskLGBMRegressor(objective=OBJECTIVE, **shared).fit(x, y)
    expected = lightgbm.dask.DaskLGBMRegressor(objective="binary", boost_from_average=False, **shared).fit(x, y)
    raw = [model.booster_.predict(few, raw_score=True) for model in (found, expected)]
    np.testing.assert_allclose(raw[0], raw[1], rtol=0, atol=1e-9)


def test_it_travels() -> None:
    OBJECTIVE(BINARY, X[:, 0])
    assert cloudpickle.loads(cloudpickle.dumps(OBJECTIVE)) == OBJECTIVE
    assert len(cloudpickle.dumps(OBJECTIVE)) < 400
