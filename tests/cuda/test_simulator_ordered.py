"""Law: on a CUDA device, the ordered losses give what they give on the CPU. Here the device is numba's simulator.

Whole file: a process of its own, started with NUMBA_ENABLE_CUDASIM=1.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numba import config, cuda

import nbloss
from tests.cases import ORDERED_CASES, image

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

from nbloss._cuda.radix import DIGITS, TILE, sort, tiles_of
from nbloss._cuda.sets import key_of_margin
from tests.cuda.test_simulator import assert_close, device, host

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

HINGE, SOFTMAX = nbloss.LovaszHinge(), nbloss.LovaszSoftmax()
PROBABILITIES = nbloss.LovaszSoftmax(from_logits=False)
SINGLE = float(np.finfo(np.float32).eps)


def assert_same(loss: nbloss.Loss, y: Any, z: Any, method: str = "gradient_and_hessian", **options: Any) -> None:
    """Compare what a method gives for arrays on the device and in host memory."""
    wanted = getattr(loss, method)(y, z, **options)
    got = host(getattr(loss, method)(*device(y, z), **options))
    for a, b in zip(got, wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
        assert_close(a, b, ulps=4, eps=SINGLE if z.dtype in (np.float16, np.float32) else 0.0)


@pytest.mark.parametrize("n", [1, TILE, TILE + 1, 2 * TILE + 3])
@pytest.mark.parametrize("sets", [1, 3])
def test_sort(sets: int, n: int) -> None:
    rng = np.random.default_rng(n)
    x = np.concatenate([rng.integers(-2, 3, n * sets - n), rng.normal(size=n)]).astype(np.float32)
    x[:1] = -0.0
    keys = np.array([key_of_margin(x.dtype)(a) for a in x])
    arrays = (keys, 2 * np.arange(x.size), keys * 0, np.zeros(x.size, int), np.zeros(DIGITS * tiles_of(x.size), int))
    sorted_keys, items = sort(*(cuda.to_device(a) for a in arrays), n, 0)
    order = np.concatenate([np.argsort(x[s : s + n], kind="stable") + s for s in range(0, x.size, n)])
    assert np.array_equal(items.copy_to_host() // 2, order) and np.array_equal(sorted_keys.copy_to_host(), keys[order])


@pytest.mark.parametrize("loss", ORDERED_CASES, ids=repr)
def test_every_loss(loss: nbloss.Loss) -> None:
    y, z = image(loss, (3, 17), np.float32)
    assert_same(loss, y, z)
    assert_same(loss, y, z, "value_and_gradient", reduction="mean")
    assert_same(loss, y, z.round(1).clip(0, 1), "value_and_gradient", reduction="none")  # ties


@pytest.mark.parametrize("loss", [HINGE, SOFTMAX], ids=repr)
def test_double_precision(loss: nbloss.Loss) -> None:
    y, z = image(loss, (30,))
    assert_same(loss, y, z)
    assert_same(loss, y, z * 300, "value_and_gradient", reduction="sum")


@pytest.mark.parametrize("n", [1, TILE - 1, TILE, 2 * TILE + 3])
def test_sizes(n: int) -> None:
    assert_same(HINGE, *image(HINGE, (n,), np.float32), "value_and_gradient")


@pytest.mark.parametrize("loss", [HINGE, SOFTMAX, PROBABILITIES], ids=repr)
def test_sets_without_pixels_that_count(loss: nbloss.Loss) -> None:
    loss = dataclasses.replace(loss, per_image=True, ignore_index=1)
    last = () if loss is HINGE or isinstance(loss, nbloss.LovaszHinge) else (3,)
    for shape in ((2, 4), (2, 0), (0, 4)):
        z = np.random.default_rng(0).random((*shape, *last)).astype(np.float32)
        assert_same(loss, np.ones(shape), z, "value_and_gradient", reduction="none")
        assert_same(loss, np.ones(shape), z, "value_and_gradient")


@pytest.mark.parametrize("loss", [HINGE, SOFTMAX, PROBABILITIES], ids=repr)
def test_nan_spreads_over_its_set(loss: nbloss.Loss) -> None:
    loss = dataclasses.replace(loss, per_image=True, ignore_index=-1)
    y, z = image(loss, (3, 8), np.float32)
    y = np.abs(y)
    y[1, 5] = -1
    z[1, 5], z[1, 7] = np.nan, np.nan
    assert_same(loss, y, z)
    assert_same(loss, y, z, "value", reduction="none")


def test_labels_that_are_none_give_nan() -> None:
    """Nobody waits for the device to raise an error."""
    loss = nbloss.LovaszSoftmax(per_image=True, ignore_index=9)
    _, z = image(loss, (5, 4), np.float32)
    y = np.zeros((5, 4))
    y[0, 1], y[1, 2], y[2, 3], y[3, 0] = 3, -1, 1.5, 9
    values, gradient = host(loss.value_and_gradient(*device(y, z), reduction="none"))
    assert np.isnan(values).tolist() == [True, True, True, False, False]
    assert np.isnan(gradient).all((1, 2)).tolist() == [True, True, True, False, False]
    assert_same(loss, y[3:], z[3:])
    with pytest.raises(ValueError, match="got 3"):
        loss(y, z)


def test_logits_of_no_class_give_nan() -> None:
    z = np.zeros((2, 3, 3))
    z[0, 1] = -np.inf
    values, gradient = host(
        nbloss.LovaszSoftmax(per_image=True).value_and_gradient(
            *device(np.array([[0, 1, 2], [2, 1, 0]]), z), reduction="none"
        )
    )
    assert np.isnan(values).tolist() == [True, False]
    assert np.isnan(gradient[0]).all() and np.isfinite(gradient[1]).all()


def test_layouts_dtypes_and_outputs() -> None:
    y, z = image(SOFTMAX, (3, 5), np.float32)
    z = z.round(1)
    wanted = SOFTMAX.gradient(y, z)
    moved = np.moveaxis(np.moveaxis(z, -1, 0).copy(), 0, -1)
    for a, b in ((np.asfortranarray(y), np.asfortranarray(z)), (y.astype(np.float16), moved), (y[::-1][::-1], z)):
        assert_close(host(SOFTMAX.gradient(*device(a, b)))[0], wanted, ulps=4, eps=SINGLE)
    out = np.zeros((3, 5, 3), order="F")
    assert SOFTMAX.gradient(*device(y, z), out=device(out))._ary is out
    assert_close(out, wanted.astype(float), ulps=4, eps=SINGLE)
    y, z = image(HINGE, (40,), np.float16)
    assert_same(HINGE, y.astype(np.int8), z)
    assert_same(HINGE, y > 0, z > 0)
    with pytest.raises(ValueError, match="sample_weight must be None"):
        HINGE(*device(y, z), 1.0)


def test_bits_do_not_depend_on_the_run() -> None:
    y, z = image(HINGE, (2 * TILE + 3,), np.float32)
    there = device(y, z.round(1))
    first, second = ([a.tobytes() for a in host(HINGE.value_and_gradient(*there))] for _ in range(2))
    assert first == second


def test_inverse_link() -> None:
    z = np.array([[1.0, 2.0, -800.0], [3e300, 0.0, -1e308]])
    assert_close(host(SOFTMAX.inverse_link(device(z)))[0], SOFTMAX.inverse_link(z))
    assert host(HINGE.inverse_link(device(z)))[0].tolist() == z.tolist()
