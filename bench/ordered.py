"""Losses whose errors are put in order, on 10 million pixels, against the way that their authors wrote them.

That is: sort, gather, cumulative sums, differences, scatter; in NumPy and, where it is installed, in PyTorch, whose
derivatives come from autograd, taken in turn. Writes ``results/ordered.csv``: as a whole, which takes many minutes, or
a piece of it.
"""

from __future__ import annotations

import argparse
import importlib.util
import itertools
import statistics
import time
from collections.abc import Callable
from typing import Any

import _common
import numba
import numpy as np

import nbloss

PIXELS, CLASSES = 10_000_000, 3


def increments(positive: Any) -> Any:
    """Return how the Jaccard loss grows along sorted pixels: the function lovasz_grad of the paper's code."""
    total = positive.sum()
    intersection = total - np.cumsum(positive)
    union = total + np.cumsum(1 - positive)
    jaccard = 1 - intersection / union
    jaccard[1:] -= jaccard[:-1].copy()
    return jaccard


def hinge(y: Any, z: Any) -> tuple[Any, Any]:
    """Return value and gradient of the Lovász hinge."""
    signs = (2 * y - 1).astype(z.dtype)
    errors = 1 - z * signs
    order = np.argsort(-errors)
    errors = errors[order]
    slopes = increments(y[order])
    gradient = np.empty_like(z)
    gradient[order] = np.where(errors > 0, -slopes, 0)
    return np.maximum(errors, 0) @ slopes, gradient * signs


def softmax(y: Any, z: Any) -> tuple[Any, Any]:
    """Return value and gradient of the Lovász-softmax, in which all classes occur."""
    p = np.exp(z - z.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    slopes_of = np.empty_like(z)
    value = 0.0
    for k in range(z.shape[-1]):
        positive = (y == k).astype(np.int64)
        errors = np.abs(positive - p[:, k])
        order = np.argsort(-errors)
        slopes = increments(positive[order])
        value += errors[order] @ slopes / z.shape[-1]
        slopes_of[order, k] = np.where(positive[order] == 1, -slopes, slopes) / z.shape[-1]
    return value, p * (slopes_of - (p * slopes_of).sum(-1, keepdims=True))


def by_torch(loss: nbloss.Loss, y: Any, z: Any) -> Callable[[], Any]:
    """Return the function that does the same in PyTorch: forward, then backward."""
    import torch

    torch.set_num_threads(_common.THREADS)
    targets, logits = torch.from_numpy(y), torch.from_numpy(z).requires_grad_()

    def grown(positive: Any) -> Any:
        total = positive.sum()
        jaccard = 1 - (total - positive.cumsum(0)) / (total + (1 - positive).cumsum(0))
        jaccard[1:] = jaccard[1:] - jaccard[:-1]
        return jaccard

    def of_hinge() -> Any:
        signs = 2.0 * targets - 1.0
        errors, order = torch.sort(1 - logits * signs, descending=True)
        return torch.dot(torch.relu(errors), grown(targets[order].to(errors.dtype)))

    def of_softmax() -> Any:
        p = torch.softmax(logits, -1)
        losses = []
        for k in range(p.shape[-1]):
            positive = (targets == k).to(p.dtype)
            errors, order = torch.sort((positive - p[:, k]).abs(), descending=True)
            losses.append(torch.dot(errors, grown(positive[order])))
        return sum(losses) / len(losses)

    def run() -> Any:
        logits.grad = None
        value = of_hinge() if isinstance(loss, nbloss.LovaszHinge) else of_softmax()
        value.backward()
        return value.detach(), logits.grad

    return run


def sorting(dtype: type, n: int, rounds: int) -> _common.Row:
    """Return the row of the sort alone, against ``np.argsort(kind="stable")``."""
    from nbloss._cpu import ordered, radix

    x: Any = np.random.default_rng(0).standard_normal(n).astype(dtype)
    bits = x.view(ordered.KEYS[x.dtype])
    sign = bits.dtype.type(1 << (8 * bits.itemsize - 1))
    keys = np.where(bits & sign, ~bits, bits | sign)
    room = np.empty_like(keys), np.empty(n, np.uint32), np.empty_like(keys), np.empty(n, np.uint32)
    kernel = ordered._step(radix.sort, x.dtype, np.dtype(np.uint32))

    def ours() -> Any:
        room[0][:], room[1][:] = keys, np.arange(n, dtype=np.uint32)
        return kernel(*room, ordered._chunks())[1]

    seconds = _common.interleaved({"nbloss": ours, "NumPy": lambda: np.argsort(x, kind="stable")}, rounds)
    if not np.array_equal(ours(), np.argsort(x, kind="stable")):
        raise AssertionError("the sort is wrong")
    return _row("stable argsort", "", x, seconds["nbloss"], "NumPy", seconds["NumPy"], "")


def measure(loss: nbloss.Loss, dtype: type, n: int, rounds: int) -> list[_common.Row]:
    """Return the rows of value and gradient of one loss."""
    rng = np.random.default_rng(0)
    is_hinge = isinstance(loss, nbloss.LovaszHinge)
    y = rng.integers(0, 2 if is_hinge else CLASSES, n)
    z: Any = rng.standard_normal(n if is_hinge else (n, CLASSES)).astype(dtype)
    out = np.empty(()), np.empty_like(z)
    ways: dict[str, Callable[[], Any]] = {
        "nbloss": lambda: loss.value_and_gradient(y, z, out=out),
        "NumPy": lambda: (hinge if is_hinge else softmax)(y, z),
    }
    if importlib.util.find_spec("torch"):
        ways["PyTorch"] = by_torch(loss, y, z)
    ways["nbloss"]()  # which is compiled; the others have nothing to warm up
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            value, gradient = way()
            seconds[name].append(time.perf_counter() - start)
            np.testing.assert_allclose(float(value), out[0], rtol=1e-3)
            np.testing.assert_allclose(np.abs(np.asarray(gradient)).sum(), np.abs(out[1]).sum(), rtol=1e-2)
    medians = {name: statistics.median(found) for name, found in seconds.items()}
    return [
        _row("value and gradient", _common.brief(loss), z, medians["nbloss"], name, medians[name], "at least 5")
        for name in ways
        if name != "nbloss"
    ]


def _row(work: str, loss: str, z: Any, ours: float, against: str, theirs: float, goal: str) -> _common.Row:
    return {
        "work": work,
        "loss": loss,
        "dtype": str(z.dtype),
        "elements": z.size,
        "ms": 1e3 * ours,
        "against": against,
        "ms of it": 1e3 * theirs,
        "ratio": theirs / ours,
        "goal": goal,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer pixels; print instead of writing")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only", default="", help="a piece: words of sort, LovaszHinge, LovaszSoftmax, float64, float32"
    )
    arguments = parser.parse_args()
    numba.set_num_threads(_common.THREADS)
    n = PIXELS // 50 if arguments.quick else PIXELS
    rows = []
    for dtype, loss in itertools.product(
        (np.float64, np.float32), (None, nbloss.LovaszHinge(), nbloss.LovaszSoftmax())
    ):
        piece = ["sort" if loss is None else type(loss).__name__, dtype.__name__]
        if set(arguments.only.split()) <= set(piece):
            rows += measure(loss, dtype, n, arguments.rounds) if loss else [sorting(dtype, n, arguments.rounds)]
    if arguments.quick:
        print(_common.table(list(rows[0]), [list(_common.rounded(row).values()) for row in rows]))
    elif arguments.only:
        _common.update("ordered", rows, ("work", "loss", "dtype", "against"))
    else:
        _common.write("ordered", rows)


if __name__ == "__main__":
    main()
