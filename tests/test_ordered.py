"""Law: Lovász hinge and Lovász-softmax are exact, and the extensions of what they extend."""

from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest

import nbloss
from nbloss.losses.segmentation import _jaccard
from tests.cases import ORDERED_CASES, image
from tests.ordered import DTYPES, HINGE, PARALLEL_FROM, PROBABILITIES, SOFTMAX, check, one_thread
from tests.selection import slow

__all__ = ["one_thread"]  # a fixture


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
