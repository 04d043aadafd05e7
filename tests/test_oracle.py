"""Law: kernels give the exact value, gradient and Hessian of the textbook line, to a few ulp, at every magnitude."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from mpmath import fabs, isfinite, log1p, mp, mpf

import nbloss
from tests.cases import CASES, LOG_LINKED, REPRESENTATIVES, extreme, ordinary, rounded
from tests.selection import slow
from tests.ulps import ulps


def allowed(loss: nbloss.Loss) -> float:
    """Return how many ulp a loss may be off."""
    if isinstance(loss, nbloss.BinaryFocal):
        return 8 if loss.gamma in (0, 1, 2, 3) else 8 + 2 * loss.gamma
    if isinstance(loss, nbloss.AsymmetricLoss):
        return 8 + 2 * loss.gamma_neg  # the exponent of a difference
    return 4


def largest_terms(loss: Any, y: float, z: float) -> tuple[Any, Any, Any]:
    """Return the size of the largest term of value, gradient and Hessian, where they are differences; else 0."""
    none = (0, 0, 0)
    if isinstance(loss, nbloss.SquaredLogarithmicError):
        d = log1p(mpf(z)) - log1p(mpf(y)) if z > -1 and y > -1 else mpf(0)
        return 0, 0, max(2, 2 * fabs(d)) / (1 + mpf(z)) ** 2 if z > -1 else 0
    if isinstance(loss, nbloss.Brier) and loss.from_logits:
        p = 1 / (1 + mp.exp(-mpf(z)))
        slope = p * (1 - p)
        terms = max(p * (1 - mpf(y)), (1 - p) * y)  # of p - y
        return fabs(p - y) * terms, slope * terms, slope * max(slope, terms * max(p, 1 - p))
    if isinstance(loss, nbloss.BinaryFocal):
        return focal_terms(loss, y, z)
    if isinstance(loss, nbloss.AsymmetricLoss) and 0 <= y <= 1:
        return asymmetric_terms(loss, mpf(y), z)
    if isinstance(loss, LOG_LINKED) and y >= 0:
        return terms_of_mean(loss, mpf(y), mpf(z))
    of_logits = nbloss.BinaryCrossEntropy | nbloss.BalancedBinaryCrossEntropy | nbloss.CrossEntropyLambda
    if isinstance(loss, of_logits) and 0 <= y <= 1:
        smoothing = mpf(getattr(loss, "label_smoothing", 0.0))
        plain = dataclasses.replace(loss, label_smoothing=0.0) if smoothing else loss
        ends = [nbloss.reference.exact(plain, end, z) for end in (0.0, 1.0)]  # the loss is linear in the target
        t = mpf(y) * (1 - smoothing) + smoothing / 2
        return 0, max(part(1 - t, ends[0][1]), part(t, ends[1][1])), 0
    return none


def part(share: Any, x: Any) -> Any:
    """Return the size of ``share * x``, 0 where the share is 0 or x has no bound."""
    return fabs(share * x) if share != 0 and isfinite(x) else mpf(0)


def asymmetric_terms(loss: Any, y: Any, z: float) -> tuple[Any, Any, Any]:
    """Return the largest terms of both classes, of which the negative one feels a difference, p - clip."""
    _, gradient, hessian = focal_terms(nbloss.BinaryFocal(gamma=loss.gamma_pos, alpha=None), 1.0, z)
    p, q, clip, gamma = 1 / (1 + mp.exp(-mpf(z))), 1 / (1 + mp.exp(mpf(z))), mpf(loss.clip), mpf(loss.gamma_neg)
    if p <= clip:
        return 0, y * gradient, y * hessian
    u, rest = p - clip, q + clip
    value, slope, worse = -mp.log(rest), p * q, max(p, clip) / u
    first = u**gamma * max(gamma * value / u, 1 / rest)
    terms = gamma * fabs(gamma - 1) * value / u**2, 2 * gamma / (u * rest), 1 / rest**2
    second = u**gamma * max(terms) * slope**2
    return (
        (1 - y) * u**gamma * value * worse,
        max(y * gradient, (1 - y) * first * slope * worse),
        max(y * hessian, (1 - y) * worse * max(second, first * slope)),
    )


def terms_of_mean(loss: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
    """Return the largest terms of a loss of a log-mean and its gradient."""
    mean = mp.exp(z)
    if isinstance(loss, nbloss.Poisson):
        return max(mean, fabs(y * z)), max(mean, y), 0
    if isinstance(loss, nbloss.Gamma):
        return max(fabs(z), y / mean), max(1, y / mean), 0
    if isinstance(loss, nbloss.Tweedie):
        return 0, max(mean ** (2 - mpf(loss.power)), y * mean ** (1 - mpf(loss.power))), 0
    a = mpf(loss.dispersion)
    logarithm = log1p(a * mean)
    rest = max(fabs(logarithm - z), 1 / mean) if a * mean > 1 and z > 0 else max(logarithm, fabs(z))
    return max(logarithm / a if a else mean, y * rest), max(mean, y) / (1 + a * mean), 0


def focal_terms(loss: nbloss.BinaryFocal, y: float, z: float) -> tuple[Any, Any, Any]:
    """Return the largest terms of the focal loss and its derivatives, over both classes."""
    if not 0 <= y <= 1:
        return 0, 0, 0
    gamma = mpf(loss.gamma)
    gradient, hessian = [mpf(0)], [mpf(0)]
    for sign, share, alpha in (
        (1, mpf(y), loss.alpha),
        (-1, 1 - mpf(y), None if loss.alpha is None else 1 - mpf(loss.alpha)),
    ):
        factor = share * (1 if alpha is None else mpf(alpha))
        if factor == 0:
            continue
        if loss.from_logits:
            q = 1 / (1 + mp.exp(sign * mpf(z)))
            p, value = 1 - q, mp.log1p(mp.exp(-sign * mpf(z)))
            power = factor * q**gamma
            gradient.append(power * max(gamma * p * value, q))
            hessian.append(power * p * max(gamma**2 * p * value, gamma * q * value, (2 * gamma + 1) * q))
        elif 0 < z < 1:
            p, q = (mpf(z), 1 - mpf(z)) if sign == 1 else (1 - mpf(z), mpf(z))
            value = -mp.log(mpf(z)) if sign == 1 else -mp.log1p(-mpf(z))
            gradient.append(factor * q**gamma * max(gamma * value / q, 1 / p))
            terms = (abs(gamma * (gamma - 1)) * value / q, 2 * gamma / p, q / p**2)
            hessian.append(factor * q ** (gamma - 1) * max(terms))
    return 0, max(gradient), max(hessian)


def worst(loss: Any, y: np.ndarray, z: np.ndarray, got: tuple[np.ndarray, ...]) -> list[tuple[float, float, float]]:
    """Return for value, gradient and Hessian the largest error in ulp, with the target and prediction it is at."""
    result = [(-1.0, 0.0, 0.0)] * 3
    with mp.workdps(60):
        for i, (a, b) in enumerate(zip(y.tolist(), z.tolist(), strict=True)):
            exact = nbloss.reference.exact(loss, a, b)
            with mp.workdps(400 if abs(b) > 50 or abs(a) > 50 else 60):
                terms = largest_terms(loss, a, b)
            for k in range(3):
                result[k] = max(result[k], (ulps(got[k][i], exact[k], terms[k]), a, b))
    return result


def check(loss: Any, y: np.ndarray, z: np.ndarray) -> None:
    if isinstance(loss, nbloss.BinaryFocal) and not loss.from_logits and not loss.gamma.is_integer():
        z = z.clip(np.finfo(z.dtype).tiny, 1 - np.finfo(z.dtype).epsneg)  # the textbook has 0 * inf at the ends
    got = (loss.value(y, z, reduction="none"), *loss.gradient_and_hessian(y, z))
    errors = worst(rounded(loss, z.dtype.type), y, z, got)
    assert all(error[0] <= allowed(loss) for error in errors), errors


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_ordinary_numbers(loss: nbloss.Loss, dtype: type) -> None:
    check(loss, *ordinary(loss, 150, dtype))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_extreme_numbers(loss: nbloss.Loss, dtype: type) -> None:
    check(loss, *extreme(loss, 150, dtype))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_many_numbers(loss: nbloss.Loss, dtype: type, seed: int) -> None:
    check(loss, *ordinary(loss, 500, dtype, seed=seed + 1))
    check(loss, *extreme(loss, 500, dtype, seed=seed + 1))


@pytest.mark.parametrize("loss", [*REPRESENTATIVES, *slow(CASES)], ids=repr)
def test_other_methods_give_the_same(loss: nbloss.Loss) -> None:
    y, z = extreme(loss, 500, np.float64)
    value, gradient, hessian = loss.value(y, z, reduction="none"), loss.gradient(y, z), loss.hessian(y, z)
    np.testing.assert_array_equal(loss.gradient_and_hessian(y, z), (gradient, hessian))
    np.testing.assert_array_equal(loss.value_and_gradient(y, z, reduction="none"), (value, gradient))
    np.testing.assert_array_equal(loss(y, z, reduction="none"), value)
