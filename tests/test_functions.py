"""Laws of the functions around the losses, and the worked numbers and identities of classes and probabilities."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

import nbloss
from tests.ulps import ulps


def random_rows(n: int = 50, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.dirichlet(np.ones(classes), n), rng.normal(size=(n, classes)) * rng.choice([1, 10, 300], (n, 1))


def exact_softmax(row: Any) -> list[Any]:
    top = max(row)
    e = [mp.exp(mpf(float(x)) - mpf(float(top))) for x in row]
    return [x / sum(e) for x in e]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_softmax_is_exact(dtype: type) -> None:
    _, z = random_rows()
    z = z.astype(dtype)
    p, logs = nbloss.softmax(z), nbloss.log_softmax(z)
    assert p.dtype == logs.dtype == dtype
    with mp.workdps(400):
        for i, row in enumerate(z):
            exact = exact_softmax(row)
            assert max(ulps(p[i, k], x) for k, x in enumerate(exact)) <= 4
            assert max(ulps(logs[i, k], mp.log(x)) for k, x in enumerate(exact)) <= 4


def test_softmax_along_any_axis() -> None:
    x = np.random.default_rng(1).normal(size=(4, 5, 4))  # few numbers of classes, of which each has kernels
    for axis in range(3):
        p = nbloss.softmax(x, axis)
        np.testing.assert_allclose(p.sum(axis), 1, rtol=1e-15)
        np.testing.assert_array_equal(nbloss.softmax(x, axis - 3), p)
        np.testing.assert_allclose(np.exp(nbloss.log_softmax(x, axis=axis)), p, rtol=1e-14)
        assert nbloss.entropy(p, axis).shape == nbloss.entropy(p, axis - 3).shape == p.sum(axis).shape
        out = np.zeros(x.shape, np.float32)
        assert nbloss.softmax(x, axis, out=out) is out
        np.testing.assert_array_equal(out, p.astype(np.float32))
    for function in (nbloss.softmax, nbloss.log_softmax, nbloss.entropy):
        with pytest.raises(ValueError, match="axis must be an axis of x, which has 3, got 3"):
            function(x, 3)
        with pytest.raises(ValueError, match="at least one class"):
            function(np.zeros((2, 0)))
    with pytest.raises(ValueError, match="overlap"):
        nbloss.softmax(x, out=x)


def test_sigmoid() -> None:
    z = np.array([3.0, 1, -3, 800, -700, np.inf, -np.inf])
    s = nbloss.sigmoid(z)
    np.testing.assert_allclose(s, 1 / (1 + np.exp(-z.clip(-700, 700))), rtol=1e-15, atol=1e-300)
    out = np.empty(7)
    assert nbloss.sigmoid(z, out=out) is out and np.array_equal(out, s)
    pairs = np.stack([z[:4], np.zeros(4)], 1)
    np.testing.assert_allclose(nbloss.softmax(pairs)[:, 0], s[:4], rtol=1e-15)


def test_entropies_and_information() -> None:
    for base in (None, 2, 10.0):
        unit = 1 if base is None else math.log(base)
        assert nbloss.entropy([0.7, 0.2, 0.1, 0], base=base) == pytest.approx(0.8018185525433373 / unit)
        np.testing.assert_allclose(nbloss.binary_entropy([0, 0.5, 1], base), [0, math.log(2) / unit, 0], rtol=1e-15)
        np.testing.assert_allclose(
            nbloss.information([0.7, 0.2, 0.1, 1, 0], base),
            [0.3566749439387324 / unit, 1.6094379124341003 / unit, 2.302585092994046 / unit, 0, math.inf],
        )
        assert nbloss.information(0.5, base) == pytest.approx(math.log(2) / unit)
    for function in (nbloss.binary_entropy, nbloss.information):
        assert np.isnan(function([-0.1, 1.1, np.nan])).all()
        with pytest.raises(ValueError, match="base must be a finite number above 1, got 1"):
            function([0.5], 1)
    assert np.isnan(nbloss.entropy([0.5, 1.5]))


def test_pcoc() -> None:
    assert nbloss.pcoc([0, 1, 1], [0.2, 0.5, 0.9]) == pytest.approx(0.8)
    assert nbloss.pcoc([0, 1], [0.2, 0.5], [1, 3]) == pytest.approx(1.7 / 3)
    assert nbloss.pcoc([0, 0], [0.2, 0.5]) == math.inf and math.isnan(nbloss.pcoc([0, 0], [0, 0.0]))
    rng = np.random.default_rng(2)
    y, w = rng.integers(0, 2, 100), rng.uniform(0, 2, 100)
    for labels in (y, y * 0.5 + 0.2):
        start = nbloss.BinaryCrossEntropy().init_score(labels, w)
        assert nbloss.sigmoid(start) == pytest.approx(np.average(labels, weights=w))
        assert nbloss.pcoc(labels, np.full(100, start), w, from_logits=True) == pytest.approx(1)
    with pytest.raises(ValueError, match="y_true must have the shape of y_pred"):
        nbloss.pcoc([0, 1], [0.5])


def test_class_weights() -> None:
    assert nbloss.class_weights([0, 0, 1, 2]) == pytest.approx((2 / 3, 4 / 3, 4 / 3))
    assert nbloss.class_weights([0, 2], 4) == (0.5, 0, 0.5, 0)
    for wrong in ([], [-1, 0], [0.5]):
        with pytest.raises(ValueError, match="y"):
            nbloss.class_weights(wrong)
    with pytest.raises(ValueError, match="from 0 to 1, got 2"):
        nbloss.class_weights([0, 2], 2)


def test_identities() -> None:
    """H(q, p) = H(q) + KL(q || p); NLL of log_softmax is the cross-entropy; two classes are the binary one."""
    p, z = random_rows()
    q = p[::-1]
    cross, divergence = nbloss.CrossEntropy(from_logits=False), nbloss.KLDivergence()

    def each(loss: Any, y: Any, x: Any) -> Any:
        return loss.value(y, x, reduction="none")

    np.testing.assert_allclose(each(cross, q, p), nbloss.entropy(q) + each(divergence, q, p), rtol=1e-13)
    assert not np.allclose(each(divergence, q, p), each(divergence, p, q))
    np.testing.assert_allclose(each(nbloss.JensenShannon(), q, p), each(nbloss.JensenShannon(), p, q), rtol=1e-13)
    np.testing.assert_allclose(each(divergence, p, p), 0, atol=0)
    y = np.arange(50) % 4
    np.testing.assert_allclose(
        each(nbloss.CrossEntropy(), y, z), each(nbloss.NLL(), y, nbloss.log_softmax(z)), rtol=1e-15
    )
    np.testing.assert_allclose(each(nbloss.Focal(gamma=0.0), y, z), each(nbloss.CrossEntropy(), y, z), rtol=1e-14)
    logit = z[:, 0]
    two = np.stack([np.zeros(50), logit], 1)
    for multi, binary in (
        (nbloss.CrossEntropy(), nbloss.BinaryCrossEntropy()),
        (nbloss.Focal(gamma=2.0), nbloss.BinaryFocal(gamma=2.0, alpha=None)),
    ):
        np.testing.assert_allclose(each(multi, y % 2, two), each(binary, y % 2, logit), rtol=1e-13, atol=1e-300)
        a, b = multi.gradient_and_hessian(y % 2, two), binary.gradient_and_hessian(y % 2, logit)
        np.testing.assert_allclose(a[0][:, 1], b[0], rtol=1e-12, atol=1e-300)
        np.testing.assert_allclose(a[1][:, 1], b[1], rtol=1e-12, atol=1e-16)
    g, h = nbloss.CrossEntropy().gradient_and_hessian(y, z)
    # which is off by a rounding of p where p is nearly 1
    np.testing.assert_allclose(g, nbloss.CrossEntropy().inverse_link(z) - np.eye(4)[y], rtol=1e-13, atol=2.3e-16)
    assert (h >= 0).all()
    np.testing.assert_allclose(
        nbloss.MultiLabelSoftMargin().value(p, z, reduction="none"),
        nbloss.BinaryCrossEntropy().value(p, z, reduction="none").mean(1), rtol=1e-14,
    )  # fmt: skip


def test_smoothing_and_weights_as_they_are_defined() -> None:
    _, z = random_rows()
    y, c = np.arange(50) % 4, np.array([1, 2, 0.5, 3])
    logs = np.asarray(nbloss.log_softmax(z))
    t = 0.9 * np.eye(4)[y] + 0.1 / 4
    smooth = nbloss.CrossEntropy(label_smoothing=0.1, class_weight=tuple(c))
    np.testing.assert_allclose(smooth.value(y, z, reduction="none"), -(c * t * logs).sum(1), rtol=1e-13)
    assert smooth(y, z) == pytest.approx(-(c * t * logs).sum() / c[y].sum(), rel=1e-13)
    plain = nbloss.CrossEntropy(class_weight=tuple(c))
    assert plain(y, z) == pytest.approx(-(c[y] * logs[np.arange(50), y]).sum() / c[y].sum(), rel=1e-13)
    assert plain(y, z) == pytest.approx(plain(np.eye(4)[y], z), rel=1e-13)
    uniform = nbloss.CrossEntropy(class_weight=2.5)  # in the divisor of a mean, too
    assert uniform(y, z) == pytest.approx(nbloss.CrossEntropy()(y, z), rel=1e-13)
    assert uniform.value(y, z, reduction="sum") == pytest.approx(2.5 * nbloss.CrossEntropy()(y, z) * 50, rel=1e-13)
    assert np.isnan(nbloss.CrossEntropy(class_weight=0.0)(y, z))
    doubled = nbloss.Focal(alpha=2.0)
    assert doubled(y, z) == pytest.approx(2 * nbloss.Focal()(y, z), rel=1e-13)


def test_worked_numbers_of_classes() -> None:
    near = {"atol": 5e-8, "rtol": 0}
    table, labels = [[0.1, 0.2, 0.7], [0.3, 0.4, 0.3], [0.1, 0.2, 0.7]], [2, 1, 0]
    loss = nbloss.CrossEntropy(from_logits=False)
    np.testing.assert_allclose(loss.value(labels, table, reduction="none"), [0.3566749, 0.9162907, 2.3025851], **near)
    assert loss(labels, table) == pytest.approx(1.1918503, abs=5e-8)
    base_2 = nbloss.CrossEntropy(from_logits=False, base=2)
    np.testing.assert_allclose(base_2.value(labels, table, reduction="none"), [0.5145732, 1.3219281, 3.3219281], **near)
    assert base_2(labels, table) == pytest.approx(1.7194765, abs=5e-8)
    z, y = [[1.4746, 0.7613, -0.5468], [1.1310, 0.2323, 0.5530]], [0, 1]
    np.testing.assert_allclose(nbloss.CrossEntropy().value(y, z, reduction="none"), [0.4839647, 1.5757777], **near)
    mean, gradient = nbloss.CrossEntropy().value_and_gradient(y, z)
    assert mean == pytest.approx(1.0298712, abs=5e-8)
    np.testing.assert_allclose(
        gradient, [[-0.191833, 0.151010, 0.040823], [0.254050, -0.396577, 0.142527]], atol=5e-7, rtol=0
    )
    np.testing.assert_allclose(nbloss.sigmoid([3, 1, -3]), [0.9525741, 0.7310586, 0.0474259], **near)
    np.testing.assert_allclose(nbloss.softmax([3, 1, -3]), [0.8788782, 0.1189432, 0.0021785], **near)
    assert nbloss.KLDivergence()([1, 0, 0], [0.7, 0.2, 0.1]) == pytest.approx(0.3566749, abs=5e-8)
    assert nbloss.KLDivergence()([0.1, 0.2, 0.8], [0.3, 0.3, 0.4]) == pytest.approx(0.3635635, abs=5e-8)
    assert nbloss.KLDivergence()([0.3, 0.3, 0.4], [0.1, 0.2, 0.8]) == pytest.approx(0.1739643, abs=5e-8)
    rows = [[0.3, 0.7], [0.1, 0.9], [0.4, 0.6]], [[0.1, 0.9], [0.2, 0.8], [0.4, 0.6]]
    found = {
        tuple(np.round(loss.value(t, p, reduction="none"), 7)) for t, p in (rows, rows[::-1])
    }  # which of the two is the target, the seed leaves open
    assert (0.4414047, 0.5448054, 0.6730117) in found
