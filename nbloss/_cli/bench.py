"""``nbloss bench``: losses on this machine, against loops that do nothing but read and write."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np

import nbloss
from nbloss._cli.losses import Unknown, find
from nbloss._plot import takes_pairs
from nbloss.checking import usual
from nbloss.families.pointwise import Pointwise

SIZE, ROUNDS = 4_000_000, 7
USUAL = ("Huber", "BinaryCrossEntropy", "BinaryFocal", "LogCosh", "Quantile")


@numba.njit(parallel=True)
def copy(a: Any, b: Any, c: Any, d: Any) -> None:
    """Read two arrays and write two, as gradient and Hessian do."""
    for i in numba.prange(a.size):
        c[i] = a[i] + b[i]
        d[i] = a[i] - b[i]


def run(names: Sequence[str]) -> int:
    """Print how long gradient and Hessian of the losses take, and the loop."""
    losses = [find(name)() for name in names or USUAL]
    for loss in losses:
        if not isinstance(loss, Pointwise) or takes_pairs(loss):
            raise Unknown(f"bench times losses of single elements, and {type(loss).__name__} is none")
    print(f"gradient and Hessian of {SIZE:,} elements, {nbloss.get_num_threads()} threads; medians of {ROUNDS} rounds")
    print(f"{'':28} {'dtype':8} {'ms':>8} {'GB/s':>7} {'loop, ms':>9} {'ratio':>6}")
    for loss in progress(losses):
        for dtype in (np.float64, np.float32):
            y, z = (np.resize(x, SIZE).astype(dtype) for x in usual(loss))
            out = np.empty_like(z), np.empty_like(z)
            copied = np.empty_like(z), np.empty_like(z)
            ways: dict[str, Callable[[], Any]] = {
                "loss": lambda loss=loss, y=y, z=z, out=out: loss.gradient_and_hessian(y, z, out=out),  # type: ignore[misc]
                "loop": lambda y=y, z=z, copied=copied: copy(y, z, *copied),  # type: ignore[misc]
            }
            seconds = timed(ways)
            rate = 4 * z.nbytes / seconds["loss"] / 1e9
            ratio = seconds["loss"] / seconds["loop"]
            line = f"{type(loss).__name__:28} {z.dtype.name:8} {1e3 * seconds['loss']:8.2f} {rate:7.1f}"
            print(f"{line} {1e3 * seconds['loop']:9.2f} {ratio:6.2f}")
    return 0


def timed(ways: dict[str, Callable[[], Any]]) -> dict[str, float]:
    """Return the median seconds of each way, taken in turn, after one call that is not counted."""
    for way in ways.values():
        way()
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            start = time.perf_counter()
            way()
            found[name].append(time.perf_counter() - start)
    return {name: statistics.median(seconds) for name, seconds in found.items()}


def progress(losses: Sequence[Any]) -> Any:
    """Return *losses*, with a progress bar on a terminal where tqdm is installed."""
    if not sys.stderr.isatty():
        return losses
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        return losses
    return tqdm(losses, leave=False)
