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


def in_parts(a: Any) -> Any:
    return da.from_array(a, (len(a) // 2, *a.shape[1:]))


quiet = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")


@quiet
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["unweighted", "weighted"])
def test_xgboost(client: Client, weight: Any) -> None:
    x, y, w = in_parts(X), in_parts(BINARY), None if weight is None else in_parts(weight)
    data = xgboost.dask.DaskDMatrix(client, x, y, weight=w)
    settings = {"objective": "binary:logistic", "base_score": 0.5, "max_depth": 3, "tree_method": "hist"}
    models = [xgboost.dask.train(client, settings, data, 10, obj=obj)["booster"] for obj in (OBJECTIVE, None)]
    found, expected = (model.predict(xgboost.DMatrix(X), output_margin=True) for model in models)
    np.testing.assert_allclose(found, expected, atol=1e-5)


@quiet
def test_lightgbm(client: Client) -> None:
    x, y = client.persist([in_parts(X), in_parts(BINARY)])  # bins depend on which worker has which part
    wait([x, y])
    shared = {"n_estimators": 10, "num_leaves": 8, "tree_learner": "data", "verbosity": -1, "client": client}
    found = lightgbm.dask.DaskLGBMRegressor(objective=OBJECTIVE, **shared).fit(x, y)
    expected = lightgbm.dask.DaskLGBMRegressor(objective="binary", boost_from_average=False, **shared).fit(x, y)
    raw = [model.booster_.predict(X, raw_score=True) for model in (found, expected)]
    np.testing.assert_allclose(raw[0], raw[1], rtol=0, atol=1e-9)


def test_it_travels() -> None:
    OBJECTIVE(BINARY, X[:, 0])
    assert cloudpickle.loads(cloudpickle.dumps(OBJECTIVE)) == OBJECTIVE
    assert len(cloudpickle.dumps(OBJECTIVE)) < 400
