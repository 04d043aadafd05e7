"""The host's time of a call on CUDA arrays, against a stand-in for the driver: no device is needed.

Writes ``results/launch.csv``. What the real driver adds to a launch, some microseconds, is not in it.
"""

from __future__ import annotations

import csv
import datetime
import pathlib
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from tests.cuda import standin

standin.driver()  # before numba looks for a driver

import numpy as np  # noqa: E402
from numba import config, cuda  # noqa: E402

import nbloss  # noqa: E402
from tests.cuda.fakes import Array  # noqa: E402

RESULTS = pathlib.Path(__file__).parent / "results"
ROUNDS, TIMES = 15, 1000


def seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    for _ in range(TIMES):
        call()
    return (time.perf_counter() - start) / TIMES


@cuda.jit
def twice(y, z, g):  # type: ignore[no-untyped-def]
    i = cuda.grid(1)
    if i < g.size:
        g[i] = z[i] - y[i]


def main() -> None:
    config.CUDA_LOW_OCCUPANCY_WARNINGS = 0
    y, z, g, h = (Array(np.zeros(1000, np.float32)) for _ in range(4))
    labels, rows, out = (Array(np.zeros(100, np.int64)), *(Array(np.zeros((100, 10), np.float32)) for _ in range(2)))
    mean = Array(np.zeros(()))
    huber, entropy, cox = nbloss.Huber(), nbloss.CrossEntropy(), nbloss.Cox()
    events, groups = (Array(np.zeros(1000)), Array(np.zeros(1000, np.int8))), np.full(10, 100)
    ways: dict[str, Callable[[], Any]] = {
        "Huber().gradient(y, z, out=g)": lambda: huber.gradient(y, z, out=g),
        "Huber().gradient_and_hessian(y, z, out=(g, h))": lambda: huber.gradient_and_hessian(y, z, out=(g, h)),
        "Huber().value(y, z, out=mean)": lambda: huber.value(y, z, out=mean),
        "Huber().value_and_gradient(y, z, out=(mean, g))": lambda: huber.value_and_gradient(y, z, out=(mean, g)),
        "CrossEntropy().gradient(labels, rows, out=g)": lambda: entropy.gradient(labels, rows, out=out),
        "Cox().gradient((time, event), z, groups=groups, out=g)": lambda: cox.gradient(events, z, groups=groups, out=g),
        "a kernel of numba with y, z and g": lambda: twice[4, 256](y, z, g),
    }
    for way in ways.values():
        way()
        way()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            taken[name].append(seconds(way))
    with (RESULTS / "launch.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["call", "us", "least us", "date", "python"])
        for name, found in taken.items():
            row = [name, f"{1e6 * statistics.median(found):.2f}", f"{1e6 * min(found):.2f}"]
            print(*row)
            writer.writerow([*row, datetime.date.today().isoformat(), sys.version.split()[0]])


if __name__ == "__main__":
    main()
