"""Law: on a CUDA device, the losses of groups give what they give on the CPU. Here the device is numba's simulator.

Whole file: a process of its own, started with NUMBA_ENABLE_CUDASIM=1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numba import config

import nbloss
from tests.cases import GROUP_CASES, of_groups

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

from nbloss._cuda.radix import TILE
from tests.cuda.test_simulator import assert_close, device, host

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

SIZES = (4, 0, 40, 9)
EACH = [nbloss.RankNet(), nbloss.LambdaRank(), nbloss.XeNDCG(), nbloss.Cox()]


def there(a: Any) -> Any:
    return tuple(map(device, a)) if isinstance(a, tuple) else device(a)


def assert_same(
    loss: Any, y: Any, z: Any, w: Any = None, method: str = "gradient_and_hessian", least: float = 1.0, **options: Any
) -> None:
    """Compare what a method gives for arrays on the device and in host memory; terms may be as large as *least*."""
    wanted = getattr(loss, method)(y, z, w, **options)
    got = host(getattr(loss, method)(there(y), device(z), device(w), **options))
    for a, b in zip(got, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
        assert_close(a, b, least=least)


@pytest.mark.parametrize("loss", GROUP_CASES, ids=repr)
def test_every_loss(loss: Any) -> None:
    y, z = of_groups(loss, SIZES)
    assert_same(loss, y, z, least=max(SIZES), groups=SIZES)  # sums of as many terms
    assert_same(loss, y, z.round().astype(np.float32), method="value_and_gradient", groups=SIZES)  # ties


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_weights(loss: Any) -> None:
    y, z = of_groups(loss, (4, 0, 7))
    z[4] = math.nan
    of_rows = np.linspace(0.5, 2, 11)
    of_rows[[1, 4, 7]] = 0
    for w in (of_rows, 2.5) if isinstance(y, tuple) else (of_rows, np.array([2, 1, 0.0]), 2.5):
        assert_same(loss, y, z, w, "value_and_gradient", least=11, groups=(4, 0, 7))
    assert_same(loss, y, z, of_rows, "value", least=11, groups=(4, 0, 7), reduction="none")
    assert_same(loss, y, z, of_rows, "hessian", least=11, groups=(4, 0, 7))


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_far_apart_and_infinite(loss: Any) -> None:
    y, z = of_groups(loss, (9,))
    assert_same(loss, y, z * 300, method="value_and_gradient", least=9, reduction="sum")
    z[[2, 5]] = math.inf, -math.inf
    assert_same(loss, y, z, least=9)


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_empty(loss: Any) -> None:
    y, z = of_groups(loss, (3,))
    none = tuple(a[:0] for a in y) if isinstance(y, tuple) else y[:0]
    for groups in (None, [], [0, 0]):
        assert_same(loss, none, z[:0], method="value_and_gradient", groups=groups)
        assert_same(loss, none, z[:0], method="value", groups=groups, reduction="none")


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_layouts_and_outputs(loss: Any) -> None:
    y, z = of_groups(loss, (4, 3))
    wanted = loss.gradient(y, z, groups=(4, 3))
    apart = np.zeros((7, 2))
    apart[:, 1] = z
    out = np.zeros(14)[::2]
    assert loss.gradient(there(y), device(apart[:, 1]), groups=(4, 3), out=device(out))._ary is out
    assert_close(out, wanted)
    with pytest.raises(ValueError, match="a sum of 6"):
        loss.gradient(there(y), device(z), groups=(4, 2))
    with pytest.raises(TypeError, match="groups must be in host memory"):
        loss.gradient(there(y), device(z), groups=device(np.array([4, 3])))


@pytest.mark.parametrize("sizes", [(TILE + 3,), (5, TILE, 1, TILE - 6)])
def test_scans_over_tiles(sizes: Any) -> None:
    loss = nbloss.Cox()
    y, z = of_groups(loss, sizes)
    assert_same(loss, y, z, method="value_and_gradient", least=y[1].sum(), groups=sizes, reduction="none")
    assert_same(loss, (y[0].round(1), y[1]), z * 200, least=y[1].sum(), groups=sizes)


def test_events_that_are_none_give_nan() -> None:
    loss = nbloss.Cox()
    time, z = np.arange(8.0), np.arange(8.0)
    values = host(loss.value(there((time, np.array([0, 2, 1, 0.5, 1, 0, 1, 1]))), device(z), groups=(2, 2, 2, 2),
                             reduction="none"))[0]  # fmt: skip
    assert np.isnan(values).tolist() == [True, True, False, False]
    values = host(loss.value(there((time, np.full(8, np.nan))), device(z), reduction="none"))[0]
    assert np.isnan(values).all()


def test_labels_that_are_none_give_nan() -> None:
    """Nobody waits for the device to raise an error."""
    loss = nbloss.LambdaRank(label_gain=(0.0, 1.0, 3.0))
    y, z = np.array([0, 3, 1, -1, 0.5, 1, 2, 1]), np.arange(8.0)
    values, gradient = host(loss.value_and_gradient(*device(y, z), groups=(2, 2, 2, 2), reduction="none"))
    assert np.isnan(values).tolist() == [True, True, True, False] and np.isnan(gradient[:6]).all()
    assert_close(gradient[6:], loss.gradient(y[6:], z[6:]))
