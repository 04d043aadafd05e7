"""Laws of the sets of ordered losses: reductions, threads, what does not count, layouts and wrong arguments."""

from __future__ import annotations

import copy
import dataclasses
import itertools
import math
import pickle
from typing import Any

import numba
import numpy as np
import pytest

import nbloss
from tests.cases import ORDERED_CASES, image
from tests.ordered import HINGE, PARALLEL_FROM, PROBABILITIES, SOFTMAX, check, everything, one_thread
from tests.selection import slow

__all__ = ["one_thread"]  # a fixture


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
