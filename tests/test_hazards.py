"""Laws of Cox's partial likelihood: risk sets, ties, weights and strata."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import pytest
import xgboost
from mpmath import mp, mpf

import nbloss
from tests.cases import of_groups
from tests.ulps import ulps

COX = nbloss.Cox()
SIZES = (5, 0, 1, 7)
DTYPES = [np.float64, np.float32]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Where nothing is said of threads, there is one, which waits for none."""
    most = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(most)


def everything(y: Any, z: Any, w: Any = None, **options: Any) -> list[Any]:
    return [COX.value(y, z, w, reduction="none", **options), *COX.gradient_and_hessian(y, z, w, **options)]


def check(y: Any, z: Any, w: Any = None, groups: Any = None) -> None:
    """Compare with the textbook line, at 4 ulp, of the largest term where terms cancel."""
    got = everything(y, z, w, groups=groups)
    shape, parts = COX.parts(y, z, w, groups)
    assert got[0].shape == shape
    exact = [nbloss.reference.derivatives_of_part(COX, part) for part in parts]
    with mp.workdps(60):
        worst = [max((ulps(a, e[0], largest(p)) for a, e, p in zip(got[0], exact, parts, strict=True)), default=0)]
        for k in (1, 2):
            flat = [x for e in exact for x in e[k][0]]
            terms = [t for part in parts for t in risks(part)]
            worst.append(max((ulps(a, e, t) for a, e, t in zip(got[k], flat, terms, strict=True)), default=0))
    assert max(worst) <= 4, worst


def largest(part: Any) -> Any:
    """Return the largest logarithm of a weight, which stands beside those of exponentials."""
    return max((abs(mp.log(w)) for _, _, w in part.target if w > 0), default=mpf(0))


def risks(part: Any) -> list[Any]:
    """Return the first term of the gradient of each row, or the second."""
    z = part.predictions[0]
    found = []
    for (t, e, w), x in zip(part.target, z, strict=True):
        risk = mpf(0)
        for time, event, weight in part.target:
            if event and time <= t and mp.isfinite(x):
                at_risk = sum(v * mp.exp(mpf(b) - x) for (s, _, v), b in zip(part.target, z, strict=True) if s >= time)
                risk += w * weight / at_risk
        found.append(max(risk, mpf(w * e)))
    return found


def by_numpy(y: Any, z: Any, w: Any) -> tuple[Any, Any, Any]:
    """Return what one stratum gives by sorting and cumulative sums, in whatever precision NumPy has most of."""
    order = np.argsort(y[0], kind="stable")
    t, e, z, w = (a[order].astype(np.longdouble) for a in (y[0], y[1], z, w))
    p = w * np.exp(z - z.max(initial=0))
    first, last = np.searchsorted(t, t, "left"), np.searchsorted(t, t, "right") - 1
    at_risk = np.cumsum(p[::-1])[::-1][first]
    rate, bend = np.cumsum(w * e / at_risk)[last], np.cumsum(w * e / at_risk**2)[last]
    gradient, hessian = np.empty_like(z), np.empty_like(z)
    gradient[order], hessian[order] = p * rate - w * e, p * rate - p * p * bend
    return (w * e * (np.log(at_risk) + z.max(initial=0) - z)).sum(), gradient, hessian


@pytest.mark.parametrize("dtype", DTYPES)
def test_ordinary_numbers(dtype: type) -> None:
    w = np.random.default_rng(0).uniform(0.1, 3, 13)
    for seed in range(3):
        y, z = of_groups(COX, SIZES, dtype, seed)
        for weight in (None, w):
            check(y, z, weight, groups=SIZES)


@pytest.mark.parametrize("dtype", DTYPES)
def test_predictions_far_apart_and_close_together(dtype: type) -> None:
    y, z = of_groups(COX, (7,), dtype)
    for scale in (1e-20, 1e-3, 20, 300, 3000):
        check(y, z * dtype(scale))
        check(y, np.sort(z * dtype(scale)))
        check((np.arange(7), np.ones(7)), -np.sort(-z * dtype(scale)))
    check(y, z + dtype(1000))


def test_infinite_numbers() -> None:
    """They follow the limit; and times may be infinite."""
    y, z = (np.array([1, 2, 3, 4]), np.array([1, 0, 1, 1])), np.array([0.5, -1.0, 2.0, 0.0])
    for i in range(4):
        for end in (math.inf, -math.inf):
            far = z.copy()
            far[i] = end
            got, exact = everything(y, far), nbloss.reference.derivatives(COX, y, far)
            for a, b in zip(got, exact, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-15)
    times = np.array([-math.inf, math.inf, 1.0, math.inf])
    same = everything((np.array([0, 2, 1, 2]), y[1]), z)
    for a, b in zip(everything((times, y[1]), z), same, strict=True):
        np.testing.assert_array_equal(a, b)


def test_ties_do_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(0)
    t, e, z = rng.integers(0, 5, 60), rng.integers(0, 2, 60), rng.normal(size=60)
    value, gradient, hessian = everything((t, e), z)
    for _ in range(3):
        some = rng.permutation(60)
        again = everything((t[some], e[some]), z[some])
        assert again[0] == pytest.approx(value, rel=1e-15)
        np.testing.assert_allclose(again[1], gradient[some], rtol=1e-14, atol=1e-15)
        np.testing.assert_allclose(again[2], hessian[some], rtol=1e-14, atol=1e-15)
    assert abs(gradient.sum()) < 1e-14


def test_by_hand() -> None:
    y, z = ([1, 2, 2], [1, 1, 0]), [0.0, 0.0, 0.0]
    assert COX.value(y, z, reduction="sum") == pytest.approx(math.log(6), rel=1e-15)
    assert COX(y, z) == pytest.approx(math.log(6) / 2, rel=1e-15)
    np.testing.assert_allclose(COX.gradient(y, z), [1 / 3 - 1, 5 / 6 - 1, 5 / 6], rtol=1e-15)
    np.testing.assert_allclose(COX.hessian(y, z), [2 / 9, 2 / 9 + 1 / 4, 2 / 9 + 1 / 4], rtol=1e-15)


def test_weights_count_rows() -> None:
    """A row of weight 2 is two rows; one of weight 0 is none, whatever it holds."""
    rng = np.random.default_rng(0)
    n = 40
    t, e, z = rng.integers(0, 6, n), rng.integers(0, 2, n), rng.normal(size=n)
    w = rng.integers(0, 3, n)
    twice = np.repeat(np.arange(n), w)
    many = everything((t[twice], e[twice]), z[twice])
    dirty = [np.where(w == 0, bad, a.astype(float)) for bad, a in ((math.nan, t), (7.0, e), (math.inf, z))]
    got = everything((dirty[0], dirty[1]), dirty[2], w)
    mean, scaled = COX.value_and_gradient((dirty[0], dirty[1]), dirty[2], w)
    assert got[0] == pytest.approx(many[0], rel=1e-14) and mean == pytest.approx(float(many[0][0]) / (w * e).sum())
    np.testing.assert_allclose(got[1], np.bincount(twice, many[1], n), rtol=1e-13, atol=1e-14)
    np.testing.assert_allclose(scaled, got[1] / (w * e).sum(), rtol=1e-14)
    assert not got[1][w == 0].any() and not got[2][w == 0].any()
    scalar = everything((t, e), z, 2.0)
    plain = everything((t, e), z)
    assert scalar[0] == pytest.approx(2 * (plain[0] + e.sum() * math.log(2)), rel=1e-14)
    np.testing.assert_allclose(scalar[1], 2 * plain[1], rtol=1e-14, atol=1e-15)


def test_reductions_and_strata() -> None:
    y, z = of_groups(COX, SIZES)
    values, gradient, hessian = everything(y, z, groups=SIZES)
    assert values.shape == (4,) and values[1] == 0
    for g, (first, last) in enumerate([(0, 5), (5, 5), (5, 6), (6, 13)]):
        some = slice(first, last)
        alone = everything((y[0][some], y[1][some]), z[some])
        assert alone[0][0] == values[g]
        np.testing.assert_array_equal(alone[1], gradient[some])
        np.testing.assert_array_equal(alone[2], hessian[some])
    events = y[1].sum()
    mean, scaled = COX.value_and_gradient(y, z, groups=SIZES)
    assert COX.value(y, z, groups=SIZES, reduction="sum") == pytest.approx(values.sum(), rel=1e-15)
    assert mean == pytest.approx(values.sum() / events, rel=1e-15) and isinstance(mean, np.float64)
    np.testing.assert_allclose(scaled, gradient / events, rtol=1e-15)
    for reduction in ("sum", "none"):
        value, same = COX.value_and_gradient(y, z, groups=SIZES, reduction=reduction)
        np.testing.assert_array_equal(value, COX.value(y, z, groups=SIZES, reduction=reduction))
        np.testing.assert_array_equal(same, gradient)


def test_nothing_happens() -> None:
    y, z = (np.arange(4.0), np.zeros(4)), np.arange(4.0)
    assert COX.value(y, z, groups=[3, 1], reduction="none").tolist() == [0, 0] and math.isnan(COX(y, z))
    assert COX.gradient(y, z).tolist() == COX.hessian(y, z).tolist() == [0] * 4
    none = (np.zeros(0), np.zeros(0))
    assert COX.value(none, z[:0], reduction="sum") == 0 and COX.gradient(none, z[:0], groups=[]).shape == (0,)


def test_nan_spreads_over_its_stratum() -> None:
    y, z = of_groups(COX, (5, 7))
    z[6] = math.nan
    times = y[0].copy()
    times[2] = math.nan
    for a, b, strata in ((y[0], z, [1]), (times, np.nan_to_num(z), [0]), (times, z, [0, 1])):
        for sign in (1, -1):
            value, *slopes = everything((np.copysign(a, sign * np.ones(12)), y[1]), b, groups=(5, 7))
            assert np.flatnonzero(np.isnan(value)).tolist() == strata
            for x in slopes:
                assert np.isnan(x[:5]).all() == (0 in strata) and np.isnan(x[5:]).all() == (1 in strata)
                assert np.isnan(x).sum() == 5 * (0 in strata) + 7 * (1 in strata)


@pytest.mark.parametrize("kind", ["some ties", "all equal", "no ties", "strata"])
def test_large(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many blocks and threads: the exact sums, and the same bits for any number of threads."""
    rng = np.random.default_rng(0)
    n = 20_000
    times = {"some ties": rng.integers(0, 9, n), "all equal": np.ones(n), "no ties": rng.random(n)}
    t, e = times.get(kind, rng.integers(0, 99, n)), rng.integers(0, 2, n)
    z, w = rng.normal(size=n) * 3, rng.random(n) + 0.1
    sizes = [n] if kind != "strata" else [30] * 100 + [9000, 0, 0, 8000]
    serial = everything((t, e), z, w, groups=sizes)
    starts = np.cumsum([0, *sizes])
    for g in range(len(sizes)):
        some = slice(starts[g], starts[g + 1])
        want = by_numpy((t[some], e[some]), z[some], w[some])
        assert serial[0][g] == pytest.approx(float(want[0]), rel=1e-14)
        for k in (1, 2):
            off = np.abs(serial[k][some] - want[k]) / (np.abs(want[1]) + 2 * w[some])
            assert off.max(initial=0) < 1e-14
    monkeypatch.setattr("nbloss._cpu.hazards.LARGE", 5000)
    for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(threads)
        for a, b in zip(everything((t, e), z, w, groups=sizes), serial, strict=True):
            np.testing.assert_array_equal(a, b)


def test_far_apart_over_many_blocks() -> None:
    """Levels change between blocks and within them."""
    n = 10_000
    z = np.concatenate([np.linspace(3000, -3000, n // 2), np.linspace(-3000, 3000, n // 2)])
    y = np.arange(n), np.ones(n)
    value, gradient, hessian = everything(y, z)
    later = np.logaddexp.accumulate(z[::-1])[::-1]
    assert value[0] == pytest.approx((later - z).sum(), rel=1e-12)
    events = np.logaddexp.accumulate(-later)
    np.testing.assert_allclose(gradient, np.exp(z + events) - 1, atol=1e-11)
    assert np.isfinite(hessian).all()


def test_dtypes_and_layouts() -> None:
    y, z = of_groups(COX, (5, 7))
    z = z.astype(np.float32)
    wanted = everything(y, z, groups=(5, 7))
    assert all(a.dtype == np.float32 for a in wanted)
    apart = np.zeros((12, 3))
    apart[:, 1] = z
    for event in (y[1] > 0, y[1].astype(np.int8), y[1].astype(np.float32)):
        for a, b in zip(everything((y[0][::-1][::-1], event), z, groups=(5, 7)), wanted, strict=True):
            np.testing.assert_array_equal(a, b)
    for out in (np.zeros(12), np.zeros(24)[::2], np.zeros(12, np.float32)):
        assert COX.gradient([a.tolist() for a in y], apart[:, 1], groups=(5, 7), out=out) is out
        np.testing.assert_array_equal(out.astype(np.float32), wanted[1])
    assert COX.gradient(y, np.arange(12), groups=(5, 7)).dtype == np.float64


@pytest.mark.parametrize(
    ("y", "weight", "groups", "error", "words"),
    [
        (np.zeros((2, 4)), None, None, TypeError, "y_true must be a tuple of 2 arrays, times and events, got ndarray"),
        ((np.zeros(4),), None, None, TypeError, "tuple of 2 arrays, times and events, got 1 of them"),
        ((np.zeros(4), [0, 2, 0, 1]), None, None, ValueError, "y_true must hold whole numbers from 0 to 1, got 2 at"),
        ((np.zeros(4), [0, math.nan, 0, 1]), None, None, ValueError, "y_true must hold whole numbers .* got nan"),
        (
            (np.zeros(4), np.zeros(3)),
            None,
            None,
            ValueError,
            r"y_true must have the shape of y_pred, \(4,\), got \(3,\)",
        ),
        ((np.zeros(5), np.zeros(4)), None, None, ValueError, "y_true must have the shape of y_pred"),
        ((np.zeros(4), np.zeros(4)), np.ones(2), [2, 2], ValueError, r"sample_weight must be .* \(4,\), got \(2,\)"),
        ((np.zeros(4), np.zeros(4)), None, [2, 3], ValueError, "groups must be .* a sum of 5"),
        ((np.zeros(4, complex), np.zeros(4)), None, None, TypeError, r"y_true\[0\] must hold"),
    ],
)
def test_errors(y: Any, weight: Any, groups: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as raised:
        COX(y, np.zeros(4), weight, groups=groups)
    assert "\n" not in str(raised.value)


def test_it_is_a_value() -> None:
    y, z = of_groups(COX, (9,))
    for twin in (pickle.loads(pickle.dumps(COX)), copy.deepcopy(COX), nbloss.get("cox")):
        assert twin == COX and twin(y, z) == COX(y, z)
    np.testing.assert_allclose(COX.inverse_link(z), np.exp(z), rtol=1e-15)
    with pytest.raises(TypeError, match="depends on differences alone"):
        COX.init_score(y)
    assert COX(y, z + 8) == pytest.approx(COX(y, z), rel=1e-13)


def test_xgboost_trains_the_same_trees_where_it_is_right() -> None:
    """Without ties and weights: its gradient depends on the order of rows with equal times."""
    rng = np.random.default_rng(0)
    n = 500
    x = rng.normal(size=(n, 4))
    t, e = rng.exponential(np.exp(-x[:, 0])).astype(np.float32), rng.random(n) < 0.6
    data = xgboost.DMatrix(x, np.where(e, t, -t))

    def objective(margin: Any, data: Any) -> Any:
        label = data.get_label()
        return COX.gradient_and_hessian((np.abs(label), label > 0), margin)

    settings = {"objective": "survival:cox", "max_depth": 3, "nthread": 1, "base_score": 0.5}
    found = [xgboost.train(settings, data, 10, obj=f).predict(data, output_margin=True) for f in (None, objective)]
    np.testing.assert_allclose(found[0], found[1], atol=1e-5)
    metric = xgboost.train(settings | {"eval_metric": "cox-nloglik"}, data, 10)
    value = float(metric.eval(data).split(":")[1])
    assert COX((t, e), found[0]) == pytest.approx(value, rel=1e-4)
