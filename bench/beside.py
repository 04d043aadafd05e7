"""What calls of nbloss cost in turn with a library that has an OpenMP of its own, and what its calls cost then.

``python bench/beside.py`` writes results/beside.csv and .md: gradient and Hessian of Huber, written to arrays that are
given, in turn with the same of scikit-learn, or with a round of XGBoost on 10 000 rows, which waits where two OpenMPs
are at odds. Each way is a process of its own, and the ways come in turn; each time is also divided by what it is where
nbloss has one thread. What nbloss does by itself is "tbb" where that is installed, else "the same OpenMP", else "one
thread"; "the trap" is what it was before: threads of a second OpenMP, which wait for the next call.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import _common
import numpy as np

import nbloss
from nbloss import _openmp, _parallel

WAYS = {
    "alone": "one thread",
    "trap": "the trap",
    "apart": "threads of a second OpenMP, ended after each call",
    "shared": "the same OpenMP",
    "tbb": "tbb",
}
NEIGHBOURS = ("scikit-learn", "XGBoost")
SIZES = (1 << 16, 1 << 18, 1 << 20, 1 << 21, 1 << 22)
LOSS = nbloss.Huber(delta=1.5)


def main(threads: int = 4, rounds: int = 3) -> None:
    """Measure and write the table."""
    times: dict[tuple[str, str, int], list[list[float]]] = {}
    for _ in range(rounds):
        for neighbour in NEIGHBOURS:
            for way in WAYS:
                layer = "tbb" if way == "tbb" else "omp"
                settings = os.environ | {"NUMBA_THREADING_LAYER": layer, "NUMBA_NUM_THREADS": str(threads)}
                done = subprocess.run(
                    [sys.executable, __file__, neighbour, way, str(threads)], env=settings, stdout=subprocess.PIPE,
                    text=True, check=True,
                )  # fmt: skip
                for line in done.stdout.splitlines():
                    count, *both = line.split()
                    times.setdefault((neighbour, way, int(count)), []).append([float(x) for x in both])
    medians = {key: [statistics.median(x) for x in zip(*found, strict=True)] for key, found in times.items()}
    rows = []
    for (neighbour, way, size), (ours, theirs) in medians.items():
        alone = medians[neighbour, "alone", size]
        rows.append(
            {"elements": size, "beside": neighbour, "nbloss by": WAYS[way], "nbloss, ms": ours, "the other, ms": theirs,
             "nbloss, times one thread": ours / alone[0], "the other, times": theirs / alone[1]}
        )  # fmt: skip
    _common.write("beside", rows, threads=threads)


def measure(neighbour: str, way: str, threads: int) -> None:
    """Print sizes and medians of milliseconds of both, in turn."""
    theirs = of_scikit_learn(threads) if neighbour == "scikit-learn" else of_xgboost(threads)
    if way == "alone":
        nbloss.set_num_threads(1)
    elif way in ("apart", "trap"):
        _openmp._opened = lambda: None
        _parallel.BESIDE_OPENMP = 0
        if way == "trap":
            _openmp.end_threads = lambda: None
    for size in SIZES:
        y, z = (np.random.default_rng(seed).normal(size=size) for seed in range(2))
        gradient, hessian = np.empty(size), np.empty(size)
        times: list[list[float]] = [[], []]
        for _ in range(23):
            start = time.perf_counter()
            LOSS.gradient_and_hessian(y, z, out=(gradient, hessian))
            middle = time.perf_counter()
            theirs(y, z, gradient, hessian)
            times[0].append(middle - start)
            times[1].append(time.perf_counter() - middle)
        print(size, *(f"{1e3 * statistics.median(t[3:]):.4g}" for t in times))


def of_scikit_learn(threads: int) -> Callable[..., Any]:
    """Return a call that does the same work."""
    from sklearn._loss import HuberLoss

    loss = HuberLoss(delta=LOSS.delta)
    return lambda y, z, gradient, hessian: loss.gradient_hessian(
        y, z, gradient_out=gradient, hessian_out=hessian, n_threads=threads
    )


def of_xgboost(threads: int) -> Callable[..., Any]:
    """Return a round on 10 000 rows."""
    import xgboost

    x = np.random.default_rng(0).normal(size=(10_000, 10)).astype(np.float32)
    data = xgboost.DMatrix(x, x[:, 0])
    booster = xgboost.Booster({"max_depth": 3, "nthread": threads}, [data])
    gradient, count = np.ones(10_000, np.float32), iter(range(10_000))
    return lambda *_: booster.boost(data, iteration=next(count), grad=gradient, hess=gradient)


if __name__ == "__main__":
    if len(sys.argv) > 3:
        measure(sys.argv[1], sys.argv[2], int(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:]))
