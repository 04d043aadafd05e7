"""Law: on a CUDA device, losses of two targets give what they give on the CPU. Here the device is numba's simulator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import config

import nbloss
from tests.cases import PAIR_CASES, pairs
from tests.cuda.on_cpu import on_cpu

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

from tests.cuda.test_simulator import assert_close, device, host

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def check(loss: Any, y: Any, z: Any, w: Any = None) -> None:
    placed = tuple(device(*y)), device(z), None if w is None else device(w)
    for method, least in (("gradient_and_hessian", 1.0), ("value_and_gradient", 1e3)):
        for a, b in zip(host(getattr(loss, method)(*placed)), on_cpu(loss, method, y, z, w), strict=True):
            assert_close(a, b, ulps=32, least=least)


@pytest.mark.parametrize("loss", PAIR_CASES, ids=repr)
def test_every_loss(loss: Any) -> None:
    y, z = pairs(loss, 60)
    z = z.clip(-20, 20)
    check(loss, y, z)
    check(loss, y, z, np.arange(60) % 3 * 0.5)
    y, z = pairs(loss, 60, np.float32)
    assert host(loss.gradient((*device(*y),), device(z)))[0].dtype == np.float32


def test_layouts_and_dtypes() -> None:
    loss = PAIR_CASES[3]
    (a, b), z = pairs(loss, 60)
    shaped = [x.reshape(6, 10) for x in (a, b, z)]
    check(loss, (shaped[0], np.asfortranarray(shaped[1])), shaped[2])
    check(loss, (shaped[0], np.repeat(shaped[1], 2, 1)[:, ::2]), np.asfortranarray(shaped[2]))
    z32 = z.astype(np.float32)
    got = host(loss.gradient(device(np.round(a).astype(np.int8)), device(z32)))[0]  # one array will do
    assert_close(got, on_cpu(loss, "gradient", np.round(a), z32))
    got = host(loss.gradient((device(a.astype(np.float32)), device(b)), device(z32)))[0]  # which is narrowed
    assert_close(got, on_cpu(loss, "gradient", (a.astype(np.float32), b), z32))


def test_places_are_not_mixed() -> None:
    (a, b), z = pairs(nbloss.AFT(), 5)
    with pytest.raises(TypeError, match=r"y_true\[1\]"):
        nbloss.AFT()((device(a), b), device(z))
