"""The checks that bench/gpu.py makes on a device, of every loss: here on numba's simulator, of a few numbers.

Whole file: a process of its own, started with NUMBA_ENABLE_CUDASIM=1.
"""

from __future__ import annotations

import importlib
import pathlib
import sys
from typing import Any

import numpy as np
import pytest
from numba import config

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

BENCH = str(pathlib.Path(__file__).parents[2] / "bench")
sys.path.insert(0, BENCH)
checks: Any = importlib.import_module("_gpu_checks")
sys.path.remove(BENCH)

JOBS = checks.jobs("", 12)

# Formulas run on NumPy's scalars here, which warn where infinite or no numbers come up, as they are meant to.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def rows_of(job: Any) -> list[dict[str, Any]]:
    return [checks.verdict(row) for row in job()]


def test_checks_pass() -> None:
    found = [row for name, job in JOBS if "Perceptron" in name for row in rows_of(job)]
    assert len(found) >= 6 and not [row for row in found if row["ok"] != "yes"]


def test_a_wrong_number_is_seen() -> None:
    x = np.array([1.0, 2.0])
    assert checks.distance(x, x, x) == 0 and checks.distance(x, x + 1e-9, x) > checks.MOST_ULPS
    assert checks.distance(x, np.array([1.0, np.nan]), x) == np.inf


@pytest.mark.slow
@pytest.mark.parametrize("job", [job for _, job in JOBS], ids=[name for name, _ in JOBS])
def test_checks_of_every_loss_pass(job: Any) -> None:
    assert not [row for row in rows_of(job) if row["ok"] != "yes"]
