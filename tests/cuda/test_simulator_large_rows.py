"""Law: on a CUDA device, rows too large for shared memory are read twice, and are as right as others.

Whole file: a process of its own, started with NUMBA_ENABLE_CUDASIM=1.
"""

from __future__ import annotations

import math
from typing import Any

import mpmath
import numpy as np
import pytest
from numba import config

import nbloss
from tests.cases import ordinary_rows

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

from nbloss._cuda import rowwise, shared_rows
from nbloss._cuda.powers import powers_of
from nbloss._cuda.teams import FEW
from tests.cuda.rows import ENTROPY, FILLING, SMOOTHED, assert_same, extreme_rows
from tests.cuda.test_simulator import device, host

# Formulas run on NumPy's scalars here, which warn where infinite or no numbers come up, as they are meant to.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")

BOTH = [np.float32, np.float64]


@pytest.fixture(autouse=True)
def nothing_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_rows, "ROOM", 0)


@pytest.mark.parametrize("real", BOTH)
def test_powers(real: Any) -> None:
    """Relative to that of the prediction that the scale is made for, within 0.9 ulp, and 0.4 in two words."""
    scale_of, power, in_words, are_right = powers_of(np.dtype(real))
    far, rise, least = (511, 39, 85) if real is np.float32 else (4095, 299, 700)
    eps = np.finfo(real).eps
    rng = np.random.default_rng(0)
    for some in (0.0, -1e-30, 0.3, -far, far - rise, *rng.uniform(-far, far - rise, 6)):
        some = real(some)
        scale = scale_of(some)
        with mpmath.workprec(200):
            one = mpmath.mpf(float(power(some, scale))) / mpmath.exp(mpmath.mpf(float(some)))
            factor = mpmath.mpf(2) ** int(mpmath.nint(mpmath.log(one, 2)))
            for x in (some, *rng.uniform(some - least, some + rise, 50).astype(real)):
                right = mpmath.exp(mpmath.mpf(float(x))) * factor
                high, low = in_words(x, scale)
                assert high == power(x, scale) and are_right(x, some) == (abs(x) < far + 1)
                assert abs(mpmath.mpf(float(high)) / right - 1) < 0.9 * eps
                assert abs((mpmath.mpf(float(high)) + mpmath.mpf(float(low))) / right - 1) < 0.4 * eps
        assert power(real(-math.inf), scale) == 0 and np.isnan(power(real(math.nan), scale))
        for bad in (some + real(2) * real(rise), real(math.inf), real(-math.inf), real(math.nan)):
            assert not are_right(real(bad), some)


@pytest.mark.parametrize(("classes", "real"), [(1, BOTH[0]), (FEW, BOTH[1]), (37, BOTH[0]), (37, BOTH[1])])
def test_every_number_is_right(classes: int, real: Any) -> None:
    """Also where the greatest prediction comes last, or is far above the first ones, or far above all others."""
    labels, targets, z = ordinary_rows(ENTROPY, (7, classes), real)
    z[1], z[2] = np.sort(z[1]), np.sort(z[2])[::-1]
    z[3] *= 6  # no result is subnormal
    z[4, -1], z[5, 0], z[6, classes // 2] = 250, 60, 300
    w = np.array([1.0, 2, 0, 0.5, 1, -1, 1])
    assert_same(ENTROPY, labels, z, w, methods=FILLING, least=0.0)
    assert_same(ENTROPY, np.argmax(z, 1), z, methods=FILLING[:1], least=0.0)
    assert_same(SMOOTHED, targets, z, w, methods=FILLING)


@pytest.mark.parametrize("real", BOTH)
def test_extreme_logits(real: Any) -> None:
    z = np.tile(extreme_rows(real), (1, FEW))
    labels = np.arange(len(z)) % z.shape[1]
    assert_same(ENTROPY, labels, z, methods=FILLING[:1], least=0.0)
    assert_same(SMOOTHED, labels, z, methods=FILLING[:1])


def test_bits_depend_neither_on_the_run_nor_on_the_layout() -> None:
    labels, _, z = ordinary_rows(ENTROPY, (3, 70))
    first = [a.tobytes() for a in host(ENTROPY.value_and_gradient(*device(labels, z)))]
    assert first == [a.tobytes() for a in host(ENTROPY.value_and_gradient(*device(labels, z)))]
    apart = np.repeat(np.repeat(z, 2, 0), 3, 1)[::2, ::3]
    assert first == [
        np.ascontiguousarray(a).tobytes() for a in host(ENTROPY.value_and_gradient(*device(labels, apart)))
    ]


class Counted:
    """The memory of an array, which counts how often each element is read."""

    def __init__(self, memory: Any) -> None:
        self.memory, self.reads = memory, np.zeros(memory.size, int)

    def __getitem__(self, i: Any) -> Any:
        self.reads[i] += 1
        return self.memory[i]


def test_each_prediction_is_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """But the first one of each thread, and that of the label; in a row whose greatest is huge, three times."""
    found: list[Counted] = []
    usual = rowwise._arrange

    def arrange(*arguments: Any) -> Any:
        lengths, forms, targets, (y, z, *others) = usual(*arguments)
        found.append(Counted(z[0]))
        return lengths, forms, targets, (y, (found[-1], *z[1:]), *others)

    monkeypatch.setattr(rowwise, "_arrange", arrange)
    labels, _, z = ordinary_rows(ENTROPY, (2, 300))
    z[1, 200] = 1e5
    for method, reads in (("gradient", 2), ("value", 1)):
        how = {"reduction": "none"} if method == "value" else {}
        getattr(nbloss.CrossEntropy(), method)(*device(labels, z), **how)
        counted = np.sort(found.pop().reads.reshape(z.shape), 1)
        assert np.median(counted[0]) == reads and np.median(counted[1]) == reads + 1
        assert (counted[0] > reads).sum() <= 32 + 32  # a thread's first, and the label, which each of a team reads
