"""Law: what CatBoost launches on a GPU writes its signs, on its arrays. Start with the simulator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import config, cuda

import nbloss
from nbloss.gbm import Objective
from tests.cuda.on_cpu import on_cpu

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

N = 40
rng = np.random.default_rng(0)
Y, Z = rng.integers(0, 2, N).astype(np.float32), rng.normal(size=N).astype(np.float32)
W = rng.uniform(0.2, 3, N).astype(np.float32)
NOTHING = np.zeros(0, np.float32)


def launched(objective: Any, weight: Any, value: bool = True, der1: bool = True, der2: bool = True) -> Any:
    """Return what a launch such as CatBoost's leaves in the arrays that it asks for."""
    arrays = [Z, Y, NOTHING if weight is None else weight]
    arrays += [np.full(n if wanted else 0, 7.0, np.float32) for wanted, n in ((value, 1), (der1, N), (der2, N))]
    placed = [cuda.to_device(a) for a in arrays]
    assert objective.calc_ders_range_gpu[1, 1024, cuda.stream()](0, *placed) is None
    for given, a in zip((Z, Y, arrays[2]), placed[:3], strict=True):
        np.testing.assert_array_equal(a.copy_to_host(), given)
    return [a.copy_to_host() for a in placed[3:]]


@pytest.mark.parametrize(
    "objective", [Objective(nbloss.BinaryFocal()), Objective(nbloss.Poisson(), "xgboost")], ids=repr
)
@pytest.mark.parametrize("weight", [None, W], ids=["unweighted", "weighted"])
def test_signs(objective: Objective, weight: Any) -> None:
    value, der1, der2 = launched(objective, weight)
    rows = objective.calc_ders_range(Z.astype(np.float64), Y, weight)
    np.testing.assert_allclose(der1, rows[:, 0], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(der2, -rows[:, 1], rtol=1e-5, atol=1e-7)
    assert (der2 > 0).all()
    np.testing.assert_allclose(value, -on_cpu(objective.loss, "value", Y, Z, weight, reduction="sum"), rtol=1e-6)


def test_what_is_not_asked_for_is_not_written() -> None:
    objective = Objective(nbloss.BinaryFocal())
    whole = launched(objective, W)
    for asked in ((True, False, False), (False, True, False), (False, True, True), (True, True, False)):
        for wanted, found, expected in zip(asked, launched(objective, W, *asked), whole, strict=True):
            np.testing.assert_array_equal(found, expected if wanted else NOTHING)


def test_weights_that_are_exposures() -> None:
    objective = Objective(nbloss.CrossEntropyLambda())
    value, der1, der2 = launched(objective, W)
    gradient, hessian = objective(Y, Z, W)
    np.testing.assert_allclose(der1, -gradient, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(der2, hessian, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(value, -on_cpu(objective.loss, "value", (Y, W), Z, reduction="sum"), rtol=1e-6)


def test_losses_that_catboost_has_no_place_for() -> None:
    for loss in (
        nbloss.CrossEntropy(),
        nbloss.LambdaRank(),
        nbloss.AFT(),
        nbloss.BinaryCrossEntropy(pos_weight=(1, 2)),
    ):
        with pytest.raises(ValueError, match="loss must be one of single elements, each with one label"):
            _ = Objective(loss).calc_ders_range_gpu
