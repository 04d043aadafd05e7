"""Laws of the losses of rows that compare the classes with each other, on the CPU."""

from __future__ import annotations

import itertools
import math
import pickle
from typing import Any

import numba
import numpy as np
import pytest
from mpmath import mpf

import nbloss
from nbloss._cpu.pointwise import PARALLEL_FROM
from nbloss._lines import Label
from nbloss.reference import Part, along, derivatives_of_part
from tests.cases import LINE_CASES
from tests.selection import slow
from tests.ulps import ulps

KINDS = [(loss, kind) for loss in LINE_CASES for kind in ("labels", "rows") if kind == "labels" or not loss.labels_only]
ANY = [nbloss.CategoricalHinge(), nbloss.MultiMargin(p=2), nbloss.MultiLabelMargin()]
"""One loss for each formula."""

both = pytest.mark.parametrize(("loss", "kind"), KINDS, ids=repr)
double_and_single = pytest.mark.parametrize("dtype", [np.float64, np.float32])


def targets(loss: Any, kind: str, n: int, classes: int, dtype: Any = np.float64, seed: int = 0) -> Any:
    """Return labels, or rows of the numbers that the loss takes."""
    rng = np.random.default_rng(seed)
    if kind == "labels":
        return rng.integers(0, classes, n)
    hard = rng.integers(0, 2, (n, classes)).astype(dtype)
    if isinstance(loss, nbloss.MultiLabelMargin):
        return hard
    soft = rng.dirichlet(np.ones(classes), n).astype(dtype)
    return np.where(rng.random((n, 1)) < 0.7, soft, hard)


def scores(n: int, classes: int, dtype: Any = np.float64, seed: int = 0) -> Any:
    return np.random.default_rng(seed + 100).normal(0, 1, (n, classes)).astype(dtype)


def extreme(loss: Any, y: Any, n: int, classes: int, dtype: Any) -> Any:
    """Return rows of every magnitude, some of one, some of equal scores, some at kinks or next to them."""
    rng = np.random.default_rng(5)
    info = np.finfo(dtype)

    def anything(shape: Any) -> Any:
        exponents = rng.uniform(np.log2(info.smallest_normal), np.log2(info.max), shape)
        return (rng.choice([-1, 1], shape) * 2**exponents).astype(dtype)

    z = anything((n, classes))
    z[0::6] = (rng.normal(size=(len(z[0::6]), classes)) * anything((len(z[0::6]), 1))).clip(-info.max, info.max)
    z[1::6] = anything((len(z[1::6]), 1))
    margin = dtype(getattr(loss, "margin", 1.0))
    steps = rng.choice(np.array([0, 1, -1], dtype), (len(z[2::6]), classes)) * margin
    z[2::6] = rng.integers(-3, 4, (len(z[2::6]), 1)) + steps
    tiny = rng.choice(np.array([0, 1e-30, -1e-30, 1e-8], dtype), (len(z[3::6]), classes))
    z[3::6] = rng.choice(np.array([0, 1, -1], dtype), tiny.shape) * margin + tiny
    z[4::6] = rng.choice(np.array([info.max, -info.max, info.max / 2, 1], dtype), (len(z[4::6]), classes))
    return z


def worst(loss: Any, y: Any, z: Any) -> float:
    """Return the largest error of value, gradient and Hessian in ulp of the exact number or its largest term."""
    got = loss.value(y, z, reduction="none"), *loss.gradient_and_hessian(y, z)
    result = 0.0
    for i, part in enumerate(loss.parts(y, z)[1]):
        value, (gradient,), (hessian,) = derivatives_of_part(loss, part)
        terms = 0, [0] * z.shape[1]
        if isinstance(loss, nbloss.CategoricalHinge):  # which has sums of numbers of either sign
            t = part.target if isinstance(part.target, tuple) else [k == part.target for k in range(z.shape[1])]
            products = [
                abs(mpf(x) * s) for a, x in zip(t, part.predictions[0], strict=True) for s in (mpf(a), 1 - mpf(a))
            ]
            terms = max([1, *(p for p in products if p < math.inf)]), [max(a, 1 - a) for a in t]
        errors = [ulps(got[0][i], value, terms[0])]
        errors += [ulps(a, b, c) for a, b, c in zip(got[1][i], gradient, terms[1], strict=True)]
        errors += [ulps(a, b) for a, b in zip(got[2][i], hessian, strict=True)]
        assert max(errors) <= 4, (part, errors, [a[i] for a in got], value, gradient, hessian)
        result = max(result, *errors)
    return result


@double_and_single
@both
def test_exact_to_4_ulp(loss: Any, kind: str, dtype: Any) -> None:
    for n, classes in ((12, 4), (2, 40)):
        y = targets(loss, kind, n, classes, dtype)
        worst(loss, y, scores(n, classes, dtype))
    y = targets(loss, kind, 30, 4, dtype)
    worst(loss, y, extreme(loss, y, 30, 4, dtype))


@both
def test_infinite_scores_count_as_equally_huge(loss: Any, kind: str) -> None:
    z = np.array(list(itertools.product([math.inf, -math.inf, 0.5], repeat=3)))
    y = targets(loss, kind, len(z), 3)
    if kind == "rows":
        y = np.round(4 * y) / 4
    worst(loss, y, z)
    worst(loss, y, z.astype(np.float32))


@both
def test_matrix(loss: Any, kind: str) -> None:
    y, z = targets(loss, kind, 4, 3), scores(4, 3)
    matrix = loss.hessian_matrix(y, z)
    assert matrix.shape == (4, 3, 3)
    np.testing.assert_array_equal(np.diagonal(matrix, axis1=1, axis2=2), loss.hessian(y, z))
    for got, part in zip(matrix, loss.parts(y, z)[1], strict=True):
        own = [along(loss, part, {i})[2] for i in range(3)]
        for i, j in itertools.permutations(range(3), 2):
            assert ulps(got[i, j], (along(loss, part, {i, j})[2] - own[i] - own[j]) / 2, max(own)) <= 4


def test_matrix_of_any_arrays() -> None:
    loss = nbloss.MultiMargin(p=2)
    y, z, w = targets(loss, "labels", 12, 3).reshape(4, 3), scores(12, 3).reshape(4, 3, 3), np.array([0, 1, -2, 0.5])
    wanted = np.stack([loss.hessian_matrix(a, b) for a, b in zip(y, z, strict=True)]) * w[:, None, None, None]
    for a, b in ((y, z), (y.astype(np.float32), np.asfortranarray(z)), (y[::-1][::-1], z[..., ::-1][..., ::-1])):
        np.testing.assert_array_equal(loss.hessian_matrix(a, b, w), wanted)
    assert loss.hessian_matrix(y, z.astype(np.float16)).dtype == np.float32
    z[0, 0, 1] = z[1, 0, 1] = math.nan
    assert not loss.hessian_matrix(y, z, w)[0].any()
    assert np.isnan(loss.hessian_matrix(y, z, w)[1, 0]).all() and loss.hessian_matrix(y[0, 0], z[2, 0]).shape == (3, 3)
    assert loss.hessian_matrix(y[:0], z[:0]).shape == (0, 3, 3, 3)
    np.testing.assert_array_equal(loss.hessian_matrix(y, z, 0.0), 0)


def test_kinks() -> None:
    for loss in (nbloss.CategoricalHinge(), nbloss.MultiMargin(), nbloss.MultiMargin(p=2), nbloss.MultiLabelMargin()):
        for z in ([2.0, 1.0], [1.0, 0.0]):
            assert loss(0, z) == 0 and not loss.gradient(0, z).any() and not loss.hessian(0, z).any()
        assert loss(0, [1.0, 2.0**-60]) > 0 and loss.gradient(0, [1.0, 2.0**-60]).any()
        assert loss(0, [1.0, -(2.0**-60)]) == 0 and not loss.gradient(0, [1.0, -(2.0**-60)]).any()
    loss = nbloss.CategoricalHinge()  # the first of equal classes, of which the own one counts as 0
    assert loss.gradient(0, [0.0, 3.0, 3.0]).tolist() == [-1, 1, 0]
    assert loss.gradient(0, [0.0, 0.0, -1.0]).tolist() == [-1, 0, 0]
    assert loss.gradient(1, [0.0, 0.0, -1.0]).tolist() == [1, -1, 0]
    assert loss.gradient(0, [0.5, -1.0]).tolist() == [-1, 0] and loss(0, [0.5, -1.0]) == 0.5


def plain(loss: Any, t: Any, z: Any) -> Any:
    """Return the losses of rows, by NumPy, of one-hot or other rows of targets."""
    if isinstance(loss, nbloss.CategoricalHinge):
        return np.maximum(0, ((1 - t) * z).max(-1) - (t * z).sum(-1) + 1)
    d = getattr(loss, "margin", 1.0) - z[..., :, None] + z[..., None, :]
    pairs = (t[..., :, None] == 1) & (t[..., None, :] == 0)
    return (pairs * np.maximum(0, d) ** getattr(loss, "p", 1)).sum((-2, -1)) / z.shape[-1]


@both
def test_against_numpy(loss: Any, kind: str) -> None:
    for shape in ((7,), (200, 5), (3, 4, 2), (2, 3, 2, 1), (3, 300)):
        n = math.prod(shape[:-1])
        y, z = targets(loss, kind, n, shape[-1]), scores(n, shape[-1]).reshape(shape)
        t = np.eye(shape[-1])[y] if kind == "labels" else y
        y = y.reshape(shape if kind == "rows" else shape[:-1])
        value = loss.value(y, z, reduction="none")
        assert value.shape == shape[:-1]
        np.testing.assert_allclose(value, plain(loss, t.reshape(shape), z), rtol=1e-12, atol=1e-13)


def test_worked_numbers_of_pytorch() -> None:
    """Those of its documentation: torch.nn.MultiMarginLoss and torch.nn.MultiLabelMarginLoss."""
    assert nbloss.MultiMargin()(3, [0.1, 0.2, 0.4, 0.8]) == pytest.approx((0.3 + 0.4 + 0.6) / 4, rel=1e-15)
    padded, (n, classes) = np.array([[3, 0, -1, 1]]), (1, 4)
    rows = np.zeros((n, classes), bool)
    listed = np.logical_and.accumulate(padded >= 0, axis=1)
    rows[np.nonzero(listed)[0], padded[listed]] = True
    assert nbloss.MultiLabelMargin()(rows, [[0.1, 0.2, 0.4, 0.8]]) == pytest.approx(0.85, rel=1e-15)


@both
def test_gradient_is_the_slope(loss: Any, kind: str) -> None:
    y, z = targets(loss, kind, 30, 4), scores(30, 4)
    step = 1e-6 * np.random.default_rng(3).normal(size=z.shape)
    change = loss.value(y, z + step, reduction="none") - loss.value(y, z - step, reduction="none")
    np.testing.assert_allclose(change, 2 * (loss.gradient(y, z) * step).sum(-1), rtol=0, atol=1e-13)


@both
def test_weights_and_reductions(loss: Any, kind: str) -> None:
    y, z = targets(loss, kind, 3333, 3), scores(3333, 3)
    w = np.random.default_rng(7).choice([0, 0.3, 1, 2.5], 3333)
    values = loss.value(y, z, reduction="none")
    np.testing.assert_array_equal(loss.value(y, z, w, reduction="none"), w * values)
    np.testing.assert_array_equal(loss.gradient(y, z, -w), -w[:, None] * loss.gradient(y, z))
    np.testing.assert_array_equal(loss.hessian(y, z, w), w[:, None] * loss.hessian(y, z))
    for weight, each in ((None, np.ones(3333)), (w, w), (2.5, np.full(3333, 2.5))):
        total, weighted = math.fsum(values * each), math.fsum(each)
        assert loss.value(y, z, weight, reduction="sum") == pytest.approx(total, rel=1e-15, abs=0)
        assert loss(y, z, weight) == pytest.approx(total / weighted, rel=1e-15, abs=0)
        assert isinstance(loss(y, z, weight), np.float64)
        mean, gradient = loss.value_and_gradient(y, z, weight)
        assert mean == loss(y, z, weight)
        np.testing.assert_allclose(gradient, loss.gradient(y, z, weight) / weighted, rtol=1e-15)
        total, gradient = loss.value_and_gradient(y, z, weight, reduction="sum")
        assert total == loss.value(y, z, weight, reduction="sum")
        np.testing.assert_array_equal(gradient, loss.gradient(y, z, weight))


@both
def test_weight_0_is_a_mask(loss: Any, kind: str) -> None:
    y, z = targets(loss, kind, 60, 3), scores(60, 3)
    w = np.resize([0.0, 1.0, 2.0], 60)
    bad_y, bad_z = y.copy(), z.copy()
    bad_z[w == 0, 1] = np.resize([math.nan, math.inf, -math.inf], 20)
    if kind == "rows":
        bad_y[w == 0, 2] = np.resize([math.nan, -1, 7], 20)
    for reduction in ("mean", "sum", "none"):
        got, wanted = (loss.value_and_gradient(*arrays, w, reduction=reduction) for arrays in ((bad_y, bad_z), (y, z)))
        for a, b in zip(got, wanted, strict=True):
            np.testing.assert_array_equal(a, b)
    for result in loss.gradient_and_hessian(bad_y, bad_z, w):
        assert not result[w == 0].any() and not np.signbit(result[w == 0]).any()


@both
def test_nan_and_the_domain(loss: Any, kind: str) -> None:
    y, z = targets(loss, kind, 20, 3), scores(20, 3)
    bad = {4}
    z[4, 2] = math.nan
    if kind == "rows":
        outside = [math.nan, -0.5, 1.5, math.inf, *([0.5] if isinstance(loss, nbloss.MultiLabelMargin) else [])]
        y[range(7, 7 + len(outside)), 1] = outside
        bad |= set(range(7, 7 + len(outside)))
    for dtype in (np.float64, np.float32):
        arrays = y if kind == "labels" else y.astype(dtype), z.astype(dtype)
        for result in (loss.value(*arrays, reduction="none"), *loss.gradient_and_hessian(*arrays)):
            assert set(np.flatnonzero(np.isnan(result.reshape(20, -1)).all(-1))) == bad
            assert set(np.flatnonzero(np.isnan(result.reshape(20, -1)).any(-1))) == bad
        values, gradients, _ = nbloss.reference.derivatives(loss, *arrays)
        assert set(np.flatnonzero(np.isnan(values))) == bad == set(np.flatnonzero(np.isnan(gradients).any(-1)))


@pytest.mark.parametrize("loss", ANY, ids=repr)
def test_nothing_to_add_up(loss: Any) -> None:
    y, z = targets(loss, "labels", 5, 3), scores(5, 3)
    assert math.isnan(loss(y[:0], z[:0])) and loss.value(y[:0], z[:0], reduction="sum") == 0
    assert math.isnan(loss(y, z, 0.0)) and loss.value(y, z, 0.0, reduction="sum") == 0
    mean, gradient = loss.value_and_gradient(y[:0], z[:0])
    assert math.isnan(mean) and gradient.shape == (0, 3)
    assert loss.value(y[:0], z[:0], reduction="none").shape == (0,)
    with pytest.raises(ValueError, match="y_pred must have at least one class"):
        loss(y, z[:, :0])
    if not loss.labels_only:  # nothing is a target, or all is
        value, gradient = loss.value_and_gradient(np.zeros((1, 3)), np.array([[1.0, 2.0, -1.0]]))
        assert value == (3 if isinstance(loss, nbloss.CategoricalHinge) else 0)
        assert loss(np.ones((1, 3)), np.array([[1.0, 2.0, -1.0]])) == 0


@pytest.mark.parametrize("loss", ANY, ids=repr)
def test_layouts_and_dtypes(loss: Any) -> None:
    for kind in ["labels"] if loss.labels_only else ["labels", "rows"]:
        y, z = np.round(targets(loss, kind, 60, 4)), np.round(scores(60, 4) * 4)
        w = np.arange(60.0) % 3
        if kind == "rows":
            y = y.reshape(3, 20, 4)
        y, z, w = (
            y.reshape(3, 20, *y.shape[2:]) if kind == "rows" else y.reshape(3, 20),
            z.reshape(3, 20, 4),
            w.reshape(3, 20),
        )
        wanted = loss.value_and_gradient(y, z, w, reduction="none")
        for a, b, c in (
            (np.asfortranarray(y), np.asfortranarray(z), w),
            (y[::-1], z[::-1], w[::-1]),
            (np.repeat(y, 2, 1)[:, ::2], np.repeat(z, 3, 2)[..., ::3], np.repeat(w, 2, 1)[:, ::2]),
            (y.swapaxes(0, 1).copy().swapaxes(0, 1), np.moveaxis(np.moveaxis(z, -1, 0).copy(), 0, -1), w),
        ):
            turned = np.s_[::-1] if b.strides[0] < 0 else np.s_[:]
            for got, want in zip(loss.value_and_gradient(a, b, c, reduction="none"), wanted, strict=True):
                np.testing.assert_array_equal(got[turned], want)
        y2 = y[:1] if kind == "labels" else y[:1, :1]
        spread = np.broadcast_to(y2, y.shape), np.broadcast_to(z[:, :1], z.shape), np.broadcast_to(w[:1], w.shape)
        copies = [a.copy() for a in spread]
        for got, want in zip(loss.value_and_gradient(*spread), loss.value_and_gradient(*copies), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-15)
        for name in ("uint16", "float16", ">f8", ">i4"):  # none of which a kernel takes as it is
            for got, want in zip(loss.value_and_gradient(y.astype(name), z, w, reduction="none"), wanted, strict=True):
                np.testing.assert_array_equal(got, want)
        for name in ("float16", "int32", ">f4"):
            value, gradient = loss.value_and_gradient(y, z.astype(name), w.astype(np.int8), reduction="none")
            assert value.dtype == gradient.dtype == (np.float64 if name == "int32" else np.float32)
            np.testing.assert_array_equal(value, wanted[0].astype(value.dtype))
            np.testing.assert_allclose(gradient, wanted[1], rtol=2e-7)
        for name in ("float16", "float32", "float64"):
            outs = np.zeros((20, 3)).astype(name).T, np.zeros((3, 20, 8)).astype(name)[..., ::2]
            assert loss.value_and_gradient(y, z, w, reduction="none", out=outs)[0] is outs[0]
            for got, want in zip(outs, wanted, strict=True):
                np.testing.assert_array_equal(got, want.astype(name))
        number, gradient = np.zeros(()), np.zeros_like(z)
        assert loss.value_and_gradient(y, z, w, out=(number, gradient))[1] is gradient and number == loss(y, z, w)


@pytest.mark.parametrize("loss", [ANY[1], *slow(ANY)], ids=repr)
def test_bits_do_not_depend_on_threads(loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    n = PARALLEL_FROM // 3 + 777
    y, z = targets(loss, "labels", n, 3), scores(n, 3)
    w = np.random.default_rng(1).random(n)

    def everything() -> bytes:
        parts = [
            *loss.gradient_and_hessian(y, z),
            *loss.value_and_gradient(y, z, w),
            loss.value(y, z, reduction="none"),
        ]
        return b"".join(np.asarray(p).tobytes() for p in parts)

    most = numba.get_num_threads()
    results = []
    for threads in range(1, most + 1):
        numba.set_num_threads(threads)
        results.append(everything())
    monkeypatch.setattr("nbloss._cpu.pointwise.PARALLEL_FROM", z.size + 1)
    results.append(everything())  # the serial twin
    assert len(set(results)) == 1


@pytest.mark.parametrize("loss", ANY, ids=repr)
def test_errors(loss: Any) -> None:
    y, z = targets(loss, "labels", 6, 3), scores(6, 3)
    out = np.full((6, 3), 7.0)
    for arrays, options, error, words in [
        ((y[:5], z), {}, ValueError, r"y_true must have shape \(6,\), a label a row"),
        ((np.array([0, 1, 2, 3, 0, 0]), z), {}, ValueError, r"from 0 to 2, got 3 at index 3"),
        ((np.array([0, 1, -1, 0, 0, 0]), z), {}, ValueError, "got -1"),
        ((np.array([0, 1, 0.5, 0, 0, 0]), z), {}, ValueError, "got 0.5"),
        ((np.array([0, 1, math.nan, 0, 0, 0]), z), {}, ValueError, "got nan"),
        ((y, z, np.ones(5)), {}, ValueError, "sample_weight"),
        ((y, z), {"out": z}, ValueError, "overlap"),
        ((y, z), {"out": out[:5]}, ValueError, "out must have shape"),
        ((y.astype(complex), z), {}, TypeError, "y_true must hold"),
    ]:
        with pytest.raises(error, match=words):
            loss.gradient(*arrays, **({"out": out} | options))
        if "out" not in options:
            with pytest.raises(error, match=words):
                loss.hessian_matrix(*arrays)
    if loss.labels_only:
        with pytest.raises(
            ValueError, match=r"y_true must hold labels, of shape \(6,\), got rows of targets, \(6, 3\)"
        ):
            loss.gradient(np.zeros((6, 3)), z, out=out)
        with pytest.raises(ValueError, match="y_true must hold labels"):
            loss.parts(np.zeros((6, 3)), z)
    assert (out == 7).all()
    with pytest.raises(TypeError, match="has no init_score"):
        loss.init_score(y)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: nbloss.MultiMargin(p=3), "p must be 1 or 2, got 3"),
        (lambda: nbloss.MultiMargin(p=1.0), "p must be 1 or 2, got 1.0"),
        (lambda: nbloss.MultiMargin(margin=math.inf), "margin must be a finite number"),
    ],
)
def test_parameters_are_checked(make: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize("loss", LINE_CASES, ids=repr)
def test_a_loss_is_a_value(loss: Any) -> None:
    loss([0, 1], [[1.0, 2.0], [0.5, 0.1]])  # what is compiled must stay out of what follows
    assert eval(repr(loss), vars(nbloss)) == loss == pickle.loads(pickle.dumps(loss))
    assert loss.inverse_link([[1.0, -2.0]]).tolist() == [[1.0, -2.0]]


@both
def test_formulas_can_be_stepped_through(loss: Any, kind: str) -> None:
    """A formula called from plain Python gives, to rounding, what its kernel gives."""
    y, z = targets(loss, kind, 10, 4), scores(10, 4)
    gradient, hessian = loss.gradient_and_hessian(y, z)
    for i, value in enumerate(loss.value(y, z, reduction="none")):
        t, g, h = Label(int(y[i])) if kind == "labels" else y[i].tolist(), [0.0] * 4, [0.0] * 4
        got = loss.formula(t, z[i].tolist(), g, h, 4, *loss.numbers, *loss.choices)
        np.testing.assert_allclose([got, *g, *h], [value, *gradient[i], *hessian[i]], rtol=1e-14, atol=1e-15)
        assert loss.formula(t, z[i].tolist(), None, None, 4, *loss.numbers, *loss.choices) == got


def test_laws() -> None:
    """No loss is negative, the right class far ahead costs nothing, and a larger error never less."""
    steps = np.linspace(0, 30, 100)
    for loss in (nbloss.CategoricalHinge(), nbloss.MultiMargin(), nbloss.MultiMargin(p=2), nbloss.MultiLabelMargin()):
        z = np.stack([15 - steps, np.zeros(100), np.full(100, -1.0)], -1)
        value = loss.value(np.zeros(100, int), z, reduction="none")
        assert (value >= 0).all() and value[0] == 0 and (np.diff(value) >= 0).all() and value[-1] > 0
        assert (loss.hessian(np.zeros(100, int), z) >= 0).all()
        assert (np.linalg.eigvalsh(loss.hessian_matrix(np.zeros(100, int), z)) > -1e-12).all()


def test_identities() -> None:
    y, z = targets(None, "labels", 200, 5), scores(200, 5)
    one_hot = np.eye(5)[y]
    for loss in (nbloss.CategoricalHinge(), nbloss.MultiLabelMargin()):
        for method in (loss.value_and_gradient, loss.gradient_and_hessian):
            for a, b in zip(method(y, z), method(one_hot, z), strict=True):
                np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(nbloss.MultiMargin().gradient(y, z), nbloss.MultiLabelMargin().gradient(y, z))
    assert nbloss.MultiMargin()(y, z) == pytest.approx(nbloss.MultiLabelMargin()(y, z), rel=1e-15)
    rows = scores(100, 1) * 2  # two classes: half of the hinge loss of their difference
    pair = np.concatenate([np.zeros((100, 1)), rows], -1)
    label = targets(None, "labels", 100, 2)
    for power, hinge in ((1, nbloss.Hinge()), (2, nbloss.SquaredHinge())):
        np.testing.assert_allclose(
            nbloss.MultiMargin(p=power).value(label, pair, reduction="none"),
            hinge.value(label, rows[:, 0], reduction="none") / 2,
            rtol=1e-15,
        )
    assert Part(0, ((1.0,),)) == nbloss.MultiMargin().parts([0], [[1.0]])[1][0]


def test_columns_of_a_narrower_type_can_be_written_to() -> None:
    y, z = np.array([0, 2, 1]), np.asfortranarray(np.random.default_rng(0).normal(size=(3, 3)))
    loss, out = nbloss.MultiMargin(), tuple(np.empty((3, 3), np.float32, "F") for _ in range(2))
    assert loss.gradient_and_hessian(y, z, out=out)[0] is out[0]
    for got, want in zip(out, loss.gradient_and_hessian(y, z), strict=True):
        np.testing.assert_array_equal(got, want.astype(np.float32))
