"""``nbloss bench``: losses on this machine, each beside a loop that moves the same bytes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import nbloss
from nbloss import _roofline
from nbloss._cli.losses import Unknown, find
from nbloss.families.paired import needs_pairs
from nbloss.families.pointwise import Pointwise

SIZE, ROUNDS = 1 << 25, 7
"""Bytes of the predictions, and how often each is timed."""
USUAL = ("Huber", "BinaryCrossEntropy", "BinaryFocal", "LogCosh", "Quantile")


def run(names: Sequence[str]) -> int:
    """Print how long gradient and Hessian of the losses take, and the loop."""
    losses = [find(name)() for name in names or USUAL]
    for loss in losses:
        if not isinstance(loss, Pointwise) or needs_pairs(loss):
            raise Unknown(f"bench times losses of single elements, and {type(loss).__name__} is none")
    print(f"gradient and Hessian, {nbloss.get_num_threads()} threads; medians of {ROUNDS} rounds, taken in turn")
    print(f"{'':28} {'dtype':8} {'elements':>9} {'ms':>8} {'GB/s':>7} {'memory, ms':>11} {'ratio':>6}")
    for loss in progress(losses):
        for dtype in ("float64", "float32"):
            found = _roofline.measure(loss, "gradient_and_hessian", dtype, size=SIZE, rounds=ROUNDS)
            rate = 1e-9 * found.bytes / found.seconds
            line = f"{type(loss).__name__:28} {dtype:8} {found.elements:9} {1e3 * found.seconds:8.2f} {rate:7.1f}"
            print(f"{line} {1e3 * found.memory:11.2f} {found.ratio:6.2f}")
    return 0


def progress(losses: Sequence[Any]) -> Any:
    """Return *losses*, with a progress bar on a terminal where tqdm is installed."""
    if not sys.stderr.isatty():
        return losses
    try:
        from tqdm import tqdm
    except ModuleNotFoundError:
        return losses
    return tqdm(losses, leave=False)
