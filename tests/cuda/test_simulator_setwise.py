"""Law: on a CUDA device, losses of sets and of vectors give what they give on the CPU. The device is numba's simulator.

Whole file: a process of its own, started with NUMBA_ENABLE_CUDASIM=1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import config

import nbloss
from nbloss.families.vectorwise import Vectorwise
from tests.cases import SET_CASES, of_sets
from tests.cuda.on_cpu import flat, on_cpu

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

from nbloss._cuda.blocks import BLOCK, MOST

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

OVERLAPS = [loss for loss in SET_CASES if type(loss).__module__.startswith("nbloss.losses.segmentation")]
SEVERAL = [(loss, 0) for loss in SET_CASES] + [(loss, 3) for loss in (OVERLAPS[0], OVERLAPS[6], OVERLAPS[8])]
RMSE = nbloss.RootMeanSquaredError()
FEW: list[tuple[Any, int]] = [
    (RMSE, 0),
    (nbloss.Dice(), 0),
    (nbloss.FocalTversky(per_image=True), 0),
    (nbloss.Dice(per_image=True), 2),
    (nbloss.CosineSimilarity(), 0),
    (nbloss.TripletMargin(), 0),
]


def device(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(map(device, x))
    return FakeCUDAArray(x) if isinstance(x, np.ndarray) else x


def host(x: Any) -> list[Any]:
    found = flat(x)
    assert all(isinstance(a, FakeCUDAArray) for a in found)
    return [a._ary for a in found]


def assert_same(loss: Any, y: Any, z: Any, w: Any = None, ulps: float = 32, least: float = 1e-2) -> None:
    """Compare what all methods give: plain Python rounds exp otherwise, and adds in another order."""
    there = device((y, z)) if w is None else device((y, z, w))
    here = (y, z) if w is None else (y, z, w)
    for method, how in (
        ("gradient_and_hessian", {}),
        ("value", {"reduction": "none"}),
        ("value_and_gradient", {}),
    ):
        got, wanted = host(getattr(loss, method)(*there, **how)), flat(on_cpu(loss, method, *here, **how))
        for a, b in zip(got, wanted, strict=True):
            assert a.shape == np.shape(b) and a.dtype == b.dtype
            eps = np.finfo(np.float32 if flat(z)[0].dtype == np.float32 else b.dtype).eps
            wrong = ~((a == b) | (np.isnan(a) & np.isnan(b)) | (abs(a - b) <= ulps * eps * np.maximum(abs(b), least)))
            assert not wrong.any(), (method, how, np.asarray(a)[wrong][:3], np.asarray(b)[wrong][:3])


def weights(y: Any, z: Any, loss: Any) -> np.ndarray:
    shape = flat(z)[0].shape[:1] if isinstance(loss, Vectorwise) else np.shape(y)
    return np.random.default_rng(1).integers(0, 3, shape) / 2


@pytest.mark.parametrize(("loss", "classes"), SEVERAL, ids=repr)
def test_every_loss(loss: Any, classes: int) -> None:
    y, z = of_sets(loss, n=40 if isinstance(loss, Vectorwise) else 12, classes=classes)
    assert_same(loss, y, z, weights(y, z, loss))


@pytest.mark.parametrize(("loss", "classes"), FEW, ids=repr)
def test_float32_scalar_weights_and_other_layouts(loss: Any, classes: int) -> None:
    y, z = of_sets(loss, np.float32, n=12, classes=classes)
    assert_same(loss, y, z, np.float64(2.0))
    zs = tuple(np.asfortranarray(a) for a in flat(z))
    y = None if y is None else y[::-1].copy()[::-1].astype(np.float16 if classes else y.dtype)
    w = weights(y, z, loss)
    assert_same(loss, y, zs if isinstance(z, tuple) else zs[0], np.repeat(w, 2, 0)[::2].astype(np.float32))
    out = tuple(np.zeros_like(a, np.float64) for a in zs)
    given = device(out) if isinstance(z, tuple) else device(out[0])
    loss.gradient(*device((y, z)), out=given)
    for a, b in zip(out, flat(on_cpu(loss, "gradient", y, z)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("size", [0, 1, BLOCK * MOST + 5])
def test_sizes(size: int) -> None:
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 2, size), rng.normal(size=size)
    assert_same(RMSE, y.astype(float), z)
    assert_same(nbloss.Dice(), y, z)
    assert_same(nbloss.Dice(), y, z[:, None] * np.array([1.0, -1]))
    assert_same(nbloss.MarginRanking(), y, (z, -z))
    assert_same(nbloss.CosineSimilarity(), np.ones((2, size)), np.ones((2, size)))


def test_any_magnitude() -> None:
    rng = np.random.default_rng(0)
    scale = rng.choice([1e300, 1e-300, 1.0, 1e154], 12)
    assert_same(RMSE, np.zeros(12), rng.normal(size=12) * scale, least=0)
    assert_same(RMSE, np.zeros(4), np.array([1.0, np.inf, -np.inf, 0]), least=0)
    a, b, c = rng.normal(size=(3, 12, 4)) * np.array([1e300, 1.0, 1e-300])[:, None, None]
    a[0], b[1], a[2, 1] = 0, 0, np.inf
    assert_same(nbloss.CosineSimilarity(), a, b, least=0)
    assert_same(nbloss.CosineEmbedding(), np.arange(12) % 2, (c, b), least=0)
    z = np.array([[700.0, -700, 0], [1e308, -1e308, 1], [np.inf, 0, np.inf], [30, -5, 2], [-np.inf, 0, 1]])
    assert_same(nbloss.Dice(), np.array([0, 1, 2, 0, 1]), z)
    assert_same(nbloss.FocalTversky(), z > 0, z)
    z[1] = -np.inf  # no class has a probability
    assert_same(nbloss.Dice(), np.array([0, 1, 2, 0, 1]), z)


def test_nan_and_masks() -> None:
    for loss, classes in FEW:
        y, z = of_sets(loss, n=12, classes=classes)
        zs = [a.copy() for a in flat(z)]
        zs[0][(2,) + (0,) * (zs[0].ndim - 1)] = np.nan
        bad = tuple(zs) if isinstance(z, tuple) else zs[0]
        assert all(np.isnan(a).any() for a in host(loss.gradient_and_hessian(*device((y, bad)))))
        w = np.ones(flat(z)[0].shape[0])
        w[2] = 0
        assert all(np.isfinite(a).all() for a in host(loss.gradient_and_hessian(*device((y, bad, w)))))


def test_wrong_labels_are_nan() -> None:
    """There is no error: a message would have to wait for the device."""
    y, z = of_sets(nbloss.Dice(per_image=True), n=12, classes=3)
    for wrong in (3.0, np.nan):
        labels = y.astype(float)
        labels[1, 2] = wrong
        loss = nbloss.Dice(per_image=True)
        got = host(loss.value(*device((labels, z)), reduction="none"))[0]
        assert np.isnan(got).tolist() == [False, True, False, False]
        gradient = host(loss.gradient(*device((labels, z))))[0]
        assert np.isnan(gradient[1]).all() and not np.isnan(gradient[[0, 2, 3]]).any()


def test_hessian_matrix() -> None:
    for loss in (nbloss.CosineSimilarity(), nbloss.CosineEmbedding(), nbloss.TripletMargin()):
        y, z = of_sets(loss, n=6)
        w = np.array([1.0, 0, 2, 1, 3, 1])
        for a, b in zip(host(loss.hessian_matrix(*device((y, z, w)))), flat(loss.hessian_matrix(y, z, w)), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)


def test_same_bits() -> None:
    for loss, classes in (FEW[0], FEW[3], FEW[5]):
        y, z = of_sets(loss, n=2 * BLOCK, classes=classes)
        once, again = (host(loss.value_and_gradient(*device((y, z)))) for _ in range(2))
        assert [a.tobytes() for a in once] == [a.tobytes() for a in again]


def test_places_are_not_mixed() -> None:
    loss, labels = nbloss.CosineEmbedding(), np.ones(4)
    pair = np.ones((4, 3)), np.ones((4, 3))
    with pytest.raises(TypeError, match=r"one place.*y_pred\[1\]"):
        loss(device(labels), (device(pair[0]), pair[1]))
    with pytest.raises(TypeError, match="out"):
        loss.gradient(*device((labels, pair)), out=pair)
