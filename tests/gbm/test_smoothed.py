"""Law: with XGBoost's convention, absolute and quantile errors are what its built-in objectives of that version take.

tests/gbm/test_built_in.py compares with the XGBoost that is installed; here both versions are held to their lines.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import xgboost

import nbloss
from nbloss.gbm import Objective, _smoothed

rng = np.random.default_rng(2)
N, LEVELS = 70, (0.1, 0.5, 0.8)
Y, Z = rng.normal(size=N).astype(np.float32), (2 * rng.normal(size=N)).astype(np.float32)
ROWS, W = rng.normal(size=(N, 3)).astype(np.float32), rng.uniform(0.2, 3, N).astype(np.float32)
weighted = pytest.mark.parametrize("weight", [None, W], ids=["unweighted", "weighted"])


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_smoothed, "is_built_in", lambda: True)


def scale_of(r: Any, w: Any) -> Any:
    return np.average(np.sqrt(np.abs(r)), weights=w, axis=0) ** 2


def of_quantile(z: Any, w: Any, alpha: float) -> Any:
    """Return gradient and Hessian before they are multiplied by the weight."""
    r = z - Y.astype(np.float64)
    s = scale_of(r, w)
    x = r / (0.04 * s)
    return s / 2 * (np.tanh(x) + 1 - 2 * alpha), 12.5 * np.maximum(np.tanh(x) / x, 3e-4)


def compare(found: Any, expected: Any, weight: Any) -> None:
    w = 1.0 if weight is None else weight if found[0].ndim == 1 else weight[:, None]
    for a, b in zip(found, expected, strict=True):
        assert a.dtype == np.float32
        np.testing.assert_allclose(a, w * b, rtol=2e-6, atol=1e-6)


@weighted
def test_newer(newer: None, weight: Any) -> None:
    r = Z - Y.astype(np.float64)
    s = scale_of(r, weight)
    found = Objective(nbloss.AbsoluteError(), "xgboost")(Y, Z, weight)
    compare(found, (s * r / np.hypot(s, r), s / np.hypot(s, r)), weight)
    compare(Objective(nbloss.Quantile(alpha=0.8), "xgboost")(Y, Z, weight), of_quantile(Z, weight, 0.8), weight)
    each = [of_quantile(ROWS[:, k], weight, alpha) for k, alpha in enumerate(LEVELS)]
    levels = Objective(nbloss.MultiQuantile(alphas=LEVELS), "xgboost")
    compare(levels(Y, ROWS, weight), np.moveaxis(each, 0, -1), weight)
    compare(levels(Y, np.asfortranarray(ROWS), weight), np.moveaxis(each, 0, -1), weight)


@weighted
def test_older(monkeypatch: pytest.MonkeyPatch, weight: Any) -> None:
    monkeypatch.setattr(_smoothed, "is_built_in", lambda: False)
    compare(Objective(nbloss.AbsoluteError(), "xgboost")(Y, Z, weight), (np.sign(Z - Y), np.ones(N)), weight)
    found = Objective(nbloss.MultiQuantile(alphas=LEVELS), "xgboost")(Y, ROWS, weight)
    compare(found, ((Y[:, None] < ROWS) - np.array(LEVELS), np.ones((N, 3))), weight)


def test_the_version_that_is_installed_decides() -> None:
    assert _smoothed.is_built_in() == (tuple(map(int, xgboost.__version__.split(".")[:2])) >= (3, 4))
    exact = Objective(nbloss.AbsoluteError())(Y, Z)[0]
    np.testing.assert_array_equal(exact, np.sign(Z - Y))


def test_no_residual_at_all(newer: None) -> None:
    for loss, expected in ((nbloss.AbsoluteError(), 1.0), (nbloss.Quantile(), 0.0)):
        gradient, hessian = Objective(loss, "xgboost")(Y, Y)
        assert (gradient == 0).all() and (hessian == expected).all()


def test_rows_of_weight_0_are_not_looked_at(newer: None) -> None:
    for loss in (nbloss.AbsoluteError(), nbloss.Quantile()):
        objective, z, w = Objective(loss, "xgboost"), Z.copy(), W.copy()
        z[5] = np.nan
        with pytest.raises(ValueError, match="y_pred must be finite, got nan in row 5 "):
            objective(Y, z, w)
        w[5] = 0
        found = objective(Y, z, w)
        others = np.arange(N) != 5
        for a, b in zip(found, objective(Y[others], Z[others], W[others]), strict=True):
            assert a[5] == 0
            np.testing.assert_allclose(a[others], b, rtol=1e-6)


@weighted
def test_the_scale_is_that_of_all_workers(newer: None, monkeypatch: pytest.MonkeyPatch, weight: Any) -> None:
    objective, half = Objective(nbloss.AbsoluteError(), "xgboost"), slice(0, 30)
    whole = objective(Y, Z, weight)
    w = np.ones(N) if weight is None else weight
    other = np.array([(w[30:] * np.sqrt(np.abs(Z - Y))[30:]).sum(), w[30:].sum()])
    monkeypatch.setattr(xgboost.collective, "is_distributed", lambda: 1)
    monkeypatch.setattr(xgboost.collective, "allreduce", lambda sums, op: sums + other)
    for a, b in zip(objective(Y[half], Z[half], None if weight is None else W[half]), whole, strict=True):
        np.testing.assert_allclose(a, b[half], rtol=1e-6)


def test_catboost_calls_with_some_rows(newer: None) -> None:
    with pytest.raises(ValueError, match="hessian must not be 'xgboost' for AbsoluteError"):
        Objective(nbloss.AbsoluteError(), "xgboost").calc_ders_range(Z.astype(np.float64), Y, None)
