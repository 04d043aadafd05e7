"""Cross-entropy of rows against the speed of memory, scikit-learn, NumPy and, where it is installed, PyTorch.

As a script, it measures ratios within one run and writes ``results/rowwise.csv``. With pytest
(``pytest bench/rowwise.py --benchmark-enable``), it times each number of classes on its own.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable
from typing import Any

import _common
import numba
import numpy as np
import pytest
from _roofline import spread
from sklearn._loss import HalfMultinomialLoss
from tqdm import tqdm

import nbloss

NUMBERS = {np.float64: 6_000_000, np.float32: 12_000_000}
CLASSES = {3: 2.0, 10: 2.0, 100: 1.3, 10_000: 1.2}
"""How many classes, and how many times as long as a copy gradient and Hessian may take."""

LOSS = nbloss.CrossEntropy()


def data(classes: int, dtype: type, numbers: int) -> tuple[Any, Any]:
    rng = np.random.default_rng(0)
    rows = numbers // classes
    return rng.integers(0, classes, rows), (2 * rng.standard_normal((rows, classes))).astype(dtype)


def in_numpy(y: Any, z: Any) -> tuple[Any, Any]:
    """Return gradient and Hessian as one would write them."""
    p = np.exp(z - z.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    hessian = p * (1 - p)
    p[np.arange(len(y)), y] -= 1
    return p, hessian


def in_torch(y: Any, z: Any) -> Callable[[], object]:
    """Return a function that makes value and gradient, forward and backward."""
    import torch

    torch.set_num_threads(_common.THREADS)
    labels, logits = torch.from_numpy(y), torch.from_numpy(z).requires_grad_()

    def run() -> object:
        logits.grad = None
        torch.nn.functional.cross_entropy(logits, labels, reduction="sum").backward()
        return logits.grad

    return run


def measure(classes: int, dtype: type, numbers: int, rounds: int) -> list[_common.Row]:
    """Return the rows of one number of classes in one dtype."""
    y, z = data(classes, dtype, numbers)
    g, h, c, d = (np.empty_like(z) for _ in range(4))
    columns = np.asfortranarray(z)
    g_f, h_f = np.empty_like(columns), np.empty_like(columns)
    labels = y.astype(dtype)
    theirs = HalfMultinomialLoss(n_classes=classes)
    ways: dict[str, Callable[[], object]] = {
        "nbloss": lambda: LOSS.gradient_and_hessian(y, z, out=(g, h)),
        "copy": lambda: spread(z.reshape(-1), c.reshape(-1), d.reshape(-1)),
        "nbloss, Fortran order": lambda: LOSS.gradient_and_hessian(y, columns, out=(g_f, h_f)),
        "scikit-learn": lambda: theirs.gradient_hessian(
            labels, z, gradient_out=c, hessian_out=d, n_threads=_common.THREADS
        ),
        "NumPy": lambda: in_numpy(y, z),
    }
    if importlib.util.find_spec("torch"):
        ways["PyTorch"] = in_torch(y, z)
    seconds = _common.interleaved(ways, rounds)
    goals = {
        "copy": f"at most {CLASSES[classes]:g}",
        "scikit-learn": f"at least {4 if classes >= 100 else 2.5:g}",
        "PyTorch": "at least 10",
        "NumPy": "",
    }
    rows = [
        _row("gradient and Hessian", classes, z, seconds["nbloss"], against, seconds[against], goal)
        for against, goal in goals.items()
        if against in seconds
    ]
    ours = seconds["nbloss, Fortran order"]
    return [*rows, _row("the same, Fortran order", classes, z, ours, "copy", seconds["copy"], "")]


def _row(work: str, classes: int, z: Any, ours: float, against: str, theirs: float, goal: str) -> _common.Row:
    return {
        "work": work,
        "classes": classes,
        "dtype": str(z.dtype),
        "numbers": z.size,
        "ms": 1e3 * ours,
        "against": against,
        "ms of it": 1e3 * theirs,
        "ratio": ours / theirs if against == "copy" else theirs / ours,
        "goal": goal,
    }


@pytest.mark.parametrize("dtype", NUMBERS)
@pytest.mark.parametrize("classes", CLASSES)
def test_gradient_and_hessian(benchmark: Any, classes: int, dtype: type) -> None:
    y, z = data(classes, dtype, 1_000_000)
    out = np.empty_like(z), np.empty_like(z)
    benchmark(LOSS.gradient_and_hessian, y, z, out=out)


def test_competitors_compute_the_same() -> None:
    y, z = data(10, np.float64, 1000)
    ours = LOSS.gradient_and_hessian(y, z)
    theirs = HalfMultinomialLoss(n_classes=10).gradient_hessian(y.astype(np.float64), z)
    for pair in (in_numpy(y, z), theirs):
        for a, b in zip(ours, pair, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-14)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few numbers and rounds; print instead of writing")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    numba.set_num_threads(_common.THREADS)
    rows = []
    for classes, dtype in tqdm([(classes, dtype) for classes in CLASSES for dtype in NUMBERS]):
        numbers, rounds = (NUMBERS[dtype] // 20, 3) if arguments.quick else (NUMBERS[dtype], arguments.rounds)
        rows += measure(classes, dtype, numbers, rounds)
    if arguments.quick:
        print(_common.table(list(rows[0]), [list(_common.rounded(row).values()) for row in rows]))
    else:
        _common.write("rowwise", rows)


if __name__ == "__main__":
    main()
