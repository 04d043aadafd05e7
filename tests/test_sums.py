"""Law: weights, reductions and threads change what is added up, never what an element is worth."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
import pytest

import nbloss
from nbloss._cpu.pointwise import PARALLEL_FROM
from tests.cases import CASES, REPRESENTATIVES, extreme, ordinary
from tests.selection import slow


def weights_for(z: np.ndarray, dtype: Any = np.float64) -> np.ndarray:
    rng = np.random.default_rng(7)
    return np.where(rng.random(z.shape) < 0.2, 0, rng.uniform(0.1, 3, z.shape)).astype(dtype)


@pytest.mark.parametrize("loss", [*REPRESENTATIVES, *slow(CASES)], ids=repr)
def test_weights_multiply(loss: nbloss.Loss) -> None:
    y, z = ordinary(loss, 333)
    w = weights_for(z)
    np.testing.assert_array_equal(loss.value(y, z, w, reduction="none"), w * loss.value(y, z, reduction="none"))
    np.testing.assert_array_equal(loss.gradient(y, z, w), w * loss.gradient(y, z))
    np.testing.assert_array_equal(loss.hessian(y, z, w), w * loss.hessian(y, z))
    np.testing.assert_array_equal(loss.gradient(y, z, -w), -w * loss.gradient(y, z))


@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_sums_are_those_of_the_values(loss: nbloss.Loss) -> None:
    y, z = ordinary(loss, 3333)
    total = math.fsum(loss.value(y, z, reduction="none"))
    assert loss.value(y, z, reduction="sum") == pytest.approx(total, rel=1e-15, abs=0)
    assert loss.value(y, z) == pytest.approx(total / 3333, rel=1e-15, abs=0)


@pytest.mark.parametrize("loss", [*REPRESENTATIVES, *slow(CASES)], ids=repr)
def test_reductions(loss: nbloss.Loss) -> None:
    y, z = ordinary(loss, 3333)
    w = weights_for(z)
    values = loss.value(y, z, reduction="none")
    for weight, each in ((None, np.ones_like(z)), (w, w), (2.5, np.full_like(z, 2.5))):
        total, weighted = math.fsum(values * each), math.fsum(each)
        assert loss.value(y, z, weight, reduction="sum") == pytest.approx(total, rel=1e-15, abs=0)
        assert loss.value(y, z, weight) == pytest.approx(total / weighted, rel=1e-15, abs=0)
        assert isinstance(loss.value(y, z, weight), np.float64)
        mean, gradient = loss.value_and_gradient(y, z, weight)
        assert mean == loss.value(y, z, weight)
        np.testing.assert_allclose(gradient, loss.gradient(y, z, weight) / weighted, rtol=1e-15)
        total, gradient = loss.value_and_gradient(y, z, weight, reduction="sum")
        assert total == loss.value(y, z, weight, reduction="sum")
        np.testing.assert_array_equal(gradient, loss.gradient(y, z, weight))


@pytest.mark.parametrize("size", [100, PARALLEL_FROM + 100])
@pytest.mark.parametrize("loss", REPRESENTATIVES, ids=repr)
def test_weight_0_is_a_mask(loss: nbloss.Loss, size: int) -> None:
    y, z = ordinary(loss, size)
    w = weights_for(z)
    masked = w == 0
    bad_y, bad_z = y.copy(), z.copy()
    bad_z[masked] = np.resize([np.nan, np.inf, -np.inf, 1e308], masked.sum())
    bad_y[masked] = np.resize([np.nan, -np.inf, 7.0], masked.sum())
    for reduction in ("mean", "sum", "none"):
        np.testing.assert_array_equal(
            loss.value(bad_y, bad_z, w, reduction=reduction), loss.value(y, z, w, reduction=reduction)
        )
    for got, want in zip(loss.gradient_and_hessian(bad_y, bad_z, w), loss.gradient_and_hessian(y, z, w), strict=True):
        np.testing.assert_array_equal(got, want)
        assert not got[masked].any() and not np.signbit(got[masked]).any()


@pytest.mark.parametrize("loss", REPRESENTATIVES, ids=repr)
def test_nothing_to_add_up(loss: nbloss.Loss) -> None:
    y, z = ordinary(loss, 10)
    assert math.isnan(loss.value(y[:0], z[:0])) and loss.value(y[:0], z[:0], reduction="sum") == 0
    assert math.isnan(loss.value(y, z, 0.0)) and loss.value(y, z, 0.0, reduction="sum") == 0
    assert loss.value(y, z, np.resize([1.0, -1.0], 10)) in (math.inf, -math.inf)
    mean, gradient = loss.value_and_gradient(y[:0], z[:0])
    assert math.isnan(mean) and gradient.shape == (0,)


def test_a_mean_of_float32_is_added_up_in_float64() -> None:
    z = np.full(10_000_001, 0.1, np.float32)
    assert nbloss.AbsoluteError()(np.zeros_like(z), z) == pytest.approx(float(np.float32(0.1)), rel=1e-15)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", REPRESENTATIVES, ids=repr)
def test_bits_do_not_depend_on_threads(loss: nbloss.Loss, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    y, z = extreme(loss, PARALLEL_FROM + 12_345, dtype)
    y2, z2 = ordinary(loss, z.size, dtype)
    w = weights_for(z)
    results = []
    most = numba.config.NUMBA_NUM_THREADS
    for threads in range(1, most + 1):
        numba.set_num_threads(threads)
        results.append(everything(loss, y, z, y2, z2, w))
    numba.set_num_threads(most)
    results += [everything(loss, y, z, y2, z2, w) for _ in range(3)]
    monkeypatch.setattr("nbloss._cpu.pointwise.PARALLEL_FROM", z.size + 1)
    results.append(everything(loss, y, z, y2, z2, w))  # the serial twin
    assert len(set(results)) == 1


def everything(loss: nbloss.Loss, y: Any, z: Any, y2: Any, z2: Any, w: Any) -> bytes:
    parts = [*loss.gradient_and_hessian(y, z), loss.value(y2, z2), loss.value(y2, z2, w), loss.value(y, z)]
    parts += [loss.value_and_gradient(y2, z2, w)[1], loss.value(y, z, reduction="none")]
    return b"".join(np.asarray(p).tobytes() for p in parts)
