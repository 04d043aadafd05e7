"""Laws of the losses of rows: values, derivatives, weights, layouts and labels."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from mpmath import fabs, mp, mpf

import nbloss
from nbloss.reference import Part, along, derivatives_of_part
from tests.cases import ROW_CASES, rounded, rows
from tests.selection import first_of_each_class, slow
from tests.ulps import ulps

KINDS = [(loss, labels) for loss in ROW_CASES for labels in (True, False)]
KINDS = [
    (loss, labels)
    for loss, labels in KINDS
    if (loss.takes_labels if labels else loss.parameters.get("ignore_index") is None)
]


def allowed(loss: Any) -> float:
    """Return how many ulp a loss may be off: more where a Hessian holds the square of a probability."""
    if isinstance(loss, nbloss.Focal):
        return 8 + 2 * loss.gamma
    plain = type(loss) in (nbloss.CrossEntropy, nbloss.NLL, nbloss.KLDivergence)
    return 4 + (not plain) + (loss._program.scale != 1 or loss._program.factors is not None)  # which multiply


def largest_terms(loss: Any, part: Part) -> tuple[Any, list[Any], list[Any]]:
    """Return the size of the largest term of the value, the gradients and the Hessians.

    Of the terms of a sum over classes, only the size is needed: a loss's own formula gives it, in plain Python.
    """
    (z,) = part.predictions
    classes = len(z)
    t = part.target if isinstance(part.target, tuple) else tuple(float(k == part.target) for k in range(classes))
    program = loss._program
    factors = program.factors or (1.0,) * classes
    t = [f * (x * (1 - program.smoothing) + program.smoothing / classes) for f, x in zip(factors, t, strict=True)]
    scale = program.scale / (classes if program.averaged else 1)
    if program.softmax:
        top = max(z)
        e = [mp.exp(mpf(x) - top) for x in z]
        p = [x / sum(e) for x in e]
        q = [sum(x for j, x in enumerate(e) if j != k) / sum(e) for k in range(classes)]
        x = [mpf(a) - top - mp.log(sum(e)) for a in z]
    else:
        x, p, q = list(z), list(z), [1 - a for a in z]
    with np.errstate(all="ignore"):
        numbers = [[np.float64(float(n)) for n in row] for row in zip(t, x, p, q, strict=True)]
        terms = [loss.formula(*row, *loss.numbers, *loss.choices) for row in numbers]
    if isinstance(loss, nbloss.KLDivergence):
        terms += [(c * np.log(c), 0.0, 0.0) for c in t if c > 0] + [
            (c * float(m), 0.0, 0.0) for c, m in zip(t, x, strict=True)
        ]
    v, a, b = ([size(term[i]) * scale for term in terms] for i in range(3))
    a, b = a[:classes], b[:classes]
    if isinstance(loss, nbloss.MultiLabelSoftMargin):
        s = [1 / (1 + mp.exp(-m)) for m in x]
        a = [max((1 - c) * m, c * (1 - m)) * scale for c, m in zip(t, s, strict=True)]
    if isinstance(loss, nbloss.JensenShannon):
        b = [m + n for m, n in zip(a, b, strict=True)]
    if not program.softmax:
        return max(v), a, b
    own_terms = [gamma_terms(loss, t[k], x[k], p[k], q[k]) * scale for k in range(classes)]
    a = [max(m, n) for m, n in zip(a, own_terms, strict=True)]
    b = [max(m, n) for m, n in zip(b, own_terms, strict=True)]
    gradients = [max(a[k] * q[k], p[k] * max(a[:k] + a[k + 1 :])) for k in range(classes)]
    hessians = [
        max(b[k] * q[k] ** 2, p[k] ** 2 * max(b[:k] + b[k + 1 :]), max(a) * p[k] * q[k]) for k in range(classes)
    ]
    return max(v), gradients, hessians


def size(x: Any) -> Any:
    """Return the size of a finite number, 0 for others."""
    return fabs(mpf(float(x))) if np.isfinite(x) else mpf(0)


def gamma_terms(loss: Any, t: Any, x: Any, p: Any, q: Any) -> Any:
    """Return the largest term of which the focal loss makes its second derivative by a log-probability."""
    if not isinstance(loss, nbloss.Focal) or q == 0:
        return mpf(0)
    gamma = mpf(loss.gamma)
    return t * gamma * p * q ** (gamma - 1) * max(2, fabs(x), fabs(gamma - 1) * p * fabs(x) / q)


def worst(loss: Any, y: np.ndarray, z: np.ndarray) -> list[tuple[Any, ...]]:
    """Return for value, gradient and Hessian the largest error in ulp, and the row it is in."""
    got = loss.value(y, z, reduction="none"), *loss.gradient_and_hessian(y, z)
    exact = rounded(loss, z.dtype.type)
    found: list[tuple[Any, ...]] = [(-1.0,)] * 3
    with mp.workdps(60):
        for i, part in enumerate(exact.parts(y, z)[1]):
            v, (g,), (h,) = derivatives_of_part(exact, part)
            if not exact.holds(part) or part.target == loss.parameters.get("ignore_index", -1):
                sizes: Any = (0, [0] * len(g), [0] * len(g))
            else:
                sizes = largest_terms(exact, part)
            found[0] = max(found[0], (ulps(got[0][i], v, sizes[0]), part), key=lambda f: f[0])
            for which, values in ((1, g), (2, h)):
                for k, value in enumerate(values):
                    error = ulps(got[which][i, k], value, sizes[which][k])
                    found[which] = max(
                        found[which], (error, k, float(value), got[which][i, k], part), key=lambda f: f[0]
                    )
    return found


ORACLE = [
    *((loss, labels, np.float64) for loss, labels in KINDS if labels or not loss.takes_labels),
    *first_of_each_class((loss, labels, np.float64) for loss, labels in KINDS if not labels and loss.takes_labels),
    *first_of_each_class((loss, labels, np.float32) for loss, labels in KINDS),
]


@pytest.mark.parametrize(("loss", "labels", "dtype"), ORACLE, ids=repr)
def test_oracle(loss: Any, labels: bool, dtype: type) -> None:
    errors = worst(loss, *rows(loss, 40, dtype, labels=labels))
    assert all(error[0] <= allowed(loss) for error in errors), errors


REPRESENTATIVES = [
    nbloss.CrossEntropy(),
    nbloss.CrossEntropy(label_smoothing=0.1, class_weight=(1.0, 2.0, 0.5, 0.0)),
    nbloss.KLDivergence(from_logits=True),
]


def weights_for(n: int) -> np.ndarray:
    rng = np.random.default_rng(7)
    return np.where(rng.random(n) < 0.2, 0, rng.uniform(0.1, 3, n))


def as_rows(y: np.ndarray, z: np.ndarray) -> np.ndarray:
    return y if y.ndim == z.ndim else np.eye(z.shape[-1])[y]


@pytest.mark.parametrize(
    ("loss", "labels"),
    [
        (REPRESENTATIVES[1], True),
        (REPRESENTATIVES[2], False),
        *slow((r, x) for r in REPRESENTATIVES for x in (True, False)),
    ],
    ids=repr,
)
def test_weights_and_reductions(loss: Any, labels: bool) -> None:
    y, z = rows(loss, 333, labels=labels)
    w = weights_for(333)
    values, (g, h) = loss.value(y, z, reduction="none"), loss.gradient_and_hessian(y, z)
    np.testing.assert_allclose(loss.value(y, z, w, reduction="none"), w * values, rtol=1e-15)
    for a, b in zip(loss.gradient_and_hessian(y, z, w), (g, h), strict=True):
        np.testing.assert_allclose(a, w[:, None] * b, rtol=4e-16, atol=1e-300)
    c = np.array(loss.parameters.get("class_weight") or (1.0,) * 4)
    of_class = as_rows(y, z) @ c
    for weight, each in ((None, np.ones(333)), (w, w), (2.5, np.full(333, 2.5))):
        total, divisor = float(np.sum(values * each)), float(np.sum(each * of_class))
        assert loss.value(y, z, weight, reduction="sum") == pytest.approx(total, rel=1e-14)
        mean, gradient = loss.value_and_gradient(y, z, weight)
        assert mean == loss.value(y, z, weight) == pytest.approx(total / divisor, rel=1e-14)
        np.testing.assert_allclose(gradient, each[:, None] * g / divisor, rtol=1e-14, atol=1e-300)
        total, gradient = loss.value_and_gradient(y, z, weight, reduction="sum")
        np.testing.assert_allclose(gradient, each[:, None] * g, rtol=4e-16, atol=1e-300)


@pytest.mark.parametrize("loss", REPRESENTATIVES[:2], ids=repr)
def test_weight_0_is_a_mask(loss: Any) -> None:
    y, z = rows(loss, 50, labels=True)
    w = weights_for(50)
    bad = z.copy()
    bad[w == 0] = [np.nan, np.inf, -np.inf, 1e308]
    for clean, dirty in (
        (loss.value(y, z, w), loss.value(y, bad, w)),
        (loss.gradient(y, z, w), loss.gradient(y, bad, w)),
        (loss.hessian(y, z, w), loss.hessian(y, bad, w)),
    ):
        np.testing.assert_array_equal(clean, dirty)
    assert loss.value(y, bad, 0, reduction="sum") == 0 and np.isnan(loss.value(y, bad, 0))


@pytest.mark.parametrize("index", [-100, 0, 2])
def test_ignored_rows(index: int) -> None:
    loss, plain = nbloss.CrossEntropy(ignore_index=index), nbloss.CrossEntropy()
    y, z = rows(loss, 60, labels=True)
    y[::3] = index
    kept = y != index
    assert loss(y, z) == pytest.approx(plain(y[kept], z[kept]), rel=1e-15)
    for method in ("gradient", "hessian"):
        got = getattr(loss, method)(y, z)
        assert not got[~kept].any()
        np.testing.assert_array_equal(got[kept], getattr(plain, method)(y[kept], z[kept]))
    none = np.full_like(y, index)
    assert np.isnan(loss(none, z)) and loss.value(none, z, reduction="sum") == 0 and not loss.gradient(none, z).any()
    with pytest.raises(ValueError, match="ignore_index"):
        loss(np.eye(4)[:3], z[:3])


OF_CLASSES = [1, 2, 3, 24, 25, 64, 65, 130]  # the engine takes rows of up to 24 together, and longer ones by 64
USUAL = [*((True, k) for k in (1, 3, 24, 25, 65)), *((False, k) for k in (3, 25, 130))]


@pytest.mark.parametrize(("labels", "classes"), [*USUAL, *slow((x, k) for x in (True, False) for k in OF_CLASSES)])
def test_numbers_of_classes(labels: bool, classes: int) -> None:
    loss = nbloss.CrossEntropy()
    y, z = rows(loss, 300, labels=labels, classes=classes)
    z = z.clip(-50, 50)
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    t = as_rows(y, z)
    g, h = loss.gradient_and_hessian(y, z)
    np.testing.assert_allclose(loss.value(y, z, reduction="none"), -(t * np.log(p)).sum(1), rtol=1e-11, atol=1e-14)
    np.testing.assert_allclose(g, p * t.sum(1, keepdims=True) - t, rtol=1e-9, atol=1e-14)
    np.testing.assert_allclose(h, p * (1 - p) * t.sum(1, keepdims=True), rtol=1e-9, atol=1e-14)


def layouts(a: np.ndarray) -> dict[str, np.ndarray]:
    spread = np.zeros((2 * a.shape[0], 3 * a.shape[1]))
    spread[::2, ::3] = a
    return {
        "Fortran": np.asfortranarray(a),
        "strided": spread[::2, ::3],
        "reversed": np.ascontiguousarray(a[::-1, ::-1])[::-1, ::-1],
        "float32": a.astype(np.float32),
        "big-endian": a.astype(">f8"),
    }


@pytest.mark.parametrize("loss", REPRESENTATIVES[:2], ids=repr)
def test_layouts_and_dtypes(loss: Any) -> None:
    y, z = rows(loss, 40, labels=True)
    y, z = np.resize(y, 20_000), np.resize(z, (20_000, 4))
    z = z.astype(np.float32).astype(np.float64)
    wanted = loss.value(y, z, reduction="none"), *loss.gradient_and_hessian(y, z)
    for name, other in layouts(z).items():
        got = loss.value(y, other, reduction="none"), *loss.gradient_and_hessian(y, other)
        rtol = 3e-6 if name == "float32" else 1e-13
        for a, b in zip(got, wanted, strict=True):
            assert a.dtype == (np.float32 if name == "float32" else np.float64)
            np.testing.assert_allclose(a, b, rtol=rtol, atol=1e-6 if name == "float32" else 1e-300)
    for dtype in ("int8", "uint16", "int32", "float32", "float64", ">i4"):
        np.testing.assert_array_equal(loss.gradient(y.astype(dtype), z), wanted[1])
    images = np.moveaxis(np.ascontiguousarray(np.moveaxis(z.reshape(50, 20, 20, 4), -1, 1)), 1, -1)
    got = loss.gradient_and_hessian(y.reshape(50, 20, 20), images, np.ones(50))
    np.testing.assert_allclose(got[0].reshape(-1, 4), wanted[1], rtol=1e-13, atol=1e-300)
    out = np.zeros((20_000, 8), np.float32)[:, ::2]
    assert loss.gradient(y, z, out=out) is out
    np.testing.assert_array_equal(out, wanted[1].astype(np.float32))


@pytest.mark.parametrize("loss", REPRESENTATIVES[:2], ids=repr)
def test_bits_do_not_depend_on_threads(loss: Any) -> None:
    y, z = rows(loss, 20_000, labels=True)
    w = weights_for(20_000)
    before = numba.get_num_threads()
    try:
        found = set()
        for threads in (1, before):
            numba.set_num_threads(threads)
            value, gradient = loss.value_and_gradient(y, z, w)
            found.add((value.tobytes(), gradient.tobytes()))
        assert len(found) == 1
    finally:
        numba.set_num_threads(before)


def test_extreme_logits() -> None:
    loss = nbloss.CrossEntropy()
    top = np.finfo(np.float64).max
    z = np.array(
        [[top, top, top], [1e308, -1e308, 0], [np.inf, 0, 1], [-np.inf, 0, 0], [-top, -top, -top], [0, 0, 1e-320]]
    )
    third, half = 1 / 3, 1 / 2
    p = np.array([[third] * 3, [1, 0, 0], [1, 0, 0], [0, half, half], [third] * 3, [third] * 3])
    for k in range(3):
        y = np.full(6, k)
        np.testing.assert_allclose(loss.gradient(y, z), p - np.eye(3)[k], rtol=1e-15, atol=1e-300)
        np.testing.assert_allclose(loss.hessian(y, z), p * (1 - p), rtol=1e-15, atol=1e-300)
    values = [loss.value(np.full(6, k), z, reduction="none") for k in range(3)]
    inf, log3, log2 = np.inf, np.log(3), np.log(2)
    np.testing.assert_allclose(values[0], [log3, 0, 0, inf, log3, log3])
    np.testing.assert_allclose(values[1], [log3, inf, inf, log2, log3, log3])
    nan = loss.gradient_and_hessian([0, 1], [[1.0, np.nan, 2.0], [1.0, 2.0, 3.0]])
    assert all(np.isnan(a[0]).all() and np.isfinite(a[1]).all() for a in nan)


@pytest.mark.parametrize(
    ("loss", "y", "z", "words"),
    [
        (nbloss.CrossEntropy(), [0, 3], np.zeros((2, 3)), r"whole numbers from 0 to 2, got 3 at index 1"),
        (nbloss.CrossEntropy(), [0, -1], np.zeros((2, 3)), "got -1 at index"),
        (nbloss.CrossEntropy(), [1.5, 0], np.zeros((2, 3)), r"got 1.5 at index 0"),
        (nbloss.CrossEntropy(), [np.nan, 0], np.zeros((2, 3)), "got nan"),
        (nbloss.CrossEntropy(ignore_index=-1), [-2, 0], np.zeros((2, 3)), r"or ignore_index, -1, got -2"),
        (nbloss.CrossEntropy(), [0, 1, 2], np.zeros((2, 3)), r"shape \(2,\), a label a row, or .* got \(3,\)"),
        (nbloss.CrossEntropy(), np.zeros((2, 4)), np.zeros((2, 3)), "y_true must have shape"),
        (nbloss.CrossEntropy(), 0, 1.0, "at least one class"),
        (nbloss.CrossEntropy(), np.zeros(2), np.zeros((2, 0)), "at least one class"),
        (nbloss.CrossEntropy(class_weight=(1, 2)), [0, 1], np.zeros((2, 3)), "class_weight has 2 numbers"),
        (nbloss.KLDivergence(log_target=True), [0, 1], np.zeros((2, 3)), "log_target"),
    ],
)  # fmt: skip
def test_errors(loss: Any, y: Any, z: Any, words: str) -> None:
    out = np.full(np.shape(z), 7.0)
    with pytest.raises(ValueError, match=words):
        loss.gradient(y, z, out=out)
    assert (out == 7).all()


def test_parameters() -> None:
    for wrong in ({"label_smoothing": 2}, {"class_weight": (1, -1)}, {"base": 1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            nbloss.CrossEntropy(**wrong)
    with pytest.raises(TypeError, match="ignore_index must be a whole number or None"):
        nbloss.CrossEntropy(ignore_index=1.5)
    with pytest.raises(ValueError, match="from_logits and log_input"):
        nbloss.KLDivergence(from_logits=True, log_input=True)


def test_empty_and_single() -> None:
    loss = nbloss.CrossEntropy()
    assert np.isnan(loss(np.zeros(0, int), np.zeros((0, 3)))) and loss.gradient(
        np.zeros(0, int), np.zeros((0, 3))
    ).shape == (0, 3)
    one = loss.gradient(2, np.zeros(3))
    np.testing.assert_allclose(one, [1 / 3, 1 / 3, -2 / 3])
    assert loss.value(2, np.zeros(3), reduction="none").shape == ()


@pytest.mark.parametrize("loss", [*REPRESENTATIVES, nbloss.Focal(), nbloss.SymmetricCrossEntropy()], ids=repr)
def test_hessian_matrix(loss: Any) -> None:
    """Off the diagonal, the oracle gives half of what the diagonal leaves of two predictions that vary together."""
    y, z = rows(loss, 5, labels=True)
    z = z.clip(-20, 20)
    w = np.array([1, 2, 0, 0.5, 1])
    matrix = loss.hessian_matrix(y, z, w)
    np.testing.assert_array_equal(np.einsum("nii->ni", matrix), loss.hessian(y, z, w))
    for n, part in enumerate(loss.parts(y, z)[1]):
        alone = [along(loss, part, {i})[2] for i in range(4)]
        for i, j in ((0, 1), (2, 1), (3, 0)):
            mixed = (
                (along(loss, part, {i, j})[2] - alone[i] - alone[j]) / 2
                if np.isfinite([float(a) for a in alone]).all()
                else 0
            )
            for found in (matrix[n, i, j], matrix[n, j, i]):
                assert found == pytest.approx(float(mixed) * w[n], rel=1e-12, abs=1e-14)


STARTS = [
    nbloss.CrossEntropy(),
    nbloss.CrossEntropy(label_smoothing=0.1, class_weight=(1, 2, 3, 4)),
    nbloss.Focal(gamma=1.5),
    nbloss.Poly1CrossEntropy(),
    nbloss.GeneralizedCrossEntropy(),
    nbloss.KLDivergence(from_logits=True),
    nbloss.MultiLabelSoftMargin(),
]


@pytest.mark.parametrize("loss", STARTS, ids=repr)
def test_init_score(loss: Any) -> None:
    rng = np.random.default_rng(1)
    y, w = rng.choice(4, 300, p=[0.5, 0.3, 0.15, 0.05]), rng.uniform(0, 2, 300)
    for targets in (y, np.eye(4)[y]):
        start = loss.init_score(targets, w)
        assert start.shape == (4,)
        assert np.abs(loss.gradient(targets, np.tile(start, (300, 1)), w).sum(0)).max() < 1e-8
    if loss.softmax:
        assert loss.inverse_link(start).sum() == pytest.approx(1)


def test_init_score_of_few_classes() -> None:
    np.testing.assert_array_equal(nbloss.CrossEntropy(class_weight=(1, 1, 1)).init_score([0, 0]), [0, -np.inf, -np.inf])
    np.testing.assert_allclose(nbloss.CrossEntropy(from_logits=False).init_score([0, 0, 1, 2]), [0.5, 0.25, 0.25])
    for wrong in ([], [0.5], np.zeros((2, 0))):
        with pytest.raises(ValueError, match="y_true"):
            nbloss.CrossEntropy().init_score(wrong)
    with pytest.raises(TypeError):
        nbloss.JensenShannon().init_score([0, 1])


@pytest.mark.parametrize("method", ["gradient", "hessian"])
def test_one_derivative_of_many_classes(method: str) -> None:
    """A line of derivatives is where powers are kept meanwhile, whichever there is."""
    y, z = np.arange(6), np.random.default_rng(0).normal(size=(6, 30))
    found = getattr(nbloss.CrossEntropy(), method)(y, z)
    both = dict(zip(("gradient", "hessian"), nbloss.CrossEntropy().gradient_and_hessian(y, z), strict=True))
    np.testing.assert_array_equal(found, both[method])


@pytest.mark.parametrize("order", "CF")
def test_sums_of_many_classes(order: str) -> None:
    """The error does not grow with the number of classes, however the rows lie."""
    rng = np.random.default_rng(5)
    z, targets = rng.normal(size=(2, 6000)), rng.dirichlet(np.ones(6000), 2)
    loss, labels = nbloss.CrossEntropy(), np.array([7, 5000])
    predictions = np.array(z, order=order)
    of_labels, _ = loss.gradient_and_hessian(labels, predictions)
    of_rows, _ = loss.gradient_and_hessian(np.array(targets, order=order), predictions)
    values = loss.value(np.array(targets, order=order), predictions, reduction="none")
    for i in range(2):
        powers = [mp.exp(mpf(x)) for x in z[i]]
        total, all_targets = mp.fsum(powers), mp.fsum(map(mpf, targets[i]))
        log_total = mp.log(total)
        assert (
            ulps(values[i], mp.fsum(mpf(t) * (log_total - mpf(x)) for t, x in zip(targets[i], z[i], strict=True))) <= 4
        )
        for k in range(0, 6000, 3):
            p, t = powers[k] / total, mpf(targets[i, k])
            assert ulps(of_labels[i, k], p - (k == labels[i]), p) <= 4
            assert ulps(of_rows[i, k], p * all_targets - t, max(p * all_targets, t)) <= 5
