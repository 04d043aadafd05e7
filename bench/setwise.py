"""Losses of sets and of vectors on large arrays, against the speed of memory and against NumPy.

As a script, it measures ratios within one run and writes ``results/setwise.csv``. With pytest
(``pytest bench/setwise.py``), it checks that what it compares with computes the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import _common
import numba
import numpy as np
import pytest
from _roofline import BLOCK, copy, dot
from tqdm import tqdm

import nbloss

SIZES = {np.float64: 4_000_000, np.float32: 8_000_000}
Pair = tuple[Any, Any]


def rmse(y: Any, z: Any) -> Pair:
    r = z - y
    size = np.sqrt(np.mean(r * r))
    share = 1 / (r.size * size)
    return r * share, share - r * r * (share * share / size)


def dice(y: Any, z: Any) -> Pair:
    p = 1 / (1 + np.exp(-z))
    overlap, whole = 2 * (p * y).sum(), p.sum() + y.sum()
    slope = overlap / whole**2 - 2 * y / whole
    pq = p * (1 - p)
    return slope * pq, slope * pq * (1 - 2 * p) - 2 / whole * slope * pq * pq


def dice_of_classes(y: Any, z: Any) -> Pair:
    classes = z.shape[1]
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    t = (y[:, None] == np.arange(classes)).astype(z.dtype)
    overlap, whole = 2 * (p * t).sum(0), p.sum(0) + t.sum(0)
    slope = (overlap / whole**2 - 2 * t / whole) / classes
    bend = -2 / whole * slope
    moved = p * (slope - (slope * p).sum(1, keepdims=True))
    return moved, moved * (1 - 2 * p) + p * p * (bend * (1 - 2 * p) + (bend * p * p).sum(1, keepdims=True))


def cosine(y: Any, z: Any) -> Pair:
    a, b = np.linalg.norm(y, axis=1, keepdims=True), np.linalg.norm(z, axis=1, keepdims=True)
    y, z = y / a, z / b
    c = (y * z).sum(1, keepdims=True)
    return (c * z - y) / b, (2 * y * z + c - 3 * c * z * z) / (b * b)


WAYS: list[tuple[nbloss.Loss, int, Callable[[Any, Any], Pair]]] = [
    (nbloss.RootMeanSquaredError(), 0, rmse),
    (nbloss.Dice(), 0, dice),
    (nbloss.Dice(), 3, dice_of_classes),
    (nbloss.Dice(), 20, dice_of_classes),
    (nbloss.CosineSimilarity(), 8, cosine),
    (nbloss.CosineSimilarity(), 128, cosine),
]
"""Losses with the length of the last axis, 0 for vectors, and what NumPy does."""


def data(loss: nbloss.Loss, width: int, n: int, dtype: type) -> tuple[Any, Any]:
    """Return targets, labels for regions, and predictions of *n* numbers in all."""
    rng = np.random.default_rng(0)
    rows = n // width if width else n
    z: Any = rng.standard_normal((rows, width) if width else rows).astype(dtype)
    if isinstance(loss, nbloss.Dice):
        return rng.integers(0, width, rows) if width else rng.integers(0, 2, rows).astype(dtype), z
    return rng.standard_normal(z.shape).astype(dtype), z


def measure(
    loss: nbloss.Loss, width: int, in_numpy: Callable[[Any, Any], Pair], dtype: type, n: int, rounds: int
) -> Any:
    """Return the rows of one loss in one dtype."""
    y, z = data(loss, width, n, dtype)
    g, h = np.empty_like(z), np.empty_like(z)
    a, b, c, d = (np.ones(z.size, dtype) for _ in range(4))
    sums = np.empty(-(-z.size // BLOCK))
    ways: dict[str, Callable[[], object]] = {
        "nbloss": lambda: loss.gradient_and_hessian(y, z, out=(g, h)),
        "copy": lambda: copy(a, b, c, d),
        "NumPy": lambda: in_numpy(y, z),
    }
    seconds = _common.interleaved(ways, rounds)
    rows = [
        _row("gradient and Hessian", loss, z, seconds["nbloss"], against, seconds[against])
        for against in ("copy", "NumPy")
    ]
    seconds = _common.interleaved({"nbloss": lambda: loss(y, z), "dot": lambda: dot(a, b, sums)}, rounds)
    return [*rows, _row("mean", loss, z, seconds["nbloss"], "dot", seconds["dot"])]


def _row(work: str, loss: nbloss.Loss, z: Any, ours: float, against: str, theirs: float) -> _common.Row:
    return {
        "work": work,
        "loss": _common.brief(loss),
        "shape": " x ".join(map(str, z.shape)),
        "dtype": str(z.dtype),
        "ms": 1e3 * ours,
        "against": against,
        "ms of it": 1e3 * theirs,
        "ratio": ours / theirs if against != "NumPy" else theirs / ours,
    }


@pytest.mark.parametrize("dtype", SIZES)
@pytest.mark.parametrize("way", WAYS, ids=lambda way: f"{way[0]}-{way[1]}")
def test_competitors_compute_the_same(way: Any, dtype: type) -> None:
    loss, width, in_numpy = way
    y, z = data(loss, width, 3000, dtype)
    for a, b in zip(loss.gradient_and_hessian(y, z), in_numpy(y, z), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short arrays, few rounds; print instead of writing")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    numba.set_num_threads(_common.THREADS)
    rows = []
    for (loss, width, in_numpy), dtype in tqdm([(way, dtype) for way in WAYS for dtype in SIZES]):
        n, rounds = (SIZES[dtype] // 10, 3) if arguments.quick else (SIZES[dtype], arguments.rounds)
        rows += measure(loss, width, in_numpy, dtype, n, rounds)
    if arguments.quick:
        print(_common.table(list(rows[0]), [list(_common.rounded(row).values()) for row in rows]))
    else:
        _common.write("setwise", rows)


if __name__ == "__main__":
    main()
