"""Law: the kernels of boosting are lean, and CatBoost's launch reaches them, on its stream. No device is needed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import cuda

import nbloss
from nbloss.gbm import Objective
from tests.cuda.nodriver import what_is_missing

if missing := what_is_missing():
    pytest.skip(f"needs {missing}", allow_module_level=True)

from tests.cuda.test_compile import SINGLE, add, assert_lean, fill
from tests.cuda.test_launch import launches as launches

OBJECTIVES = [Objective(nbloss.BinaryFocal()), Objective(nbloss.Poisson(), "xgboost")]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_kernels_for_catboost(objective: Objective) -> None:
    ascending = objective.calc_ders_range_gpu.loss
    code = fill(ascending, "gh", SINGLE, w=SINGLE)
    assert_lean(code)
    assert code.count(r"\.f64") == 0
    assert_lean(add(ascending, "s", SINGLE, w=SINGLE))


def as_catboost_makes_it(a: Any) -> Any:
    """Return the array as CatBoost gives it to a kernel: by an interface with a plain length, read-only, streamless."""
    placed = cuda.to_device(a) if a.size else None
    address = placed.__cuda_array_interface__["data"][0] if a.size else 0
    interface = {"shape": a.size, "typestr": "f4", "data": (address, True), "version": 2}
    found = cuda.api.from_cuda_array_interface(interface)
    found.owner = placed
    return found


def test_the_launch_of_catboost(launches: Any) -> None:
    n = 3000
    handle = int(cuda.stream().handle)
    z, y, w, der1, der2 = (as_catboost_makes_it(np.ones(n, np.float32)) for _ in range(5))
    value, nothing = as_catboost_makes_it(np.ones(1, np.float32)), as_catboost_makes_it(np.zeros(0, np.float32))
    kernel = OBJECTIVES[0].calc_ders_range_gpu
    addresses = [x.__cuda_array_interface__["data"][0] for x in (z, y, w, value, der1, der2)]

    kernel[-(-n // 1024), 1024, cuda.external_stream(handle)](0, z, y, w, value, der1, der2)
    assert len(launches) == 3  # the derivatives; the sums of blocks; their sum
    assert {launch[0] for launch in launches} == {handle}
    assert {x for launch in launches for x in launch[-1]}.issuperset(addresses)

    launches.clear()
    kernel[-(-n // 1024), 1024, cuda.external_stream(handle)](0, z, y, w, nothing, der1, nothing)
    ((*_, arguments),) = launches
    assert addresses[4] in arguments and not {addresses[3], addresses[5]} & set(arguments)
