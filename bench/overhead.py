"""What a call costs where the arrays are small, and what the import costs: writes ``results/overhead.csv``."""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import timeit
from collections.abc import Callable

import _common
import numpy as np

import nbloss

SIZES = (1, 100, 1000)
LOSSES = (nbloss.Huber(), nbloss.BinaryCrossEntropy(), nbloss.BinaryFocal())

IMPORT = """
import time, numpy
start = time.perf_counter()
import nbloss
print(time.perf_counter() - start)
"""


def calls(loss: nbloss.Loss, n: int, rounds: int) -> list[_common.Row]:
    """Return the rows of the calls that boosting and training loops make."""
    rng = np.random.default_rng(0)
    y, z, w = rng.integers(0, 2, n).astype(float), rng.standard_normal(n), rng.random(n)
    out = np.empty(n), np.empty(n)
    ways: dict[str, Callable[[], object]] = {
        "gradient_and_hessian(y, z)": lambda: loss.gradient_and_hessian(y, z),
        "gradient_and_hessian(y, z, out=)": lambda: loss.gradient_and_hessian(y, z, out=out),
        "gradient_and_hessian(y, z, w)": lambda: loss.gradient_and_hessian(y, z, w),
        "gradient_and_hessian(y, z, w, out=)": lambda: loss.gradient_and_hessian(y, z, w, out=out),
        "value(y, z)": lambda: loss.value(y, z),
        "value(y, z, w)": lambda: loss.value(y, z, w),
    }
    repeats = 2000
    many = {name: _repeated(way, repeats) for name, way in ways.items()}
    seconds = _common.interleaved(many, rounds)
    goal = dict(zip(SIZES, (2.5, 3.0, 4.0) if isinstance(loss, nbloss.Huber) else (4.0, 5.0, 8.0), strict=True))[n]
    goals = {name: goal + ("w" in name.split("(")[1] or "out" in name) for name in ways}
    return [
        {
            "work": name,
            "loss": _common.brief(loss),
            "elements": n,
            "time": 1e6 * found / repeats,
            "unit": "us",
            "goal": f"at most {goals[name]:g}",
        }
        for name, found in seconds.items()
    ]


def _repeated(way: Callable[[], object], repeats: int) -> Callable[[], object]:
    timer = timeit.Timer(way)
    return lambda: timer.timeit(repeats)


def import_time(rounds: int) -> _common.Row:
    """Return the row of the time of ``import nbloss`` after ``import numpy``, in new processes."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        keeps_bytecode = os.environ | {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": folder}
        for _ in range(rounds + 1):
            process = subprocess.run(
                [sys.executable, "-c", IMPORT], check=True, capture_output=True, text=True, env=keeps_bytecode
            )
            found.append(float(process.stdout))
    ms = 1e3 * statistics.median(found[1:])  # the first one writes bytecode
    return {"work": "import nbloss", "loss": "", "elements": "", "time": ms, "unit": "ms", "goal": "at most 30"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds; print instead of writing")
    arguments = parser.parse_args()
    rounds = 3 if arguments.quick else 11
    rows = [row for loss in LOSSES for n in SIZES for row in calls(loss, n, rounds)]
    rows.append(import_time(rounds))
    if arguments.quick:
        print(_common.table(list(rows[0]), [list(_common.rounded(row).values()) for row in rows]))
    else:
        _common.write("overhead", rows)


if __name__ == "__main__":
    main()
