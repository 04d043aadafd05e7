"""Law: on a CUDA device, rows are read where they lie, of every dtype and layout. The device is numba's simulator.

Whole file: a process of its own, started with NUMBA_ENABLE_CUDASIM=1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import config

import nbloss
from tests.cases import ordinary_rows, with_classes

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

from nbloss._cuda import rowwise, shared_rows
from nbloss._cuda.blocks import BLOCK
from nbloss._cuda.teams import FEW, team_for
from tests.cuda.rows import (
    CLASS_WEIGHTS,
    ENTROPY,
    FILLING,
    METHODS,
    SMOOTHED,
    WEIGHTED,
    assert_same,
    on_cpu,
)
from tests.cuda.test_simulator import DTYPES, BFloat16, alternately, assert_close, device, host, layouts

# Formulas run on NumPy's scalars here, which warn where infinite or no numbers come up, as they are meant to.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.mark.parametrize("classes", [3, 70])
def test_rows_by_way_of_shared_memory(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, predictions only, or nothing, as there is room; a block's last rows are fewer than its teams."""
    staged, usual = [], rowwise.stage_for

    def stage_for(*arguments: Any) -> tuple[int, int]:
        staged.append(usual(*arguments)[0])
        return usual(*arguments)

    monkeypatch.setattr(rowwise, "stage_for", stage_for)
    rows = 3 if classes > BLOCK else BLOCK + 5
    for loss, dtype in ((ENTROPY, np.float32), (SMOOTHED, np.float64)):
        labels, targets, z = ordinary_rows(loss, (rows, classes), dtype)
        piece = z.itemsize * shared_rows.region_for(classes, team_for(rows, classes, False), z.dtype)
        for room in (2 * piece, piece, piece - 1):
            monkeypatch.setattr(shared_rows, "ROOM", room)
            assert_same(loss, labels if loss is ENTROPY else targets, z, methods=FILLING[:1])
    assert staged == 2 * [shared_rows.DERIVATIVES, shared_rows.PREDICTIONS, shared_rows.TOO_LARGE]


def test_bits_depend_neither_on_the_run_nor_on_the_layout() -> None:
    for classes in (5, FEW + 1):
        loss = with_classes(WEIGHTED, classes)
        labels, _, z = ordinary_rows(loss, (9, classes))
        w = np.random.default_rng(2).uniform(size=9)
        first = [a.tobytes() for a in host(loss.value_and_gradient(*device(labels, z, w)))]
        assert first == [a.tobytes() for a in host(loss.value_and_gradient(*device(labels, z, w)))]
        apart = [np.repeat(labels, 2)[::2], np.repeat(np.repeat(z, 2, 0), 3, 1)[::2, ::3], np.repeat(w, 2)[::2]]
        assert first == [np.ascontiguousarray(a).tobytes() for a in host(loss.value_and_gradient(*device(*apart)))]


@pytest.mark.parametrize(("target", "prediction"), alternately(DTYPES, ["float32", "float64"]))
def test_dtypes_of_targets(target: str, prediction: str) -> None:
    labels, z = (np.arange(6) % 2).astype(target), ordinary_rows(ENTROPY, (6, 5))[2].astype(prediction)
    targets = (np.arange(30).reshape(6, 5) * 7 % 2).astype(target)
    for loss in (ENTROPY, SMOOTHED):
        assert_same(loss, labels, z, methods=FILLING)
        assert_same(loss, targets, z, methods=FILLING)


@pytest.mark.parametrize("prediction", ["bool", "int8", "int32", "int64", "uint64", "float16"])
def test_dtypes_of_predictions(prediction: str) -> None:
    labels, targets, z = ordinary_rows(ENTROPY, (6, 5))
    z = np.abs(z).astype(prediction)
    assert_same(ENTROPY, labels, z)
    assert_same(SMOOTHED, targets.astype("float16"), z, np.arange(6))


def test_bfloat16() -> None:
    """It is read without a copy, computed in float32, and rounded where it is written."""

    def bits(x: np.ndarray) -> tuple[BFloat16, np.ndarray]:
        upper = (x.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16)
        return BFloat16(upper), (upper.astype(np.uint32) << 16).view(np.float32)

    labels, targets, z = ordinary_rows(ENTROPY, (6, 5))
    z_there, z_here = bits(z)
    t_there, t_here = bits(targets)
    l_there, _ = bits(labels)
    for y_there, y_here in ((device(labels), labels), (l_there, labels), (t_there, t_here)):
        got, wanted = ENTROPY.gradient(y_there, z_there), on_cpu(ENTROPY, y_here, z_here)[1]
        assert_close(host(got)[0], wanted)
        out = BFloat16(np.zeros((6, 5), np.uint16))
        assert ENTROPY.gradient(y_there, z_there, out=out) is out
        assert_close((out._ary.astype(np.uint32) << 16).view(np.float32), wanted, ulps=0.51, eps=2.0**-7, least=0.0)
    weighted = ENTROPY.value(l_there, z_there, bits(np.arange(6.0))[0], reduction="none")
    assert_close(host(weighted)[0], np.arange(6, dtype=np.float32) * on_cpu(ENTROPY, labels, z_here)[0])


@pytest.mark.parametrize("name", layouts())
def test_layouts(name: str) -> None:
    """Every layout is read where it lies, beside every other; results lie as the predictions do."""
    arrays = layouts()
    z, other = arrays[name], arrays["C"]
    targets = np.abs(arrays["F"]) % 1
    labels = np.arange(20).reshape(4, 5) * 7 % 6
    for y in (labels, labels[::-1, ::-1], np.asfortranarray(labels), targets):
        assert_same(ENTROPY, y, z, methods=FILLING, ulps=32)
    assert_same(SMOOTHED, labels, z, methods=FILLING, ulps=32)
    assert_same(ENTROPY, np.broadcast_to(labels[:1, :1], (4, 5)), z, np.abs(arrays["strided"][..., 0]), ulps=32)
    assert_same(ENTROPY, np.abs(z) % 1, other, methods=FILLING, ulps=32)
    g, h = host(ENTROPY.gradient_and_hessian(*device(labels, z)))
    assert g.strides == np.empty_like(z).strides and h.strides == g.strides


@pytest.mark.parametrize("classes", [3, FEW + 1])
def test_classes_that_are_not_last_in_memory(classes: int) -> None:
    """Images with their channels first: a view, and no copy."""
    images = np.random.default_rng(0).normal(size=(2, classes, 3, 6))
    z = np.moveaxis(images, 1, -1)
    labels = np.arange(36).reshape(2, 3, 6) % classes
    targets = np.moveaxis(np.random.default_rng(1).random((2, classes, 3, 6)), 1, -1)
    for y in (labels, targets):
        assert_same(ENTROPY, y, z, methods=[METHODS[5], METHODS[7]], ulps=64)
    g = host(ENTROPY.gradient(*device(labels, z)))[0]
    assert np.moveaxis(g, -1, 1).flags.c_contiguous


@pytest.mark.parametrize("shape", [(5,), (1, 5), (2, 3, 5), (2, 1, 3, 5), (0, 5), (2, 0, 5)])
def test_shapes(shape: tuple[int, ...]) -> None:
    for loss in (ENTROPY, SMOOTHED, nbloss.NLL(CLASS_WEIGHTS)):
        labels, targets, z = ordinary_rows(loss, shape)
        assert_same(loss, labels, z)
        assert_same(loss, targets, z)
        assert_same(loss, labels, z, np.ones(shape[:-1]) * 2)
    assert_same(ENTROPY, labels, z.astype(np.float32))


def test_one_row_and_one_label() -> None:
    z = np.array([1.0, 3.0, -2.0])
    for y in (1, np.array(1), np.array(1.0)):
        got = ENTROPY.gradient(device(y), device(z))
        assert_close(host(got)[0], on_cpu(ENTROPY, 1, z)[1])
    assert np.isnan(host(ENTROPY.gradient(3, device(z)))[0]).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", ["C", "F", "permuted", "strided", "reversed"])
def test_out(name: str, dtype: str) -> None:
    z, labels = layouts()["C"], np.arange(20).reshape(4, 5) % 6
    outs = [layouts()[name].astype(dtype, order="K"), layouts()[name].astype(dtype)[::-1]]
    given = device(*outs)
    results = ENTROPY.gradient_and_hessian(*device(labels, z), out=tuple(given))
    assert results[0] is given[0] and results[1] is given[1]
    for out, wanted in zip(outs, on_cpu(ENTROPY, labels, z)[1:], strict=True):
        assert_close(out, wanted.astype(dtype))
    number = np.zeros(())
    value, gradient = ENTROPY.value_and_gradient(*device(labels, z), out=device(number, outs[0]))
    assert value._ary is number and gradient._ary is outs[0]
    assert_close(number, on_cpu(ENTROPY, labels, z)[0].mean())
    values = np.zeros((4, 10), dtype)[:, ::-2]
    ENTROPY.value(*device(labels, z), reduction="none", out=device(values))
    assert_close(values, on_cpu(ENTROPY, labels, z)[0].astype(dtype))
