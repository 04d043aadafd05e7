"""Law: on a CUDA device, every loss gives what it gives on the CPU. Here the device is numba's simulator.

It runs kernels as plain Python, on threads, and checks every index. Whole file: a process of its own, started with
NUMBA_ENABLE_CUDASIM=1.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numba import config, cuda

import nbloss
from nbloss.loss import REAL
from tests.cases import CASES, REPRESENTATIVES, extreme, ordinary
from tests.cuda.on_cpu import on_cpu

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

from nbloss._cuda.blocks import BLOCK, MOST

# Formulas run on NumPy's scalars here, which warn where infinite or no numbers come up, as they are meant to.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

HUBER = nbloss.Huber(delta=1.5)


class BFloat16(FakeCUDAArray):
    """An array of bfloat16, which NumPy does not have, as other libraries show it."""

    dtype = "bfloat16"


def device(*arrays: Any) -> Any:
    """Return arrays as views on the device, in the layouts that they have; what is no array as it is."""
    views = [FakeCUDAArray(a) if isinstance(a, np.ndarray) else a for a in arrays]
    return views[0] if len(views) == 1 else views


def host(results: Any) -> list[Any]:
    """Return one result or several as NumPy arrays, which must have come from the device."""
    listed = results if isinstance(results, tuple) else (results,)
    assert all(isinstance(a, FakeCUDAArray) for a in listed)
    return [a._ary for a in listed]


def assert_close(got: Any, wanted: Any, ulps: float = 16, least: float = 1.0, eps: float = 0.0) -> None:
    """Compare with results of the CPU, in units in the last place of them, or of *least* where that is more.

    *eps* is the distance of 1 from the next number in the type in which they were computed, by default in theirs. Plain
    Python has no fused multiply-add and rounds exp and log otherwise, which a formula may magnify a few times;
    where terms cancel, the error is one of the terms.
    """
    got, wanted = np.asarray(got), np.asarray(wanted)
    assert got.shape == wanted.shape and got.dtype == wanted.dtype
    with np.errstate(all="ignore"):
        unit = max(eps, np.finfo(wanted.dtype).eps) * np.maximum(np.abs(wanted), least)
        wrong = ~((got == wanted) | (np.isnan(got) & np.isnan(wanted)) | (np.abs(got - wanted) <= ulps * unit))
    assert not wrong.any(), f"{got[wrong][:5]} instead of {wanted[wrong][:5]}"


def assert_same(loss: nbloss.Loss, *arrays: Any, **options: Any) -> None:
    """Compare what all methods give for arrays on the device and in host memory."""
    placed = device(*arrays)
    reduction = options.get("reduction", "mean")
    for method in ("gradient_and_hessian", "value", "value_and_gradient"):
        how = {} if method == "gradient_and_hessian" else {"reduction": reduction}
        got, wanted = getattr(loss, method)(*placed, **how), on_cpu(loss, method, *arrays, **how)
        for a, b in zip(host(got), wanted if isinstance(wanted, tuple) else (wanted,), strict=True):
            assert_close(a, b, eps=1e-7 if arrays[1].dtype in (np.float16, np.float32) else 0.0)


@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_every_loss(loss: nbloss.Loss) -> None:
    for dtype in (np.float64, np.float32):
        y, z = ordinary(loss, 70, dtype)
        for a, b in zip(host(loss.gradient_and_hessian(*device(y, z))), loss.gradient_and_hessian(y, z), strict=True):
            assert_close(a, b)
    y, z = ordinary(loss, 70)
    assert_close(host(loss.value(*device(y, z), reduction="sum"))[0], loss.value(y, z, reduction="sum"), least=70)


@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_every_loss_of_extreme_numbers(loss: nbloss.Loss) -> None:
    """Here nothing but a magnitude is the same: the exponent of a free power is a product that needs more digits."""
    y, z = extreme(loss, 60, np.float64)
    edges = [0, 1, -1, 3, -0.0, np.nan, np.inf, -np.inf]
    y, z = np.append(y, np.repeat(edges, 8)), np.append(z, edges * 8)
    got = *host(loss.value(*device(y, z), reduction="none")), *host(loss.gradient_and_hessian(*device(y, z)))
    wanted = loss.value(y, z, reduction="none"), *loss.gradient_and_hessian(y, z)
    for a, b in zip(got, wanted, strict=True):
        assert_close(a, b, ulps=1000, least=0)


NUMBERS = [2, 0.25, 0, np.float32(3), np.array(0.5), np.array(2, np.int8)]
DRAWN = ["float64", "float32", "float16", "int64", "bool"]


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weight", [None, *NUMBERS, *DRAWN], ids=repr)
def test_weights_and_reductions(weight: Any, reduction: str) -> None:
    loss = HUBER if reduction != "none" else nbloss.BinaryCrossEntropy()
    y, z = ordinary(loss, 150)
    if isinstance(weight, str):
        weight = np.random.default_rng(1).uniform(-1, 3, 150).round(2).astype(weight)
    arrays = (y, z) if weight is None else (y, z, weight)
    assert_same(loss, *arrays, reduction=reduction)


def test_no_weight_at_all() -> None:
    y, z = ordinary(HUBER, 40)
    for w in (np.zeros(40), 0.0, np.append(np.zeros(38), [1.0, -1.0])):
        mean, gradient = host(HUBER.value_and_gradient(*device(y, z, w)))
        wanted = HUBER.value_and_gradient(y, z, w)
        np.testing.assert_array_equal((mean, *gradient), (wanted[0], *wanted[1]))
        assert not gradient[:38].any()


def test_weight_0_is_a_mask() -> None:
    z = np.array([1.0, np.nan, np.inf, -np.inf, 0.5, 1.0])
    y = np.array([0.0, 0.0, 1.0, 1.0, np.nan, 0.0])
    w = np.array([1.0, 0, 0, 0, 0, 2.0])
    for loss in REPRESENTATIVES:
        assert_same(loss, y, z, w)
        v, g = host(loss.value_and_gradient(*device(y, z, w)))
        assert np.isfinite(v) and np.array_equal(g != 0, w != 0)
        for weight in (0, np.zeros(6, np.int32)):
            g, h = host(loss.gradient_and_hessian(*device(y, z, weight)))
            assert not g.any() and not h.any()
            assert host(loss.value(*device(y, z, weight), reduction="sum"))[0] == 0
            assert np.isnan(host(loss.value(*device(y, z, weight)))[0])


@pytest.mark.parametrize("n", [0, 1, 2, *(size + d for size in (BLOCK, BLOCK * MOST) for d in (-1, 0, 1)), 500])
def test_sizes(n: int) -> None:
    y, z = ordinary(HUBER, n)
    w = np.arange(n) % 3
    assert_same(HUBER, y, z)
    assert_same(HUBER, y, z, w)
    assert_same(HUBER, y, z, reduction="sum")
    assert_same(HUBER, y[:, None][:, :0], z[:, None][:, :0])


def test_one_number() -> None:
    assert_same(HUBER, np.array(1.0), np.array(3.0))
    assert_same(HUBER, np.array(1.0), np.array(3.0), np.array(2.0))
    assert_same(HUBER, 1, np.array(3.0), 2)
    assert_same(HUBER, np.array([[[1.0]]]), np.array([[[3.0]]]), np.array([2.0]))
    with pytest.raises(TypeError, match="y_pred must be an array on the CUDA device"):
        HUBER(device(np.array(1.0)), 3.0)


def layouts() -> dict[str, Any]:
    """Return arrays of shape (4, 5, 6) in many layouts, by name."""
    rng = np.random.default_rng(0)
    big = rng.normal(size=(8, 10, 12)) * 2
    return {
        "C": big[:4, :5, :6].copy(),
        "F": np.asfortranarray(big[4:, :5, :6]),
        "permuted": np.ascontiguousarray(big[:4, 5:, :6].transpose(1, 0, 2)).transpose(1, 0, 2),
        "strided": big[::2, ::2, ::2],
        "reversed": big[3::-1, 4::-1, 5::-1],
        "reversed strided": big[:4, ::-2, 11::-2],
        "row": np.broadcast_to(big[0, 0, :6], (4, 5, 6)),
        "column": np.broadcast_to(big[:4, :1, :1], (4, 5, 6)),
        "constant": np.broadcast_to(big[0, 0, 0], (4, 5, 6)),
        "readonly": _readonly(big[:4, :5, :6].copy()),
    }


def _readonly(a: np.ndarray) -> np.ndarray:
    a.flags.writeable = False
    return a


@pytest.mark.parametrize("name", layouts())
def test_layouts(name: str) -> None:
    """Every layout is read where it lies, beside every other; results lie as the predictions do."""
    arrays = layouts()
    a, b, c = arrays[name], arrays["C"], arrays["F"]
    assert_same(HUBER, a, b)
    assert_same(HUBER, b, a, np.abs(c))
    assert_same(HUBER, c, a, np.arange(4.0)[::-1])
    for y, z in ((a, a), (b, a), (a, c)):
        g, h = host(HUBER.gradient_and_hessian(*device(y, z)))
        G, H = HUBER.gradient_and_hessian(y, z)
        assert np.array_equal(g, G) and np.array_equal(h, H)
        assert g.strides == np.empty_like(z).strides and h.strides == g.strides


@pytest.mark.parametrize("shape", [(150,), (10, 15), (15, 2, 5), (2, 3, 5, 5)])
def test_shapes(shape: tuple[int, ...]) -> None:
    y, z = (a.reshape(shape) for a in ordinary(HUBER, 150))
    assert_same(HUBER, y, z)
    assert_same(HUBER, y, z, np.abs(z))
    assert_same(HUBER, y.T, z.T, np.arange(shape[-1]) % 4)
    assert_same(HUBER, y[::-1], z[..., ::-1])


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=lambda dtype: dtype.__name__)
def test_bits_do_not_depend_on_the_alignment(dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that begins at a multiple of 16 bytes is read so many at once; all else, one by one."""
    n = 4 * BLOCK * MOST + 7
    y, z = ordinary(HUBER, n, dtype)
    there = device(y, z, np.arange(n, dtype=np.float32) % 3)
    found = []
    for is_wide in (True, False):
        monkeypatch.setattr("nbloss._cuda.pointwise.is_wide", lambda operands, is_wide=is_wide: is_wide)
        results = *host(HUBER.value_and_gradient(*there)), *host(HUBER.gradient_and_hessian(*there))
        found.append([a.tobytes() for a in results])
    assert found[0] == found[1]


def test_bits_depend_neither_on_the_run_nor_on_the_layout() -> None:
    y, z = ordinary(HUBER, 400)
    w = np.random.default_rng(2).uniform(size=400)
    first = [a.tobytes() for a in host(HUBER.value_and_gradient(*device(y, z, w)))]
    assert first == [a.tobytes() for a in host(HUBER.value_and_gradient(*device(y, z, w)))]
    apart = [np.repeat(a, 2)[::2] for a in (y, z, w)]
    assert first == [a.tobytes() for a in host(HUBER.value_and_gradient(*device(*apart)))]


DTYPES = [
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
]


def alternately(of: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Return all pairs as parameters of a test: those in which each comes with one of the others, and the rest as slow.

    Simulated threads are slow, and which dtype an array has is settled where it is read, whatever else is computed.
    """
    pairs = itertools.product(enumerate(of), enumerate(others))
    slow = [pytest.mark.slow]
    return [pytest.param(x, y, marks=[] if (i + j) % len(others) == 0 else slow) for (i, x), (j, y) in pairs]


@pytest.mark.parametrize(("target", "prediction"), alternately(DTYPES, ["float32", "float64"]))
def test_dtypes_of_targets(target: str, prediction: str) -> None:
    for loss in (HUBER, nbloss.BinaryCrossEntropy()):
        y, z = (np.arange(40) * 7 % 2).astype(target), (np.linspace(-4, 4, 40)).astype(prediction)
        wanted = on_cpu(loss, "gradient_and_hessian", y, z)
        for a, b in zip(host(loss.gradient_and_hessian(*device(y, z))), wanted, strict=True):
            assert_close(a, b)


@pytest.mark.parametrize("prediction", ["bool", "int8", "int32", "int64", "uint64", "float16"])
def test_dtypes_of_predictions(prediction: str) -> None:
    y, z = ordinary(HUBER, 40)
    z = np.abs(z).astype(prediction)
    assert_same(HUBER, y, z)
    assert_same(HUBER, y.astype("float32"), z, y.astype("float16"))


def test_large_targets_are_subtracted_before_they_are_narrowed() -> None:
    y, z = np.array([2**53 + 2, 2**24 + 1]), np.array([2.0**53, 2.0**24], np.float32)
    assert host(nbloss.SquaredError().gradient(*device(y, z)))[0].tolist() == [-4.0, -2.0]


def test_bfloat16() -> None:
    """It is read without a copy, computed in float32, and rounded to the nearest, and to even, where it is written."""
    exact = np.array([1.0, -2.5, 3.140625, 1e-40, 2.0**127, np.inf, -np.inf, np.nan, 0.0], np.float32)
    x = BFloat16((exact.view(np.uint32) >> 16).astype(np.uint16))
    truncated = (exact.view(np.uint32) & 0xFFFF0000).view(np.float32)
    zeros = np.zeros(9, np.float32)
    loss = nbloss.HalfSquaredError()
    assert_close(host(loss.gradient(device(zeros), x))[0], truncated, ulps=0)
    assert_close(host(loss.gradient(x, device(zeros)))[0], -truncated, ulps=0)
    weighted = loss.value(device(zeros + 1), device(zeros), x, reduction="none")
    assert_close(host(weighted)[0], truncated / 2, ulps=1, least=0)
    bits = [0x3F808000, 0x3F818000, 0x3F808001, 0x3F807FFF, 0x7F7FFFFF, 0xFF800000, 0x80000000, 0x7F800001]
    for dtype in (np.float32, np.float64):
        z = np.array(bits, np.uint32).view(np.float32).astype(dtype)
        out = BFloat16(np.zeros(8, np.uint16))
        assert loss.gradient(*device(np.zeros(8, dtype), z), out=out) is out
        assert out._ary[:7].tolist() == [0x3F80, 0x3F82, 0x3F81, 0x3F80, 0x7F80, 0xFF80, 0x8000]
        assert np.isnan((out._ary[7:].astype(np.uint32) << 16).view(np.float32))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", ["C", "F", "permuted", "strided", "reversed"])
def test_out(name: str, dtype: str) -> None:
    y, z = layouts()["C"], layouts()["F"]
    outs = [layouts()[name].astype(dtype, order="K"), layouts()[name].astype(dtype)[::-1]]
    given = device(*outs)
    results = HUBER.gradient_and_hessian(*device(y, z), out=tuple(given))
    assert results[0] is given[0] and results[1] is given[1]
    for out, wanted in zip(outs, HUBER.gradient_and_hessian(y, z), strict=True):
        assert np.array_equal(out, wanted.astype(dtype))
    number = np.zeros(())
    value, gradient = HUBER.value_and_gradient(*device(y, z), out=device(number, outs[0]))
    assert value._ary is number and gradient._ary is outs[0]
    assert_close(number, HUBER(y, z))


def test_results_are_arrays_of_the_device() -> None:
    for dtype in (np.float16, np.float32, np.float64, np.int32):
        z = device(np.arange(6, dtype=dtype).reshape(2, 3))
        real = np.float64 if dtype in (np.float64, np.int32) else np.float32
        for reduction, shape, of in (("mean", (), np.float64), ("sum", (), np.float64), ("none", (2, 3), real)):
            value, gradient = HUBER.value_and_gradient(z, z, reduction=reduction)
            assert isinstance(value, FakeCUDAArray) and value.shape == shape and value.dtype == of
            assert isinstance(gradient, FakeCUDAArray) and gradient.shape == (2, 3) and gradient.dtype == real


@pytest.mark.parametrize(
    "loss",
    [
        nbloss.BinaryCrossEntropy(pos_weight=(1, 2, 3, 0.5, 0)),
        nbloss.BinaryFocal(alpha=(0.1, 0.2, 0.3, 0.4, 0.5)),
        nbloss.BalancedBinaryCrossEntropy(alpha=(0.1, 0.2, 0.3, 0.4, 1)),
    ],
    ids=repr,
)
def test_one_number_a_class(loss: nbloss.Loss) -> None:
    """A column of the last axis has the loss of its number."""
    ((name, numbers),) = ((k, v) for k, v in loss.parameters.items() if isinstance(v, tuple))
    y, z = (a.reshape(6, 5, 5) for a in ordinary(loss, 150))
    columns = [dataclasses.replace(loss, **{name: x}) for x in numbers]
    wanted = [
        np.stack([getattr(c, method)(y[..., k], z[..., k], **how) for k, c in enumerate(columns)], -1)
        for method, how in (("gradient", {}), ("hessian", {}), ("value", {"reduction": "none"}))
    ]
    for at in (np.s_[:], np.s_[0], np.s_[0, 0], np.s_[::-1], np.s_[:, 1:4:2]):
        for order in "CF":
            arrays = device(y[at], z[at].copy(order))
            for got, a in zip(host(loss.gradient_and_hessian(*arrays)), wanted[:2], strict=True):
                assert_close(got, a[at])
            assert_close(host(loss.value(*arrays, reduction="none"))[0], wanted[2][at])
    w = np.arange(6.0)
    assert_close(host(loss(*device(y, z, w)))[0], np.average(wanted[2].mean((1, 2)), weights=w))
    with pytest.raises(ValueError, match="has 5 numbers"):
        loss(*device(y[..., :4], z[..., :4]))
    one = dataclasses.replace(loss, **{name: (0.25,)})
    alone = dataclasses.replace(loss, **{name: 0.25})
    for at in (np.s_[0, :, :1], np.s_[0, 0, :1]):
        assert_close(host(one.gradient(*device(y[at], z[at])))[0], alone.gradient(y[at], z[at]))


def test_numbers_beyond_single_precision() -> None:
    y, z = (a.astype(np.float32) for a in ordinary(HUBER, 20))
    assert_same(nbloss.Huber(delta=1e300), y, z, reduction="none")


@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_inverse_link(loss: nbloss.Loss) -> None:
    z = np.linspace(-30, 30, 40)
    assert_close(host(loss.inverse_link(device(z)))[0], loss.inverse_link(z))
    z32 = np.asfortranarray(z.reshape(8, 5).astype(np.float32))
    assert_close(host(loss.inverse_link(device(z32)))[0], loss.inverse_link(z32))


def test_places_are_not_mixed() -> None:
    y, z = ordinary(HUBER, 5)
    there_y, there_z = device(y, z)
    for arrays in ((y, there_z), (there_y, z), (there_y, there_z, z), (y, z, there_z)):
        for method in (HUBER.value, HUBER.gradient):
            with pytest.raises(TypeError, match=r"numpy\.ndarray"):
                method(*arrays)
    with pytest.raises(TypeError, match="out"):
        HUBER.gradient(there_y, there_z, out=np.zeros(5))
    with pytest.raises(TypeError, match="out"):
        HUBER.gradient(y, z, out=device(np.zeros(5)))
    with pytest.raises(TypeError, match="y_true must be in host memory"):
        HUBER.init_score(there_y)
    with pytest.raises(TypeError, match="sample_weight must be in host memory"):
        HUBER.init_score(1.0, there_y)


def test_nothing_is_written_before_an_error() -> None:
    y, z = ordinary(HUBER, 12)
    shared = np.zeros(40)
    fine = np.zeros(12)
    bytes_apart = np.ndarray((12,), np.float32, np.zeros(120, np.uint8), strides=(6,))
    cases: list[tuple[Any, type, str, Any]] = [
        ((fine, np.zeros(11)), ValueError, "shape", ()),
        ((fine, np.zeros(12, int)), TypeError, "float", ()),
        ((fine, _readonly(np.zeros(12))), ValueError, "read-only", ()),
        ((fine, np.lib.stride_tricks.as_strided(shared, (12,), (0,))), ValueError, "stride", ()),
        ((fine, y), ValueError, "overlap", ()),
        ((fine, z[::-1]), ValueError, "overlap", ()),
        ((shared[:12], shared[11:23]), ValueError, "overlap", ()),
        ((fine, fine), ValueError, "overlap", ()),
        ((fine, bytes_apart), ValueError, "multiples of their size", ()),
        ((fine, np.zeros(12, ">f8")), TypeError, "byte order", ()),
        ((fine, shared[:12]), ValueError, "sample_weight", (np.ones(11),)),
        ((fine, shared[:12]), TypeError, "sample_weight", (np.ones(12, complex),)),
        ((fine, shared[:12]), ValueError, "sample_weight.*multiples", (bytes_apart,)),
    ]
    for outs, error, message, weights in cases:
        before = [a.copy() for a in (*outs, y, z)]
        with pytest.raises(error, match=message):
            HUBER.gradient_and_hessian(*device(y, z), *(device(w) for w in weights), out=tuple(device(*outs)))
        assert all(np.array_equal(a, b) for a, b in zip(before, (*outs, y, z), strict=True))
    with pytest.raises(ValueError, match="y_true must have the shape"):
        HUBER(*device(y, z[:, None]))
    for dtype in (complex, "S3", "datetime64[s]", "longdouble", ">f4"):
        with pytest.raises(TypeError):
            HUBER(*device(y.astype(int).astype(dtype), z))
    interleaved = shared[:24].reshape(12, 2)
    HUBER.gradient_and_hessian(*device(y, z), out=tuple(device(interleaved[:, 0], interleaved[:, 1])))
    assert np.array_equal(interleaved[:, 0], HUBER.gradient(y, z))


def test_only_the_domain_matters() -> None:
    loss = nbloss.SquaredLogarithmicError()
    assert loss.domain.target != REAL
    x = np.array([-2.0, -1.0, np.nextafter(-1, 0), 0.0, 1.0, np.inf, -np.inf, np.nan])
    for dtype in (np.float64, np.float32):
        y, z = (a.ravel().astype(dtype) for a in np.meshgrid(x, x))
        inside = (y > -1) & (z > -1)
        values = host(loss.value(*device(y, z), reduction="none"))[0]
        assert np.isnan(values[~inside]).all()
        assert np.array_equal(np.isnan(values), np.isnan(loss.value(y, z, reduction="none")))


def test_arrays_of_numba() -> None:
    """What cuda.to_device gives, which is contiguous, and its slices."""
    y, z = ordinary(HUBER, 60)
    there_y, there_z = cuda.to_device(y), cuda.to_device(z)
    assert np.array_equal(HUBER.gradient(there_y, there_z).copy_to_host(), HUBER.gradient(y, z))
    assert np.array_equal(HUBER.gradient(there_y[::3], there_z[::3]).copy_to_host(), HUBER.gradient(y[::3], z[::3]))
    assert_close(HUBER(there_y, there_z).copy_to_host(), HUBER(y, z))
