"""A row of quantile losses of one target is the sum of them, in every dtype and layout; in order, rows do not cross."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import nbloss
from nbloss._cpu.pointwise import PARALLEL_FROM

ALPHAS = (0.1, 0.5, 0.75, 0.9)
LOSS = nbloss.MultiQuantile(alphas=ALPHAS)
NONE: dict[str, Any] = {"reduction": "none"}


def data(n: int, dtype: type = np.float64) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    y = rng.normal(size=n) * 3
    z = rng.normal(size=(n, 4)) * 3
    z[::5, 1] = y[::5]  # at the kink
    return y.astype(dtype), z.astype(dtype)


def apart(y: Any, z: Any) -> tuple[Any, Any]:
    """Return the values of each row and the gradients, from a loss for each level."""
    each = [nbloss.Quantile(alpha=a) for a in ALPHAS]
    values = sum(loss.value(y, z[..., k], **NONE) for k, loss in enumerate(each))
    return values, np.stack([loss.gradient(y, z[..., k]) for k, loss in enumerate(each)], -1)


@pytest.mark.parametrize(("n", "dtype"), [(30, np.float64), (PARALLEL_FROM // 4 + 7, np.float64), (30, np.float32)])
def test_it_is_a_sum(n: int, dtype: type) -> None:
    y, z = data(n, dtype)
    w = np.arange(n) % 3 * 0.5
    values, gradient = apart(y, z)
    eps = float(np.finfo(dtype).eps)
    np.testing.assert_allclose(LOSS.value(y, z, **NONE), values, rtol=4 * eps)
    g, h = LOSS.gradient_and_hessian(y, z)
    assert g.dtype == h.dtype == dtype and not h.any()
    np.testing.assert_allclose(g, gradient, rtol=4 * eps)  # each in float32, but all here in float64
    np.testing.assert_allclose(LOSS.gradient(y, z, w), w[:, None] * gradient, rtol=4 * eps)
    assert LOSS(y, z) == pytest.approx(values.astype(float).mean(), rel=4 * eps)
    assert LOSS(y, z, w) == pytest.approx(np.average(values, weights=w), rel=4 * eps)
    value, scaled = LOSS.value_and_gradient(y, z, w)
    assert value == LOSS(y, z, w)
    np.testing.assert_allclose(scaled, w[:, None] * gradient / w.sum(), rtol=8 * eps)


def test_oracle() -> None:
    y, z = data(20)
    values, gradients, hessians = nbloss.reference.derivatives(LOSS, y, z)
    np.testing.assert_allclose(LOSS.value(y, z, **NONE), values, rtol=4e-16)
    np.testing.assert_array_equal(LOSS.gradient(y, z), np.where(z == y[:, None], 0, gradients))
    assert not hessians.any() and not LOSS.hessian_matrix(y, z).any()
    assert LOSS.hessian_matrix(y, z).shape == (20, 4, 4)


def test_layouts_dtypes_and_shapes() -> None:
    y, z = (a.reshape(4, 6, *a.shape[1:]) for a in data(24))
    want = apart(y, z)
    for a, b in ((np.asfortranarray(y), z), (y, np.asfortranarray(z)), (np.repeat(y, 2, 1)[:, ::2], z)):
        np.testing.assert_allclose(LOSS.value(a, b, **NONE), want[0], rtol=1e-15)
        np.testing.assert_array_equal(LOSS.gradient(a, b), want[1])
    moved = np.moveaxis(np.ascontiguousarray(np.moveaxis(z, -1, 0)), 0, -1)
    np.testing.assert_array_equal(LOSS.gradient(y, moved), want[1])
    z32 = np.array([[1, 1, 1, 1]], np.float32)
    assert LOSS.gradient(np.array([1 + 1e-12]), z32).tolist() == [[-np.float32(a) for a in ALPHAS]]
    assert LOSS.gradient(np.array([1 + 1e-12]), z32).dtype == np.float32
    assert LOSS.value(np.array([3]), z32, **NONE) == pytest.approx(2 * sum(ALPHAS))


def test_rows_in_order_do_not_cross() -> None:
    y, z = data(50)
    rows = LOSS.inverse_link(z)
    np.testing.assert_array_equal(rows, np.sort(z, -1))
    assert LOSS(y, rows) <= LOSS(y, z)
    as_they_are = nbloss.MultiQuantile(alphas=ALPHAS, sort=False)
    np.testing.assert_array_equal(as_they_are.inverse_link(z), z)
    assert LOSS.inverse_link(z.astype(np.float32)).dtype == np.float32
    np.testing.assert_array_equal(LOSS.inverse_link([math.inf, 1.0, -math.inf]), [-math.inf, 1, math.inf])
    assert np.isnan(LOSS.inverse_link([2.0, np.nan])).all()


def test_init_score() -> None:
    y, _ = data(60)
    w = np.arange(60) % 4
    for weight in (None, w):
        got = LOSS.init_score(y, weight)
        assert got.tolist() == [nbloss.Quantile(alpha=a).init_score(y, weight) for a in ALPHAS]
        least = LOSS(y, np.broadcast_to(got, (60, 4)), weight)
        for step in (0.1, -0.1):
            assert least <= LOSS(y, np.broadcast_to(got + step, (60, 4)), weight)
    with pytest.raises(ValueError, match="weight other than 0"):
        LOSS.init_score(y, 0 * w)


def test_nan_and_infinity() -> None:
    y, z = np.array([0, np.nan, 0, 1, np.inf]), np.zeros((5, 4))
    z[2, 1] = np.nan
    z[3, 3] = np.inf
    for result in (LOSS.value(y, z, **NONE)[:, None], *LOSS.gradient_and_hessian(y, z)):
        assert np.isnan(result).any(1).tolist() == np.isnan(result).all(1).tolist() == [False, True, True, False, False]
    assert LOSS.value(y, z, **NONE)[[3, 4]].tolist() == [np.inf, np.inf]
    assert LOSS(y, z, [1, 0, 0, 0, 0]) == 0


def test_errors() -> None:
    y, z = data(6)
    with pytest.raises(ValueError, match="alphas has 4 numbers: the last axis of y_pred must be as long"):
        LOSS(y, z[:, :3])
    with pytest.raises(ValueError, match=r"y_true must have the shape of the losses, \(6,\), got \(6, 4\)"):
        LOSS(z, z)
    with pytest.raises(ValueError, match="alphas must increase"):
        nbloss.MultiQuantile(alphas=(0.5, 0.5))
    with pytest.raises(ValueError, match="alphas must be a finite number in"):
        nbloss.MultiQuantile(alphas=(0.5, 1.5))
    with pytest.raises(ValueError, match="overlap"):
        LOSS.gradient(y, z, out=z)


def test_it_is_a_value() -> None:
    import pickle

    assert pickle.loads(pickle.dumps(LOSS)) == LOSS == eval(repr(LOSS), vars(nbloss)) and hash(LOSS) == hash(LOSS)
    assert nbloss.MultiQuantile(alphas=0.5).alphas == (0.5,)
