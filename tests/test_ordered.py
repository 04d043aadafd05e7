"""Laws of the losses whose errors are put in order: Lovász hinge and Lovász-softmax."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
import pickle
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import pytest
from mpmath import mp, mpf

import nbloss
from nbloss.losses.segmentation import _jaccard
from tests.cases import ORDERED_CASES, image
from tests.selection import slow
from tests.ulps import ulps

HINGE, SOFTMAX = nbloss.LovaszHinge(), nbloss.LovaszSoftmax()
PROBABILITIES = nbloss.LovaszSoftmax(from_logits=False)
ALLOWED = 4
PARALLEL_FROM = 9_999
DTYPES = [np.float64, np.float32]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let kernels with threads begin early; where nothing is said of threads, there is one, which waits for none."""
    monkeypatch.setattr("nbloss._cpu.ordered.PARALLEL_FROM", PARALLEL_FROM)
    most = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(most)


def everything(loss: nbloss.Loss, y: Any, z: Any) -> list[Any]:
    return [loss.value(y, z, reduction="none"), *loss.gradient_and_hessian(y, z)]


# The oracle


def check(loss: nbloss.Loss, y: Any, z: Any) -> None:
    """Compare with the textbook line; where terms cancel, in ulp of the largest."""
    got = everything(loss, y, z)
    shape, parts = loss.parts(y, z)
    exact = [nbloss.reference.derivatives_of_part(loss, part) for part in parts]
    with mp.workdps(60):
        value = max((ulps(a, e[0]) for a, e in zip(got[0].ravel(), exact, strict=True)), default=0)
        terms = [np.zeros(z.size)] * 2
        if loss.parameters.get("from_logits"):
            terms = softmax_terms(loss, y, z)
        slopes = [
            max(
                (
                    ulps(a, e, mpf(float(t)))
                    for a, e, t in zip(got[k].ravel(), flat(exact, k), terms[k - 1], strict=True)
                ),
                default=0,
            )
            for k in (1, 2)
        ]
    assert got[0].shape == shape and max(value, *slopes) <= ALLOWED, (value, slopes)


def flat(exact: Any, which: int) -> list[Any]:
    return [x for e in exact for row in e[which] for x in row]


def softmax_terms(loss: Any, y: Any, z: Any) -> tuple[Any, Any]:
    """Return the largest terms of gradients and Hessians: a probability times that of another class times its slope."""
    p = SOFTMAX.inverse_link(z.astype(np.float64))
    q = np.stack([np.delete(p, k, -1).sum(-1) for k in range(p.shape[-1])], -1)
    slopes = np.abs(dataclasses.replace(loss, from_logits=False).gradient(y, p))
    terms = p * slopes * q
    for k, j in itertools.permutations(range(p.shape[-1]), 2):
        terms[..., k] = np.maximum(terms[..., k], p[..., k] * p[..., j] * slopes[..., j])
    return terms.ravel(), (terms * np.maximum(p, q)).ravel()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", ORDERED_CASES, ids=repr)
def test_ordinary_numbers(loss: nbloss.Loss, dtype: type) -> None:
    for seed in range(3):
        check(loss, *image(loss, (2, 9) if isinstance(loss, nbloss.LovaszSoftmax) else (3, 20), dtype, seed))


@pytest.mark.parametrize("dtype", DTYPES)
def test_hinge_of_extreme_numbers(dtype: type) -> None:
    rng = np.random.default_rng(0)
    info = np.finfo(dtype)
    sizes = 2.0 ** rng.uniform(np.log2(info.smallest_subnormal), np.log2(info.max) - 7, 60)
    near = [1, 1 + info.eps, 1 - info.epsneg, -1, -1 - info.eps, 0.0, -0.0, info.tiny, -info.tiny, 0.5]
    z = np.append(rng.choice([-1, 1], 60) * sizes, near).astype(dtype)
    for y in (rng.integers(0, 2, 70), np.zeros(70), np.ones(70)):
        check(HINGE, y, z)
        check(HINGE, y, -np.abs(z) % 2)


@pytest.mark.parametrize("dtype", DTYPES)
def test_softmax_of_extreme_numbers(dtype: type) -> None:
    """Errors next to 0 and to 1, logits that are huge, equal, infinite, or as far from each other as they can be."""
    rng = np.random.default_rng(0)
    large = float(np.finfo(dtype).max)
    for scale in (0.1, 30.0, 300.0):
        y, z = rng.integers(0, 3, 10), (rng.normal(size=(10, 3)) * scale).astype(dtype)
        check(SOFTMAX, y, z)
        check(SOFTMAX, y, z + dtype(1e6 if dtype == np.float64 else 1000))
    rows = [[large, -large, 0], [large, large, -large], [0, 0, 0], [-1, -large, -1], [9, 1, 2], [1e-30, 0, 0.5]]
    rows += [[math.inf, 0, 1], [0, -math.inf, 1], [3, 2, -math.inf], [math.inf, -math.inf, 1]]
    of_each_row = nbloss.LovaszSoftmax("all", per_image=True)  # which has no order: the oracle could not tell it here
    for label in range(3):
        check(of_each_row, np.full((10, 1), label), np.array(rows, dtype)[:, None])


def test_logits_of_no_class() -> None:
    """Where all are -inf, no class has a probability, and the set has no loss; where they are ignored, it has."""
    y, z = np.array([[0, 1, 2], [0, 9, 2]]), np.array([[0.0, 1, 2], [-math.inf] * 3, [3, 1, 0]])
    loss = nbloss.LovaszSoftmax(per_image=True, ignore_index=9)
    values, (gradient, hessian) = (
        loss.value(y, np.stack([z, z]), reduction="none"),
        loss.gradient_and_hessian(y, np.stack([z, z])),
    )
    assert np.isnan(values).tolist() == [True, False]
    for a in (gradient, hessian):
        assert np.isnan(a[0]).all() and np.isfinite(a[1]).all() and not a[1, 1].any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_hinge_of_infinite_numbers(dtype: type) -> None:
    z = np.array([math.inf, -math.inf, 2.0, 0.5, -1.0, math.inf], dtype)
    for y in itertools.product((0, 1), repeat=6):
        check(HINGE, np.array(y), z)


@pytest.mark.parametrize("dtype", DTYPES)
def test_ties(dtype: type) -> None:
    """Among equal errors the earlier pixel comes first, in the oracle too."""
    rng = np.random.default_rng(0)
    for _ in range(5):
        y = rng.integers(0, 2, 40)
        check(HINGE, y, rng.choice([-1, -0.0, 0.0, 0.5, 1.0, 2.0], 40).astype(dtype))
        check(PROBABILITIES, y[:20], rng.choice([-0.0, 0.0, 0.25, 0.5, 0.75, 1.0], (20, 2)).astype(dtype))
    check(nbloss.LovaszSoftmax(classes="all"), rng.integers(0, 4, 9), np.full((9, 4), 7.0, dtype))


@pytest.mark.parametrize("dtype", DTYPES)
def test_margins_that_round_to_equal_errors_are_told_apart(dtype: type) -> None:
    """1 - z is 1 for all of these, but not in the oracle."""
    z = np.array([1e-30, 3e-30, -2e-30, 2e-30, -5e-30, 0, 1e-35], dtype)
    check(HINGE, np.array([1, 0, 1, 0, 0, 1, 1]), z)
    check(PROBABILITIES, np.array([1, 0, 1, 0, 0, 1, 1]), np.stack([1 - np.abs(z), np.abs(z)], -1).astype(dtype))
    logits = np.zeros((7, 2), dtype)
    logits[:, 0] = [50, 51, 52, 53, 54, 55, 56]
    check(SOFTMAX, np.array([1, 0, 1, 0, 0, 1, 1]), logits)


def test_ties_of_logits() -> None:
    """Rows that are equal, or each other's mirror image, have the same error; the earlier one comes first."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(4, 2))
    z = np.concatenate([rows, rows[:, ::-1], rows])[rng.permutation(12)]
    y = rng.integers(0, 2, 12)
    p = SOFTMAX.inverse_link(z)
    errors = p[np.arange(12), 1 - y]
    assert len(set(errors)) <= 8
    slopes = np.stack([np.where(y == k, -1, 1) * by_numpy(errors, -errors, y == k)[1] / 2 for k in (0, 1)], -1)
    wanted = p * (slopes - (p * slopes).sum(-1, keepdims=True))
    np.testing.assert_allclose(SOFTMAX.gradient(y, z), wanted, rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize(
    ("threads_in_sets", "dtype"),
    [(True, np.float64), (False, np.float32), *slow([(True, np.float32), (False, np.float64)])],
)
def test_large_sets(threads_in_sets: bool, dtype: type) -> None:
    """The textbook's way, with NumPy: sort, cumulative sums, differences."""
    shape = (2, PARALLEL_FROM) if threads_in_sets else (32, PARALLEL_FROM // 16 + 7)
    hinge, softmax = nbloss.LovaszHinge(per_image=True), nbloss.LovaszSoftmax(per_image=True)
    y, z = image(hinge, shape, dtype)
    value, gradient = hinge.value_and_gradient(y, z, reduction="none")
    for i in range(len(y)):
        s = np.where(y[i] > 0, 1.0, -1.0)
        want, slopes = by_numpy(np.maximum(1 - s * z[i].astype(np.float64), 0), s * z[i], y[i] > 0)
        np.testing.assert_allclose(value[i], want, rtol=1e-6 if dtype == np.float32 else 1e-13)
        np.testing.assert_allclose(gradient[i], -s * np.where(s * z[i] < 1, slopes, 0), rtol=1e-6, atol=1e-15)
    y, z = image(softmax, shape, dtype)
    p = softmax.inverse_link(z)
    value, gradient = dataclasses.replace(softmax, from_logits=False).value_and_gradient(y, p, reduction="none")
    for i in range(len(y)):
        total = 0.0
        for k in range(3):
            mask = y[i] == k
            errors = np.abs(mask - p[i, :, k].astype(np.float64))
            want, slopes = by_numpy(errors, -errors, mask)
            total += want / 3
            np.testing.assert_allclose(gradient[i, :, k], np.where(mask, -slopes, slopes) / 3, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(value[i], total, rtol=1e-6 if dtype == np.float32 else 1e-13)


def by_numpy(errors: Any, key: Any, mask: Any) -> tuple[float, Any]:
    order = np.argsort(key, kind="stable")
    positive = mask[order]
    intersection = positive.sum() - np.cumsum(positive)
    union = positive.sum() + np.cumsum(~positive)
    slopes = np.empty(errors.size)
    slopes[order] = np.diff(1 - intersection / union, prepend=0)
    return float(errors @ slopes), slopes


# Identities


@pytest.mark.parametrize("dtype", DTYPES)
def test_hinge_of_signs_is_twice_1_minus_iou(dtype: type) -> None:
    for y in itertools.product((-1, 1), repeat=4):
        for z in itertools.product((-1, 1), repeat=4):
            both, either = sum(a > 0 < b for a, b in zip(y, z, strict=True)), sum(map(max, y, z)) / 2 + 2
            iou = 1.0 if either == 0 else both / either
            assert HINGE(y, np.array(z, dtype)) == pytest.approx(2 * (1 - iou), abs=1e-15)


def test_one_hot_probabilities_give_the_mean_of_1_minus_iou() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        y, found = rng.integers(0, 3, 12), rng.integers(0, 4, 12)
        ious = {k: np.sum((y == k) & (found == k)) / max(1, np.sum((y == k) | (found == k))) for k in range(4)}
        p = np.eye(4)[found]
        present = [1 - ious[k] for k in set(y)]
        assert PROBABILITIES(y, p) == pytest.approx(np.mean(present), abs=1e-15)
        absent = [1 - ious[k] if k in y else p[:, k].max() for k in range(4)]
        assert nbloss.LovaszSoftmax("all", from_logits=False)(y, p) == pytest.approx(np.mean(absent), abs=1e-15)
        chosen = nbloss.LovaszSoftmax((0, 3), from_logits=False)
        assert chosen(y, p) == pytest.approx((absent[0] + absent[3]) / 2, abs=1e-15)


def test_the_extension_equals_a_submodular_function_at_its_vertices() -> None:
    """At every vertex, and so for every set of mispredicted pixels: brute force."""
    n = 5
    subsets = np.array(list(itertools.product((False, True), repeat=n)))
    of_each_image = nbloss.LovaszHinge(per_image=True)
    for mask in subsets:
        wrong = np.where(subsets, -1.0, 1.0) * np.where(mask, 1, -1)
        delta = of_each_image.value(np.broadcast_to(mask, subsets.shape), wrong, reduction="none") / 2
        either = (subsets | mask).sum(1)
        np.testing.assert_allclose(delta, subsets.sum(1) / np.maximum(either, 1), rtol=1e-15)
        weights = 1 << np.arange(n)[::-1]
        for i, j in itertools.combinations(range(len(subsets)), 2):
            union, common = ((subsets[i] | subsets[j]) @ weights, (subsets[i] & subsets[j]) @ weights)
            assert delta[i] + delta[j] >= delta[union] + delta[common] - 1e-15


def test_increments_add_up_to_the_loss() -> None:
    for positives, others in itertools.product(range(4), range(4)):
        for order in set(itertools.permutations([True] * positives + [False] * others)):
            loss, intersection, union = 0.0, positives, positives
            for is_positive in order:
                loss += _jaccard.increment(is_positive, intersection, union)
                intersection, union = intersection - is_positive, union + (not is_positive)
                assert loss == pytest.approx(1 - intersection / union, abs=1e-15)


def test_classes_that_do_not_count_are_left_alone() -> None:
    y, z = image(PROBABILITIES, (40,))
    y[y == 1] = 0
    z = SOFTMAX.inverse_link(z)
    g = PROBABILITIES.gradient(y, z)
    assert not g[:, 1].any() and g[:, 0].any() and g[:, 2].any()
    g = nbloss.LovaszSoftmax("all", from_logits=False).gradient(y, z)
    assert np.flatnonzero(g[:, 1]).tolist() == [z[:, 1].argmax()] and g[:, 1].max() == 1 / 3
    g = nbloss.LovaszSoftmax((1,), from_logits=False).gradient(y, z)
    assert not g[:, [0, 2]].any() and g[:, 1].max() == 1


# Reductions, sets, bits


@pytest.mark.parametrize("loss", ORDERED_CASES, ids=repr)
def test_reductions(loss: nbloss.Loss) -> None:
    y, z = image(loss, (7, 5))
    values, gradient = loss.value(y, z, reduction="none"), loss.gradient(y, z)
    sets = values.size
    assert values.shape == ((7,) if loss.parameters["per_image"] else ())
    assert loss.value(y, z, reduction="sum") == pytest.approx(values.sum(), rel=1e-15)
    assert loss(y, z) == pytest.approx(values.mean(), rel=1e-15) and isinstance(loss(y, z), np.float64)
    mean, scaled = loss.value_and_gradient(y, z)
    assert mean == loss(y, z)
    np.testing.assert_allclose(scaled, gradient / sets, rtol=1e-14)
    for reduction in ("sum", "none"):
        value, same = loss.value_and_gradient(y, z, reduction=reduction)
        np.testing.assert_array_equal(value, loss.value(y, z, reduction=reduction))
        np.testing.assert_array_equal(same, gradient)
    np.testing.assert_array_equal(loss.hessian(y, z), loss.gradient_and_hessian(y, z)[1])
    np.testing.assert_array_equal(gradient, loss.gradient_and_hessian(y, z)[0])


@pytest.mark.parametrize("loss", ORDERED_CASES, ids=repr)
def test_an_image_is_a_set_of_its_own(loss: nbloss.Loss) -> None:
    alone, of_each = (dataclasses.replace(loss, per_image=x) for x in (False, True))
    y, z = image(loss, (4, 3, 5))
    for i in range(4):
        for a, b in zip(everything(of_each, y, z), everything(alone, y[i], z[i]), strict=True):
            np.testing.assert_array_equal(a[i], b)


@pytest.mark.parametrize("dtype", [np.float64, *slow([np.float32])])
@pytest.mark.parametrize("shape", [(PARALLEL_FROM + 99,), (40, PARALLEL_FROM // 32)])
@pytest.mark.parametrize("loss", [HINGE, SOFTMAX], ids=repr)
def test_bits_do_not_depend_on_threads(
    loss: nbloss.Loss, shape: tuple[int, ...], dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor on the run, nor on which kernels do it; with ties."""
    loss = dataclasses.replace(loss, per_image=len(shape) > 1)
    y, z = image(loss, shape, dtype)
    z = z.round(1)
    results = []
    most = numba.config.NUMBA_NUM_THREADS
    for threads in [*range(1, most + 1), most]:
        numba.set_num_threads(threads)
        results.append(b"".join(a.tobytes() for a in everything(loss, y, z)))
    monkeypatch.setattr("nbloss._parallel._is_barred", True)  # one thread, other kernels
    results.append(b"".join(a.tobytes() for a in everything(loss, y, z)))
    assert len(set(results)) == 1


@pytest.mark.parametrize("loss", [HINGE, SOFTMAX], ids=repr)
def test_items_of_64_bits(loss: nbloss.Loss, monkeypatch: pytest.MonkeyPatch) -> None:
    y, z = image(loss, (50,))
    wanted = everything(loss, y, z)
    monkeypatch.setattr("nbloss._cpu.ordered.MOST", 49)
    for a, b in zip(everything(loss, y, z), wanted, strict=True):
        np.testing.assert_array_equal(a, b)


# What does not count


@pytest.mark.parametrize("ignored", [-1, 0, 1, 255])
@pytest.mark.parametrize("loss", [HINGE, SOFTMAX, PROBABILITIES, nbloss.LovaszSoftmax("all")], ids=repr)
def test_ignored_pixels_are_as_if_they_were_not_there(loss: nbloss.Loss, ignored: int) -> None:
    loss = dataclasses.replace(loss, ignore_index=ignored)
    y, z = image(loss, (60,))
    y = np.where(np.random.default_rng(1).random(60) < 0.3, ignored, np.abs(y))
    kept = y != ignored
    z[~kept] = np.resize([np.nan, np.inf, -np.inf, 9.0], z[~kept].shape)
    if not loss.parameters.get("from_logits"):
        check(loss, y[:20], z[:20])
    plain = dataclasses.replace(loss, ignore_index=None)
    assert loss(y, z) == plain(y[kept], z[kept])
    for a, b in zip(loss.gradient_and_hessian(y, z), plain.gradient_and_hessian(y[kept], z[kept]), strict=True):
        np.testing.assert_array_equal(a[kept], b)
        assert not a[~kept].any()


def test_the_oracle_knows_sets_without_pixels_that_count() -> None:
    for loss, z in (
        (nbloss.LovaszHinge(ignore_index=0), 3.0),
        (nbloss.LovaszSoftmax((0, 2), ignore_index=0), [3.0] * 3),
    ):
        value, gradient, hessian = nbloss.reference.derivatives(loss, 0, z)
        assert value == 0 and not gradient.any() and not hessian.any()


@pytest.mark.parametrize("per_image", [False, True])
@pytest.mark.parametrize("loss", [HINGE, SOFTMAX, PROBABILITIES, nbloss.LovaszSoftmax("all")], ids=repr)
def test_sets_without_pixels_that_count(loss: nbloss.Loss, per_image: bool) -> None:
    loss = dataclasses.replace(loss, per_image=per_image, ignore_index=1)
    last = () if isinstance(loss, nbloss.LovaszHinge) else (3,)
    z = np.random.default_rng(0).random((2, 4, *last))
    for y in (np.ones((2, 4)), np.ones((2, 0))):
        value, gradient = loss.value_and_gradient(y, z[:, : y.shape[1]])
        assert value == 0 and not gradient.any() and not loss.hessian(y, z[:, : y.shape[1]]).any()
        assert not loss.value(y, z[:, : y.shape[1]], reduction="none").any()
    none = np.ones((0, 4)), np.zeros((0, 4, *last))
    assert loss(*none, reduction="sum") == 0 and loss.gradient(*none).shape == none[1].shape
    if per_image:
        assert math.isnan(loss(*none)) and loss(*none, reduction="none").shape == (0,)
    else:
        assert loss(*none) == 0


@pytest.mark.parametrize("size", [30, PARALLEL_FROM])
@pytest.mark.parametrize("loss", [HINGE, SOFTMAX, PROBABILITIES], ids=repr)
def test_nan_spreads_over_its_set(loss: nbloss.Loss, size: int) -> None:
    loss = dataclasses.replace(loss, per_image=True, ignore_index=-1)
    y, z = image(loss, (3, size))
    y = np.abs(y).astype(float)
    y[1, 5] = -1
    wanted = everything(loss, y, z)
    z[1, 7] = np.nan
    for a, b in zip(everything(loss, y, z), wanted, strict=True):
        np.testing.assert_array_equal(a[[0, 2]], b[[0, 2]])
        counts = y[1] != -1 if a.ndim > 1 else slice(None)
        assert np.isnan(a[1][counts] if a.ndim > 1 else a[1]).all()
        assert a.ndim == 1 or not a[1, 5].any()
    assert math.isnan(loss(y, z))


def test_labels_that_are_nan_and_probabilities_that_are_none() -> None:
    z = np.array([0.3, -0.2, 0.8])
    assert np.isnan(everything(HINGE, np.array([0, np.nan, 1]), z)[1]).all()
    for bad in (-1e-9, 1 + 1e-9, np.nan, np.inf):
        p = np.array([[0.2, 0.8], [0.5, bad]])
        for result in everything(PROBABILITIES, np.array([0, 1]), p):
            assert np.isnan(result).all()
        check(PROBABILITIES, np.array([0, 1]), p)


# Arrays


def layouts(a: np.ndarray) -> list[np.ndarray]:
    """Return arrays equal to *a* in different places."""
    apart = np.zeros([2 * n for n in a.shape], a.dtype)
    apart[tuple([slice(None, None, 2)] * a.ndim)] = a
    packed = np.zeros(a.shape, np.dtype([("flag", "i1"), ("x", a.dtype)]))
    packed["x"] = a
    frozen = a.copy()
    frozen.flags.writeable = False
    places = [a.copy(), np.asfortranarray(a), apart[tuple([slice(None, None, 2)] * a.ndim)], frozen, packed["x"]]
    back = (slice(None, None, -1),) * a.ndim
    return [
        *places,
        a[back].copy()[back],
        np.moveaxis(np.moveaxis(a, -1, 0).copy(), 0, -1),
        a.astype(a.dtype.newbyteorder()),
    ]


@pytest.mark.parametrize("loss", ORDERED_CASES, ids=repr)
def test_layouts(loss: nbloss.Loss) -> None:
    """Which of equal errors is the first depends on its index, not on its place in memory."""
    y, z = image(loss, (3, 4, 5))
    z = z.round(1).clip(0, 1)
    wanted = everything(loss, y, z)
    for a, b in itertools.product(layouts(y), layouts(z)):
        for got, want in zip(everything(loss, a, b), wanted, strict=True):
            np.testing.assert_array_equal(got, want)
    for out in layouts(z)[:3]:
        pair = out, out.copy(order="K")
        assert loss.gradient_and_hessian(y, z, out=pair) is pair or True
        np.testing.assert_array_equal(pair, wanted[1:])
    assert loss.gradient(y, np.asfortranarray(z)).flags.f_contiguous


@pytest.mark.parametrize("dtype", ["bool", "i1", "i4", "i8", "u1", "u2", "u8", "f2", "f4", "f8", ">i4", ">f8"])
@pytest.mark.parametrize("loss", [HINGE, SOFTMAX], ids=repr)
def test_labels_of_any_dtype(loss: nbloss.Loss, dtype: str) -> None:
    loss = dataclasses.replace(loss, ignore_index=1)
    y, z = image(loss, (40,))
    y = np.abs(y) % 2
    for a, b in zip(everything(loss, y.astype(dtype), z), everything(loss, y, z), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_ignored_label_beyond_the_dtype() -> None:
    y = np.array([0, 2, 1], np.int8)
    z = np.arange(9.0).reshape(3, 3)
    assert nbloss.LovaszSoftmax(ignore_index=1000)(y, z) == SOFTMAX(y, z)
    far = np.array([0, 2**63 - 1, 1])
    assert nbloss.LovaszSoftmax(ignore_index=2**63 - 1)(far, z) == SOFTMAX(y[[0, 2]], z[[0, 2]])
    far = np.array([0, 1e300, 1])
    assert nbloss.LovaszSoftmax(ignore_index=int(1e300))(far, z) == SOFTMAX(y[[0, 2]], z[[0, 2]])
    assert nbloss.LovaszHinge(ignore_index=-1000)(y, z[:, 0]) == HINGE(y, z[:, 0])


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4", "bool"])
@pytest.mark.parametrize("loss", [HINGE, SOFTMAX], ids=repr)
def test_predictions_of_any_dtype(loss: nbloss.Loss, dtype: str) -> None:
    y, z = image(loss, (40,))
    z = z.astype(dtype)
    real = np.float32 if dtype in ("f2", "f4") else np.float64
    for a, b in zip(everything(loss, y, z), everything(loss, y, z.astype(real)), strict=True):
        assert a.dtype == real
        np.testing.assert_array_equal(a, b)
    assert loss(y, z).dtype == np.float64


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
@pytest.mark.parametrize("loss", ORDERED_CASES, ids=repr)
def test_out(loss: nbloss.Loss, dtype: str) -> None:
    y, z = image(loss, (4, 5))
    value, gradient = loss.value_and_gradient(y, z, reduction="none")
    outs = np.empty(value.shape, dtype), np.empty(z.shape, dtype)
    results = loss.value_and_gradient(y, z, reduction="none", out=outs)
    assert results[0] is outs[0] and results[1] is outs[1]
    for a, b in zip(outs, (value, gradient), strict=True):
        np.testing.assert_array_equal(a, b.astype(dtype))
    number = np.empty(())
    assert loss(y, z, out=number) is number and number == loss(y, z)
    assert loss.hessian(y, z, out=outs[1]) is outs[1]
    np.testing.assert_array_equal(outs[1], loss.hessian(y, z).astype(dtype))


def test_shapes() -> None:
    assert HINGE(1, 0.5) == 0.5 and HINGE([1, 0], [0.5, 0.5]) == pytest.approx(0.5 * 0.5 + 1.5 * 0.5)
    assert SOFTMAX(0, [0.0, 0.0]) == 0.5 and SOFTMAX.gradient(0, [0.0, 0.0]).tolist() == [-0.25, 0.25]
    assert SOFTMAX([0.0], [[3.0]]) == 0 and HINGE(1.0, 0.5) == 0.5 and math.isnan(HINGE(math.nan, 0.5))
    y, z = image(HINGE, (4, 5))
    of_each = nbloss.LovaszHinge(per_image=True, ignore_index=0)
    np.testing.assert_array_equal(of_each.gradient(np.asfortranarray(y), z), of_each.gradient(y, z))
    assert nbloss.LovaszHinge(per_image=True).value([1, 0], [-1.0, 0.0], reduction="none").tolist() == [2, 1]


@pytest.mark.parametrize(
    ("loss", "arguments", "error", "words"),
    [
        (HINGE, (np.zeros(3), np.zeros(4)), ValueError, r"y_true must have the shape of y_pred, \(4,\), got \(3,\)"),
        (HINGE, (np.zeros((3, 1)), np.zeros(3)), ValueError, "y_true"),
        (HINGE, (np.zeros(3), np.zeros(3), np.ones(3)), ValueError, "sample_weight must be None for LovaszHinge"),
        (SOFTMAX, (np.zeros(3), np.zeros((3, 2)), 1.0), ValueError, "sample_weight must be None for LovaszSoftmax"),
        (SOFTMAX, (np.zeros((3, 2)), np.zeros((3, 2))), ValueError, r"one label for each row of y_pred, shape \(3,\)"),
        (SOFTMAX, (np.zeros(2), np.zeros((3, 2))), ValueError, r"y_true .* got \(2,\)"),
        (SOFTMAX, (np.zeros(()), np.zeros(())), ValueError, r"y_pred must have at least one class .* got shape \(\)"),
        (SOFTMAX, (np.zeros(3), np.zeros((3, 0))), ValueError, "y_pred must have at least one class on its last axis"),
        (SOFTMAX, ([0, 3, 7], np.zeros((3, 3))), ValueError, "whole numbers from 0 to 2, got 3 at index 1"),
        (SOFTMAX, ([[0], [-1]], np.zeros((2, 1, 3))), ValueError, r"whole numbers .* got -1 at index \(1, 0\)"),
        (SOFTMAX, ([0, 1, 1.5], np.zeros((3, 3))), ValueError, "got 1.5 at index 2"),
        (SOFTMAX, ([0, np.nan, 1], np.zeros((3, 3))), ValueError, "got nan at index 1"),
        (SOFTMAX, ([0, np.inf, 1], np.zeros((3, 3))), ValueError, "got inf at index 1"),
        (SOFTMAX, (5, np.zeros(3)), ValueError, "from 0 to 2, got 5"),
        (SOFTMAX, (np.array([2**64 - 1], "u8"), np.zeros((1, 3))), ValueError, "got 18446744073709551615"),
        (nbloss.LovaszSoftmax(ignore_index=9), ([9, 8], np.zeros((2, 3))), ValueError, "or ignore_index, 9, got 8"),
        (nbloss.LovaszSoftmax((0, 3)), ([0], np.zeros((1, 3))), ValueError, "classes must be below 3"),
        (nbloss.LovaszHinge(per_image=True), (1, 1.0), ValueError, "axis of images"),
        (nbloss.LovaszSoftmax(per_image=True), (1, [1.0, 2.0]), ValueError, "axis of images"),
        (HINGE, (np.zeros(3, complex), np.zeros(3)), TypeError, "y_true must hold"),
        (SOFTMAX, (np.zeros(3), np.zeros((3, 3), object)), TypeError, "y_pred must hold"),
        (HINGE, (np.ma.masked_array(np.zeros(3)), np.zeros(3)), TypeError, "masked"),
    ],
)
def test_errors(loss: nbloss.Loss, arguments: Any, error: type[Exception], words: str) -> None:
    """They are raised before anything is written."""
    out = np.full(np.shape(arguments[1]), 7.0)
    with pytest.raises(error, match=words) as raised:
        loss.gradient(*arguments, out=out)
    assert "\n" not in str(raised.value) and (out == 7).all()


def test_errors_of_outputs_and_reductions() -> None:
    z = np.zeros((4, 3))
    for out, error in ((np.zeros((4, 2)), ValueError), (np.zeros((4, 3), int), TypeError), (z, ValueError)):
        with pytest.raises(error, match="out must"):
            SOFTMAX.gradient(np.zeros(4), z, out=out)
    with pytest.raises(ValueError, match="reduction must be"):
        SOFTMAX(np.zeros(4), z, reduction="average")


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: nbloss.LovaszHinge(per_image=1), ValueError, "per_image must be True or False, got 1"),
        (lambda: nbloss.LovaszHinge(ignore_index=1.5), TypeError, "ignore_index must be a whole number or None"),
        (lambda: nbloss.LovaszHinge(ignore_index=True), TypeError, "ignore_index .* got True"),
        (lambda: nbloss.LovaszSoftmax("some"), ValueError, "classes must be 'present', 'all' or a tuple .* got 'some'"),
        (lambda: nbloss.LovaszSoftmax(()), ValueError, "classes"),
        (lambda: nbloss.LovaszSoftmax((1, 1)), ValueError, "classes"),
        (lambda: nbloss.LovaszSoftmax((-1,)), ValueError, "classes"),
        (lambda: nbloss.LovaszSoftmax((1.0,)), TypeError, "classes"),
        (lambda: nbloss.LovaszSoftmax(2), ValueError, "classes"),
        (lambda: nbloss.LovaszSoftmax(from_logits=None), ValueError, "from_logits"),
    ],
)
def test_parameters_are_checked(make: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize("loss", ORDERED_CASES, ids=repr)
def test_a_loss_is_a_value(loss: nbloss.Loss) -> None:
    y, z = image(loss, (3, 4))
    loss(y, z)
    assert eval(repr(loss), vars(nbloss)) == loss
    for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss), dataclasses.replace(loss)):
        assert twin == loss and hash(twin) == hash(loss) and twin(y, z) == loss(y, z)
    assert nbloss.LovaszSoftmax([0, np.int64(2)]) == nbloss.LovaszSoftmax((0, 2))


@pytest.mark.parametrize("loss", ORDERED_CASES, ids=repr)
def test_inputs_are_not_changed(loss: nbloss.Loss) -> None:
    y, z = image(loss, (3, 4))
    before = y.copy(), z.copy()
    everything(loss, y, z)
    np.testing.assert_array_equal(y, before[0])
    np.testing.assert_array_equal(z, before[1])


def test_links_and_what_there_is_not() -> None:
    z = np.array([[1.0, 2.0, -800.0], [3e300, 0.0, -1e308]])
    assert HINGE.inverse_link(z).tolist() == z.tolist() and PROBABILITIES.inverse_link(z).tolist() == z.tolist()
    e = 1 / (1 + math.e)
    np.testing.assert_allclose(SOFTMAX.inverse_link(z), [[e, 1 - e, 0], [1, 0, 0]], rtol=1e-15)
    assert SOFTMAX.inverse_link(np.asfortranarray(z[:1], np.float32)).dtype == np.float32
    for loss in (HINGE, SOFTMAX):
        with pytest.raises(TypeError, match="no constant prediction"):
            loss.init_score([0, 1])
