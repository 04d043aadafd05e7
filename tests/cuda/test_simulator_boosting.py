"""Law: with arrays on a CUDA device, an objective gives arrays there that are the same. Start with the simulator."""

from __future__ import annotations

import gc
import pickle
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xgboost
from numba import config, cuda

import nbloss
from nbloss.gbm import Objective, _smoothed
from tests.cuda.on_cpu import on_cpu

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

rng = np.random.default_rng(0)
Y, Z, W = rng.integers(0, 2, 40).astype(np.float32), rng.normal(size=40).astype(np.float32), rng.random(40)


@pytest.mark.parametrize(
    "objective",
    [Objective(nbloss.BinaryFocal()), Objective(nbloss.Poisson(), "xgboost"), Objective(nbloss.BinaryCrossEntropy())],
    ids=repr,
)
@pytest.mark.parametrize("weight", [None, W.astype(np.float32)], ids=["unweighted", "weighted"])
def test_same_as_on_the_host(objective: Objective, weight: Any) -> None:
    found = objective(cuda.to_device(Y), cuda.to_device(Z), None if weight is None else cuda.to_device(weight))
    for a, b in zip(found, objective(Y, Z, weight), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a.copy_to_host(), b, rtol=1e-5, atol=1e-7)


K = 4
LABELS, ROWS = rng.integers(0, K, 24), (3 * rng.normal(size=(24, K))).astype(np.float32)
V = rng.uniform(0.2, 3, 24).astype(np.float32)
GROUPS = [10, 0, 14]


@pytest.mark.parametrize(
    "objective",
    [
        Objective(nbloss.CrossEntropy(), "xgboost"),
        Objective(nbloss.CrossEntropy(label_smoothing=0.1), "lightgbm"),  # every class tells
        Objective(nbloss.CrossEntropy(class_weight=2.0, base=2, ignore_index=1), hessian_floor=0.3),
        Objective(nbloss.Focal(), hessian_floor=0.05),
        Objective(nbloss.MultiMargin()),  # a floor by a launch of its own
    ],
    ids=repr,
)
@pytest.mark.parametrize("weight", [None, V], ids=["unweighted", "weighted"])
def test_conventions_and_floors_of_rows(objective: Objective, weight: Any) -> None:
    given = cuda.to_device(LABELS), cuda.to_device(ROWS), None if weight is None else cuda.to_device(weight)
    found = objective(*given)
    for a, b in zip(found, objective(LABELS, ROWS, weight), strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a.copy_to_host(), b, rtol=2e-6, atol=1e-7)
    exact = on_cpu(objective.loss, "gradient_and_hessian", LABELS, ROWS, weight)[1]
    assert not np.allclose(found[1].copy_to_host(), exact)


def test_floors_of_lists() -> None:
    objective, y = Objective(nbloss.RankNet(), hessian_floor=0.4), LABELS.astype(np.float32)
    found = objective(cuda.to_device(y), cuda.to_device(ROWS[:, 0].copy()), cuda.to_device(V), GROUPS)
    for a, b in zip(found, objective(y, ROWS[:, 0], V, GROUPS), strict=True):
        np.testing.assert_allclose(a.copy_to_host(), b, rtol=1e-5, atol=1e-6)
    of_groups = cuda.to_device(np.ones(3, np.float32))
    with pytest.raises(ValueError, match="sample_weight must be of rows where hessian_floor is given"):
        objective(cuda.to_device(y), cuda.to_device(ROWS[:, 0].copy()), of_groups, GROUPS)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_is_found(bad: float) -> None:
    binary, rows = Objective(nbloss.BinaryCrossEntropy()), Objective(nbloss.CrossEntropy(), "xgboost")
    z, r, labels = Z.copy(), ROWS.copy(), LABELS.astype(np.float32)
    z[7] = z[9] = r[3, 2] = bad
    with pytest.raises(ValueError, match=r"y_pred must be finite, got .* in row 7 "):
        binary(cuda.to_device(Y), cuda.to_device(z))
    with pytest.raises(ValueError, match=r"y_pred must be finite, got .* in row 3 "):
        rows(cuda.to_device(labels), cuda.to_device(r))
    labels[5] = bad
    with pytest.raises(ValueError, match=r"y_true must be finite, got .* in row 5 "):
        rows(cuda.to_device(labels), cuda.to_device(ROWS))
    y = Y.copy()
    y[4] = 2
    with pytest.raises(ValueError, match=r"in row 4, for the target 2.0 .* must lie in \[0, 1\]"):
        binary(cuda.to_device(y), cuda.to_device(Z))
    masked = cuda.to_device(np.where(np.isin(np.arange(40), (7, 9)), 0, 1).astype(np.float32))
    assert binary(cuda.to_device(Y), cuda.to_device(z), masked)[0].copy_to_host()[7] == 0
    Objective(nbloss.BinaryCrossEntropy(), check_finite=False)(cuda.to_device(Y), cuda.to_device(z))


# Predictions, labels and weights of XGBoost are in host memory, wherever it trains.

X = rng.normal(size=(24, 3))


def data_set(y: Any, w: Any) -> Any:
    return xgboost.DMatrix(X, y, weight=w)


def copied(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Return the list in which every array that is copied to the device is put down."""
    found: list[Any] = []
    usual = cuda.to_device

    def note(a: Any, **options: Any) -> Any:
        found.append(a)
        return usual(a, **options)

    monkeypatch.setattr(cuda, "to_device", note)
    return found


def test_labels_and_weights_are_copied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    objective, on_host = Objective(nbloss.CrossEntropy(), device="cuda"), Objective(nbloss.CrossEntropy())
    data, copies = data_set(LABELS, V), copied(monkeypatch)
    for rounds, z in enumerate((ROWS, ROWS + 1, ROWS - 1)):
        for a, b in zip(objective(z, data), on_host(z, data), strict=True):
            np.testing.assert_allclose(a.copy_to_host(), b, rtol=2e-6, atol=1e-7)
        assert len(copies) == 3 + rounds  # labels, weights, and predictions each time
    assert objective(ROWS, data)[0] is objective(ROWS, data)[0]
    data.set_label(1 + (LABELS + 1) % 3)
    assert not np.allclose(objective(ROWS, data)[0].copy_to_host(), on_host(ROWS, data_set(LABELS, V))[0])
    np.testing.assert_allclose(objective(ROWS, data)[0].copy_to_host(), on_host(ROWS, data)[0], rtol=2e-6, atol=1e-7)
    data.set_weight(V[::-1])
    np.testing.assert_allclose(objective(ROWS, data)[0].copy_to_host(), on_host(ROWS, data)[0], rtol=2e-6, atol=1e-7)


def test_what_is_copied_goes_with_the_data_and_not_with_the_objective() -> None:
    objective, data = Objective(nbloss.BinaryCrossEntropy(), device="cuda"), data_set(Y[:24], None)
    objective(Z[:24], data)
    assert len(objective._cache._placed) == 1
    assert len(pickle.dumps(objective)) < 300 and pickle.loads(pickle.dumps(objective)) == objective
    assert "_cache" not in pickle.loads(pickle.dumps(objective)).__dict__
    del data
    gc.collect()
    assert len(objective._cache._placed) == 0


@pytest.mark.parametrize("weight", [None, V], ids=["unweighted", "weighted"])
def test_trees_are_those_of_gradients_from_the_host(weight: Any) -> None:
    y, models = (X[:, 0] > 0).astype(np.float32), []
    for objective in (Objective(nbloss.BinaryFocal(), device="cuda"), Objective(nbloss.BinaryFocal())):
        data = data_set(y, weight)

        def handed_over(z: Any, data: Any, objective: Any = objective) -> Any:
            return tuple(a if type(a) is np.ndarray else a.copy_to_host() for a in objective(z, data))

        model = xgboost.train({"max_depth": 2, "min_child_weight": 0, "nthread": 1}, data, 3, obj=handed_over)
        models.append(model.predict(data, output_margin=True))
    np.testing.assert_allclose(*models, rtol=1e-5, atol=1e-6)


def test_predictions_on_the_device_stay_there(monkeypatch: pytest.MonkeyPatch) -> None:
    objective, data = Objective(nbloss.CrossEntropyLambda()), data_set(Y[:24], V)
    z = cuda.to_device(Z[:24])
    copies = copied(monkeypatch)
    for a, b in zip(objective(z, data), objective(Z[:24], data), strict=True):
        np.testing.assert_allclose(a.copy_to_host(), b, rtol=1e-5, atol=1e-6)
    assert len(copies) == 2


def test_estimators_hand_over_arrays_alone() -> None:
    objective = Objective(nbloss.BinaryFocal(), device="cuda")
    for a, b in zip(objective(Y, Z, sample_weight=W), Objective(nbloss.BinaryFocal())(Y, Z, W), strict=True):
        np.testing.assert_allclose(a.copy_to_host(), b, rtol=1e-5, atol=1e-7)
    of_lightgbm = SimpleNamespace(get_label=lambda: Y, get_weight=lambda: None, get_group=lambda: None)
    with pytest.raises(ValueError, match="device must be 'cpu' for LightGBM"):
        objective(Z, of_lightgbm)


def test_scales_of_all_residuals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_smoothed, "is_built_in", lambda: True)
    for loss, z in ((nbloss.AbsoluteError(), Z), (nbloss.MultiQuantile(alphas=(0.3, 0.6)), np.stack([Z, -Z], -1))):
        objective = Objective(loss, "xgboost")
        found = objective(cuda.to_device(Y), cuda.to_device(z), cuda.to_device(W.astype(np.float32)))
        for a, b in zip(found, objective(Y, z, W.astype(np.float32)), strict=True):
            np.testing.assert_allclose(a.copy_to_host(), b, rtol=1e-5, atol=1e-6)
