"""What single losses mean: kinks, identities and worked numbers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import nbloss
from tests.cases import ordinary


def at(loss: Any, y: float, z: float) -> tuple[float, float, float]:
    """Return value, gradient and Hessian of one element."""
    gradient, hessian = loss.gradient_and_hessian(float(y), float(z))
    return float(loss.value(float(y), float(z), reduction="none")), float(gradient), float(hessian)


@pytest.mark.parametrize(
    ("loss", "y", "z", "want"),
    [
        (nbloss.AbsoluteError(), 2, 2, (0, 0, 0)),
        (nbloss.Quantile(alpha=0.9), 2, 2, (0, 0, 0)),
        (nbloss.Quantile(alpha=0.9), 2, 1, (0.9, -0.9, 0)),
        (nbloss.Quantile(alpha=0.75), 1, 2, (0.25, 0.25, 0)),
        (nbloss.Expectile(alpha=0.75), 1, 2, (0.25, 0.5, 0.5)),
        (nbloss.Expectile(alpha=0.75), 2, 1, (0.75, -1.5, 1.5)),
        (nbloss.AbsolutePercentageError(), 2, 2, (0, 0, 0)),
        (nbloss.AbsolutePercentageError(), -2, 1, (150, 50, 0)),
        (nbloss.AbsolutePercentageError(), 0, 1, (math.inf, math.inf, 0)),
        (nbloss.AbsolutePercentageError(), 0, 0, (0, 0, 0)),
        (nbloss.Huber(delta=2), 0, 2, (2, 2, 1)),
        (nbloss.Huber(delta=2), 0, -3, (4, -2, 0)),
        (nbloss.SmoothL1(beta=2), 0, 2, (1, 1, 0)),
        (nbloss.SmoothL1(beta=2), 0, 1, (0.25, 0.5, 0.5)),
        (nbloss.SmoothL1(beta=0), 0, -3, (3, -1, 0)),
        (nbloss.SmoothL1(beta=0), 0, 0, (0, 0, 0)),
        (nbloss.Hinge(), 1, 1, (0, 0, 0)),
        (nbloss.Hinge(), 0, 0.5, (1.5, 1, 0)),
        (nbloss.Hinge(), -1, 0.5, (1.5, 1, 0)),
        (nbloss.SquaredHinge(), 1, 1, (0, 0, 0)),
        (nbloss.SquaredHinge(), 1, -1, (4, -4, 2)),
        (nbloss.Perceptron(), 1, 0, (0, 0, 0)),
        (nbloss.Perceptron(), 0, 2, (2, 1, 0)),
        (nbloss.HingeEmbedding(), -1, 1, (0, 0, 0)),
        (nbloss.HingeEmbedding(), -1, 0.25, (0.75, -1, 0)),
        (nbloss.HingeEmbedding(), 1, 0.25, (0.25, 1, 0)),
        (nbloss.Exponential(), 0, 0, (1, 1, 1)),
        (nbloss.ZeroOne(), 1, 1, (0, 0, 0)),
        (nbloss.ZeroOne(), 1, 1.5, (1, 0, 0)),
        (nbloss.ZeroOne(tolerance=0.5), 1, 1.5, (1, 0, 0)),
        (nbloss.ZeroOne(tolerance=0.5), 1, 1.25, (0, 0, 0)),
        (nbloss.BinaryCrossEntropy(from_logits=False), 0, 0, (0, 1, 1)),
        (nbloss.BinaryCrossEntropy(from_logits=False), 1, 1, (0, -1, 1)),
        (nbloss.BinaryCrossEntropy(from_logits=False), 1, 0, (math.inf, -math.inf, math.inf)),
        (nbloss.BinaryCrossEntropy(from_logits=False), 0, 1, (math.inf, math.inf, math.inf)),
        (nbloss.BinaryCrossEntropy(), 0, 0, (math.log(2), 0.5, 0.25)),
        (nbloss.BinaryFocal(gamma=1.5, alpha=None, from_logits=False), 1, 1, (0, 0, 0)),
        (nbloss.BinaryFocal(gamma=1.5, alpha=None, from_logits=False), 1, 0, (math.inf, -math.inf, math.inf)),
        (nbloss.BinaryFocal(gamma=0.5, alpha=None, from_logits=False), 1, 1, (0, 0, math.inf)),
        (nbloss.Brier(), 1, 0, (0.125, -0.125, 0.0625)),
        (nbloss.Brier(from_logits=False), 1, 0.5, (0.125, -0.5, 1)),
        (nbloss.NegativeBinomial(dispersion=1.0), math.inf, 0, (math.inf, -math.inf, math.inf)),
        (nbloss.NegativeBinomial(dispersion=0.0), math.inf, -1000, (math.inf, -math.inf, 0)),
    ],
    ids=repr,
)
def test_single_numbers(loss: Any, y: float, z: float, want: tuple[float, float, float]) -> None:
    assert at(loss, y, z) == want


def test_squared_logarithmic_error_ends_at_minus_one() -> None:
    loss = nbloss.SquaredLogarithmicError()
    assert math.isnan(loss(0.0, -1.0)) and math.isnan(loss(-1.0, 0.0)) and math.isnan(loss(0.0, -2.0))
    assert math.isfinite(loss(0.0, np.nextafter(-1, 0)))


def test_labels_may_be_01_or_pm1() -> None:
    z = np.linspace(-2, 2, 9)
    for loss in (nbloss.Hinge(), nbloss.SquaredHinge(), nbloss.Perceptron(), nbloss.Exponential()):
        np.testing.assert_array_equal(
            loss.value(np.zeros(9), z, reduction="none"), loss.value(-np.ones(9), z, reduction="none")
        )


def test_identities() -> None:
    y, z = ordinary(nbloss.BinaryCrossEntropy(), 500)
    none = {"reduction": "none"}
    bce = nbloss.BinaryCrossEntropy()
    p = bce.inverse_link(z)
    np.testing.assert_allclose(
        nbloss.BalancedBinaryCrossEntropy().value(y, z, **none), bce.value(y, z, **none) / 2, rtol=1e-15
    )
    np.testing.assert_allclose(
        nbloss.BinaryFocal(gamma=0, alpha=None).value(y, z, **none), bce.value(y, z, **none), rtol=2e-15
    )
    np.testing.assert_allclose(bce.gradient(y, z), p - y, rtol=1e-14, atol=1e-16)
    assert (bce.hessian(y, z) >= 0).all()
    np.testing.assert_allclose(
        nbloss.BinaryCrossEntropy(from_logits=False).value(y, p, **none), bce.value(y, z, **none), rtol=1e-12
    )
    np.testing.assert_array_equal(
        nbloss.SmoothL1(beta=1).value(y, z, **none), nbloss.Huber(delta=1).value(y, z, **none)
    )
    np.testing.assert_array_equal(
        nbloss.SmoothL1(beta=0).value(y, z, **none), nbloss.AbsoluteError().value(y, z, **none)
    )
    np.testing.assert_allclose(
        nbloss.SmoothL1(beta=0.7).value(y, z, **none), nbloss.Huber(delta=0.7).value(y, z, **none) / 0.7, rtol=1e-15
    )
    np.testing.assert_array_equal(
        2 * nbloss.HalfSquaredError().value(y, z, **none), nbloss.SquaredError().value(y, z, **none)
    )
    np.testing.assert_array_equal(2 * nbloss.Quantile().value(y, z, **none), nbloss.AbsoluteError().value(y, z, **none))
    np.testing.assert_allclose(bce.gradient(1 - y, -z), -bce.gradient(y, z), rtol=1e-13, atol=1e-16)


def test_label_smoothing_and_pos_weight() -> None:
    y, z = ordinary(nbloss.BinaryCrossEntropy(), 100)
    smoothed = nbloss.BinaryCrossEntropy(label_smoothing=0.2)
    np.testing.assert_allclose(
        smoothed.gradient(y, z), nbloss.BinaryCrossEntropy().gradient(0.8 * y + 0.1, z), rtol=1e-13, atol=1e-15
    )
    label = np.round(y)
    weighted = nbloss.BinaryCrossEntropy(pos_weight=3).value(label, z, reduction="none")
    plain = nbloss.BinaryCrossEntropy().value(label, z, reduction="none")
    np.testing.assert_allclose(weighted, np.where(label == 1, 3, 1) * plain, rtol=1e-15)


def test_balanced_from_labels() -> None:
    loss = nbloss.BalancedBinaryCrossEntropy.from_labels([0, 0, 0, 1])
    assert loss == nbloss.BalancedBinaryCrossEntropy(alpha=0.75)
    with pytest.raises(ValueError, match="y"):
        nbloss.BalancedBinaryCrossEntropy.from_labels([])
    with pytest.raises(ValueError, match="y"):
        nbloss.BalancedBinaryCrossEntropy.from_labels([0, 2])


def test_squared_error_behind_a_sigmoid_is_not_convex() -> None:
    z = np.linspace(-20, 20, 401)
    loss = nbloss.Brier()
    assert (loss.hessian(np.ones_like(z), z) < 0).any()
    assert abs(loss.gradient(1.0, -20.0)) < 1e-8 < abs(nbloss.BinaryCrossEntropy().gradient(1.0, -20.0))


def test_worked_numbers() -> None:
    z, y = [-0.4477, 1.1807, 0.9555], [0, 0, 1]
    np.testing.assert_allclose(
        nbloss.BinaryCrossEntropy().value(y, z, reduction="none"), [0.4941451, 1.4484832, 0.3254256], atol=5e-8
    )
    assert nbloss.BinaryCrossEntropy()(y, z) == pytest.approx(0.7560180, abs=5e-8)
    a, b = (
        [[0.7813, 2.5570, 0.2680], [1.8305, 1.4230, 0.6720]],
        [[-0.6951, -0.0510, 0.8427], [-1.0945, -1.2718, -0.8232]],
    )
    assert nbloss.get("l1")(a, b) == pytest.approx(1.96235, abs=5e-8)
    a, b = (
        [[0.3067, -0.0677, -1.5623], [-0.3898, -0.1272, -1.0483]],
        [[-0.7882, 1.1236, -1.2984], [0.0710, -2.2593, 1.3296]],
    )
    assert nbloss.get("mse")(a, b) == pytest.approx(2.1833734, abs=5e-8)
    sigmoid = nbloss.BinaryCrossEntropy().inverse_link([3, 1, -3])
    np.testing.assert_allclose(sigmoid, [0.9525741, 0.7310586, 0.0474259], atol=5e-8)
