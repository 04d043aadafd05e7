"""Law: on a CUDA device, losses that compare the classes of a row give what they give on the CPU.

Here the device is numba's simulator. Whole file: a process of its own, started with NUMBA_ENABLE_CUDASIM=1.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numba import config

import nbloss
from tests.cases import LINE_CASES

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

from nbloss._cuda.blocks import BLOCK, MOST

# Formulas run on Python's and NumPy's numbers here, which warn where infinite ones come up, as they are meant to.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

KINDS = [(loss, kind) for loss in LINE_CASES for kind in ("labels", "rows") if kind == "labels" or not loss.labels_only]
ANY = [(nbloss.CategoricalHinge(), "rows"), (nbloss.MultiMargin(p=2), "labels"), (nbloss.MultiLabelMargin(), "rows")]

both = pytest.mark.parametrize(("loss", "kind"), KINDS, ids=repr)
each = pytest.mark.parametrize(("loss", "kind"), ANY, ids=repr)


class BFloat16(FakeCUDAArray):
    """An array of bfloat16, which NumPy does not have, as other libraries show it."""

    dtype = "bfloat16"


def device(*arrays: Any) -> Any:
    """Return arrays as views on the device, in the layouts that they have; what is no array as it is."""
    views = [FakeCUDAArray(a) if isinstance(a, np.ndarray) else a for a in arrays]
    return views[0] if len(views) == 1 else views


def host(results: Any) -> list[Any]:
    """Return one result or several as NumPy arrays, which must have come from the device."""
    listed = results if isinstance(results, tuple) else (results,)
    assert all(isinstance(a, FakeCUDAArray) for a in listed)
    return [a._ary for a in listed]


def data(loss: Any, kind: str, shape: tuple[int, ...], dtype: Any = np.float64) -> tuple[Any, Any]:
    """Return targets and predictions, of which some rows are at kinks."""
    rng = np.random.default_rng(1)
    z = rng.normal(size=shape).astype(dtype)
    z[..., 0] = np.round(z[..., 0])
    z[::2] = np.round(z[::2])
    if kind == "labels":
        return rng.integers(0, shape[-1], shape[:-1]), z
    hard = rng.integers(0, 2, shape).astype(dtype)
    return (
        hard if isinstance(loss, nbloss.MultiLabelMargin) else np.where(hard, rng.random(shape), 0).astype(dtype)
    ), z


def assert_close(got: Any, wanted: Any, rtol: float = 1e-15) -> None:
    assert got.shape == wanted.shape and got.dtype == wanted.dtype
    np.testing.assert_allclose(got, wanted, rtol=max(rtol, float(np.finfo(wanted.dtype).eps)), atol=1e-14)


def assert_same(loss: Any, *arrays: Any, rtol: float = 1e-15, reduction: str = "mean") -> None:
    """Compare what all methods give for arrays on the device and in host memory."""
    for method in ("gradient_and_hessian", "value", "value_and_gradient"):
        how = {} if method == "gradient_and_hessian" else {"reduction": reduction}
        got, wanted = getattr(loss, method)(*device(*arrays), **how), getattr(loss, method)(*arrays, **how)
        for a, b in zip(host(got), wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
            assert_close(a, np.asarray(b), rtol)


@both
def test_every_loss(loss: Any, kind: str) -> None:
    for dtype in (np.float64, np.float32):
        arrays = data(loss, kind, (20, 4), dtype)
        assert_same(loss, *arrays, reduction="none")
        assert_close(host(loss.hessian_matrix(*device(*arrays)))[0], loss.hessian_matrix(*arrays))
    assert_same(loss, *arrays, rtol=1e-7)


@each
def test_extreme_numbers(loss: Any, kind: str) -> None:
    y, _ = data(loss, kind, (32, 3))
    y = np.round(y)
    rng = np.random.default_rng(3)
    z = rng.choice([0, 1, -1, 2.0**-60, 1e308, -1e308, 1e-308, math.inf, -math.inf], (32, 3))
    assert_same(loss, y, z, reduction="none")


@each
def test_weights(loss: Any, kind: str) -> None:
    y, z = data(loss, kind, (20, 3))
    z[::3, 1] = math.nan
    for w, reduction in (
        (2, "mean"), (0, "mean"), (np.float32(0.5), "sum"), (np.array(2, np.int8), "none"),
        (np.arange(20) % 3 > 0, "none"), (np.arange(20.0) % 3, "mean"), (np.arange(20) % 3, "sum"),
    ):  # fmt: skip
        assert_same(loss, y, z, w, reduction=reduction, rtol=4e-15)
    assert_close(host(loss.hessian_matrix(*device(y, z, w)))[0], loss.hessian_matrix(y, z, w))
    masked = host(loss.gradient(*device(y, z, w)))[0][::3]
    assert not masked.any() and not np.signbit(masked).any()


@pytest.mark.parametrize("n", [0, 1, BLOCK - 1, BLOCK + 1, BLOCK * MOST + 1])
def test_sizes(n: int) -> None:
    loss = nbloss.MultiMargin(p=2)
    y, z = data(loss, "labels", (n, 2))
    assert_same(loss, y, z, np.arange(n) % 2, rtol=4e-15)
    assert_same(loss, y, z, reduction="none")
    assert host(loss.hessian_matrix(*device(y, z)))[0].shape == (n, 2, 2)


def test_one_row() -> None:
    loss = nbloss.MultiMargin(p=2)
    assert_same(loss, 1, np.array([0.5, 0.25, 3.0]), reduction="none")
    assert_same(loss, np.array(2), np.array([0.5, 0.25, 3.0]), np.array(2.0))
    assert_same(loss, 0, np.array([0.5]))
    assert np.isnan(host(loss(3, device(np.array([0.5, 0.25, 3.0]))))[0])
    assert_same(nbloss.CategoricalHinge(), np.array([0.5, 0.25, 0]), np.array([0.5, 0.25, 3.0]))


@each
def test_layouts(loss: Any, kind: str) -> None:
    y, z = data(loss, kind, (3, 8, 4))
    w = np.arange(24.0).reshape(3, 8)
    for a, b, c in (
        (np.asfortranarray(y), np.asfortranarray(z), w.T.copy().T),
        (y[::-1], z[::-1, ::-2], w[::-1, ::-1]),
        (y, np.moveaxis(np.moveaxis(z, -1, 0).copy(), 0, -1), w[:, 0]),
        (y, np.broadcast_to(z[:, :1, 1:2], z.shape), np.broadcast_to(w[:1], w.shape)),
        (np.broadcast_to(y[:1], y.shape), z[..., ::-1], w),
    ):
        a = a[:, ::2] if b.shape[1] == 4 else a
        c = c[:, ::2] if b.shape[1] == 4 else c
        assert_same(loss, a, b, c, rtol=4e-15)
        assert_close(host(loss.hessian_matrix(*device(a, b, c)))[0], loss.hessian_matrix(a, b, c))
        got = host(loss.gradient(*device(a, b)))[0]
        assert got.strides == np.empty_like(b).strides


@each
def test_dtypes(loss: Any, kind: str) -> None:
    y, z = data(loss, kind, (6, 3))
    y, z = np.round(y), np.round(z * 4)
    for name in ("bool", "int8", "uint16", "uint64", "float16", "float32"):
        assert_same(loss, (y % 2).astype(name), z, reduction="none")
    for name in ("float16", "float32", "int32"):
        assert_same(loss, y, z.astype(name), z[:, 0].astype(name), reduction="none")
    bits = z.astype(np.float32).view(np.uint32) >> 16
    got = host(loss.value_and_gradient(device(y), BFloat16(bits.astype(np.uint16)), reduction="none"))
    for a, b in zip(got, loss.value_and_gradient(y, z.astype(np.float32), reduction="none"), strict=True):
        assert_close(a, b)


@each
def test_out(loss: Any, kind: str) -> None:
    y, z = data(loss, kind, (20, 3))
    for name in ("float16", "float32", "float64"):
        outs = np.zeros((3, 20)).astype(name).T, np.zeros((20, 6)).astype(name)[:, ::-2]
        given = device(*outs)
        assert loss.gradient_and_hessian(*device(y, z), out=tuple(given))[0] is given[0]
        for out, wanted in zip(outs, loss.gradient_and_hessian(y, z), strict=True):
            np.testing.assert_allclose(out, wanted.astype(name), rtol=float(np.finfo(name).eps))
        value = np.zeros(20, name)
        loss.value(*device(y, z), reduction="none", out=device(value))
        np.testing.assert_allclose(value, loss.value(y, z, reduction="none"), rtol=float(np.finfo(name).eps))
    bits = np.zeros((20, 3), np.uint16)
    loss.gradient(*device(y, np.round(z)), out=BFloat16(bits))
    got = (bits.astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_allclose(got, loss.gradient(y, np.round(z)), rtol=2.0**-8)


def test_many_classes_in_a_narrow_output() -> None:
    """What is counted there are more numbers than float16 holds."""
    z = np.zeros((1, 2300))
    y = np.zeros((1, 2300))
    y[0, 0] = 1
    out = np.zeros((1, 2300), np.float16)
    nbloss.MultiLabelMargin().gradient(*device(y, z), out=device(out))
    assert out[0, 0] == np.float16(-2299 / 2300) and (out[0, 1:] == np.float16(1 / 2300)).all()


@pytest.mark.parametrize("name", ["int64", "int8", "float64", "float32"])
def test_what_is_no_label_makes_its_row_nan(name: str) -> None:
    for loss in (nbloss.CategoricalHinge(), nbloss.MultiMargin(p=2), nbloss.MultiLabelMargin()):
        y = np.array([0, 3, 2, -1, 100, 1]).astype(name)
        bad = [1, 3, 4]
        if y.dtype.kind == "f":
            y[4:] = 0.5, math.nan
            bad.append(5)
        z = data(loss, "labels", (6, 3))[1]
        results = host(loss.value(*device(y, z), reduction="none")), host(loss.gradient_and_hessian(*device(y, z)))
        for result in (*results[0], *results[1], *host(loss.hessian_matrix(*device(y, z)))):
            flat = np.isnan(result.reshape(6, -1))
            assert np.flatnonzero(flat.all(-1)).tolist() == np.flatnonzero(flat.any(-1)).tolist() == bad
        w = np.ones(6)
        w[bad] = 0
        assert np.isfinite(host(loss(*device(y, z, w)))[0])


@each
def test_domain(loss: Any, kind: str) -> None:
    if kind == "rows":
        y, z = np.zeros((6, 3)), np.ones((6, 3))
        y[:, 1] = [0, 1, 0.5, -0.1, 1.1, math.nan]
        values = host(loss.value(*device(y, z), reduction="none"))[0]
        np.testing.assert_array_equal(np.isnan(values), np.isnan(loss.value(y, z, reduction="none")))
        assert np.isnan(host(loss.gradient(*device(y, z)))[0][3:]).all()


def test_errors_come_before_anything_is_written() -> None:
    y, z = data(None, "labels", (6, 3))
    out = np.full((6, 3), 7.0)
    with pytest.raises(ValueError, match="y_true must hold labels"):
        nbloss.MultiMargin().gradient(*device(np.zeros((6, 3)), z), out=device(out))
    with pytest.raises(ValueError, match="overlap"):
        nbloss.MultiMargin().gradient(*device(y, z), out=device(z))
    with pytest.raises(TypeError, match="one place"):
        nbloss.MultiMargin().gradient(y, device(z), out=device(out))
    assert (out == 7).all()


def test_bits_depend_neither_on_the_run_nor_on_the_layout() -> None:
    loss = nbloss.MultiMargin(p=2)
    y, z = data(loss, "labels", (90, 3))
    w = np.random.default_rng(2).uniform(size=90)
    first = [a.tobytes() for a in host(loss.value_and_gradient(*device(y, z, w)))]
    assert first == [a.tobytes() for a in host(loss.value_and_gradient(*device(y, z, w)))]
    assert first == [
        a.tobytes() for a in host(loss.value_and_gradient(*device(*(np.repeat(a, 2, 0)[::2] for a in (y, z, w)))))
    ]
