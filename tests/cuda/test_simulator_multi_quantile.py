"""On a CUDA device, quantile losses of several levels are what they are on the CPU: here in numba's simulator."""

from __future__ import annotations

import numpy as np
import pytest
from numba import config

from tests.test_multi_quantile import LOSS, data

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

from tests.cuda.test_simulator import assert_close, device, host


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_it_is_that_of_the_cpu(dtype: type) -> None:
    y, z = data(40, dtype)
    w = np.arange(40) % 3 * 0.5
    for matrix in (z, np.asfortranarray(z)):
        for weight in (None, w):
            arrays = (y, matrix) if weight is None else (y, matrix, weight)
            for a, b in zip(
                host(LOSS.gradient_and_hessian(*device(*arrays))), LOSS.gradient_and_hessian(*arrays), strict=True
            ):
                assert_close(a, b)
            assert_close(host(LOSS.value(*device(*arrays)))[0], LOSS.value(*arrays))
    assert_close(host(LOSS.inverse_link(device(z)))[0], LOSS.inverse_link(z))
    wide = y.astype(np.float64) + 1e-12
    assert_close(host(LOSS.gradient(*device(wide, z)))[0], LOSS.gradient(wide, z))
