"""Law: the kernels of boosting are lean, and CatBoost's launch reaches them, on its stream. No device is needed."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import xgboost
from numba import cuda

import nbloss
from nbloss.gbm import Objective
from tests.cuda.nodriver import what_is_missing

if missing := what_is_missing():
    pytest.skip(f"needs {missing}", allow_module_level=True)

from nbloss.gbm import _data, _device, _smoothed
from nbloss.gbm._curved import curved_rows
from tests.cuda import standin
from tests.cuda.fakes import Array
from tests.cuda.test_compile import SINGLE, add, assert_lean, assert_lean_rows, fill, rows_code
from tests.cuda.test_launch import launches as launches

OBJECTIVES = [Objective(nbloss.BinaryFocal()), Objective(nbloss.Poisson(), "xgboost")]


@pytest.mark.parametrize("objective", OBJECTIVES, ids=repr)
def test_kernels_for_catboost(objective: Objective) -> None:
    ascending = objective.calc_ders_range_gpu.loss
    code = fill(ascending, "gh", SINGLE, w=SINGLE)
    assert_lean(code)
    assert code.count(r"\.f64") == 0
    assert_lean(add(ascending, "s", SINGLE, w=SINGLE))


@pytest.mark.parametrize("labels", [np.dtype(np.int64), None], ids=["labels", "rows"])
def test_kernels_of_rows_with_conventions_and_floors(labels: Any) -> None:
    for floor in (None, 1e-16):
        loss = curved_rows(nbloss.CrossEntropy(), 2.0, floor)
        assert_lean_rows(rows_code(loss, "gh", SINGLE, labels=labels), SINGLE)


def test_kernels_beside_those_of_losses() -> None:
    for loss, want in (
        (_device._Raised(0.1), "v"),
        (_smoothed._AbsoluteError(1.0), "gh"),
        (_smoothed._Quantile(0.3, 1.0), "gh"),
    ):
        code = fill(loss, want, SINGLE, w=SINGLE)
        assert_lean(code)
        assert code.count(r"\.f64") == 0
    for loss in (_device._Difference(), _smoothed._Root()):
        assert_lean(add(loss, "s", SINGLE))


def test_only_the_check_of_what_is_finite_waits(launches: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_data, "raise_first", lambda *_: None)  # the memory of the stand-in may hold anything
    y, z = Array(np.zeros(64, np.int64)), Array(np.zeros((64, 3), np.float32))
    for is_checked in (False, True):
        objective = Objective(nbloss.CrossEntropy(), "xgboost", check_finite=is_checked)
        objective(y, z)
        launches.clear()
        before = standin.counts()
        objective(y, z)
        after = standin.counts()
        waits = sum(after[kind] - before[kind] for kind in ("waits of the host", "copies"))
        assert (len(launches) > 1) == (waits > 0) == is_checked


class Data:
    """What stands for a DMatrix: XGBoost itself finds that the driver is a stand-in."""

    num_row = get_uint_info = None

    def get_label(self) -> Any:
        return np.ones(50, np.float32)

    def get_weight(self) -> Any:
        return np.ones(0, np.float32)


def test_xgboost_takes_gradients_where_they_are() -> None:
    found = Objective(nbloss.BinaryFocal(), device="cuda", check_finite=False)(np.zeros(50, np.float32), Data())
    for a in found:
        interface = json.loads(xgboost.core._grad_arrinf(a, 50))
        assert interface["data"][0] == a.__cuda_array_interface__["data"][0]
        assert interface["typestr"] == "<f4" and interface["shape"] == [50]


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
