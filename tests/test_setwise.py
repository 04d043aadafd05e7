"""Law: losses of sets and of vectors are exact at every magnitude, and keep what every loss keeps."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numba
import numpy as np
import pytest
from mpmath import mp

import nbloss
from nbloss._cpu.pointwise import PARALLEL_FROM
from nbloss.families.vectorwise import Vectorwise
from tests.cases import SET_CASES, of_sets
from tests.selection import first_of_each_class, slow
from tests.ulps import ulps

OVERLAPS = [loss for loss in SET_CASES if type(loss).__module__.startswith("nbloss.losses.segmentation")]
VECTORS = [loss for loss in SET_CASES if isinstance(loss, Vectorwise)]
RMSE = nbloss.RootMeanSquaredError()
SEVERAL = [(loss, 0) for loss in SET_CASES] + [(loss, 3) for loss in OVERLAPS]
"""Every loss with the number of classes: 0 for none."""
FIRST = {type(loss): loss for loss in reversed(SET_CASES)}.values()
FIRST_OF_CLASS = [x for x in SEVERAL if any(x[0] is loss for loss in FIRST)]
LAWS = [*FIRST_OF_CLASS, *slow(x for x in SEVERAL if x not in FIRST_OF_CLASS)]
"""For what does not depend on the numbers of a loss: the first case of each class, with and without classes."""
ENGINES = [
    (RMSE, 0),
    (nbloss.Dice(), 0),
    (nbloss.Dice(), 3),
    (nbloss.CosineEmbedding(), 0),
    (nbloss.MarginRanking(), 0),
]
ENGINE = [*ENGINES, *slow(x for x in SEVERAL if x not in ENGINES)]
"""For what depends on no formula: sets, sets with classes, vectors and single numbers."""


def listed(x: Any) -> tuple[Any, ...]:
    return x if isinstance(x, tuple) else (x,)


def every(loss: Any, y: Any, z: Any, w: Any = None) -> list[Any]:
    """Return values, gradients and Hessians as a flat list."""
    g, h = loss.gradient_and_hessian(y, z, w)
    return [loss.value(y, z, w, reduction="none"), *listed(g), *listed(h)]


# Against the oracle


def exact(loss: Any, y: Any, z: Any) -> list[list[Any]]:
    """Return lists of mpmath numbers in the order of :func:`every`."""
    _, parts = loss.parts(y, z)
    found = [nbloss.reference.derivatives_of_part(loss, part) for part in parts]
    count = len(listed(z))
    return [
        [v for v, _, _ in found],
        *([x for _, g, _ in found for x in g[k]] for k in range(count)),
        *([x for _, _, h in found for x in h[k]] for k in range(count)),
    ]


def terms_of(loss: Any, y: Any, z: Any) -> list[Any]:
    """Return the sizes of the largest terms of value, gradients and Hessians, where they are differences."""
    with np.errstate(all="ignore"):
        if isinstance(loss, nbloss.RootMeanSquaredError):
            r = (z.astype(np.longdouble) - y).ravel()
            size = np.sqrt((r * r).mean())
            return [0, 0, 1 / (r.size * size)]
        if isinstance(loss, Vectorwise):
            return vector_terms(loss, y, z)
        return overlap_terms(loss, y, z)


def overlap_terms(loss: Any, y: Any, z: Any) -> list[Any]:
    """Return terms by the textbook's derivatives; sums of sizes instead of the sums where there are classes."""
    z = z.astype(np.longdouble)
    by_class = y.shape != z.shape
    gain, alpha, beta, smooth, eps, gamma = loss.numbers
    if by_class:
        y = (y[..., None] == np.arange(z.shape[-1])).astype(float)
    images = z.shape[0] if loss.per_image else 1
    y, z = (a.reshape(images, -1, z.shape[-1] if by_class else 1) for a in (y, z))
    if by_class and loss.from_logits:
        p = np.exp(z - z.max(-1, keepdims=True))
        p /= p.sum(-1, keepdims=True)
    else:
        p = 1 / (1 + np.exp(-z)) if loss.from_logits else z
    q = 1 - p
    if loss.from_logits and not by_class:
        q = 1 / (1 + np.exp(z))
    hit = gain * (p * y).sum(1, keepdims=True) + smooth
    miss = alpha * (p * (1 - y)).sum(1, keepdims=True) + beta * (q * y).sum(1, keepdims=True)
    whole = np.maximum(hit + miss, eps)
    value = np.where(hit + miss < eps, 1 - hit / whole, miss / whole)
    power = gamma * value ** (gamma - 1)
    a = power * np.maximum((1 - y) * alpha * hit / whole**2, y * (beta * hit / whole**2 + gain * value / whole))
    b = a * (2 * np.maximum(gain, max(alpha, beta)) / whole + abs(gamma - 1) / (gamma * value**gamma) * a)
    if by_class:
        occurs = y.sum(1, keepdims=True) > 0
        a, b = (np.where(occurs, x, 0) / occurs.sum(-1, keepdims=True) for x in (a, b))
    if not loss.from_logits:
        gradient, hessian = a, b
    elif not by_class:
        gradient = a * p * q
        hessian = np.maximum(gradient * abs(q - p), b * (p * q) ** 2)
    else:
        top = p == p.max(-1, keepdims=True)
        rest = np.where(top, (np.where(top, 0, p)).sum(-1, keepdims=True), q)
        spread = (np.where(top, 0, p) * a).sum(-1, keepdims=True) + np.where(top, 0, p).sum(-1, keepdims=True) * a.max(
            -1, keepdims=True
        )
        gradient = p * np.where(top, spread, a.max(-1, keepdims=True))
        others = (b * p * p).sum(-1, keepdims=True)
        others = np.where(top, (np.where(top, 0, b * p * p)).sum(-1, keepdims=True), others)
        hessian = np.maximum(gradient, np.maximum(b * (p * rest) ** 2, others * p * p))
    terms = [np.where(hit + miss < eps, 1.0, 0.0)[:, 0].mean(-1), gradient.ravel(), hessian.ravel()]
    return [np.where(np.isfinite(x), x, 0) for x in terms]


def vector_terms(loss: Any, y: Any, z: Any) -> list[Any]:
    zs = [a.astype(np.longdouble) for a in listed(z)]
    if isinstance(loss, nbloss.MarginRanking):
        return [np.maximum(abs(zs[0] - zs[1]), loss.margin), 0, 0, 0, 0]
    if isinstance(loss, nbloss.TripletMargin):
        x, u = zs[0] - zs[1], zs[0] - zs[2]
        a, b = (np.linalg.norm(d, loss.p, axis=-1, keepdims=True) for d in (x, u))
        a, b = (np.where(d == 0, np.inf, d) for d in (a, b))
        value = np.maximum(np.where(np.isinf(a), 0, a), np.maximum(np.where(np.isinf(b), 0, b), loss.margin))[..., 0]
        first = np.maximum(abs(x) / a, abs(u) / b) if loss.p == 2 else 1
        second = np.broadcast_to(np.maximum(1 / a, 1 / b), x.shape)
        return [value, np.broadcast_to(first, x.shape).ravel(), 0, 0, second.ravel(), *[second.ravel()] * 2]
    pair = [y.astype(np.longdouble), *zs] if loss.target == "vector" else zs
    endless = [np.isinf(a).any(-1, keepdims=True) for a in pair]
    pair = [np.where(no_end, np.where(np.isinf(a), np.sign(a), 0), a) for a, no_end in zip(pair, endless, strict=True)]
    lengths = [np.sqrt((a * a).sum(-1, keepdims=True)) for a in pair]
    units = [np.divide(a, n, where=n > 0, out=np.zeros_like(a)) for a, n in zip(pair, lengths, strict=True)]
    lengths = [np.where(no_end, np.inf, n) for n, no_end in zip(lengths, endless, strict=True)]
    size = abs(units[0] * units[1]).sum(-1, keepdims=True)
    value = np.maximum(size[..., 0], abs(getattr(loss, "margin", 0))) if loss.target == "vector" else 1.0
    gradients, hessians = [], []
    for k in (1,) if loss.target == "vector" else (0, 1):
        mine, other = abs(units[k]), abs(units[1 - k])
        gradients.append(np.maximum(other, size * mine) / lengths[k])
        hessians.append(np.maximum(2 * other * mine, size * np.maximum(1, 3 * mine * mine)) / lengths[k] / lengths[k])
    return [
        np.broadcast_to(value, size[..., 0].shape),
        *[np.where(np.isfinite(x), x, 0).ravel() for x in (*gradients, *hessians)],
    ]


def allowed(loss: Any, got: Any, classes: bool) -> float:
    """Return how many ulp a loss may be off: a power multiplies the error of what it is taken of.

    Derivatives through a softmax, and by the elements of unit vectors, are differences of products of many factors.
    """
    if isinstance(loss, nbloss.FocalTversky) and loss.gamma != 1:
        return 8
    return 8 if classes or isinstance(loss, nbloss.CosineSimilarity | nbloss.CosineEmbedding) else 4


def check(loss: Any, y: Any, z: Any) -> None:
    got, wanted, terms = every(loss, y, z), exact(loss, y, z), terms_of(loss, y, z)
    with mp.workdps(60):
        for k, (a, b, t) in enumerate(zip(got, wanted, terms, strict=True)):
            flat = np.broadcast_to(t, len(b)) if np.ndim(t) == 0 or np.size(t) == 1 else t
            for i, (x, e) in enumerate(zip(a.ravel(), b, strict=True)):
                largest = mp.mpf(str(flat[i])) if np.isfinite(flat[i]) else 0
                error = ulps(x, e, largest)
                assert error <= allowed(loss, got, np.shape(y) != np.shape(z)), (k, i, x, e, error)


@pytest.mark.parametrize(
    ("loss", "classes", "dtype"),
    [
        *((*case, np.float64) for case in SEVERAL),
        *((*case, np.float32) for case in FIRST_OF_CLASS),
        *slow((*case, np.float32) for case in SEVERAL),
    ],
    ids=repr,
)
def test_ordinary_numbers(loss: Any, classes: int, dtype: type) -> None:
    check(loss, *of_sets(loss, dtype, n=12, classes=classes))


MAGNITUDES = [1e300, 1e-300, 1e154, 1e-160, 5e-324, 1.0]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_root_mean_squared_error_of_any_magnitude(dtype: type, seed: int) -> None:
    rng = np.random.default_rng(seed)
    scales = np.array([MAGNITUDES[seed]] if seed < 2 else MAGNITUDES)
    z = rng.normal(size=10) * rng.choice(scales, 10)
    y = np.where(rng.random(10) < 0.5, 0, z * (1 + rng.normal(size=10)))
    if dtype is np.float32:
        y, z = np.sign(y) * abs(y) ** 0.12, np.sign(z) * abs(z) ** 0.12
    check(RMSE, y.astype(dtype), z.astype(dtype))


def test_root_mean_squared_error_at_its_ends() -> None:
    check(RMSE, np.zeros(4), np.array([1.0, np.inf, -np.inf, 1e308]))
    check(RMSE, np.zeros(3), np.array([3.0, 0.0, 0.0]))
    y = np.array([1.5, -2.0, 1e300])
    value, gradient = RMSE.value_and_gradient(y, y)
    assert value == 0 and not gradient.any() and not RMSE.hessian(y, y).any()
    assert RMSE([1e300], [-1e300]) == 2e300 and RMSE.hessian([1.0], [4.0]) == 0
    n = 3_000_000
    assert RMSE(np.zeros(n, np.float32), np.full(n, 0.1, np.float32)) == pytest.approx(float(np.float32(0.1)), 1e-15)


def extreme_logits(shape: Any, dtype: type, seed: int) -> Any:
    rng = np.random.default_rng(seed)
    largest = float(np.finfo(dtype).max) / 4
    z = rng.normal(size=shape) * rng.choice([1e-30, 0.1, 5, 40, 300, 800, largest], shape)
    return (
        np.where(rng.random(shape) < 0.1, rng.choice([0.0, 1e-300, 700.0, -700], shape), z)
        .clip(-largest, largest)
        .astype(dtype)
    )


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", [loss for loss in OVERLAPS if not loss.per_image], ids=repr)
def test_extreme_predictions_of_regions(loss: Any, dtype: type, seed: int) -> None:
    y, z = of_sets(loss, dtype, n=12, seed=seed)
    if loss.from_logits:
        check(loss, y, extreme_logits(z.shape, dtype, seed))
        return
    rng = np.random.default_rng(seed)
    edges = np.array([0.0, 1.0, 1e-300 if dtype is np.float64 else 1e-40, 1 - 2.0**-24, 0.5])
    check(loss, np.round(y), np.where(rng.random(z.shape) < 0.6, rng.choice(edges, z.shape), z).astype(dtype))


@pytest.mark.parametrize("loss", [nbloss.Dice(), nbloss.FocalTversky(), nbloss.Tversky(alpha=0.2, beta=0.7)], ids=repr)
def test_saturated_regions(loss: Any) -> None:
    """The loss nearly vanishes, and with it what a power of it alone would overflow on."""
    y = np.array([1.0, 0, 1, 0])
    for size in (30.0, 300.0, 690.0):
        check(loss, y, size * np.array([1, -1.01, 1.02, -1.03]))
        check(loss, 1 - y, size * np.array([1, -1.01, 1.02, -1.03]))
    value, gradient = loss.value_and_gradient(y, np.where(y > 0, 1e4, -1e4))
    assert value == 0 and not gradient.any()


ROWS = np.array(
    [
        [1e308, 1e308, 1e308],
        [-1e308, 1e308, 0.0],
        [700.0, -700.0, 0.0],
        [np.inf, 0.0, 1.0],
        [np.inf, np.inf, 1.0],
        [-np.inf, 0.0, 1.0],
        [5.0, 5.0, 5.0],
        [40.0, 0.1, -0.3],
        [0.0, -30.0, 60.0],
        [1e-300, 0.0, -1e-300],
    ]
)


@pytest.mark.parametrize(
    "loss", [nbloss.Dice(), nbloss.Tversky(alpha=0.3, beta=0.8), nbloss.Jaccard(smooth=1.0)], ids=repr
)
def test_extreme_rows_of_classes(loss: Any) -> None:
    for labels in ([0, 1, 2, 0, 1, 2, 0, 1, 2, 0], [0, 0, 0, 0, 1, 1, 1, 0, 0, 0]):
        check(loss, np.array(labels), ROWS)


@pytest.mark.parametrize(
    "scales", [(1e300, 1.0, 1e300), (1e-300, 1e300, 1.0), (1e-300, 1e-300, 1e-300), (1.0, 1e154, 1e-170)]
)
@pytest.mark.parametrize("loss", VECTORS, ids=repr)
def test_extreme_vectors(loss: Any, scales: tuple[float, ...]) -> None:
    y, z = of_sets(loss, n=4)
    zs = tuple(a * scale for a, scale in zip(listed(z), scales, strict=False))
    if loss.predictions > 1:
        check(loss, y, zs)
    else:
        check(loss, y * scales[1], zs[0])
        check(loss, y * scales[1], np.array([1e300, 1, 0, 1e-300, -1e290]) * np.ones((4, 1)))


@pytest.mark.parametrize("loss", VECTORS, ids=repr)
def test_zero_equal_and_infinite_vectors(loss: Any) -> None:
    y, z = of_sets(loss, n=6)
    zs = [a.copy() for a in listed(z)]
    zs[0][0] = 0
    if loss.predictions > 1:
        zs[1][1], zs[1][2] = zs[0][1], 0
        zs[0][3] = zs[1][3] = 0
    if not isinstance(loss, nbloss.TripletMargin | nbloss.MarginRanking):
        zs[0][4, 1], zs[0][5, :2] = np.inf, -np.inf
    z = tuple(zs) if loss.predictions > 1 else zs[0]
    check(loss, y, z)
    assert all(np.isfinite(a).all() for a in every(loss, y, z))


# What a perfect or an empty prediction costs


def test_documented_values_of_regions() -> None:
    none, some = np.zeros(5), np.array([0.0, 1, 1, 0, 1])
    for loss in (nbloss.Dice, nbloss.Tversky, nbloss.Jaccard, nbloss.FocalTversky):
        assert loss(from_logits=False)(some, some) == 0
        assert loss(from_logits=False)(none, none) == 1 and loss(from_logits=False, smooth=1.0)(none, none) == 0
        assert loss(from_logits=False)(none, some) == 1 == loss(from_logits=False)(some, none)
        assert loss(from_logits=False)(none[:0], none[:0]) == 1
        assert math.isnan(loss(from_logits=False, eps=0.0)(none, none))
    assert nbloss.Dice(from_logits=False, eps=4.0)(none, some / 2) == 1
    assert nbloss.Dice(from_logits=False, eps=16.0)(some, some) == 1 - 6 / 16
    np.testing.assert_array_equal(nbloss.Dice(from_logits=False, eps=16.0).gradient(some, some), -some / 8)
    gradient, hessian = nbloss.FocalTversky(from_logits=False).gradient_and_hessian(some, some)
    np.testing.assert_array_equal(gradient, np.where(some > 0, -np.inf, np.inf))
    assert (hessian == -np.inf).all()
    quadratic, plain = nbloss.FocalTversky(from_logits=False, gamma=2.0), nbloss.Tversky(from_logits=False)
    gradient, hessian = quadratic.gradient_and_hessian(some, some)
    assert not gradient.any()
    np.testing.assert_allclose(hessian, 2 * plain.gradient(some, some) ** 2, rtol=1e-15)


def test_hard_overlap_is_counted() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 2, (2, 300)).astype(float)
    both, either = (y * p).sum(), np.maximum(y, p).sum()
    assert nbloss.Jaccard(from_logits=False)(y, p) == pytest.approx(1 - both / either, rel=1e-15)
    assert nbloss.Dice(from_logits=False)(y, p) == pytest.approx(1 - 2 * both / (y.sum() + p.sum()), rel=1e-15)


def test_overlaps_are_tversky() -> None:
    rng = np.random.default_rng(1)
    y, z = rng.random(500), rng.normal(size=500)
    for a, b in (
        (nbloss.Dice(), nbloss.Tversky()),
        (nbloss.Dice(smooth=2.0), nbloss.Tversky(smooth=1.0)),
        (nbloss.Jaccard(smooth=0.5), nbloss.Tversky(alpha=1.0, beta=1.0, smooth=0.5)),
        (nbloss.Tversky(alpha=0.2), nbloss.FocalTversky(alpha=0.2, gamma=1.0)),
    ):
        for one, other in zip(every(a, y, z), every(b, y, z), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-13)
    square = nbloss.FocalTversky(gamma=2.0)
    assert square(y, z) == pytest.approx(nbloss.Tversky()(y, z) ** 2, rel=1e-15)


def test_plain_numpy() -> None:
    rng = np.random.default_rng(2)
    y, z = rng.integers(0, 2, 1000), rng.normal(size=1000)
    p = 1 / (1 + np.exp(-z))
    assert nbloss.Dice()(y, z) == pytest.approx(1 - 2 * (p * y).sum() / (p.sum() + y.sum()), rel=1e-14)
    assert RMSE(y, z) == pytest.approx(np.sqrt(np.mean((z - y) ** 2)), rel=1e-15)
    a, b = rng.normal(size=(2, 50, 300))
    cos = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    np.testing.assert_allclose(nbloss.CosineSimilarity().value(a, b, reduction="none"), -cos, rtol=1e-12)
    labels, logits = rng.integers(0, 3, 400), rng.normal(size=(400, 3))
    q = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    t = labels[:, None] == np.arange(3)
    dice = 1 - 2 * (q * t).sum(0) / (q.sum(0) + t.sum(0))
    assert nbloss.Dice()(labels, logits) == pytest.approx(dice.mean(), rel=1e-14)
    absent = np.where(labels == 2, 0, labels)
    t = absent[:, None] == np.arange(3)
    dice = (1 - 2 * (q * t).sum(0) / (q.sum(0) + t.sum(0)))[:2]
    assert nbloss.Dice()(absent, logits) == pytest.approx(dice.mean(), rel=1e-14)


def test_equal_vectors_cost_nothing() -> None:
    a = np.random.default_rng(3).normal(size=(100, 17))
    assert (nbloss.CosineSimilarity().value(a, a, reduction="none") == -1).all()
    assert not nbloss.CosineSimilarity().gradient(a, a).any()
    ones = np.ones(100, int)
    assert not nbloss.CosineEmbedding().value(ones, (a, a), reduction="none").any()
    assert (nbloss.CosineEmbedding().value(ones, (a, 3 * a), reduction="none") >= 0).all()
    assert (nbloss.TripletMargin().value(None, (a, a, -a), reduction="none") >= 0).all()


# Weights and reductions


IN_SETS = [x for x in FIRST_OF_CLASS if not isinstance(x[0], Vectorwise)]
IN_SETS += slow(x for x in SEVERAL if not isinstance(x[0], Vectorwise) and x not in IN_SETS)


@pytest.mark.parametrize(("loss", "classes"), IN_SETS, ids=repr)
def test_weights_of_elements_count_as_repetitions(loss: Any, classes: int) -> None:
    """Copies of an element move together: by them are the derivatives of a weighted one."""
    loss = dataclasses.replace(loss, per_image=False) if loss.parameters.get("per_image") else loss
    y, z = (a[:2, :3] for a in of_sets(loss, n=24, classes=classes))
    y, z = y.reshape(6), z.reshape(6, *z.shape[2:])
    w = np.array([1, 2, 0, 1, 3, 1])
    got = every(loss, y, z, w)
    _, (part,) = loss.parts(np.repeat(y, w, 0), np.repeat(z, w, 0))
    first, width = np.cumsum(w) - w, max(1, classes)
    for i in range(6):
        for k in range(width):
            at = {(first[i] + j) * width + k for j in range(w[i])}
            v, g, h = nbloss.reference.along(loss, part, at)
            index = (i, k) if classes else i
            assert got[0] == pytest.approx(float(v), rel=1e-14)
            assert got[1][index] == pytest.approx(float(g), rel=1e-12)
            assert got[2][index] == pytest.approx(float(h), rel=1e-12, abs=1e-16)


@pytest.mark.parametrize(("loss", "classes"), ENGINE, ids=repr)
def test_weight_0_is_a_mask(loss: Any, classes: int) -> None:
    y, z = of_sets(loss, n=40, classes=classes)
    shape = listed(z)[0].shape[:1] if isinstance(loss, Vectorwise) and not loss.of_numbers else np.shape(y)
    w = np.random.default_rng(1).integers(0, 3, shape).astype(float)
    masked = w == 0
    bad_y, bad = None if y is None else y.astype(float), [a.copy() for a in listed(z)]
    for a in bad:
        a[masked] = np.nan
    bad[0][masked] = np.inf
    if y is not None:
        bad_y[masked] = 255.5
    bad_z = tuple(bad) if isinstance(z, tuple) else bad[0]
    for got, wanted in zip(every(loss, bad_y, bad_z, w), every(loss, y, z, w), strict=True):
        np.testing.assert_array_equal(got, wanted)
    for a in every(loss, bad_y, bad_z, w)[1:]:
        assert not a[masked].any() and not np.signbit(a[masked]).any()
    for reduction in ("mean", "sum"):
        assert loss(bad_y, bad_z, w, reduction=reduction) == loss(y, z, w, reduction=reduction)


@pytest.mark.parametrize("loss", first_of_each_class(VECTORS), ids=repr)
def test_weights_multiply_the_losses_of_vectors(loss: Any) -> None:
    y, z = of_sets(loss, n=30)
    w = np.random.default_rng(1).uniform(-1, 3, 30)
    for got, plain in zip(every(loss, y, z, w), every(loss, y, z), strict=True):
        np.testing.assert_allclose(got, (w * plain.T).T, rtol=1e-15)
    values = loss.value(y, z, reduction="none")
    assert loss(y, z, w) == pytest.approx((w * values).sum() / w.sum(), rel=1e-13)
    assert loss(y, z, 2.5) == pytest.approx(values.mean(), rel=1e-14)
    mean, gradient = loss.value_and_gradient(y, z, w)
    assert mean == loss(y, z, w)
    for a, b in zip(listed(gradient), listed(loss.gradient(y, z, w)), strict=True):
        np.testing.assert_allclose(a, b / w.sum(), rtol=1e-14)


@pytest.mark.parametrize(("loss", "classes"), first_of_each_class((x, c) for c in (3, 0) for x in OVERLAPS), ids=repr)
def test_images(loss: Any, classes: int) -> None:
    y, z = of_sets(loss, n=40, classes=classes)
    each, whole = dataclasses.replace(loss, per_image=True), dataclasses.replace(loss, per_image=False)
    w = np.random.default_rng(1).uniform(0.5, 2, y.shape)
    values = each.value(y, z, w, reduction="none")
    assert values.shape == (4,)
    for i in range(4):
        assert values[i] == pytest.approx(whole(y[i], z[i], w[i]), rel=1e-15)
        for a, b in zip(each.gradient_and_hessian(y, z, w), whole.gradient_and_hessian(y[i], z[i], w[i]), strict=True):
            np.testing.assert_allclose(a[i], b, rtol=1e-13, atol=1e-17)
    assert each(y, z, w) == pytest.approx(values.mean(), rel=1e-15)
    assert each(y, z, w, reduction="sum") == pytest.approx(values.sum(), rel=1e-15)
    mean, gradient = each.value_and_gradient(y, z, w)
    assert mean == each(y, z, w)
    np.testing.assert_allclose(gradient, each.gradient(y, z, w) / 4, rtol=1e-15)
    by_image = np.array([1.0, 2, 0.5, 3])
    spread = np.broadcast_to(by_image[:, None], y.shape).copy()
    for a, b in zip(every(each, y, z, by_image), every(each, y, z, spread), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-14)
    assert whole.value(y, z, reduction="none").shape == ()


@pytest.mark.parametrize(("loss", "classes"), LAWS, ids=repr)
def test_nothing_to_add_up(loss: Any, classes: int) -> None:
    y, z = of_sets(loss, classes=classes)
    y, z = None if y is None else y[:0], tuple(a[:0] for a in z) if isinstance(z, tuple) else z[:0]
    values, *others = every(loss, y, z)
    several = values.shape == (0,)
    assert all(a.shape == listed(z)[0].shape for a in others)
    mean, total = loss(y, z), loss(y, z, reduction="sum")
    if several:
        assert math.isnan(mean) and total == 0
    elif classes or loss == RMSE:
        assert math.isnan(mean) and math.isnan(total)
    else:
        assert mean == total == (0 if loss.smooth else 1)


def test_vectors_without_elements_with_weights_of_any_form() -> None:
    a = np.ones((2, 0))
    for w in (None, 2.0, np.ones(2)):
        assert nbloss.CosineSimilarity().gradient(a, a, w).shape == (2, 0)


# Numbers that are none, layouts, types, threads


@pytest.mark.parametrize(("loss", "classes"), LAWS, ids=repr)
def test_nan_fills_its_set_only(loss: Any, classes: int) -> None:
    y, z = of_sets(loss, n=40, classes=classes)
    one = [a.copy() for a in listed(z)]
    one[-1][(1,) + (0,) * (one[-1].ndim - 1)] = np.nan
    one_z = tuple(one) if isinstance(z, tuple) else one[0]
    several = loss.value(y, z, reduction="none").shape != ()
    for a, b in zip(every(loss, y, one_z), every(loss, y, z), strict=True):
        if several:
            assert np.isnan(a[1]).all()
            np.testing.assert_array_equal(a[2:], b[2:])
        else:
            assert np.isnan(a).all()


def test_outside_the_domain() -> None:
    for y, p in (([0.0, 1.0, 1.5], [0.5, 0.5, 0.5]), ([0.0, 1.0], [0.5, 1.5]), ([0.0, 1.0], [0.5, -1e-9])):
        assert math.isnan(nbloss.Dice(from_logits=False)(y, p))
        assert np.isnan(nbloss.Jaccard(from_logits=False).gradient(y, p)).all()
    assert math.isnan(nbloss.Dice(from_logits=False)([0, 1], [[0.5, 0.5], [1.5, 0.0]]))
    assert math.isnan(nbloss.Dice(from_logits=False)([0, 0], [[0.5, 0.5], [0.5, 2.0]]))  # in a class that is absent


def placed(a: Any, layout: str) -> Any:
    if a is None:
        return None
    if layout == "F":
        return np.asfortranarray(a)
    if layout == "strided":
        apart = np.zeros([2 * n for n in a.shape], a.dtype)
        view = apart[tuple(slice(None, None, 2) for _ in a.shape)]
        view[...] = a
        return view
    if layout == "moved":
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, -1, 0)), 0, -1)
    if layout == "swapped":
        return a.astype(a.dtype.newbyteorder())
    return a[::-1].copy()[::-1]


@pytest.mark.parametrize("layout", ["F", "strided", "moved", "swapped", "reversed"])
@pytest.mark.parametrize(("loss", "classes"), ENGINE, ids=repr)
def test_layouts(loss: Any, classes: int, layout: str) -> None:
    y, z = of_sets(loss, n=40, classes=classes)
    w = np.linspace(0, 2, 40)
    w = w if isinstance(loss, Vectorwise) else w.reshape(np.shape(y))
    zs = tuple(placed(a, layout) for a in listed(z))
    there = zs if isinstance(z, tuple) else zs[0]
    for got, wanted in zip(every(loss, placed(y, layout), there, placed(w, layout)), every(loss, y, z, w), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-16)
    out = tuple(placed(np.zeros_like(a), layout) for a in listed(z))
    given = out if isinstance(z, tuple) else out[0]
    result = loss.gradient(y, z, w, out=given)
    assert all(a is b for a, b in zip(listed(result), out, strict=True))
    for a, b in zip(out, listed(loss.gradient(y, z, w)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize(("loss", "classes"), ENGINE, ids=repr)
def test_dtypes(loss: Any, classes: int) -> None:
    y, z = of_sets(loss, n=24, classes=classes)
    hard = (
        None if y is None else abs(np.round(y)).astype(np.int8) if not isinstance(loss, nbloss.CosineSimilarity) else y
    )
    for dtype, real in ((np.float32, np.float32), (np.float16, np.float32), (np.float64, np.float64)):
        cast = tuple(a.astype(dtype) for a in listed(z))
        there = cast if isinstance(z, tuple) else cast[0]
        got = every(loss, hard, there)
        assert {a.dtype for a in got} == {np.dtype(real)} and loss(hard, there).dtype == np.float64
        exact = tuple(a.astype(np.float64) for a in cast)
        for a, b in zip(got, every(loss, hard, exact if isinstance(z, tuple) else exact[0]), strict=True):
            np.testing.assert_allclose(a, b, rtol=3e-5, atol=1e-6)
    if type(loss) in (nbloss.RootMeanSquaredError, nbloss.Jaccard, nbloss.MarginRanking) and not loss.parameters.get(
        "smooth"
    ):
        for dtype in ("i2", "i8", "u4", "f2", "f4", ">i4"):
            for a, b in zip(every(loss, hard.astype(dtype), z), every(loss, hard, z), strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-14)


def test_predictions_of_different_types() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 9, 4))
    g, h = nbloss.CosineEmbedding().gradient(np.ones(9), (a.astype(np.float32), b))
    assert (g.dtype, h.dtype) == (np.float32, np.float64)
    assert nbloss.CosineEmbedding().value(np.ones(9), (a.astype(np.float32), b), reduction="none").dtype == np.float64


@pytest.mark.parametrize(
    ("loss", "classes"),
    [(RMSE, 0), (nbloss.Dice(), 0), (nbloss.Dice(per_image=True), 0), (nbloss.Dice(), 3), (nbloss.TripletMargin(), 0)],
    ids=repr,
)
def test_bits_do_not_depend_on_threads(loss: Any, classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    y, z = of_sets(loss, n=4 * (PARALLEL_FROM // 2 + 1003), classes=classes)
    n = len(listed(z)[0]) if isinstance(loss, Vectorwise) else y.size
    w = np.random.default_rng(0).uniform(0, 1, n).reshape((n,) if isinstance(loss, Vectorwise) else y.shape)

    def bits() -> bytes:
        mean, gradient = loss.value_and_gradient(y, z, w)
        return b"".join(np.asarray(a).tobytes() for a in (*every(loss, y, z, w), mean, *listed(gradient), loss(y, z)))

    most, found = numba.config.NUMBA_NUM_THREADS, set()
    for threads in {1, 2, most}:
        numba.set_num_threads(threads)
        found.add(bits())
    numba.set_num_threads(most)
    monkeypatch.setattr("nbloss._cpu.pointwise.PARALLEL_FROM", 1 << 40)
    found.add(bits())  # the serial twins
    assert len(found) == 1


@pytest.mark.parametrize(("loss", "classes"), ENGINE, ids=repr)
def test_methods_agree_and_change_nothing(loss: Any, classes: int) -> None:
    y, z = of_sets(loss, n=24, classes=classes)
    before = [np.array(a) for a in (*([] if y is None else [y]), *listed(z))]
    gradient, hessian = loss.gradient_and_hessian(y, z)
    for a, b in (
        (gradient, loss.gradient(y, z)),
        (hessian, loss.hessian(y, z)),
        (gradient, loss.value_and_gradient(y, z, reduction="sum")[1]),
    ):
        for one, other in zip(listed(a), listed(b), strict=True):
            np.testing.assert_array_equal(one, other)
    assert loss(y, z) == loss.value(y, z) == loss.value_and_gradient(y, z)[0] and isinstance(loss(y, z), np.float64)
    for a, b in zip((*([] if y is None else [y]), *listed(z)), before, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("loss", VECTORS, ids=repr)
def test_hessian_matrix(loss: Any) -> None:
    y, z = of_sets(loss, n=5)
    w = np.array([1.0, 0, 2, 1, 3])
    matrices, diagonals = listed(loss.hessian_matrix(y, z, w)), listed(loss.hessian(y, z, w))
    shape = (*np.shape(listed(z)[0]), 1, 1) if loss.of_numbers else (5, 5, 5)
    _, parts = loss.parts(y, z)
    for k, (matrix, diagonal) in enumerate(zip(matrices, diagonals, strict=True)):
        assert matrix.shape == shape
        np.testing.assert_array_equal(matrix, np.swapaxes(matrix, -1, -2))
        if loss.of_numbers:
            continue
        np.testing.assert_array_equal(np.einsum("nii->ni", matrix), diagonal)
        for row in (0, 2):  # the derivative along two elements holds that by both
            i, j = 1, 3
            both = nbloss.reference.along(loss, parts[row], {5 * k + i, 5 * k + j})[2]
            mixed = (float(both) * w[row] - diagonal[row, i] - diagonal[row, j]) / 2
            assert matrix[row, i, j] == pytest.approx(mixed, rel=1e-11, abs=1e-13)


# Errors


Y, Z = np.zeros((4, 3)), np.zeros((4, 3))
PAIR = (np.ones((4, 3)), np.ones((4, 3)))


@pytest.mark.parametrize(
    ("loss", "arguments", "error", "words"),
    [
        (nbloss.Dice(), (np.zeros(3), Z), ValueError, r"y_true must have .* \(4, 3\), or that of its rows, \(4,\)"),
        (RMSE, (np.zeros(4), Z), ValueError, r"y_true must have the shape of y_pred, \(4, 3\), got \(4,\)"),
        (nbloss.Dice(), (np.array([0, 1, 3, 2]), Z), ValueError, r"whole numbers from 0 to 2, got 3 at index 2"),
        (nbloss.Dice(), (np.array([0, 1.5, 1, 2]), Z), ValueError, r"got 1.5 at index 1"),
        (nbloss.Dice(), (np.array([0, -1, 1, 2]), Z), ValueError, r"got -1 at index 1"),
        (nbloss.Dice(), (np.array([0, np.nan, 1, 2]), Z), ValueError, r"got nan at index 1"),
        (nbloss.Dice(), (Y, Z, np.ones(3)), ValueError, "sample_weight must be a scalar or have shape"),
        (nbloss.Dice(), (np.zeros(4, int), Z, np.ones((4, 3))), ValueError, r"sample_weight .* \(4,\), got \(4, 3\)"),
        (nbloss.Dice(per_image=True), (0.0, np.zeros(())), ValueError, "images along its first axis"),
        (nbloss.CosineSimilarity(), (np.zeros(4), Z), ValueError, "y_true must have the shape of y_pred"),
        (nbloss.CosineSimilarity(), (0.0, np.zeros(())), ValueError, "vectors along its last axis"),
        (nbloss.CosineEmbedding(), (np.zeros(4), Z), TypeError, "y_pred must be a tuple of 2 arrays, got ndarray"),
        (nbloss.CosineEmbedding(), (np.zeros(4), (Z, Z, Z)), TypeError, "y_pred must be a tuple of 2 arrays, got 3"),
        (nbloss.CosineEmbedding(), (np.zeros(4), (Z, Z[:2])), ValueError, "one shape"),
        (nbloss.CosineEmbedding(), (np.zeros(3), PAIR), ValueError, r"y_true must have .* losses, \(4,\), got \(3,\)"),
        (nbloss.TripletMargin(), (Y, (Z, Z, Z)), TypeError, "y_true must be None for TripletMargin"),
        (nbloss.MarginRanking(), (np.zeros(4), PAIR), ValueError, "y_true must have the shape of the losses"),
        (nbloss.Dice(), (Y.astype(complex), Z), TypeError, "y_true must hold"),
        (nbloss.CosineEmbedding(), (np.zeros(4), (Z, Z.astype(object))), TypeError, r"y_pred\[1\] must hold"),
    ],
)
def test_wrong_arguments(loss: Any, arguments: Any, error: type[Exception], words: str) -> None:
    outs = tuple(np.zeros((4, 3)) for _ in range(loss.predictions if isinstance(loss, Vectorwise) else 1))
    with pytest.raises(error, match=words):
        loss.gradient(*arguments, out=outs if len(outs) > 1 else outs[0])
    assert not any(a.any() for a in outs)


def test_outputs() -> None:
    loss, labels, a = nbloss.CosineEmbedding(), np.ones(4), np.zeros((4, 3))
    first, second = PAIR
    for out, error in [
        (a, TypeError),
        ((a,), TypeError),
        ((a, a), ValueError),
        ((a, first), ValueError),
        ((a, np.zeros((4, 2))), ValueError),
        ((a, np.zeros((4, 3), int)), TypeError),
    ]:
        with pytest.raises(error, match="out must"):
            loss.gradient(labels, (first, second), out=out)
    with pytest.raises(TypeError, match="out must be a tuple of 2 arrays"):
        loss.gradient_and_hessian(labels, (first, second), out=((a, a.copy()), a.copy()))
    out = ((a, a.copy()), (a.copy(), a.copy()))
    assert loss.gradient_and_hessian(labels, (first, second), out=out)[1][0] is out[1][0]
    with pytest.raises(ValueError, match="out must not overlap"):
        nbloss.Dice().gradient(Y, Z, out=Y[::-1])
    number = np.zeros(())
    assert nbloss.Dice()(Y, Z, out=number) is number and number == nbloss.Dice()(Y, Z)
    value, gradients = loss.value_and_gradient(labels, (first, second), out=(number, out[0]))
    assert value is number and gradients == out[0]


def test_best_constants() -> None:
    assert RMSE.init_score([1.0, 2, 6], [1, 1, 2]) == 3.75
    for loss in (nbloss.Dice(), nbloss.CosineSimilarity(), nbloss.TripletMargin()):
        with pytest.raises(TypeError, match="has no constant prediction"):
            loss.init_score([0.0, 1.0])


def test_links() -> None:
    z = np.linspace(-3, 3, 7)
    np.testing.assert_allclose(nbloss.Dice().inverse_link(z), 1 / (1 + np.exp(-z)), rtol=1e-15)
    np.testing.assert_array_equal(nbloss.Dice(from_logits=False).inverse_link(z), z)
    np.testing.assert_array_equal(RMSE.inverse_link(z), z)
    np.testing.assert_array_equal(nbloss.TripletMargin().inverse_link((z, z, -z)), (z, z, -z))


@pytest.mark.parametrize("loss", SET_CASES, ids=repr)
def test_formulas_can_be_stepped_through(loss: Any) -> None:
    """Formulas called from plain Python give, to rounding, what their kernels give."""
    y, z = of_sets(loss)
    if isinstance(loss, Vectorwise):
        rows = [y, z] if loss.target == "vector" else listed(z)
        elements = [(x,) for x in zip(*(a[3].tolist() for a in rows), strict=True)] if not loss.of_numbers else None
        elements = elements or [(tuple(a[3].item() for a in rows),)]
        u = [loss.vectors(*x, *loss.choices) for x in elements]
        sums = tuple(map(math.fsum, zip(*(loss.terms(x, *loss.choices) for x in u), strict=True)))
        label = float(y[3]) if loss.target == "number" else 0.0
        value, *coefficients = loss.finish(label, sums, (1.0,) * len(u[0]), *loss.numbers, *loss.choices)
        slopes = [loss.slopes(x, tuple(coefficients), *loss.choices) for x in u]
        bends = [loss.curvature(x, x, 1.0, tuple(coefficients), *loss.choices) for x in u]
        got = [value, *np.transpose(slopes), *np.transpose(bends)]
        wanted = [a[3] for a in every(loss, y, z)]
    else:
        loss = dataclasses.replace(loss, per_image=False) if loss.parameters.get("per_image") else loss
        pairs = list(zip(y.ravel().tolist(), z.ravel().tolist(), strict=True))
        sums = map(math.fsum, zip(*(loss.terms(*pair, *loss.choices) for pair in pairs), strict=True))
        value, *coefficients = loss.finish(*sums, *loss.numbers, *loss.choices)
        found = np.array([loss.slopes(*pair, *coefficients, *loss.choices) for pair in pairs])
        got = [value, found[:, 0], found[:, 1] + found[:, 2]]
        wanted = [a.ravel() if a.shape else a for a in every(loss, y, z)]
    for a, b in zip(got, wanted, strict=True):
        np.testing.assert_allclose(np.squeeze(a), np.squeeze(b), rtol=1e-12, atol=1e-14)


def test_one_element_row_or_vector() -> None:
    assert RMSE(1.0, 3.0) == 2 and RMSE.gradient(1.0, 3.0) == 1 and RMSE.gradient([1], [[3.0]][0]).shape == (1,)
    assert nbloss.Dice(from_logits=False)(1, 0.5) == pytest.approx(1 - 1 / 1.5)
    value, gradient = nbloss.Dice().value_and_gradient(1, [0.2, 0.5, 0.1])
    assert value == nbloss.Dice()([1], [[0.2, 0.5, 0.1]]) and gradient.shape == (3,)
    assert nbloss.CosineSimilarity()([3.0, 4.0], [4.0, 3.0]) == -0.96
    assert nbloss.CosineEmbedding()(1, ([3.0, 4.0], [4.0, 3.0])) == pytest.approx(0.04)
    assert nbloss.TripletMargin()(None, ([0.0, 0], [3.0, 4], [0.0, 2])) == 4
    assert nbloss.MarginRanking(margin=1.0)(1, (2.0, 3.0)) == 2
    assert [float(g) for g in nbloss.MarginRanking(margin=1.0).gradient(1, (2.0, 3.0))] == [-1, 1]
    assert nbloss.CosineSimilarity().hessian_matrix([1.0, 0], [0.0, 2]).shape == (2, 2)
