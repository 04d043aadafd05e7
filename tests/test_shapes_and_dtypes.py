"""Law: an element is worth the same in any shape, layout, container and dtype; results look like the predictions."""

from __future__ import annotations

from typing import Any

import hypothesis.extra.numpy as arrays_of
import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import nbloss
from nbloss._cpu.pointwise import PARALLEL_FROM
from tests.cases import CASES, REPRESENTATIVES, ordinary
from tests.selection import slow


def layouts(a: np.ndarray) -> dict[str, np.ndarray]:
    """Return arrays equal to the matrix *a* in different places."""
    apart = np.zeros((2 * a.shape[0], 3 * a.shape[1]), a.dtype)
    apart[::2, ::3] = a
    packed = np.zeros(a.shape, np.dtype([("flag", "i1"), ("x", a.dtype)]))
    packed["x"] = a
    frozen = a.copy()
    frozen.flags.writeable = False
    return {
        "C": a.copy("C"),
        "Fortran": np.asfortranarray(a),
        "strided": apart[::2, ::3],
        "reversed": a[::-1, ::-1].copy()[::-1, ::-1],
        "transposed back": a.T.copy().T,
        "unaligned": packed["x"],
        "swapped bytes": a.astype(a.dtype.newbyteorder()),
        "read-only": frozen,
    }


@pytest.mark.parametrize(
    "prediction", ["C", "Fortran", "strided", "reversed", "unaligned", "swapped bytes", "read-only"]
)
@pytest.mark.parametrize("target", ["C", "Fortran", "strided", "swapped bytes"])
@pytest.mark.parametrize("loss", REPRESENTATIVES, ids=repr)
def test_layouts(loss: nbloss.Loss, target: str, prediction: str) -> None:
    y, z = (a.reshape(12, 11) for a in ordinary(loss, 132))
    w = np.linspace(0, 2, 132).reshape(12, 11)
    want = loss.gradient_and_hessian(y, z, w)
    got = loss.gradient_and_hessian(layouts(y)[target], layouts(z)[prediction], layouts(w)[target])
    np.testing.assert_array_equal(got, want)
    assert loss.value(layouts(y)[target], layouts(z)[prediction]) == pytest.approx(loss.value(y, z), rel=1e-15)
    out = [layouts(np.zeros_like(z))[prediction] for _ in range(2)]
    if out[0].flags.writeable and out[0].dtype.isnative:
        assert loss.gradient_and_hessian(y, z, w, out=tuple(out))[0] is out[0]
        np.testing.assert_array_equal(out, want)


def test_results_have_the_layout_of_the_predictions() -> None:
    y, z = np.zeros((4, 5)), np.ones((4, 5), order="F")
    assert nbloss.Huber().gradient(y, z).flags.f_contiguous
    assert nbloss.Huber().gradient(z, y).flags.c_contiguous
    moved = np.moveaxis(np.ones((3, 4, 5)), 0, -1)
    assert nbloss.Huber().gradient(moved, moved).strides == moved.strides


@given(data=st.data())
@settings(max_examples=60, deadline=None, derandomize=True)
def test_any_shape_and_order(data: Any) -> None:
    shape = data.draw(arrays_of.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5))
    rng = np.random.default_rng(0)
    y, z = rng.normal(size=shape), rng.normal(size=shape)
    axes = data.draw(st.permutations(range(len(shape))))
    steps = tuple(slice(None, None, data.draw(st.sampled_from([1, -1]))) for _ in shape)
    seen_y, seen_z = y.transpose(axes)[steps], z.transpose(axes).copy(data.draw(st.sampled_from("CF")))[steps]
    w = data.draw(st.sampled_from([None, 0.5, "rows", "all"]))
    if w == "all":
        w = rng.uniform(size=seen_z.shape)
    elif w == "rows":
        w = rng.uniform(size=seen_z.shape[:1])
    each = np.ones(seen_z.shape) if w is None else np.broadcast_to(np.asarray(w).T, seen_z.shape[::-1]).T
    loss = nbloss.HalfSquaredError()
    gradient, hessian = loss.gradient_and_hessian(seen_y, seen_z, w)
    np.testing.assert_array_equal(gradient, each * (seen_z - seen_y))
    np.testing.assert_array_equal(hessian, each)
    assert loss.value(seen_y, seen_z, w, reduction="sum") == pytest.approx(
        (each * (seen_z - seen_y) ** 2 / 2).sum(), rel=1e-14
    )


@pytest.mark.parametrize(
    "dtype", ["bool", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", ">i4", ">f8", ">f2"]
)
@pytest.mark.parametrize("loss", REPRESENTATIVES, ids=repr)
def test_targets_and_weights_of_any_dtype(loss: nbloss.Loss, dtype: str) -> None:
    z = np.linspace(-3, 3, 100)
    y = (np.arange(100) % 2).astype(dtype)
    for real in (np.float64, np.float32):
        want = loss.gradient_and_hessian(y.astype(real), z.astype(real), y.astype(real))
        got = loss.gradient_and_hessian(y, z.astype(real), y)
        assert all(g.dtype == real for g in got)
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(("target", "weight"), [("f8", "f8"), ("i8", "f4")])
@pytest.mark.parametrize("loss", [nbloss.HalfSquaredError(), nbloss.BinaryCrossEntropy()], ids=repr)
def test_large_arrays_of_mixed_dtypes(loss: nbloss.Loss, target: str, weight: str) -> None:
    """Whether they have a kernel of their own or come piece by piece, which small ones do."""
    n = PARALLEL_FROM + 1000
    rng = np.random.default_rng(0)
    z, w = rng.normal(size=n).astype("f4"), rng.random(n).astype(weight)
    y = rng.integers(0, 2, n).astype(target)
    got = loss.gradient_and_hessian(y, z, w)
    for part in (slice(0, n // 2), slice(n // 2, n)):
        want = loss.gradient_and_hessian(y[part], z[part], w[part])
        np.testing.assert_array_equal([a[part] for a in got], want)
    assert loss(y, z, w) == pytest.approx(np.average(loss.value(y, z, reduction="none"), weights=w), rel=1e-6)


@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_float32_stays_float32(loss: nbloss.Loss) -> None:
    y, z = ordinary(loss, 50, np.float32)
    results = [loss.value(y, z, reduction="none"), *loss.gradient_and_hessian(y, z)]
    assert {a.dtype for a in results} == {np.dtype(np.float32)}


@pytest.mark.parametrize("loss", [*REPRESENTATIVES, *slow(CASES)], ids=repr)
def test_sums_of_float32_are_float64(loss: nbloss.Loss) -> None:
    y, z = ordinary(loss, 50, np.float32)
    assert loss(y, z).dtype == np.float64
    assert loss.gradient(y, z).dtype == loss.hessian(y, z).dtype == np.float32


@pytest.mark.parametrize(("dtype", "result"), [("f2", "f4"), ("f4", "f4"), ("i4", "f8"), ("u1", "f8"), ("bool", "f8")])
def test_dtype_of_results(dtype: str, result: str) -> None:
    loss, y, z = nbloss.Huber(), np.ones(3), np.array([0, 1, 1]).astype(dtype)
    assert loss.gradient(y, z).dtype == result
    np.testing.assert_array_equal(loss.gradient(y, z), [-1, 0, 0])


def test_a_wide_target_is_subtracted_before_it_is_narrowed() -> None:
    z = np.array([16777216, -1], np.float32)
    for y in (np.array([16777217.0, 0]), np.array([16777217, 0]), np.array([16777217, 0], np.int32)):
        np.testing.assert_array_equal(nbloss.HalfSquaredError().gradient(y, z), np.array([-1, -1], np.float32))
    y = np.array([1 + 1e-12])
    assert nbloss.AbsoluteError().value(y, np.array([1], np.float32), reduction="none") == np.float32(y[0] - 1)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8"])
def test_out_of_any_float_dtype(dtype: str) -> None:
    y, z = ordinary(nbloss.Huber(), 100)
    out = np.empty(100, dtype), np.empty(100, dtype)
    nbloss.Huber().gradient_and_hessian(y, z, out=out)
    np.testing.assert_array_equal(out[0], nbloss.Huber().gradient(y, z).astype(dtype))


def test_containers() -> None:
    loss = nbloss.HalfSquaredError()
    assert loss([0, 1], [2, 3]) == 2 and loss(1, 3.0) == 2 and loss((0, 0), np.float32([1, 1])) == 0.5
    assert loss.gradient([0, 1], [2, 3]).tolist() == [2, 2]
    assert loss.gradient(1.0, 3.0).shape == ()


def test_memory_mapped(tmp_path: Any) -> None:
    y, z = ordinary(nbloss.Huber(), 1000)
    np.save(tmp_path / "z.npy", z)
    mapped = np.load(tmp_path / "z.npy", mmap_mode="r")
    np.testing.assert_array_equal(nbloss.Huber().gradient(y, mapped), nbloss.Huber().gradient(y, z))


@pytest.mark.parametrize("alpha", [(0.2, 0.5, 0.9)])
def test_one_number_a_class(alpha: tuple[float, ...]) -> None:
    rng = np.random.default_rng(0)
    y, z = rng.integers(0, 2, (50_000, 3)).astype(float), rng.normal(size=(50_000, 3))
    w = rng.uniform(size=50_000)
    loss = nbloss.BalancedBinaryCrossEntropy(alpha=alpha)
    for view in (slice(0, 10), slice(None)):
        got = loss.gradient_and_hessian(y[view], z[view], w[view])
        for k, a in enumerate(alpha):
            alone = nbloss.BalancedBinaryCrossEntropy(alpha=a).gradient_and_hessian(y[view, k], z[view, k], w[view])
            np.testing.assert_array_equal([g[:, k] for g in got], alone)
    columns = [nbloss.BalancedBinaryCrossEntropy(alpha=a)(y[:, k], z[:, k], w) for k, a in enumerate(alpha)]
    assert loss(y, z, w) == pytest.approx(np.mean(columns), rel=1e-14)


def test_nothing_at_all_can_be_written_to() -> None:
    """An empty array may have strides of 0."""
    y, out = np.empty((4, 2, 0, 4)), np.empty((4, 2, 0, 4), np.float32)
    assert 0 in out.strides and nbloss.Huber().gradient(y, y, out=out) is out
