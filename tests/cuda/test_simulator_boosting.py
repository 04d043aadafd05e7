"""Law: with arrays on a CUDA device, an objective gives arrays there that are the same. Start with the simulator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import config, cuda

import nbloss
from nbloss.gbm import Objective

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


def test_what_only_the_host_can_is_refused() -> None:
    z = cuda.to_device(np.zeros((4, 3), np.float32))
    with pytest.raises(ValueError, match="must have the exact Hessian without a floor"):
        Objective(nbloss.CrossEntropy(), "xgboost")(cuda.to_device(np.zeros(4, np.int64)), z)
