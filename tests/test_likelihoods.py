"""Losses that are likelihoods give what scikit-learn, SciPy and the boosting libraries give."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.stats
from sklearn._loss import HalfGammaLoss, HalfPoissonLoss, HalfTweedieLoss

import nbloss
from tests.cases import ordinary


@pytest.mark.parametrize(
    ("loss", "theirs"),
    [
        (nbloss.Poisson(), HalfPoissonLoss()),
        (nbloss.Gamma(), HalfGammaLoss()),
        (nbloss.Tweedie(power=1.9), HalfTweedieLoss(power=1.9)),
    ],
    ids=lambda x: type(x).__name__,
)
def test_scikit_learn(loss: Any, theirs: Any) -> None:
    y, z = ordinary(loss, 200)
    w = np.linspace(0.1, 3, 200)
    value = theirs.loss(y_true=y, raw_prediction=z, sample_weight=w)
    gradient, hessian = theirs.gradient_hessian(y_true=y, raw_prediction=z, sample_weight=w)
    np.testing.assert_allclose(loss.value(y, z, w, reduction="none"), value, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(loss.gradient(y, z, w), gradient, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(loss.hessian(y, z, w), hessian, rtol=1e-12)
    assert loss.init_score(y, w) == pytest.approx(theirs.fit_intercept_only(y, w), rel=1e-12)


@pytest.mark.parametrize("dispersion", [0.2, 3.0])
def test_negative_binomial_is_a_likelihood(dispersion: float) -> None:
    """Up to a term without the prediction."""
    y, z = np.arange(50.0), np.linspace(-3, 5, 50)
    size, loss = 1 / dispersion, nbloss.NegativeBinomial(dispersion=dispersion)

    def theirs(z: Any) -> Any:
        return -scipy.stats.nbinom.logpmf(y, size, size / (size + np.exp(z)))

    got = loss.value(y, z, reduction="none") - loss.value(y, np.zeros(50), reduction="none")
    np.testing.assert_allclose(got, theirs(z) - theirs(np.zeros(50)), rtol=1e-10, atol=1e-10)


def test_negative_binomial_without_dispersion_is_poisson() -> None:
    y, z = ordinary(nbloss.Poisson(), 100)
    plain, limit = nbloss.Poisson(), nbloss.NegativeBinomial(dispersion=0)
    np.testing.assert_allclose(
        limit.value(y, z, reduction="none"), plain.value(y, z, reduction="none"), rtol=1e-14, atol=1e-14
    )
    np.testing.assert_allclose(limit.gradient_and_hessian(y, z), plain.gradient_and_hessian(y, z), rtol=1e-14)


def test_a_rate_with_an_exposure_as_weight() -> None:
    counts, exposure, z = np.array([0.0, 2, 5]), np.array([0.5, 2.0, 4.0]), np.array([-1.0, 0.3, 1.0])
    np.testing.assert_allclose(
        nbloss.Poisson().gradient(counts, z + np.log(exposure)),
        nbloss.Poisson().gradient(counts / exposure, z, exposure),
        rtol=1e-14,
    )


def test_fair_is_that_of_lightgbm() -> None:
    y, z = ordinary(nbloss.Fair(), 100)
    c, r = 1.3, z - y
    gradient, hessian = nbloss.Fair(c=c).gradient_and_hessian(y, z)
    np.testing.assert_allclose(gradient, c * r / (np.abs(r) + c), rtol=1e-14)
    np.testing.assert_allclose(hessian, c * c / (np.abs(r) + c) ** 2, rtol=1e-14)


def test_asymmetric_loss_without_clip_is_focal() -> None:
    y, z = ordinary(nbloss.BinaryFocal(), 100)
    for gamma in (0.0, 2.0, 1.3):
        plain = nbloss.BinaryFocal(gamma=gamma, alpha=None)
        loss = nbloss.AsymmetricLoss(gamma_pos=gamma, gamma_neg=gamma, clip=0)
        np.testing.assert_allclose(loss.value(y, z, reduction="none"), plain.value(y, z, reduction="none"), rtol=1e-13)
        np.testing.assert_allclose(
            loss.gradient_and_hessian(y, z), plain.gradient_and_hessian(y, z), rtol=1e-12, atol=1e-15
        )


def test_easy_negatives_cost_nothing() -> None:
    z = np.log(0.05 / 0.95) + np.array([-3, -1e-3, 1e-3, 3])
    for result in (
        nbloss.AsymmetricLoss().value(0 * z, z, reduction="none"),
        nbloss.AsymmetricLoss().gradient(0 * z, z),
    ):
        assert (result > 0).tolist() == [False, False, True, True] and (result[:2] == 0).all()
