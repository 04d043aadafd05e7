"""What objectives give and take: layouts, dtypes, conventions of Hessians, floors, errors, copies of themselves."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import nbloss
from nbloss._cpu.finite import all_finite, reaches
from nbloss.gbm import Metric, Objective, hessians

rng = np.random.default_rng(1)
N, K = 60, 4
Y, Z, W = rng.integers(0, 2, N).astype(np.float32), rng.normal(size=N) * 4, rng.uniform(0.2, 3, N).astype(np.float32)
LABELS, ROWS = rng.integers(0, K, N).astype(np.float32), rng.normal(size=(N, K)) * 3
P = 1 / (1 + np.exp(-Z))
Q = np.exp(ROWS) / np.exp(ROWS).sum(-1, keepdims=True)


def data_of(y: Any, w: Any) -> Any:
    """Return what stands for a DMatrix, or for a Dataset."""
    return SimpleNamespace(get_label=lambda: y, get_weight=lambda: w, get_group=lambda: None)


LAYOUTS = {
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": lambda a: np.repeat(a, 2, 0)[::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str, dtype: Any) -> None:
    one, rows = Objective(nbloss.BinaryCrossEntropy()), Objective(nbloss.CrossEntropy(), hessian="lightgbm")
    z, r = (LAYOUTS[layout](x.astype(dtype)) for x in (Z, ROWS))
    for w in (None, np.empty(0, np.float32), W, W.astype(np.float64)):
        weight = np.ones(N) if w is None or not w.size else w
        column = weight[:, None]
        for found, expected in (
            (one(Y, z, w), (weight * (P - Y), weight * P * (1 - P))),
            (one(z, data_of(Y, w)), (weight * (P - Y), weight * P * (1 - P))),
            (rows(LABELS, r, w), (column * (Q - np.eye(K)[LABELS.astype(int)]), column * Q * (1 - Q) * K / (K - 1))),
        ):
            for a, b in zip(found, expected, strict=True):
                assert a.dtype == np.float32
                np.testing.assert_allclose(a, b, rtol=1e-5 if dtype == np.float32 else 1e-7, atol=1e-7)
    if layout == "F":
        assert all(a.flags.f_contiguous for a in rows(LABELS, r))


def test_what_kernels_narrow_is_what_float64_rounds_to() -> None:
    for loss, y, z in ((nbloss.CrossEntropy(), LABELS, np.asfortranarray(ROWS)), (nbloss.BinaryFocal(), Y, Z)):
        narrow = np.empty_like(z, np.float32), np.empty_like(z, np.float32)
        for w in (None, W):
            wide = loss.gradient_and_hessian(y, z, w)
            loss.gradient_and_hessian(y, z, w, out=narrow)
            for a, b in zip(narrow, wide, strict=True):
                np.testing.assert_array_equal(a, b.astype(np.float32))


def test_rooms_are_used_again_but_never_shared_by_threads() -> None:
    objective = Objective(nbloss.BinaryCrossEntropy())
    first = objective(Z, data_of(Y, None))
    again = objective(Z + 1, data_of(Y, None))
    assert first[0] is again[0] and first[1] is again[1]
    assert objective(Y, Z)[0] is not first[0]
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(objective, Z, data_of(Y, None)).result()
    assert other[0] is not first[0]
    small = objective(Z[:5], data_of(Y[:5], None))
    assert small[0].shape == (5,)


def test_flat_labels_of_several_targets() -> None:
    y = rng.normal(size=(N, K)).astype(np.float32)
    gradient, _ = Objective(nbloss.HalfSquaredError())(ROWS, data_of(y.ravel(), None))
    np.testing.assert_allclose(gradient, ROWS - y, atol=1e-6)


def test_nothing_that_is_given_is_changed() -> None:
    objective = Objective(nbloss.Focal())
    given = [LABELS.copy(), ROWS.copy(), W.copy()]
    objective(*given)
    objective.calc_ders_multi(given[1][0], 1.0, 2.0)
    Objective(nbloss.BinaryFocal()).calc_ders_range(Z, Y, W)
    for a, b in zip(given, (LABELS, ROWS, W), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("weight", [None, W], ids=["unweighted", "weighted"])
def test_signs_for_catboost(weight: Any) -> None:
    found = Objective(nbloss.BinaryFocal()).calc_ders_range(Z, Y, weight)
    expected = Objective(nbloss.BinaryFocal())(Y, Z, weight)
    assert found.shape == (N, 2) and found.flags.writeable
    np.testing.assert_allclose(found, -np.stack(expected, -1), rtol=1e-6)
    gradient, matrix = Objective(nbloss.CrossEntropy()).calc_ders_multi(ROWS[0], LABELS[0], None)
    np.testing.assert_allclose(gradient, np.eye(K)[int(LABELS[0])] - Q[0], atol=1e-12)
    np.testing.assert_allclose(matrix, np.outer(Q[0], Q[0]) - np.diag(Q[0]), atol=1e-12)


@pytest.mark.parametrize(
    "loss",
    [
        nbloss.CrossEntropy(class_weight=(1, 2, 0.5, 3), label_smoothing=0.1),
        nbloss.Focal(ignore_index=3),
        nbloss.CrossEntropy(from_logits=False),
        nbloss.CategoricalHinge(),
    ],
    ids=repr,
)
def test_rows_one_by_one_are_rows_together(loss: Any) -> None:
    of_classes = Q if not loss.parameters.get("from_logits", True) else ROWS
    objective = Objective(loss)
    for z, y in zip(of_classes[:20], LABELS[:20], strict=True):
        for weight in (None, 2.5):
            w = 1.0 if weight is None else weight
            gradient, matrix = objective.calc_ders_multi(z, float(y), weight)
            np.testing.assert_allclose(gradient, -w * loss.gradient(y, z), rtol=1e-13, atol=1e-300)
            np.testing.assert_allclose(np.diag(matrix), -w * loss.hessian(y, z), rtol=1e-13, atol=1e-300)
            np.testing.assert_allclose(matrix, -w * loss.hessian_matrix(y, z), rtol=1e-11, atol=1e-15)
    gradient, matrix = objective.calc_ders_multi(np.full(K, np.nan), 1.0, 0.0)
    assert not np.any(gradient) and not np.any(matrix)  # a weight of 0 is a mask
    gradient, matrix = objective.calc_ders_multi(np.full(K, np.nan), 1.0, None)
    assert np.isnan(gradient).all()
    for bad in (-1.0, 1.5, float(K), np.nan):
        with pytest.raises(ValueError, match="y_true must hold whole numbers from 0 to 3"):
            objective.calc_ders_multi(ROWS[0], bad, None)


def test_weights_of_classes_are_as_many_as_classes() -> None:
    objective = Objective(nbloss.CrossEntropy(class_weight=(1, 2, 0.5, 3), label_smoothing=0.1))
    with pytest.raises(ValueError, match="4 numbers: the last axis of y_pred must be as long"):
        objective.calc_ders_multi(np.zeros(3), 1.0, None)


def hessian_of(loss: nbloss.Loss, convention: str, y: Any, z: Any) -> Any:
    return Objective(loss, convention).derivatives(y, z, out=(np.empty(z.shape), np.empty(z.shape)))[1]


def test_gauss_newton_drops_the_curvature_of_the_link() -> None:
    p = 1 / (1 + np.exp(-Z))
    for loss, of_probabilities in (
        (nbloss.BinaryFocal(gamma=2.0), nbloss.BinaryFocal(gamma=2.0, from_logits=False)),
        (nbloss.Brier(), nbloss.Brier(from_logits=False)),
    ):
        expected = of_probabilities.hessian(Y, p) * (p * (1 - p)) ** 2
        found = Objective(loss, "gauss_newton", 0.0).derivatives(Y, Z, out=(np.empty(N), np.empty(N)))[1]
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-14)


BOUNDED = [
    nbloss.BinaryCrossEntropy(), nbloss.BinaryCrossEntropy(label_smoothing=0.2, pos_weight=3.0),
    nbloss.Huber(delta=0.7), nbloss.LogCosh(), nbloss.PseudoHuber(), nbloss.SmoothL1(),
]  # fmt: skip


@pytest.mark.parametrize("loss", BOUNDED, ids=repr)
def test_upper_bound_is_a_parabola_above_the_loss(loss: Any) -> None:
    hessian, gradient = hessian_of(loss, "upper_bound", Y, Z), loss.gradient(Y, Z)
    value = loss.value(Y, Z, reduction="none")
    for step in np.linspace(-20, 20, 81):
        parabola = value + gradient * step + hessian * step**2 / 2
        assert np.all(loss.value(Y, Z + step, reduction="none") <= parabola * (1 + 1e-12) + 1e-12)
    assert hessian_of(loss, "upper_bound", np.zeros(1, np.float32), np.zeros(1))[0] > 0


def test_floors() -> None:
    for loss, floor in ((nbloss.BinaryFocal(), 0.01), (nbloss.Huber(), 1.0), (nbloss.Focal(), 0.01)):
        y, z = (LABELS, ROWS) if isinstance(loss, nbloss.Focal) else (Y, Z)
        exact = loss.hessian(y, z)
        assert exact.min() < floor
        for given, least in ((None, floor), (0.03, 0.03), (0.0, 0.0)):
            found = Objective(loss, hessian_floor=given)(y, z, W)[1]
            weight = W if z.ndim == 1 else W[:, None]
            np.testing.assert_allclose(found, weight * np.maximum(exact, least), rtol=1e-5)
    for loss in (nbloss.BinaryCrossEntropy(), nbloss.HalfSquaredError()):
        np.testing.assert_allclose(Objective(loss)(Y, Z)[1], loss.hessian(Y, Z), rtol=1e-6)


def test_rows_that_are_ignored_have_no_floor() -> None:
    objective = Objective(nbloss.CrossEntropy(ignore_index=1), hessian_floor=0.5)
    for w in (None, W):
        hessian = objective(LABELS, ROWS, w)[1]
        assert ((hessian == 0).all(-1) == (LABELS == 1)).all()


def test_conventions_are_of_losses_that_there_are() -> None:
    names = {loss.__name__ for loss in nbloss.ALL}
    for table in (*hessians.POINTWISE.values(), *hessians.ROWS.values(), hessians.FLOORS, hessians.POSITIVE):
        assert set(table) <= names


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_looks_at_long_arrays(dtype: Any) -> None:
    x = np.abs(rng.normal(size=40_000)).astype(dtype)
    for bad in (np.nan, np.inf, -np.inf):
        for place in (0, 16_384, len(x) - 1):
            other = x.copy()
            other[place] = bad
            assert all_finite(x) and not all_finite(other)
            assert reaches(x, float(x.min())) and reaches(other, 1e-30) == (bad != -np.inf or x.min() < 1e-30)
    assert not reaches(x, float(np.nextafter(x.min(), np.inf, dtype=dtype)))
    assert all_finite(x[::2]) and reaches(x[::2], 0.0) and reaches(x.reshape(200, 200, order="F"), 0.0)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_found(bad: float) -> None:
    objective = Objective(nbloss.BinaryCrossEntropy())
    y, z = Y.copy(), Z.copy()
    z[7] = z[9] = bad
    with pytest.raises(ValueError, match=r"y_pred must be finite, got .* in row 7 "):
        objective(Y, z)
    with pytest.raises(ValueError, match="in row 7 "):
        objective(z, data_of(Y, W))
    y[5] = bad
    with pytest.raises(ValueError, match=r"y_true must be finite, got .* in row 5 "):
        objective(y, Z)
    masked = np.where(np.isin(np.arange(N), (5, 7, 9)), 0, W)
    gradient, hessian = objective(y, z, masked)
    assert gradient[5] == gradient[7] == hessian[9] == 0
    Objective(nbloss.BinaryCrossEntropy(), check_finite=False)(y, z)
    rows = ROWS.copy()
    rows[3, 2] = bad
    with pytest.raises(ValueError, match=r"y_pred must be finite, got .* in row 3 "):
        Objective(nbloss.CrossEntropy())(LABELS, rows)


def test_huge_numbers_are_finite() -> None:
    z = np.full(N, 1e308)
    assert np.isfinite(Objective(nbloss.Huber())(Y, z)[0]).all()


def test_targets_outside_the_domain_are_found() -> None:
    y = Y.copy()
    y[4] = 2
    with pytest.raises(ValueError, match=r"in row 4, for the target 2.0 .* must lie in \[0, 1\]"):
        Objective(nbloss.BinaryCrossEntropy())(y, Z)


def test_errors_say_what_is_required() -> None:
    with pytest.raises(TypeError, match="loss must be a loss, such as"):
        Objective("huber")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="loss must be a loss, such as"):
        Metric(nbloss.Huber)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"hessian must be one of exact, gauss_newton"):
        Objective(nbloss.Huber(), "newton")
    with pytest.raises(ValueError, match=r"hessian='xgboost' is known for .*PseudoHuber.*, got Huber"):
        Objective(nbloss.Huber(), "xgboost")
    with pytest.raises(ValueError, match="hessian='gauss_newton' is known for"):
        Objective(nbloss.CrossEntropy(), "gauss_newton")
    with pytest.raises(ValueError, match="hessian_floor must be a finite number or None, got nan"):
        Objective(nbloss.Huber(), hessian_floor=float("nan"))


@pytest.mark.parametrize("made", [Objective(nbloss.BinaryFocal(), "gauss_newton"), Metric(nbloss.Huber(delta=2.0))])
def test_copies(made: Any) -> None:
    if isinstance(made, Objective):
        made(Y, Z)  # what is compiled stays behind
    assert copy.deepcopy(made) is made
    assert pickle.loads(pickle.dumps(made)) == made
    assert len(pickle.dumps(made)) < 400
    assert hash(made) == hash(copy.copy(made))
