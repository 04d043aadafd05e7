"""Law: of dask arrays comes lazily, chunk by chunk, what NumPy's give."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest

import nbloss

rng = np.random.default_rng(0)
N, K = 90, 4
Z, W = rng.normal(size=(N, K)), rng.uniform(0.2, 3, (N, K))
W[::7] = 0
LABELS, SHARES = rng.integers(0, K, N), rng.dirichlet(np.ones(K), N)
IGNORING = nbloss.CrossEntropy(ignore_index=2, class_weight=(1.0, 2.0, 0.5, 3.0))

CASES: list[tuple[Any, Any, Any]] = [
    (nbloss.Huber(), rng.normal(size=(N, K)), W),
    (nbloss.Huber(), rng.normal(size=(N, K)), 2.0),
    (nbloss.BinaryCrossEntropy(pos_weight=(1.0, 2.0, 3.0, 4.0)), (rng.random((N, K)) < 0.5), W[:, 0]),
    (IGNORING, LABELS, W[:, 0]),
    (nbloss.CrossEntropy(class_weight=(1.0, 2.0, 0.5, 3.0)), SHARES, W[:, 0]),
]


@pytest.mark.parametrize(
    ("loss", "y", "w"), CASES, ids=lambda x: type(x).__name__ if isinstance(x, nbloss.Loss) else ""
)
def test_same_as_numpy(loss: Any, y: Any, w: Any) -> None:
    z = da.from_array(Z, (40, 3))
    lazy = (da.from_array(y, 25), z, w if np.ndim(w) == 0 else da.from_array(w, 30))
    for reduction in ("mean", "sum", "none"):
        found, expected = loss(*lazy, reduction=reduction), loss(y, Z, w, reduction=reduction)
        assert isinstance(found, da.Array) and found.dtype == expected.dtype and found.shape == np.shape(expected)
        np.testing.assert_allclose(found.compute(), expected, rtol=1e-12)
    both, expected = loss.gradient_and_hessian(*lazy), loss.gradient_and_hessian(y, Z, w)
    for a, b in zip(both, expected, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        np.testing.assert_array_equal(a.compute(), b)
    np.testing.assert_allclose(loss.gradient(*lazy).compute(), expected[0], rtol=1e-12)
    mean, gradient = loss.value_and_gradient(*lazy)
    scale = loss(y, Z, w) / loss(y, Z, w, reduction="sum")
    np.testing.assert_allclose(mean.compute(), loss(y, Z, w), rtol=1e-12)
    np.testing.assert_allclose(gradient.compute(), expected[0] * scale, rtol=1e-11)


def test_types_and_chunks_stay() -> None:
    y, z = (da.from_array(rng.normal(size=N).astype(np.float32), 40) for _ in range(2))
    gradient = nbloss.Huber().gradient(y, z)
    assert gradient.dtype == np.float32 and gradient.chunks == z.chunks
    mixed = nbloss.Huber()(y.compute(), z)  # an array of NumPy beside it
    np.testing.assert_allclose(mixed.compute(), nbloss.Huber()(y.compute(), z.compute()), rtol=1e-12)


def test_nothing_is_computed_before_it_is_asked_for() -> None:
    def fail(x: Any) -> Any:
        raise AssertionError("computed")

    z = da.from_array(Z, 40).map_blocks(fail, dtype=np.float64, meta=np.empty((0, 0)))
    nbloss.Huber().gradient(Z, z)
    value = nbloss.CrossEntropy()(LABELS, z)
    with pytest.raises(AssertionError, match="computed"):
        value.compute()


def test_errors_come_at_once() -> None:
    z = da.from_array(Z, 40)
    with pytest.raises(ValueError, match="y_true must have the shape of y_pred"):
        nbloss.Huber()(LABELS, z)
    with pytest.raises(ValueError, match="sample_weight must be a scalar or have shape"):
        nbloss.Huber()(Z, z, np.ones(3))
    with pytest.raises(ValueError, match="reduction must be"):
        nbloss.Huber()(Z, z, reduction="max")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="out must be None for dask arrays"):
        nbloss.Huber().gradient(Z, z, out=np.empty_like(Z))
    with pytest.raises(TypeError, match="dask arrays are for losses of elements and of rows"):
        nbloss.Dice()(Z > 0, z)


def test_no_weight_at_all_is_nan() -> None:
    z = da.from_array(Z, 40)
    assert np.isnan(nbloss.Huber()(Z, z, np.zeros(N)).compute())
