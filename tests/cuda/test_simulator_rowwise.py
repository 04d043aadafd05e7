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
from tests.cases import ordinary_rows, with_classes

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

from nbloss._arrays import real_of
from nbloss._cuda import teams
from nbloss._cuda.blocks import BLOCK, BUSY, MOST
from nbloss._cuda.teams import EACH, FEW, SECTOR, team_for
from nbloss.families.rowwise import AS_IT_IS, EXP, SOFTMAX, row_map
from tests.cuda.rows import (
    CASES,
    CLASS_WEIGHTS,
    ENTROPY,
    FILLING,
    METHODS,
    SMOOTHED,
    WEIGHTED,
    assert_same,
    expected,
    extreme_rows,
)
from tests.cuda.test_simulator import alternately, assert_close, device, host

# Formulas run on NumPy's scalars here, which warn where infinite or no numbers come up, as they are meant to.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("loss", "dtype"), alternately(CASES, [np.float64, np.float32]), ids=repr)
def test_every_loss(loss: nbloss.Loss, dtype: type, together: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row is the work of several threads, or of one."""
    monkeypatch.setattr(teams, "FEW", 3 if together else 4)
    labels, targets, z = ordinary_rows(loss, (7, 4), dtype)
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
