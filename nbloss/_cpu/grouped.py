"""What losses of groups of rows share on the CPU: arrays of doubles that kernels take, and the way back.

Everything is computed in float64: to sort a group, or to run through its pairs, takes many times as long as to convert
its rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from nbloss import _parallel, _threads
from nbloss._arrays import DOUBLE, divide

CHUNKS = 4  # for each thread, so that one that is held up holds up little
PARALLEL_FROM = 1 << 15  # steps; below, starting threads costs more than it saves


class Rows(NamedTuple):
    """What kernels are given, and where they write."""

    z: Any
    w: Any
    """The weights of rows; of no elements if there are none."""
    of_groups: Any
    """The weights of the groups, or None."""
    starts: Any
    scale: float
    """What gradients are multiplied by."""
    values: Any
    """The losses of the groups, without weights."""
    gradient: Any
    """Room for gradients, of no elements if they are not wanted."""
    hessian: Any
    wants_value: bool
    placed: dict[str, Any]


def rows(
    want: str, z: Any, w: Any, starts: Any, outs: Sequence[Any], divisor: float | None, real: np.dtype[Any] = DOUBLE
) -> Rows:
    """Return arrays for kernels; gradients are divided by *divisor* or, if it is None, the sum of the groups' weights.

    Weights *w* are None, a number, or one for each row or group. Predictions and derivatives are of the type *real*.
    """
    placed = dict(zip(want, outs, strict=True))
    groups, of_groups, of_rows = starts.size - 1, None, np.empty(0)
    if w is not None:
        if w.shape == z.shape and w.shape != (groups,):
            of_rows = doubles(w)
            of_groups = _means(of_rows, starts)
        else:
            of_groups = np.broadcast_to(doubles(w), (groups,))
            of_rows = np.repeat(of_groups, np.diff(starts))
    if divisor is None:
        divisor = groups if of_groups is None else float(of_groups.sum())
    scale = divide(1.0, divisor) if "s" in want else 1.0
    gradient, hessian = (_room(placed.get(letter), z.size, real) for letter in "gh")
    wants_value = "v" in want or "s" in want
    z = np.ascontiguousarray(z, real)
    return Rows(z, of_rows, of_groups, starts, scale, np.zeros(groups), gradient, hessian, wants_value, placed)


def deliver(made: Rows, divisor: float | None) -> None:
    """Write what kernels have made to where it is wanted, values divided as gradients are."""
    values = made.values
    if made.of_groups is not None:
        with np.errstate(invalid="ignore"):
            values = np.where(made.of_groups == 0, 0.0, made.of_groups * values)
    with np.errstate(over="ignore"):
        for letter, room in (("v", values), ("g", made.gradient), ("h", made.hessian)):
            out = made.placed.get(letter)
            if out is not None and out is not room:
                out[...] = room
        if "s" in made.placed:
            made.placed["s"][()] = values.sum() if divisor is None else divide(float(values.sum()), divisor)


def total_weight(made: Rows) -> float:
    """Return the sum of the weights of the groups."""
    return float(made.starts.size - 1 if made.of_groups is None else made.of_groups.sum())


def doubles(a: Any) -> Any:
    """Return numbers as a contiguous array of doubles, which is *a* itself where it can be."""
    return np.ascontiguousarray(a, DOUBLE) if a.ndim else np.asarray(a, DOUBLE)


def _room(out: Any, size: int, real: np.dtype[Any]) -> Any:
    """Return *out* if a kernel can write to it, else an array in its place; of no elements if it is None."""
    if out is None:
        return np.empty(0, real)
    fits = out.dtype == real and out.dtype.isnative and out.flags.c_contiguous and out.flags.aligned
    return out if fits else np.empty(size, real)


def _means(w: Any, starts: Any) -> Any:
    """Return the mean weight of the rows of each group that have one other than 0."""
    groups = starts.size - 1
    owner = np.repeat(np.arange(groups), np.diff(starts))
    return np.bincount(owner, w, groups) / np.maximum(np.bincount(owner, w != 0, groups), 1)


def threads(steps: float) -> bool:
    """Whether so many steps are worth starting threads, and this call may use them."""
    return steps >= PARALLEL_FROM and _parallel.is_allowed(int(steps))


def chunks_of(steps: Any, parallel: bool) -> Any:
    """Return where chunks of groups start and end, of about as many of the *steps* that each group takes."""
    chunks = CHUNKS * _threads.get_num_threads() if parallel else 1
    before = np.concatenate([[0.0], np.cumsum(steps)])
    inner = np.searchsorted(before, before[-1] * np.arange(1, chunks) / chunks)
    return np.concatenate([[0], inner, [steps.size]]).astype(np.int64)
