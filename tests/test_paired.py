"""Laws of losses of two targets: those of every pointwise loss, and what is their own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import scipy.stats

import nbloss
from nbloss._cpu.pointwise import PARALLEL_FROM
from nbloss.losses.survival._mills import mills
from nbloss.reference import derivatives_of_part
from tests.cases import PAIR_CASES, pairs, rounded
from tests.selection import first_of_each_class
from tests.ulps import ulps

NONE: dict[str, Any] = {"reduction": "none"}


def three(loss: Any, y: Any, z: Any, w: Any = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return values, gradients and Hessians."""
    return loss.value(y, z, w, **NONE), *loss.gradient_and_hessian(y, z, w)


def slack(loss: Any, y: tuple[float, float], z: float, exact: list[Any]) -> list[float]:
    """Return what may be lost beside 4 ulp, in units of the distance of 1 to the next number.

    An exponent hands on its rounding error: of an AFT loss, u is the difference of log(time) and z, over the scale; of
    a rate, it is a multiple of the logarithm that the rate is.
    """
    v, g, h = (abs(float(x)) for x in exact)
    if isinstance(loss, nbloss.CrossEntropyLambda):
        t, w = y
        x = w * np.logaddexp(0, z)
        p = 1 / (1 + math.exp(-z))
        hit = abs(float(nbloss.reference.derivatives(loss, (np.ones(1), np.array([w])), np.array([z]))[1][0]))
        grows = 4 + 2 * x  # of all that the label multiplies, and so of the largest terms
        return [grows * v, grows * max(t * hit, (1 - t) * w * p), grows * h]
    s, logs = loss.scale, [math.log(t) for t in y if 0 < t < math.inf]
    if not logs:
        return [0, 0, 0]
    u, terms = max(abs(x - z) / s for x in logs), max(max(abs(x), abs(z)) for x in logs) / s
    steep = 1 + u + (math.exp(min(u, 700)) if loss.distribution == "extreme" else 0)
    constants = 4 * (2 + abs(math.log(s)) + abs(logs[0]))  # of the density
    return [2 * terms * g * s + constants, 2 * terms * h * s + (4 / s if loss.distribution == "extreme" else 0),
            2 * terms * steep * h]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", PAIR_CASES, ids=repr)
def test_oracle(loss: Any, dtype: type) -> None:
    y, z = pairs(loss, 150, dtype)
    got = three(loss, y, z)
    eps = np.finfo(np.float64 if loss.in_double else dtype).eps
    of_kernel = loss if loss.in_double else rounded(loss, dtype)
    for i, part in enumerate(loss.parts(y, z)[1]):
        v, g, h = derivatives_of_part(of_kernel, part)
        exact = [v, g[0][0], h[0][0]]
        more = slack(loss, part.target, float(z[i]), exact)
        for k in range(3):
            error = abs(float(got[k][i] - exact[k]))
            assert ulps(got[k][i], exact[k]) <= 4 or error <= more[k] * eps, (k, part, got[k][i], exact[k], error)


def test_mills_ratio() -> None:
    from mpmath import mp, mpf

    x = np.concatenate([np.linspace(0, 40, 801), np.geomspace(1e-300, 1e300, 301), [0.0]])
    with mp.workdps(50):
        for a in x.tolist():
            ratio, rest = mills(a)
            x2 = mpf(a) ** 2
            exact = (
                mp.sqrt(mp.pi / 2) * mp.erfc(a / mp.sqrt(2)) * mp.exp(x2 / 2)
                if a < 1e5
                else (1 - 1 / x2 + 3 / x2**2) / a
            )
            least = 1 - a * exact if a < 1e5 else (1 - 3 / x2 + 15 / x2**2) / x2
            assert ulps(np.float64(ratio), exact) <= 4 and ulps(np.float64(rest), least) <= 4, a
    assert mills(math.inf) == (0, 0) and all(map(math.isnan, mills(math.nan)))


@pytest.mark.parametrize("loss", first_of_each_class(PAIR_CASES), ids=repr)
def test_methods_weights_and_reductions(loss: Any) -> None:
    y, z = pairs(loss, 333)
    v, g, h = three(loss, y, z)
    np.testing.assert_array_equal(loss.gradient(y, z), g)
    np.testing.assert_array_equal(loss.hessian(y, z), h)
    np.testing.assert_array_equal(loss.value_and_gradient(y, z, **NONE), (v, g))
    w = np.random.default_rng(1).integers(0, 3, 333) * 0.7
    np.testing.assert_array_equal(three(loss, y, z, w), (w * v, w * g, w * h))
    assert loss(y, z) == pytest.approx(v.mean(), rel=1e-14)
    assert loss(y, z, w) == pytest.approx((w * v).sum() / w.sum(), rel=1e-14)
    mean, gradient = loss.value_and_gradient(y, z, w)
    assert mean == loss(y, z, w)
    np.testing.assert_allclose(gradient, w * g / w.sum(), rtol=1e-14)
    bad = [a.copy() for a in (*y, z)]
    for a in bad:
        a[w == 0] = np.nan
    np.testing.assert_array_equal(three(loss, tuple(bad[:2]), bad[2], w), (w * v, w * g, w * h))


@pytest.mark.parametrize("loss", first_of_each_class(PAIR_CASES), ids=repr)
def test_layouts_and_dtypes(loss: Any) -> None:
    (a, b), z = pairs(loss, 96)
    want = three(loss, (a, b), z)
    shaped = [x.reshape(8, 12) for x in (a, b, z)]
    for places in (
        (np.asfortranarray,) * 3,
        (np.array, np.asfortranarray, np.array),
        (lambda x: np.repeat(x, 2, 1)[:, ::2],) * 3,
    ):
        y0, y1, y2 = (place(x) for place, x in zip(places, shaped, strict=True))
        np.testing.assert_array_equal([x.ravel() for x in three(loss, (y0, y1), y2)], want)
    z32 = z.astype(np.float32)
    got = three(loss, (a.astype(np.float32), b.astype(np.float32)), z32)
    assert {x.dtype for x in got} == {np.dtype(np.float32)}
    narrow = [x.astype(np.float32) for x in (a, b)]
    np.testing.assert_array_equal(three(loss, (narrow[0], narrow[1].astype(np.float64)), z32), got)
    ones = np.ones(96, np.int8)
    np.testing.assert_array_equal(three(loss, (ones, ones * 2), z), three(loss, (ones * 1.0, ones * 2.0), z))


@pytest.mark.parametrize("loss", [PAIR_CASES[0], PAIR_CASES[3]], ids=repr)
def test_threads_give_the_same_bits(loss: Any) -> None:
    y, z = pairs(loss, PARALLEL_FROM + 1000)
    whole = loss.gradient(y, z)
    pieces = [loss.gradient((y[0][i : i + 999], y[1][i : i + 999]), z[i : i + 999]) for i in range(0, z.size, 999)]
    np.testing.assert_array_equal(whole, np.concatenate(pieces))
    assert loss(y, z) == pytest.approx(loss.value(y, z, **NONE).mean(), rel=1e-13)


def test_errors() -> None:
    loss, one, two = nbloss.AFT(), np.ones(3), np.ones(2)
    for y in (one, [one, one], (one,), (one, one, one), None):
        with pytest.raises(TypeError, match=r"y_true must be a tuple of two arrays, \(lower, upper\), got"):
            loss(y, one)
    with pytest.raises(ValueError, match=r"y_true must have the shape of y_pred, \(3,\), got \(2,\)"):
        loss((one, two), one)
    with pytest.raises(TypeError, match=r"y_true\[1\] must hold"):
        loss((one, np.array(["a"] * 3)), one)
    with pytest.raises(ValueError, match="overlap"):
        loss.gradient((one, two := np.ones(3)), np.zeros(3), out=two)
    with pytest.raises(ValueError, match="all arrays of y_true must have one shape"):
        loss.init_score((one, np.ones(2)))
    with pytest.raises(ValueError, match="lower is at most the upper"):
        loss.init_score((one, one / 2))
    with pytest.raises(TypeError, match=r"\(labels, exposures\), got a tuple of 3"):
        nbloss.CrossEntropyLambda()((one, one, one), one)
    with pytest.raises(ValueError, match="distribution must be 'normal' or 'logistic' or 'extreme', got 'weibull'"):
        nbloss.AFT(distribution="weibull")


@pytest.mark.parametrize("loss", PAIR_CASES[:3], ids=repr)
def test_what_is_no_interval_is_nan(loss: Any) -> None:
    nan, inf = math.nan, math.inf
    lower, upper = np.array([(2, 1), (0, 0), (inf, inf), (-1, 2), (nan, 1), (1, nan), (1, 1), (0, inf), (1, 2)]).T
    for result in three(loss, (lower, upper), np.ones(9)):
        assert np.isnan(result).tolist() == [True] * 6 + [False] * 3 and result[7] == 0


@pytest.mark.parametrize("loss", PAIR_CASES[:3], ids=repr)
def test_ends(loss: Any) -> None:
    """At infinity, and nearly there, losses are what they tend to."""
    lower, upper = np.array([(2.0, 2.0), (2.0, 3.0), (2.0, math.inf), (0.0, 2.0)]).T
    for far in (math.inf, 1e300):
        high, low = (three(loss, (lower, upper), np.full(4, end)) for end in (far, -far))
        assert high[0][2] == high[1][2] == high[2][2] == 0 and low[0][3] == low[1][3] == low[2][3] == 0
        assert not np.isnan(high).any() and not np.isnan(low).any()
        assert (high[0][[0, 1, 3]] > 1e200).all() and (low[0][:3] > 1e200).all()
        assert (high[1][[0, 1, 3]] > 0).all() and (low[1][:3] < 0).all()
        if loss.distribution == "normal":
            assert (high[2][[0, 1, 3]] == 1).all() and (low[2][:3] == 1).all()


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", PAIR_CASES, ids=repr)
def test_no_constant_is_better(loss: Any, weighted: bool) -> None:
    y, _ = pairs(loss, 61)
    w = np.random.default_rng(1).integers(0, 4, 61).astype(float) if weighted else None
    z = loss.init_score(y, w)
    least = math.fsum((1 if w is None else w) * loss.value(y, np.full(61, z), **NONE))
    for step in (*np.geomspace(1e-6, 3, 30), *-np.geomspace(1e-6, 3, 30)):
        other = math.fsum((1 if w is None else w) * loss.value(y, np.full(61, z + step), **NONE))
        assert least <= other * (1 + 1e-14) + 1e-13


def test_constants_at_infinity() -> None:
    loss, one, inf = nbloss.AFT(), np.ones(3), np.full(3, math.inf)
    assert loss.init_score((one, inf)) == math.inf and loss.init_score((0 * one, one)) == -math.inf
    assert loss.init_score((0 * one, inf)) == 0
    rate = nbloss.CrossEntropyLambda()
    assert rate.init_score((one, one)) == math.inf and rate.init_score((0 * one, one)) == -math.inf
    assert rate.init_score(([0, 0, 1], one)) == pytest.approx(math.log(0.5))


THEIRS = {"normal": scipy.stats.norm, "logistic": scipy.stats.logistic, "extreme": scipy.stats.gumbel_l}


@pytest.mark.parametrize("distribution", THEIRS)
def test_aft_is_a_likelihood(distribution: str) -> None:
    z, s, t = np.linspace(-2, 2, 9), 0.8, np.linspace(0.5, 4, 9)
    loss, theirs = nbloss.AFT(distribution=distribution, scale=s), THEIRS[distribution]
    u, v = (np.log(t) - z) / s, (np.log(2 * t) - z) / s
    inf, zero = np.full(9, math.inf), np.zeros(9)
    for y, want in (
        ((t, t), -theirs.logpdf(u) + np.log(s * t)),  # the density of the time itself, as XGBoost has it
        ((t, inf), -theirs.logsf(u)),
        ((zero, t), -theirs.logcdf(u)),
        ((t, 2 * t), -np.log(theirs.cdf(v) - theirs.cdf(u))),
    ):
        np.testing.assert_allclose(loss.value(y, z, **NONE), want, rtol=1e-12)


def test_an_exposure_of_1_is_the_cross_entropy() -> None:
    (y, _), z = pairs(nbloss.CrossEntropyLambda(), 100)
    plain = three(nbloss.BinaryCrossEntropy(), y, z)
    for targets in (y, (y, np.ones(100))):
        np.testing.assert_allclose(three(nbloss.CrossEntropyLambda(), targets, z), plain, rtol=1e-13, atol=1e-15)


def test_rates_are_those_of_lightgbm() -> None:
    """By the formulas of its objective cross_entropy_lambda, where these do not cancel."""
    (y, w), z = pairs(nbloss.CrossEntropyLambda(), 100)
    w = w + 0.1
    e = np.exp(z)
    hit = 1 - np.exp(-w * np.log1p(e))
    a, c, d = w * e / (1 + e) ** 2, 1 / (1 - hit), 1 / (1 - hit) - 1
    _, gradient, hessian = three(nbloss.CrossEntropyLambda(), (y, w), z)
    np.testing.assert_allclose(gradient, (1 - y / hit) * w * e / (1 + e), rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(hessian, a * (1 + y * (c / d**2) * (1 + w * e - c)), rtol=1e-8, atol=1e-8)
