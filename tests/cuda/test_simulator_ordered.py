"""Law: on a CUDA device, the ordered losses give what they give on the CPU. Here the device is numba's simulator.

Whole file: a process of its own, started with NUMBA_ENABLE_CUDASIM=1.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numba import config

import nbloss
from tests.cases import ORDERED_CASES, image

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

from nbloss._cuda.radix import TILE
from tests.cuda.test_simulator import assert_close, device, host

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

HINGE, SOFTMAX = nbloss.LovaszHinge(), nbloss.LovaszSoftmax()


def assert_same(loss: nbloss.Loss, y: Any, z: Any) -> None:
    """Compare what all methods give for arrays on the device and in host memory."""
    there = device(y, z)
    pairs = [
        *zip(host(loss.gradient_and_hessian(*there)), loss.gradient_and_hessian(y, z), strict=True),
        *zip(host(loss.value_and_gradient(*there)), loss.value_and_gradient(y, z), strict=True),
        (host(loss.value(*there, reduction="none"))[0], np.asarray(loss.value(y, z, reduction="none"))),
    ]
    for got, wanted in pairs:
        assert_close(got, wanted, ulps=4, eps=float(np.finfo(np.float32).eps) if z.dtype.itemsize < 8 else 0.0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", ORDERED_CASES, ids=repr)
def test_every_loss(loss: nbloss.Loss, dtype: type) -> None:
    y, z = image(loss, (3, 17), dtype)
    assert_same(loss, y, z)
    assert_same(loss, y, z.round(1).clip(0, 1))  # ties


@pytest.mark.parametrize("n", [1, 2, TILE - 1, TILE, TILE + 1, 2 * TILE + 3])
def test_sizes(n: int) -> None:
    assert_same(HINGE, *image(HINGE, (n,), np.float32))
