"""Law: on a CUDA device, every loss of rows gives what it gives on the CPU. Here the device is numba's simulator.

Whole file: a process of its own, started with NUMBA_ENABLE_CUDASIM=1.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from numba import config

import nbloss
from nbloss import _cpu
from tests.cases import ROW_CASES, ordinary_rows, with_classes

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

from nbloss._arrays import real_of
from nbloss._cuda import rowwise, shared_rows
from nbloss._cuda.blocks import BLOCK, BUSY, MOST
from nbloss._cuda.teams import EACH, FEW, SECTOR, team_for
from nbloss._row_program import RowProgram
from nbloss.families.rowwise import AS_IT_IS, EXP, SOFTMAX, row_map
from nbloss.loss import REAL, Domain
from tests.cuda.test_simulator import DTYPES, BFloat16, alternately, assert_close, device, host, layouts

# Formulas run on NumPy's scalars here, which warn where infinite or no numbers come up, as they are meant to.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

ENTROPY = nbloss.CrossEntropy()
SMOOTHED = nbloss.CrossEntropy(label_smoothing=0.1)
CLASS_WEIGHTS = (0.5, 2.0, 0.0, 1.0, 3.0)
CASES = [with_classes(loss, 5) for loss in ROW_CASES if loss.takes_labels]
WEIGHTED = nbloss.CrossEntropy(class_weight=CLASS_WEIGHTS)

METHODS: list[tuple[str, dict[str, str]]] = [
    ("value", {"reduction": "none"}),
    ("value", {"reduction": "mean"}),
    ("value", {"reduction": "sum"}),
    ("gradient", {}),
    ("hessian", {}),
    ("gradient_and_hessian", {}),
    ("value_and_gradient", {"reduction": "none"}),
    ("value_and_gradient", {"reduction": "mean"}),
    ("value_and_gradient", {"reduction": "sum"}),
]
FILLING = METHODS[5:7]


def on_cpu(loss: Any, y: Any, z: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return values, gradients and Hessians without weights, by one of the few kernels that all tests share."""
    real = real_of(z.dtype)
    z = np.array(z, real, order="C")
    y = np.array(y, np.int64 if np.ndim(y) < z.ndim else real, order="C")
    outs = [np.empty(z.shape[:-1], real), np.empty(z.shape, real), np.empty(z.shape, real)]
    _cpu.rowwise.run(loss._program, "vgh", False, y, z, None, outs, real)
    return tuple(outs)


def expected(loss: nbloss.Loss, y: Any, z: np.ndarray, w: Any = None) -> dict[tuple[str, str], tuple[np.ndarray, ...]]:
    """Return what each method gives on the CPU, with weights and sums as NumPy makes them."""
    y, real, rows = np.asarray(y), real_of(z.dtype), z.shape[:-1]
    if loss.parameters.get("ignore_index") is not None:
        left_out = y == loss.ignore_index  # type: ignore[attr-defined]
        y, loss = np.where(left_out, 0, y), dataclasses.replace(loss, ignore_index=None)
    else:
        left_out = np.zeros(rows, bool)
    weight = np.asarray(1.0 if w is None else w, np.float64)
    weight = np.broadcast_to(
        weight.reshape(weight.shape + (1,) * (len(rows) - weight.ndim) if weight.ndim else ()), rows
    )
    weight = np.where(left_out, 0, weight)
    values, *derivatives = on_cpu(loss, y, z)
    with np.errstate(all="ignore"):
        v = np.where(weight == 0, 0, weight * values)
        g, h = (np.where(weight[..., None] == 0, 0, weight[..., None] * a) for a in derivatives)
        counted = weight
        factors = loss.parameters.get("class_weight")
        if isinstance(factors, tuple):
            of_rows = np.array(factors)[y.astype(np.int64)] if y.ndim < z.ndim else y.astype(np.float64) @ factors
            counted = np.where(weight == 0, 0, weight * of_rows)
        elif factors is not None:
            counted = weight * factors
        total, divisor = np.float64(v.sum()), counted.sum()
        mean, pulled = total / divisor, np.where(weight[..., None] == 0, 0, g / divisor).astype(real)
    v, g, h = (a.astype(real) for a in (v, g, h))
    return {
        ("value", "none"): (v,),
        ("value", "mean"): (mean,),
        ("value", "sum"): (total,),
        ("gradient", ""): (g,),
        ("hessian", ""): (h,),
        ("gradient_and_hessian", ""): (g, h),
        ("value_and_gradient", "none"): (v, g),
        ("value_and_gradient", "mean"): (mean, pulled),
        ("value_and_gradient", "sum"): (total, g),
    }


def assert_same(loss: nbloss.Loss, *arrays: Any, methods: Any = METHODS, ulps: float = 16, least: float = 1.0) -> None:
    """Compare what methods give for arrays on the device and in host memory."""
    wanted, placed = expected(loss, *arrays), device(*arrays)
    eps = 2.0**-23 if arrays[1].dtype in (np.float16, np.float32) else 0.0
    for method, how in methods:
        got = getattr(loss, method)(*placed, **how)
        for a, b in zip(host(got), wanted[method, how.get("reduction", "")], strict=True):
            assert_close(a, b, ulps, least, eps)


@pytest.mark.parametrize("classes", [3, 70])
def test_rows_by_way_of_shared_memory(classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, or predictions only, or none, as there is room; a block's last rows are fewer than it has teams."""
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
    assert staged == 2 * [shared_rows.DERIVATIVES, shared_rows.PREDICTIONS, shared_rows.NONE]


@pytest.mark.parametrize(("loss", "dtype"), alternately(CASES, [np.float64, np.float32]), ids=repr)
def test_every_loss(loss: nbloss.Loss, dtype: type) -> None:
    labels, targets, z = ordinary_rows(loss, (7, 5), dtype)
    w = np.arange(7) % 3 * 0.75
    for y in (labels, targets):
        if y is not None:
            assert_same(loss, y, z, methods=METHODS[-2:])
            assert_same(loss, y, z, w, methods=METHODS if dtype is np.float64 else FILLING)
    # with a label, nothing cancels: every number is right to its last places
    exact = isinstance(loss, nbloss.CrossEntropy | nbloss.NLL) and not loss.parameters.get("label_smoothing")
    assert_same(loss, labels, z, methods=FILLING, least=0.0 if exact else 1.0)


@pytest.mark.parametrize("classes", [1, 2, FEW, FEW + 1, EACH * BLOCK // 2, EACH * BLOCK // 2 + 1, EACH * BLOCK + 1])
@pytest.mark.parametrize("loss", [ENTROPY, SMOOTHED, WEIGHTED, nbloss.NLL()], ids=repr)
def test_numbers_of_classes(loss: nbloss.Loss, classes: int) -> None:
    """A row is the work of one thread, of a few or of a block."""
    loss = with_classes(loss, classes)
    labels, targets, z = ordinary_rows(loss, (5, classes))
    labels[0], labels[1] = 0, classes - 1
    w = np.array([1.0, 0, 2, -1, 0.5])
    for y in (labels, targets):
        assert_same(loss, y, z, w, methods=[METHODS[5], METHODS[7]], ulps=64)


def test_teams() -> None:
    sizes = {team_for(10, classes, False) for classes in range(1, EACH * BLOCK * 2)}
    assert sizes == {1} | {1 << k for k in range(3, BLOCK.bit_length())}
    assert all(team_for(10, classes, False) <= max(SECTOR, classes) for classes in range(1, 1000))
    assert team_for(BLOCK * BUSY, FEW + 1, True) == 1 and team_for(BLOCK * BUSY - 1, FEW + 1, True) > 1


@pytest.mark.parametrize(("classes", "at_once"), [(3, BLOCK), (FEW + 1, BLOCK // EACH)])
@pytest.mark.parametrize("blocks", [0, 1, MOST])
def test_numbers_of_rows(classes: int, at_once: int, blocks: int) -> None:
    """There may be none, and more or fewer than blocks and grid have room for."""
    for loss in (ENTROPY, SMOOTHED):
        for n in (at_once * blocks + d for d in (-1, 0, 1)):
            if n >= 0:
                y, _, z = ordinary_rows(loss, (n, classes))
                assert_same(loss, y, z, methods=[METHODS[5], METHODS[7]])
    assert_same(nbloss.CrossEntropy(ignore_index=0), y, z, methods=[METHODS[7]])


def extreme_rows(dtype: type) -> np.ndarray:
    """Return rows of logits of which most differ by all that there is."""
    big = np.finfo(dtype).max
    tiny = np.finfo(dtype).smallest_subnormal
    inf = np.inf
    return np.array(
        [
            [big, big, big],
            [-big, -big, -big],
            [big, -big, 0],
            [big / 2, -big / 2, big / 4],
            [big, np.nextafter(dtype(big), dtype(0)), 1],
            [0, 0, 0],
            [tiny, -tiny, 0],
            [700, -700, 0.5],
            [80, -80, 40],
            [1, 1 + np.finfo(dtype).eps, 1 - np.finfo(dtype).epsneg],
            [30, -5, -10],
            [1e-30, 40, 0],
            [inf, 0, 1],
            [inf, inf, 1],
            [inf, big, -inf],
            [-inf, 0, 1],
            [-inf, -inf, 1],
            [-inf, -inf, -inf],
            [-inf, big, -big],
            [np.nan, 0, 1],
            [0, np.nan, inf],
        ],
        dtype,
    )


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("repeats", [1, FEW])
def test_extreme_logits(repeats: int, dtype: type) -> None:
    """Whatever is finite is right to its last places; nan and infinity are where they are on the CPU."""
    z = np.tile(extreme_rows(dtype), (1, repeats))
    y = np.arange(len(z))
    for turn in range(3):
        labels = (y + turn) % z.shape[1]
        assert_same(ENTROPY, labels, z, methods=FILLING, least=0.0)
        assert_same(SMOOTHED, labels, z, methods=FILLING)
    for want in "gh":
        got = row_map(SOFTMAX, device(z), want)
        assert_close(host(got)[0], row_map(SOFTMAX, z, want), least=0.0)


def test_the_domain() -> None:
    """An element outside makes its row nan, and no other."""
    for loss in (nbloss.CrossEntropy(from_logits=False), nbloss.CrossEntropy(from_logits=False, label_smoothing=0.1)):
        labels, targets, z = ordinary_rows(loss, (8, 5))
        z[0, 1], z[1, 4], z[2, 0], z[3] = 1.1, -0.1, np.nan, [0, 1, 0, 0, 0]
        for y in (labels, targets):
            assert_same(loss, y, z)
        assert_same(loss, labels, np.tile(z, (1, FEW)), methods=FILLING)
    _, targets, z = ordinary_rows(ENTROPY, (8, 5))
    targets[0, 1], targets[1, 4], targets[2, 0] = 1.1, -0.1, np.nan
    targets[3], targets[4] = 0, 1
    assert_same(ENTROPY, targets, z)
    assert np.isnan(host(ENTROPY.gradient(*device(targets, z)))[0]).all(1).tolist() == [True] * 3 + [False] * 5


WEIGHTS = [2, 0.25, 0, -1.5, np.float32(3), np.array(0.5), np.array(2, np.int8)]


@pytest.mark.parametrize("weight", [*WEIGHTS, "float64", "float32", "float16", "int64", "bool"], ids=repr)
def test_weights(weight: Any) -> None:
    for loss in (ENTROPY, WEIGHTED, nbloss.NLL(ignore_index=2)):
        labels, targets, z = ordinary_rows(loss, (9, 5))
        w = weight
        if isinstance(weight, str):
            w = np.random.default_rng(1).uniform(-1, 3, 9).round(2).astype(weight)
        for y in (labels, targets):
            if y is not None:
                assert_same(loss, y, z, w)


def test_weights_of_the_first_axis() -> None:
    labels, targets, z = ordinary_rows(WEIGHTED, (4, 3, 5))
    w = np.array([1.0, 0, 2, 0.5])
    for y in (labels, targets):
        assert_same(WEIGHTED, y, z, w)
        assert_same(WEIGHTED, y, z, np.arange(12.0).reshape(4, 3))


@pytest.mark.parametrize("classes", [3, FEW + 1])
def test_weight_0_is_a_mask(classes: int) -> None:
    labels, _, z = ordinary_rows(ENTROPY, (6, classes))
    w = np.array([1.0, 0, 0, 0, 2, 0])
    z[1], z[2, 0], z[3, 1] = np.nan, np.inf, -np.inf
    bad = labels.copy()
    bad[5] = -7
    for loss in (ENTROPY, SMOOTHED, nbloss.NLL()):
        wanted = expected(loss, labels, z, w)["value_and_gradient", "mean"]
        got = host(loss.value_and_gradient(*device(bad, z, w)))
        assert np.isfinite(got[0]) and not got[1][w == 0].any()
        for a, b in zip(got, wanted, strict=True):
            assert_close(a, b)
        g, h = host(loss.gradient_and_hessian(*device(bad, z, np.zeros(6))))
        assert not g.any() and not h.any()
        assert np.isnan(host(loss(*device(bad, z, 0)))[0])
        assert host(loss(*device(bad, z, 0), reduction="sum"))[0] == 0


@pytest.mark.parametrize("ignored", [0, 2, -100, 7])
def test_ignored_labels(ignored: int) -> None:
    for loss in (nbloss.CrossEntropy(ignore_index=ignored), nbloss.NLL(CLASS_WEIGHTS, ignored), SMOOTHED):
        loss = dataclasses.replace(loss, ignore_index=ignored)
        labels, _, z = ordinary_rows(loss, (9, 5))
        z[labels == ignored] = np.nan
        assert_same(loss, labels, z)
        assert_same(loss, labels.astype(np.float32), z, np.arange(9.0))
        everywhere = np.full(9, ignored)
        assert_same(loss, everywhere, z)
        v, g = host(loss.value_and_gradient(*device(everywhere, z)))
        assert np.isnan(v) and not g.any()
        assert host(loss(*device(everywhere, z), reduction="sum"))[0] == 0
        with pytest.raises(ValueError, match="y_true must hold labels"):
            loss(*device(z, z))


BAD = {
    "int8": [-1, 5, 127, -128],
    "uint8": [5, 255],
    "int64": [-1, 5, 2**63 - 1, -(2**63), 2**32],
    "uint64": [5, 2**63, 2**64 - 1, 2**32],
    "float16": [-1, 5, 1.5, np.nan, np.inf, -np.inf],
    "float32": [-1, 5, 0.5, np.nan, np.inf, -np.inf, 1e38, -1e38, 2.0**63],
    "float64": [-1, 5, 3.9999999999, np.nan, np.inf, -np.inf, 1e300, -1e300, 2.0**63, -(2.0**63)],
}


@pytest.mark.parametrize("name", BAD)
def test_bad_labels(name: str) -> None:
    """Nothing raises: the row is nan, and the others are what they are beside good labels."""
    bad = np.array(BAD[name], name)
    n = 2 * len(bad)
    is_bad = np.arange(n) % 2 == 1
    weighted = nbloss.NLL(class_weight=(0.5, 2.0, 1.5, 1.0, 3.0))
    for loss in (ENTROPY, SMOOTHED, weighted, nbloss.CrossEntropy(from_logits=False)):
        for ignored in (None, 3):
            if ignored is not None:
                loss = dataclasses.replace(loss, ignore_index=ignored)
            labels, _, z = ordinary_rows(loss, (n, 5))
            labels[0] = 1
            good = labels.astype(name)
            mixed = good.copy()
            mixed[is_bad] = bad
            got = (
                *host(loss.value(*device(mixed, z), reduction="none")),
                *host(loss.gradient_and_hessian(*device(mixed, z))),
            )
            wanted = *expected(loss, good, z)["value", "none"], *expected(loss, good, z)["gradient_and_hessian", ""]
            for a, b in zip(got, wanted, strict=True):
                assert np.isnan(a[is_bad]).all()
                assert_close(a[~is_bad], b[~is_bad])
            value, gradient = host(loss.value_and_gradient(*device(mixed, z)))
            assert np.isnan(value) and np.isnan(gradient[is_bad]).all() and np.isfinite(gradient[~is_bad]).all()


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


def test_bits_depend_neither_on_the_run_nor_on_the_layout() -> None:
    for classes in (5, FEW + 1):
        loss = with_classes(WEIGHTED, classes)
        labels, _, z = ordinary_rows(loss, (9, classes))
        w = np.random.default_rng(2).uniform(size=9)
        first = [a.tobytes() for a in host(loss.value_and_gradient(*device(labels, z, w)))]
        assert first == [a.tobytes() for a in host(loss.value_and_gradient(*device(labels, z, w)))]
        apart = [np.repeat(labels, 2)[::2], np.repeat(np.repeat(z, 2, 0), 3, 1)[::2, ::3], np.repeat(w, 2)[::2]]
        assert first == [np.ascontiguousarray(a).tobytes() for a in host(loss.value_and_gradient(*device(*apart)))]


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


def test_nothing_is_written_before_an_error() -> None:
    labels, _, z = ordinary_rows(ENTROPY, (6, 5))
    for out, error in ((np.zeros((6, 4)), ValueError), (np.zeros((6, 5), int), TypeError), (z, ValueError)):
        before = out.copy()
        with pytest.raises(error):
            ENTROPY.gradient(*device(labels, z), out=device(out))
        assert np.array_equal(out, before)
    with pytest.raises(ValueError, match="y_true must have shape"):
        ENTROPY(*device(labels[:5], z))
    with pytest.raises(ValueError, match="has 5 numbers"):
        WEIGHTED(*device(labels, z[:, :4]))
    with pytest.raises(ValueError, match="at least one class"):
        ENTROPY(*device(labels, z[:, :0]))
    with pytest.raises(TypeError, match=r"numpy\.ndarray"):
        ENTROPY(labels, device(z))


@pytest.mark.parametrize("classes", [1, 4, FEW + 1])
def test_maps(classes: int) -> None:
    z = np.random.default_rng(0).normal(size=(5, classes)) * 5
    z[1, 0] = np.nan
    for dtype in (np.float64, np.float32, np.float16):
        x = np.asfortranarray(z.astype(dtype))
        for program in (SOFTMAX, EXP, AS_IT_IS):
            for want in "gh":
                got, wanted = host(row_map(program, device(x), want))[0], row_map(program, x, want)
                assert got.dtype == real_of(x.dtype)
                assert_close(got, wanted, ulps=32)
    assert_close(host(ENTROPY.inverse_link(device(z)))[0], ENTROPY.inverse_link(z))


# The matrix of second derivatives


def jacobians(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and, for every k the same, the second derivatives of log-probability k by the logits."""
    return np.eye(p.size) - p, -(np.diag(p) - np.outer(p, p))


def squared_logarithm(t: float, x: float, p: float, q: float) -> tuple[float, float, float]:
    two = type(x)(2)
    return t * x * x, two * t * x, two * t


@pytest.mark.parametrize("classes", [1, 3, 6, 12, FEW + 1])
def test_matrix(classes: int) -> None:
    """Against the chain rule, written with matrices."""
    rng = np.random.default_rng(0)
    z, t, w = rng.normal(size=(3, classes)), rng.random((3, classes)), np.array([1.0, 2.0, 0.0])
    program = RowProgram(
        squared_logarithm, (), (), Domain(REAL, REAL), True, True, False, None, False, 0.0, None, 0.5, False, {}
    )
    from nbloss import _cuda

    out = np.full((3, classes, classes), np.nan)
    views = [_cuda.as_array(device(a), "x") for a in (t, z, w)]
    _cuda.rowwise.run_matrix(program, *views, _cuda.as_output(device(out)), z.dtype)
    for i in range(3):
        p = np.exp(z[i]) / np.exp(z[i]).sum()
        first, second = jacobians(p)
        a, b = 2 * t[i] * np.log(p), 2 * t[i]
        wanted = w[i] / 2 * (first.T @ np.diag(b) @ first + a.sum() * second)
        assert_close(out[i], wanted, ulps=64, least=float(np.abs(wanted).max()))
        assert np.array_equal(out[i], out[i].T)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_the_diagonal_of_the_matrix_is_the_hessian(loss: nbloss.Loss, dtype: type) -> None:
    labels, targets, z = ordinary_rows(loss, (2, 3, 5), dtype)
    w = np.arange(6.0).reshape(2, 3)
    for y in (labels, targets):
        if y is None:
            continue
        for arrays in ((y, z), (y, np.asfortranarray(z), w)):
            matrix, hessian = host(loss.hessian_matrix(*device(*arrays)))[0], host(loss.hessian(*device(*arrays)))[0]
            assert matrix.shape == (2, 3, 5, 5) and matrix.dtype == dtype
            assert_close(np.diagonal(matrix, axis1=-2, axis2=-1), hessian, ulps=4)
            assert np.array_equal(matrix, matrix.swapaxes(-1, -2))
            if loss.softmax:
                assert np.abs(matrix.sum(-1)).max() <= 16 * np.finfo(dtype).eps * np.abs(matrix).max()
            else:
                assert not matrix[..., ~np.eye(5, dtype=bool)].any()


def test_matrix_of_bad_rows() -> None:
    z = np.array([[1.0, 2.0], [0.5, np.nan], [1.0, 3.0], [2.0, 0.0]])
    y, w = np.array([0, 1, 9, 9]), np.array([1.0, 1, 1, 0])
    for loss in (ENTROPY, SMOOTHED, nbloss.NLL()):
        matrix = host(loss.hessian_matrix(*device(y, z, w)))[0]
        assert np.isfinite(matrix[0]).all() and np.isnan(matrix[1:3]).all() and not matrix[3].any()
    empty = host(ENTROPY.hessian_matrix(*device(y[:0], z[:0])))[0]
    assert empty.shape == (0, 2, 2)
