"""Law: on a CUDA device, here numba's simulator, a loss made of a user's function gives what it gives on the CPU."""

from __future__ import annotations

import pytest
from numba import config

import nbloss

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

from tests.cases import ordinary
from tests.cuda.test_simulator import assert_close, device, host
from tests.value_lines import derived

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.mark.parametrize("loss", [nbloss.Huber(), nbloss.BinaryFocal(gamma=1.7), nbloss.PseudoHuber()], ids=repr)
def test_derived_kernels(loss: nbloss.Loss) -> None:
    y, z = ordinary(loss, 300)
    custom = derived(loss)
    found = host(custom.gradient_and_hessian(*device(y, z)))
    for got, wanted in zip(found, custom.gradient_and_hessian(y, z), strict=True):
        assert_close(got, wanted)
    assert float(host(custom(*device(y, z)))[0]) == pytest.approx(custom(y, z), rel=1e-13)
