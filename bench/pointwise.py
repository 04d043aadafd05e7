"""Pointwise losses on long vectors, against the speed of memory and against others.

As a script, it measures ratios within one run and writes ``results/pointwise.csv``. With pytest
(``pytest bench/pointwise.py --benchmark-enable``), it times each loss on its own.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Any

import _common
import numba
import numpy as np
import pytest
from _competitors import NUMPY, SCIKIT_LEARN
from _roofline import BLOCK, copy, dot
from tqdm import tqdm

import nbloss
from nbloss.families.pointwise import Pointwise
from nbloss.loss import REAL, UNIT

SIZES = {np.float64: 8_000_000, np.float32: 16_000_000}


def _cases() -> list[Pointwise]:
    """Return every pointwise loss: as it comes, on probabilities where it can, and focal with other exponents."""
    found: list[Pointwise] = []
    for loss in nbloss.ALL:
        if issubclass(loss, Pointwise):
            found.append(loss())
            if "from_logits" in found[-1].parameters:
                on_probabilities: dict[str, Any] = {"from_logits": False}
                found.append(loss(**on_probabilities))
        if loss is nbloss.BinaryFocal:
            found += [nbloss.BinaryFocal(gamma=gamma) for gamma in (0.0, 1.0, 3.0, 1.5)]
    return found


CASES = _cases()


def goal_of_derivatives(loss: Pointwise) -> float:
    """Return how many times as long as a copy gradient and Hessian may take."""
    if isinstance(loss, nbloss.BinaryFocal):
        return 2.0 if loss.gamma in (0, 1, 2, 3) else 4.5
    return 1.15


def goal_of_mean(loss: Pointwise) -> float:
    """Return how many times as long as a dot product the mean may take."""
    if isinstance(loss, nbloss.AFT):
        return 2.0
    used = set()

    class Recorder:
        def __getattr__(self, name: str) -> Callable[[float], float]:
            used.add(name)
            return getattr(math, name)

    loss.reference(Recorder(), 1.0, 0.75, **loss.parameters)
    return 2.0 if used - {"sqrt"} else 1.3


def data(loss: Pointwise, n: int, dtype: type) -> tuple[Any, Any]:
    """Return targets (labels 0 and 1 for binary losses) and predictions."""
    rng = np.random.default_rng(0)
    target, prediction = loss.domain

    def within(interval: nbloss.Interval) -> Any:
        if interval == UNIT:
            return rng.random(n)
        return 2 * rng.standard_normal(n) if interval == REAL else interval.low + rng.exponential(2, n)

    if isinstance(loss, nbloss.AFT):  # times known, and censored on the right
        lower: Any = rng.exponential(2, n).astype(dtype)
        return (lower, np.where(rng.random(n) < 0.3, dtype(np.inf), lower)), rng.standard_normal(n).astype(dtype)
    is_binary = type(loss) in NUMPY
    return (rng.integers(0, 2, n) if is_binary else within(target)).astype(dtype), within(prediction).astype(dtype)


def measure(loss: Pointwise, dtype: type, n: int, rounds: int) -> list[_common.Row]:
    """Return the rows of one loss in one dtype."""
    y, z = data(loss, n, dtype)
    first = y[0] if isinstance(y, tuple) else y
    g, h = np.empty_like(z), np.empty_like(z)
    c, d = np.empty_like(z), np.empty_like(z)
    sums = np.empty(-(-n // BLOCK))
    ways: dict[str, Callable[[], object]] = {
        "nbloss": lambda: loss.gradient_and_hessian(y, z, out=(g, h)),
        "copy": lambda: copy(first, z, c, d),
    }
    if loss.parameters.get("from_logits", True):
        in_numpy, in_sklearn = NUMPY.get(type(loss)), SCIKIT_LEARN.get(type(loss))
        if in_numpy:
            ways["NumPy"] = lambda: in_numpy(y, z, **loss.parameters)
        if in_sklearn:
            ways["scikit-learn"] = lambda: in_sklearn.gradient_hessian(
                y, z, gradient_out=c, hessian_out=d, n_threads=_common.THREADS
            )
    seconds = _common.interleaved(ways, rounds)
    goals = {"copy": goal_of_derivatives(loss), "NumPy": 5.0, "scikit-learn": 3.0}
    rows = [
        _row("gradient and Hessian", loss, z, seconds["nbloss"], against, seconds[against], goals[against])
        for against in ways
        if against != "nbloss"
    ]
    seconds = _common.interleaved({"nbloss": lambda: loss(y, z), "dot": lambda: dot(first, z, sums)}, rounds)
    return [*rows, _row("mean", loss, z, seconds["nbloss"], "dot", seconds["dot"], goal_of_mean(loss))]


def _row(work: str, loss: Pointwise, z: Any, ours: float, against: str, theirs: float, goal: float) -> _common.Row:
    at_most = against in ("copy", "dot")  # the rest are to be slower than nbloss
    return {
        "work": work,
        "loss": _common.brief(loss),
        "dtype": str(z.dtype),
        "elements": z.size,
        "ms": 1e3 * ours,
        "against": against,
        "ms of it": 1e3 * theirs,
        "ratio": ours / theirs if at_most else theirs / ours,
        "goal": f"{'at most' if at_most else 'at least'} {goal:g}",
    }


@pytest.mark.parametrize("dtype", SIZES)
@pytest.mark.parametrize("loss", CASES, ids=_common.brief)
def test_gradient_and_hessian(benchmark: Any, loss: Pointwise, dtype: type) -> None:
    y, z = data(loss, 1_000_000, dtype)
    out = np.empty_like(z), np.empty_like(z)
    benchmark(loss.gradient_and_hessian, y, z, out=out)


@pytest.mark.parametrize("dtype", SIZES)
@pytest.mark.parametrize("loss", NUMPY, ids=lambda loss: loss.__name__)
def test_competitors_compute_the_same(loss: type[Pointwise], dtype: type) -> None:
    y, z = data(loss(), 1000, dtype)
    ours = loss().gradient_and_hessian(y, z)
    pairs = [NUMPY[loss](y, z, **loss().parameters)]
    if loss in SCIKIT_LEARN:
        pairs.append(SCIKIT_LEARN[loss].gradient_hessian(y, z))
    for pair in pairs:
        for a, b in zip(ours, pair, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short vectors, few rounds; print instead of writing")
    parser.add_argument("--only", default="", help="only the losses whose name contains this; print")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    numba.set_num_threads(_common.THREADS)
    work = [(loss, dtype) for loss in CASES if arguments.only in _common.brief(loss) for dtype in SIZES]
    rows = []
    for loss, dtype in tqdm(work):
        n, rounds = (SIZES[dtype] // 50, 3) if arguments.quick else (SIZES[dtype], arguments.rounds)
        rows += measure(loss, dtype, n, rounds)
    if arguments.quick or arguments.only:
        print(_common.table(list(rows[0]), [list(_common.rounded(row).values()) for row in rows]))
    else:
        _common.write("pointwise", rows)


if __name__ == "__main__":
    main()
