"""Laws of the losses of ranked lists."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from collections.abc import Iterator
from typing import Any

import lightgbm
import numba
import numpy as np
import pytest
from mpmath import mp, mpf

import nbloss
from nbloss._hash import unit
from tests.cases import GROUP_CASES, of_groups
from tests.ulps import ulps

SIZES = (5, 0, 1, 7)
DTYPES = [np.float64, np.float32]
LISTS = [loss for loss in GROUP_CASES if not isinstance(loss, nbloss.Cox)]
EACH = [nbloss.RankNet(), nbloss.LambdaRank(), nbloss.XeNDCG()]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Where nothing is said of threads, there is one, which waits for none."""
    most = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(most)


def everything(loss: Any, y: Any, z: Any, w: Any = None, **options: Any) -> list[Any]:
    return [loss.value(y, z, w, reduction="none", **options), *loss.gradient_and_hessian(y, z, w, **options)]


# The oracle


def allowed(loss: nbloss.Loss) -> int:
    """Return how many ulp of the largest term a loss may be off: LambdaRank's weights are products of several."""
    return 8 if isinstance(loss, nbloss.LambdaRank) else 4


def check(loss: Any, y: Any, z: Any, w: Any = None, **options: Any) -> None:
    """Compare with the textbook line; where terms cancel, in ulp of the largest."""
    got = everything(loss, y, z, w, **options)
    shape, parts = loss.parts(y, z, w, options.get("groups"))
    exact = [nbloss.reference.derivatives_of_part(loss, part) for part in parts]
    sizes = terms_of(loss, parts)
    with mp.workdps(60):
        assert got[0].shape == shape
        value = max((ulps(a, e[0]) for a, e in zip(got[0], exact, strict=True)), default=0)
        worst = [value]
        for k in (1, 2):
            flat = [x for e in exact for x in e[k][0]]
            worst.append(max((ulps(a, e, t) for a, e, t in zip(got[k], flat, sizes, strict=True)), default=0))
    assert max(worst) <= allowed(loss), worst


def terms_of(loss: Any, parts: Any) -> list[Any]:
    """Return for each row the size of the largest term of its gradient: that of a pair, or a share."""
    found = []
    for part in parts:
        y, z = part.target, part.predictions[0]
        if isinstance(loss, nbloss.XeNDCG):
            found += [mpf(1) / 4] * len(z)
            continue
        d = np.subtract.outer(z, z)
        rho = loss.sigma * min(1, loss.sigma) * np.exp(-np.logaddexp(0, loss.sigma * d))
        steep = np.where(np.greater.outer(y, y), rho * weights_of_pairs(loss, np.array(y), np.array(z)), 0)
        found += list(np.maximum(steep.max(0, initial=0), steep.max(1, initial=0)))
    return found


def weights_of_pairs(loss: Any, y: Any, z: Any) -> Any:
    """Return how much each pair counts, whichever of the two is above."""
    d = np.abs(z[:, None] - z)
    if isinstance(loss, nbloss.RankNet) or not d.any():
        return np.ones_like(d)
    order = np.argsort(-z, kind="stable")
    place = np.empty(len(z))
    place[order] = np.arange(1, len(z) + 1)
    last = loss.truncation_level or len(z)
    gain = 2.0**y - 1 if loss.label_gain is None else np.array(loss.label_gain)[y.astype(int)]
    discount = 1 / np.log2(1 + place)
    best = (np.sort(gain)[::-1] / np.log2(2 + np.arange(len(z))))[:last].sum()
    weight = np.abs(gain[:, None] - gain) * np.abs(discount[:, None] - discount) / (best or 1)
    weight[np.minimum(place[:, None], place) > last] = 0
    if loss.norm:
        weight = weight / (0.01 + d)
        above = y[:, None] > y
        steep = 2 * loss.sigma * (weight * np.exp(-np.logaddexp(0, loss.sigma * (z[:, None] - z))))[above].sum()
        weight *= np.log2(1 + steep) / steep if steep > 0 else 1
    return weight


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", LISTS, ids=repr)
def test_ordinary_numbers(loss: Any, dtype: type) -> None:
    for seed in range(2):
        check(loss, *of_groups(loss, SIZES, dtype, seed), groups=SIZES)
    y, z = of_groups(loss, (9,), dtype)
    check(loss, y, z.round())  # ties


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_predictions_far_apart_and_close_together(loss: Any, dtype: type) -> None:
    y, z = of_groups(loss, (6,), dtype)
    for scale in (1e-20, 1e-3, 20, 300, 3000):
        check(loss, y, z * dtype(scale))
    check(loss, y, z + dtype(1000))


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_infinite_predictions(loss: Any) -> None:
    y = np.array([2, 1, 0, 3])
    for z in ([math.inf, 0, 1, 2], [-math.inf, 0, 1, 2], [0, 3, math.inf, -math.inf]):
        got = everything(loss, y, np.array(z))
        exact = nbloss.reference.derivatives(loss, y, np.array(z))
        if not isinstance(loss, nbloss.LambdaRank):  # whose normalisation is infinity times 0
            for a, b in zip(got, exact, strict=True):
                np.testing.assert_allclose(a, b, rtol=1e-14, atol=1e-300)
        assert np.isfinite(got[1]).all() and np.isfinite(got[2]).all()


def test_lambdarank_by_hand() -> None:
    """Two documents: the weight is all of NDCG that there is."""
    loss = nbloss.LambdaRank(norm=False)
    weight = 1 - 1 / math.log2(3)
    assert loss([1, 0], [0.3, 0.1]) == pytest.approx(weight * math.log1p(math.exp(-0.2)), rel=1e-15)
    np.testing.assert_allclose(loss.gradient([0, 1], [0.3, 0.1]), [weight / (1 + math.exp(-0.2))] * np.array([1, -1]))
    assert loss([1, 1], [0.3, 0.1]) == 0 and loss([0], [1.0]) == 0
    normed = nbloss.LambdaRank()
    steep = 2 * weight / 0.21 / (1 + math.exp(0.2))
    factor = math.log2(1 + steep) / steep
    assert normed([1, 0], [0.3, 0.1]) == pytest.approx(factor * weight / 0.21 * math.log1p(math.exp(-0.2)), rel=1e-14)


def test_xendcg_by_hand() -> None:
    z = np.array([0.3, -1.0, 2.0])
    p = np.exp(z) / np.exp(z).sum()
    shares = np.array([0.5, 1.5, 3.5]) / 5.5
    np.testing.assert_allclose(nbloss.XeNDCG().gradient([0, 1, 2], z), p - shares, rtol=1e-13)
    assert nbloss.XeNDCG()([0, 1, 2], z) == pytest.approx(-(shares * np.log(p)).sum(), rel=1e-15)
    noise = np.array([unit(7, i) for i in range(3)])
    shares = (np.array([1, 2, 4]) - noise) / (7 - noise.sum())
    np.testing.assert_allclose(nbloss.XeNDCG(seed=7).gradient([0, 1, 2], z), p - shares, rtol=1e-13)


def test_hashes_are_uniform() -> None:
    numbers = np.array([unit(seed, i) for seed in range(-5, 5) for i in range(400)])
    assert numbers.min() >= 0 and numbers.max() < 1 and len(set(numbers)) == numbers.size
    assert abs(numbers.mean() - 0.5) < 0.02 and abs(numbers.var() - 1 / 12) < 0.01


# Reductions, groups, weights


@pytest.mark.parametrize("loss", LISTS, ids=repr)
def test_reductions(loss: Any) -> None:
    y, z = of_groups(loss, SIZES)
    w = np.array([0.5, 2.0, 0.25, 1.5])
    for weight, divisor in ((None, 4), (w, w.sum()), (0.5, 2)):
        values, gradient, hessian = everything(loss, y, z, weight, groups=SIZES)
        assert values.shape == (4,) and values[1] == 0
        assert loss.value(y, z, weight, groups=SIZES, reduction="sum") == pytest.approx(values.sum(), rel=1e-15)
        mean, scaled = loss.value_and_gradient(y, z, weight, groups=SIZES)
        assert isinstance(mean, np.float64) and mean == loss(y, z, weight, groups=SIZES)
        assert mean == pytest.approx(values.sum() / divisor, rel=1e-15)
        np.testing.assert_allclose(scaled, gradient / divisor, rtol=1e-15)
        np.testing.assert_array_equal(loss.gradient(y, z, weight, groups=SIZES), gradient)
        np.testing.assert_array_equal(loss.hessian(y, z, weight, groups=SIZES), hessian)
        for reduction in ("sum", "none"):
            value, same = loss.value_and_gradient(y, z, weight, groups=SIZES, reduction=reduction)
            np.testing.assert_array_equal(value, loss.value(y, z, weight, groups=SIZES, reduction=reduction))
            np.testing.assert_array_equal(same, gradient)


@pytest.mark.parametrize("loss", LISTS[:-1], ids=repr)  # the last has noise that depends on the place
def test_a_group_is_alone(loss: Any) -> None:
    y, z = of_groups(loss, SIZES)
    starts = np.cumsum((0, *SIZES))
    together = everything(loss, y, z, groups=list(SIZES))
    for g in range(4):
        some = slice(starts[g], starts[g + 1])
        value, gradient, hessian = everything(loss, y[some], z[some])
        assert value.shape == (1,) and value[0] == together[0][g]
        np.testing.assert_array_equal(gradient, together[1][some])
        np.testing.assert_array_equal(hessian, together[2][some])


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_weights(loss: Any) -> None:
    """Those of groups multiply losses; those of rows multiply derivatives, and a row of weight 0 is not there."""
    y, z = of_groups(loss, (5, 7))
    plain = everything(loss, y, z, groups=(5, 7))
    of_rows = np.repeat([0.5, 3.0], (5, 7))
    for w in (np.array([0.5, 3.0]), of_rows, of_rows.astype(np.float32)):
        value, gradient, hessian = everything(loss, y, z, w, groups=(5, 7))
        np.testing.assert_allclose(value, plain[0] * [0.5, 3.0], rtol=1e-15)
        np.testing.assert_array_equal((gradient, hessian), np.array(plain[1:]) * of_rows)
    w = np.linspace(0.5, 2, 12)
    value, gradient, hessian = everything(loss, y, z, w, groups=(5, 7))
    np.testing.assert_allclose(value, plain[0] * [w[:5].mean(), w[5:].mean()], rtol=1e-15)
    np.testing.assert_array_equal((gradient, hessian), np.array(plain[1:]) * w)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_weights_are_masks(loss: Any, bad: float) -> None:
    y, z = of_groups(loss, (5, 7, 3))
    kept = np.ones(15, bool)
    kept[[0, 3, 8, 12, 13, 14]] = False
    wanted = everything(loss, y[kept], z[kept], groups=(3, 6, 0))
    dirty, labels = np.where(kept, z, bad), np.where(kept, y, -7.0)
    got = everything(loss, labels, dirty, kept, groups=(5, 7, 3))
    np.testing.assert_array_equal(got[0], wanted[0])
    for a, b in zip(got[1:], wanted[1:], strict=True):
        np.testing.assert_array_equal(a[kept], b)
        assert not a[~kept].any()
    assert np.isfinite(loss(labels, dirty, kept, groups=(5, 7, 3)))
    by_group = everything(loss, np.where(np.arange(15) > 11, -7.0, y), np.where(np.arange(15) > 11, bad, z),
                          np.array([1, 2, 0]), groups=(5, 7, 3))  # fmt: skip
    assert by_group[0][2] == 0 and not by_group[1][12:].any() and np.isfinite(by_group[1]).all()


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_nothing_counts(loss: Any) -> None:
    y, z = of_groups(loss, (5,))
    assert math.isnan(loss(y, z, np.zeros(5))) and loss.value(y, z, 0.0, reduction="sum") == 0
    assert not loss.gradient(y, z, np.zeros(5)).any()
    assert loss(y[:0], z[:0]) == 0 and math.isnan(loss(y[:0], z[:0], groups=[]))
    assert loss.gradient(y[:0], z[:0], groups=[]).shape == (0,)


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_nan_spreads_over_its_group(loss: Any) -> None:
    y, z = of_groups(loss, (5, 7))
    plain = everything(loss, y, z, groups=(5, 7))
    z[6] = math.nan
    labels = y.astype(float)
    labels[3] = math.nan
    for a, b, groups in ((y, z, [1]), (labels, np.nan_to_num(z), [0]), (labels, z, [0, 1])):
        value, gradient, hessian = everything(loss, a, b, groups=(5, 7))
        assert np.flatnonzero(np.isnan(value)).tolist() == groups
        for x in (gradient, hessian):
            assert np.isnan(x[:5]).all() == (0 in groups) and np.isnan(x[5:]).all() == (1 in groups)
    z[6] = 0
    labels[3] = -1.0
    value, gradient, _ = everything(loss, labels, z, groups=(5, 7))
    if not isinstance(loss, nbloss.RankNet):
        assert math.isnan(value[0]) and np.isnan(gradient[:5]).all()
    assert not np.isnan(gradient[5:]).any() and len(plain) == 3


# Large lists, bits, layouts


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_large_lists(loss: Any) -> None:
    """Rows that are put in order by a sort, and pairs that threads share, against NumPy."""
    y, z = of_groups(loss, (700,), seed=1)
    want = by_numpy(loss, y, z)
    for a, b in zip(everything(loss, y, z), want, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def by_numpy(loss: Any, y: Any, z: Any) -> tuple[Any, Any, Any]:
    if isinstance(loss, nbloss.XeNDCG):
        t, p = (2.0**y - 0.5) / (2.0**y - 0.5).sum(), np.exp(z) / np.exp(z).sum()
        return -(t * np.log(p)).sum(keepdims=True), p - t, p * (1 - p)
    d = z[:, None] - z
    above = y[:, None] > y
    weight = weights_of_pairs(loss, y, z)
    rho = 1 / (1 + np.exp(d))
    value = np.where(above, weight * np.log1p(np.exp(-d)), 0).sum()
    slope = np.where(above, weight * rho, 0)
    bend = np.where(above, weight * rho * (1 - rho), 0)
    return np.array([value]), slope.sum(0) - slope.sum(1), bend.sum(0) + bend.sum(1)


def test_lists_that_threads_share(monkeypatch: pytest.MonkeyPatch) -> None:
    loss = nbloss.RankNet()
    y, z = of_groups(loss, (300, 3, 200))
    w = (np.arange(503) % 7 > 0) * 1.5
    alone = everything(loss, y, z, w, groups=(300, 3, 200))
    monkeypatch.setattr("nbloss._cpu.lists.MANY", 100)
    for a, b in zip(everything(loss, y, z, w, groups=(300, 3, 200)), alone, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)
    z[400] = math.nan
    assert np.isnan(loss.gradient(y, z, w, groups=(300, 3, 200))[w != 0]).sum() == (w[303:] != 0).sum()


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_bits_do_not_depend_on_threads(loss: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor on the run, nor on which kernels do it; with ties."""
    sizes = (40, 3, 1000, 0, 90, 150)
    y, z = of_groups(loss, sizes)
    z = z.round(1)
    results = [b"".join(a.tobytes() for a in everything(loss, y, z, groups=sizes))]
    monkeypatch.setattr("nbloss._cpu.grouped.PARALLEL_FROM", 0)
    most = numba.config.NUMBA_NUM_THREADS
    for threads in [*range(1, most + 1), most]:
        numba.set_num_threads(threads)
        results.append(b"".join(a.tobytes() for a in everything(loss, y, z, groups=sizes)))
    assert len(set(results)) == 1


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_dtypes_and_layouts(loss: Any) -> None:
    y, z = of_groups(loss, (5, 7))
    z = z.astype(np.float32)
    wanted = everything(loss, y, z, groups=(5, 7))
    assert all(a.dtype == np.float32 for a in wanted)
    apart = np.zeros((12, 3))
    apart[:, 1] = z
    inputs = [(y.astype(np.float32), z), (y.astype(np.int8)[::-1][::-1], apart[:, 1].astype(np.float32)[::1])]
    for a, b in inputs:
        for one, other in zip(everything(loss, a, b, groups=np.array([5, 7], np.uint8)), wanted, strict=True):
            np.testing.assert_array_equal(one, other)
    half = loss.gradient(y, z.astype(np.float16), groups=(5, 7))
    assert half.dtype == np.float32
    gradient = loss.gradient(y.tolist(), apart[:, 1], groups=[5, 7])
    assert gradient.dtype == np.float64
    np.testing.assert_array_equal(gradient.astype(np.float32), wanted[1])
    assert loss.gradient(y, np.arange(12), groups=(5, 7)).dtype == np.float64
    for out in (np.zeros(12), np.zeros(24)[::2], np.zeros(12, np.float32)):
        assert loss.gradient(y, z, groups=(5, 7), out=out) is out
        np.testing.assert_array_equal(out.astype(np.float32), wanted[1])
    out = np.zeros(()), np.zeros(12)
    assert loss.value_and_gradient(y, z, groups=(5, 7), out=out)[0] is out[0] and out[0] == loss(y, z, groups=(5, 7))


# Errors, values


@pytest.mark.parametrize(
    ("arguments", "options", "error", "words"),
    [
        ((np.zeros(6), np.zeros(6)), {"groups": [3, 2]}, ValueError, "groups must be whole .* sum to 6.* a sum of 5"),
        ((np.zeros(6), np.zeros(6)), {"groups": [8, -2]}, ValueError, "groups must be .* got -2 at index 1"),
        ((np.zeros(6), np.zeros(6)), {"groups": [3.0, 3.0]}, TypeError, "groups must be .* got dtype float64"),
        ((np.zeros(6), np.zeros(6)), {"groups": [True] * 6}, TypeError, "groups must be .* got dtype bool"),
        ((np.zeros(6), np.zeros(6)), {"groups": [[3, 3]]}, ValueError, r"groups must be .* got shape \(1, 2\)"),
        ((np.zeros(6), np.zeros(6)), {"groups": 6}, ValueError, r"groups must be .* got shape \(\)"),
        ((np.zeros(6), np.zeros(6)), {"groups": np.array([2**63, 2**63 + 6], np.uint64)}, ValueError, "a sum of 1844"),
        ((np.zeros((6, 1)), np.zeros((6, 1))), {}, ValueError, r"y_pred must have one axis, .* got shape \(6, 1\)"),
        ((np.zeros((6, 1)), np.zeros(6)), {}, ValueError, r"y_true must have the shape of y_pred, \(6,\)"),
        ((np.zeros(6), np.zeros(6), np.ones(5)), {"groups": (3, 3)}, ValueError, r"shape \(6,\) or \(2,\), got \(5,\)"),
        ((np.zeros(6), np.zeros(6)), {"reduction": "average"}, ValueError, "reduction must be"),
        ((np.zeros(6), np.zeros(6)), {"reduction": "none", "out": np.zeros(6)}, ValueError, r"out must have shape"),
    ],
)
@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_errors(loss: Any, arguments: Any, options: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as raised:
        loss.value(*arguments, **options)
    assert "\n" not in str(raised.value)


def test_labels_without_a_gain() -> None:
    loss = nbloss.LambdaRank(label_gain=(0, 1, 3))
    for wrong in (3, -1, 0.5):
        with pytest.raises(ValueError, match=f"y_true must hold whole numbers from 0 to 2, got {wrong}"):
            loss([0, wrong], [0.0, 1.0])
        assert loss([0, wrong, 1], [0.0, 1.0, 2.0], [1, 0, 1]) == loss([0, 1], [0.0, 2.0])
        assert loss([0, 1, wrong], [0.0, 2.0, 1.0], [1, 0], groups=[2, 1]) == loss([0, 1], [0.0, 2.0])


@pytest.mark.parametrize("loss", EACH, ids=repr)
def test_no_constant_prediction_is_the_best(loss: Any) -> None:
    with pytest.raises(TypeError, match=r"depends on differences alone"):
        loss.init_score([0, 1])
    y, z = of_groups(loss, (6,))
    assert loss(y, z.round(3) + 8) == pytest.approx(loss(y, z.round(3)), rel=1e-13)
    np.testing.assert_array_equal(loss.inverse_link(z), z)


@pytest.mark.parametrize("loss", LISTS, ids=repr)
def test_a_loss_is_a_value(loss: Any) -> None:
    y, z = of_groups(loss, (6,))
    loss(y, z)
    assert eval(repr(loss), vars(nbloss)) == loss
    for twin in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss), dataclasses.replace(loss)):
        assert twin == loss and hash(twin) == hash(loss) and twin(y, z) == loss(y, z)
    assert (loss.hessian(y, z) >= 0).all() and abs(loss.gradient(y, z).sum()) < 1e-14


# Peers


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("norm", [False, True])
def test_lightgbm_trains_the_same_trees(norm: bool, weighted: bool) -> None:
    """Its table of the logistic function has steps of 5e-5: hence the tolerance."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(5, 40, 60)
    n = int(sizes.sum())
    x = rng.normal(size=(n, 5))
    y = np.clip(np.round(x[:, 0] + rng.normal(size=n)), 0, 4).astype(int)
    w = rng.uniform(0.2, 3, n) if weighted else None
    loss = nbloss.LambdaRank(norm=norm)

    def objective(scores: Any, data: Any) -> Any:
        return loss.gradient_and_hessian(data.get_label(), scores, data.get_weight(), groups=data.get_group())

    settings = {"num_leaves": 7, "verbose": -1, "lambdarank_norm": norm, "num_threads": 1, "deterministic": True}
    found = [
        lightgbm.train(settings | {"objective": one}, lightgbm.Dataset(x, y, weight=w, group=sizes), 5).predict(x)
        for one in ("lambdarank", objective)
    ]
    np.testing.assert_allclose(found[0], found[1], atol=1e-3)
    assert np.abs(found[0]).max() > 0.5
