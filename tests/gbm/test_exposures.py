"""Law: the weights of rows are the exposures of CrossEntropyLambda, as for LightGBM's objective of that name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nbloss
from nbloss.gbm import Metric, Objective
from nbloss.gbm._start import start_of
from tests.gbm.test_objective import W, Y, Z, data_of

LOSS = nbloss.CrossEntropyLambda()
EXACT = Objective(LOSS, hessian_floor=0.0)


def of_lightgbm(y: Any, z: Any, w: Any) -> tuple[Any, Any]:
    """Return gradient and Hessian as LightGBM has them, from the rate and the probability of an event."""
    rate = np.log1p(np.exp(z))
    p = -np.expm1(-w * rate)
    c = 1 / (1 - p)
    bend = w * np.exp(z) / (1 + np.exp(z)) ** 2
    return (1 - y / p) * w / (1 + np.exp(-z)), bend * (1 + y * c / (c - 1) ** 2 * (1 + w * np.exp(z) - c))


def test_weights_are_exposures() -> None:
    z, w = Z[Z < 6], W[Z < 6].astype(np.float64)  # where LightGBM's formula has lost no digits
    y = Y[Z < 6]
    for found in (EXACT(y, z, w), EXACT(z, data_of(y, w)), -EXACT.calc_ders_range(z, y, w).T):
        for a, b in zip(found, of_lightgbm(y, z, w), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)


def test_nothing_is_multiplied_by_exposures() -> None:
    metric = Metric(LOSS)
    expected = LOSS((Y, W), Z)
    assert metric(Y, Z, W) == expected != LOSS(Y, Z, W)
    assert metric.get_final_error(*metric.evaluate([Z], Y, W)) == pytest.approx(expected, rel=1e-14)
    assert start_of(EXACT, Y, W) == LOSS.init_score((Y, W)) != LOSS.init_score(Y, W)


def test_labels_and_exposures_may_still_have_weights() -> None:
    found = EXACT((Y, W), Z, np.full(len(Y), 3.0))
    for a, b in zip(found, EXACT(Y, Z, W), strict=True):
        np.testing.assert_allclose(a, 3 * b, rtol=1e-6)
