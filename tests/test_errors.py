"""Law: what is wrong is said in one sentence, before anything is written; inputs are never changed."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import nbloss
from tests.cases import CASES, REPRESENTATIVES, ordinary
from tests.selection import slow

LOSS = nbloss.Huber()
Y, Z = np.zeros(6), np.arange(6.0)
READ_ONLY = np.zeros(6)
READ_ONLY.flags.writeable = False


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((np.zeros(5), Z), {}, ValueError, r"y_true must have the shape of y_pred, \(6,\), got \(5,\)"),
        ((np.zeros((6, 1)), Z), {}, ValueError, r"y_true .* \(6,\), got \(6, 1\)"),
        ((np.zeros(1), Z), {}, ValueError, "y_true"),
        ((0.0, Z), {}, ValueError, "y_true"),
        ((Y.astype(complex), Z), {}, TypeError, "y_true must hold .* complex128"),
        ((Y, Z.astype(object)), {}, TypeError, "y_pred must hold .* object"),
        ((Y, Z.astype(str)), {}, TypeError, "y_pred must hold .* <U"),
        ((Y, Z.astype(np.longdouble)), {}, TypeError, "y_pred must hold .* at most 64 bits"),
        ((Y.astype("M8[s]"), Z), {}, TypeError, "y_true must hold"),
        ((np.ma.masked_array(Y), Z), {}, TypeError, "y_true must not be a masked array"),
        ((["a"] * 6, Z), {}, TypeError, "y_true must hold"),
        ((Y, Z, np.ones(5)), {}, ValueError, r"sample_weight must be a scalar or have shape \(6,\), got \(5,\)"),
        ((Y, Z, np.ones((6, 1))), {}, ValueError, "sample_weight"),
        ((Y, Z, np.ones(6, complex)), {}, TypeError, "sample_weight must hold"),
        ((Y.reshape(2, 3), Z.reshape(2, 3), np.ones(3)), {}, ValueError, r"shape \(2, 3\) or \(2,\), got \(3,\)"),
        ((Y, Z), {"out": np.zeros(5)}, ValueError, r"out must have shape \(6,\), got \(5,\)"),
        ((Y, Z), {"out": np.zeros(6, int)}, TypeError, "out must have a float dtype .* int64"),
        ((Y, Z), {"out": [0.0] * 6}, TypeError, "out must be a NumPy array"),
        ((Y, Z), {"out": READ_ONLY}, ValueError, "out must be writeable"),
        ((Y, Z), {"out": Z}, ValueError, "out must not overlap"),
        ((Y, Z), {"out": Y[::-1]}, ValueError, "out must not overlap"),
        (
            (Y, Z, READ_ONLY + 1),
            {"out": np.lib.stride_tricks.as_strided(np.zeros(1), (6,), (0,))},
            ValueError,
            r"place of its own, got strides \(0,\) for shape \(6,\)",
        ),
        ((Y, Z), {"out": np.lib.stride_tricks.as_strided(np.zeros(6), (6,), (4,))}, ValueError, "place of its own"),
        (
            (Y.reshape(2, 3), Z.reshape(2, 3)),
            {"out": sliding_window_view(np.zeros(4), 3, writeable=True)},
            ValueError,
            "place of its own",
        ),
    ],
)
def test_gradient(arguments: Any, options: Any, error: type[Exception], words: str) -> None:
    before = [np.array(a) for a in (*arguments, *options.values())]
    with pytest.raises(error, match=words) as raised:
        LOSS.gradient(*arguments, **options)
    assert "\n" not in str(raised.value)
    for a, b in zip((*arguments, *options.values()), before, strict=True):
        np.testing.assert_array_equal(np.array(a), b)


def test_outputs_of_two() -> None:
    a = np.zeros(12)
    for out, error in [
        (a, TypeError),
        ((a[:6],), TypeError),
        ((a[:6], a[:6]), ValueError),
        ((a[:6], a[3:9]), ValueError),
        ((a[:6], Z), ValueError),
        ((a[:6], np.zeros(7)), ValueError),
    ]:
        with pytest.raises(error, match="out must"):
            LOSS.gradient_and_hessian(Y, Z, out=out)
    assert not a.any()
    interleaved = (a[::2], a[1::2])
    LOSS.gradient_and_hessian(Y, Z, out=interleaved)
    np.testing.assert_array_equal(interleaved, LOSS.gradient_and_hessian(Y, Z))


def test_an_output_of_a_derived_class() -> None:
    class Derived(np.ndarray):
        def reshape(self, *shape: Any) -> Any:
            raise NotImplementedError

    out = np.zeros(6).view(Derived)
    assert LOSS.gradient(Y, Z, out=out) is out
    np.testing.assert_array_equal(np.asarray(out), LOSS.gradient(Y, Z))


def test_output_of_a_mean() -> None:
    out = np.zeros(())
    assert LOSS(Y, Z, out=out) is out and out == LOSS(Y, Z)
    out, gradient = np.zeros(()), np.zeros(6)
    assert LOSS.value_and_gradient(Y, Z, out=(out, gradient))[0] is out
    assert (out, gradient.tolist()) == (LOSS(Y, Z), LOSS.value_and_gradient(Y, Z)[1].tolist())
    for wrong, error in [(np.zeros(1), ValueError), (np.zeros((), np.float32), TypeError), (0.0, TypeError)]:
        with pytest.raises(error, match="out must"):
            LOSS(Y, Z, out=wrong)


@pytest.mark.parametrize("reduction", ["average", None, 1, "MEAN", ["mean"]])
def test_reduction(reduction: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")):
        LOSS(Y, Z, reduction=reduction)


def test_groups_are_for_ranking() -> None:
    with pytest.raises(TypeError, match="groups"):
        LOSS(Y, Z, groups=[6])  # type: ignore[call-arg]


def test_a_tuple_of_the_wrong_length() -> None:
    loss = nbloss.BinaryCrossEntropy(pos_weight=(1.0, 2.0))
    for shape in ((4, 3), (4,), ()):
        with pytest.raises(ValueError, match="pos_weight has 2 numbers"):
            loss(np.zeros(shape), np.zeros(shape))


@pytest.mark.parametrize("loss", [*REPRESENTATIVES, *slow(CASES)], ids=repr)
def test_inputs_are_not_changed(loss: nbloss.Loss) -> None:
    y, z = ordinary(loss, 40)
    w = np.linspace(0, 1, 40)
    before = y.copy(), z.copy(), w.copy()
    loss.value_and_gradient(y, z, w)
    loss.gradient_and_hessian(y[::2], z[::2], w[::2])
    np.testing.assert_array_equal((y, z, w), before)


@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_nan_and_what_lies_outside_the_domain(loss: nbloss.Loss) -> None:
    y, z = ordinary(loss, 40)
    y[3], z[5] = np.nan, np.nan
    outside = {3, 5}
    for position, (interval, a) in enumerate(zip(loss.domain, (y, z), strict=True)):
        if np.isfinite(interval.low):
            a[10 + position] = interval.low if interval.low_open else interval.low - 0.1
            outside.add(10 + position)
        if np.isfinite(interval.high):
            a[20 + position] = interval.high + 0.1
            outside.add(20 + position)
    for dtype in (np.float64, np.float32):
        results = (
            loss.value(y.astype(dtype), z.astype(dtype), reduction="none"),
            *loss.gradient_and_hessian(y.astype(dtype), z.astype(dtype)),
        )
        for result in results:
            assert set(np.flatnonzero(np.isnan(result))) == outside


@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_infinity_follows_the_limit(loss: nbloss.Loss) -> None:
    y = np.array([*ordinary(loss, 8)[0], 0.0, 1.0])
    for end in (np.inf, -np.inf):
        z = np.full_like(y, end)
        exact = nbloss.reference.derivatives(loss, y, z)
        got = loss.value(y, z, reduction="none"), *loss.gradient_and_hessian(y, z)
        np.testing.assert_allclose(got, exact, rtol=1e-14)


@pytest.mark.parametrize("n", [50, 50_000])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_short_cut_sees_shared_memory(is_weighted: bool, n: int) -> None:
    loss, room = nbloss.Huber(), np.zeros(3 * n)
    weight = np.ones(n) if is_weighted else None
    y, z, g, h = np.zeros(n), np.ones(n), room[:n], room[n : 2 * n]
    for _ in range(2):  # the second call takes the short cut
        assert loss.gradient_and_hessian(y, z, weight, out=(g, h))[0] is g
        assert loss.gradient(y, z, weight, out=h) is h
    before = room.copy()
    for out in ((g, g), (g, room[n - 1 : 2 * n - 1]), (room[n + 1 : 2 * n + 1], h), (y, g), (g, z)):
        with pytest.raises(ValueError, match="must not overlap"):
            loss.gradient_and_hessian(y, z, weight, out=out)
    for shared in (y, z) if weight is None else (y, z, weight):
        with pytest.raises(ValueError, match="must not overlap"):
            loss.gradient(y, z, weight, out=shared)
    np.testing.assert_array_equal(room, before)
    assert not y.any() and (z == 1).all()
