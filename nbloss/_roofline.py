"""How close losses come to the speed of memory: each beside a loop that moves the same bytes, in the same minutes.

Used by ``python -m nbloss bench`` and by ``bench/roofline.py`` in the repository.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numba import njit, prange

import nbloss
from nbloss._cpu.views import part
from nbloss.families.paired import Paired
from nbloss.families.pointwise import Pointwise
from nbloss.loss import REAL, UNIT, Interval

BLOCK = 512  # as in the kernels

OUTPUTS = {
    "gradient_and_hessian": "gh",
    "mean": "s",
    "value": "v",
    "gradient": "g",
    "hessian": "h",
    "value_and_gradient": "sg",
}
"""What is asked for: a letter for each array that is written, "s" for a sum."""

FORMS = ("direct", "Fortran", "mixed")
"""Vectors of one type; matrices in Fortran order; targets of the other real type."""

GAMMA = {"loggamma", "digamma", "psi", "erf", "erfc", "ncdf"}


@dataclasses.dataclass(frozen=True)
class Measurement:
    """The time of a loss and of the loop beside it, in seconds, and the bytes that each of them moves."""

    loss: nbloss.Loss
    output: str
    dtype: str
    weights: str | None
    form: str
    elements: int
    bytes: int
    seconds: float
    memory: float
    ratio: float
    """How many times as long as the loop the loss takes."""

    @property
    def goal(self) -> float | None:
        """What the ratio is to be at most, where there is a goal."""
        used = functions_of(self.loss)
        if self.output not in ("gradient_and_hessian", "mean") or used & GAMMA:
            return None
        if "power" in used:
            return 4.0
        if self.output == "mean":
            return 1.7 if used - {"sqrt"} else 1.15
        return 1.3 if self.weights or self.form != "direct" else 1.1


@functools.cache
def functions_of(loss: Any) -> frozenset[str]:
    """Return the names of the functions in the textbook line of *loss*, and "power" if it has a free exponent."""
    used = set()

    class Recorder:
        def __getattr__(self, name: str) -> Any:
            used.add(name)
            return getattr(math, name, abs)

    if isinstance(loss, nbloss.AFT):  # its line takes intervals
        return frozenset({"exp", "log"})
    loss.reference(Recorder(), 1.0, 0.75, **loss.parameters)
    is_free = isinstance(loss, nbloss.BinaryFocal) and None in loss.choices
    if is_free or isinstance(loss, nbloss.Tweedie | nbloss.AsymmetricLoss):
        used.add("power")
    return frozenset(used)


def interleaved(ways: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median seconds of each way, all taken in turn in every round, after one call that is not counted.

    Some leave threads asleep and caches empty for whoever is next: so, of more than two, every round has another order.
    """
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    orders = itertools.permutations(ways) if len(ways) > 2 else [tuple(ways)]
    for order in itertools.islice(itertools.cycle(orders), rounds):
        for name in order:
            seconds[name].append(_seconds(ways[name]))
    return {name: statistics.median(found) for name, found in seconds.items()}


def beside(way: Callable[[], object], other: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Return the median seconds of two ways, and the median ratio of their times.

    The memory of a machine that others use, too, may be half as fast a second later. So they are timed in turn, and
    each call of one way counts by the mean of those of the other before and after it.
    """
    way()
    other()
    others, ways = [_seconds(other)], []
    for _ in range(rounds):
        ways.append(_seconds(way))
        others.append(_seconds(other))
    ratios = [2 * t / (before + after) for t, before, after in zip(ways, others[:-1], others[1:], strict=True)]
    return statistics.median(ways), statistics.median(others), statistics.median(ratios)


def _seconds(way: Callable[[], object]) -> float:
    start = time.perf_counter()
    way()
    return time.perf_counter() - start


def cases() -> list[Pointwise]:
    """Return every pointwise loss: as it comes, on probabilities where it can, with other exponents, distributions."""
    found: list[Pointwise] = []
    for loss in nbloss.ALL:
        if issubclass(loss, Pointwise):
            found.append(loss())
            if "from_logits" in found[-1].parameters:
                on_probabilities: dict[str, Any] = {"from_logits": False}
                found.append(loss(**on_probabilities))
    found += [nbloss.BinaryFocal(gamma=gamma) for gamma in (0.0, 1.0, 3.0, 1.5)]
    return [*found, *(nbloss.AFT(distribution=name) for name in ("logistic", "extreme"))]


def measure(
    loss: Pointwise, output: str, dtype: str, *, weights: str | None = None, form: str = "direct", size: int = 1 << 26,
    rounds: int = 9,
) -> Measurement:  # fmt: skip
    """Time *loss* beside a loop that moves the same bytes.

    Parameters
    ----------
    loss : Pointwise
        The loss.
    output : str
        A key of :data:`OUTPUTS`.
    dtype : str
        "float32" or "float64", of the predictions and of what is returned.
    weights : str, optional
        The type of sample weights, if there are any; they must be read, too.
    form : str, default="direct"
        One of :data:`FORMS`.
    size : int, default=1 << 26
        The bytes of the predictions; what fits into the caches says nothing about memory.
    rounds : int, default=9
        How often each is timed, in turn; the medians count.
    """
    work, memory, n, moved = ways(loss, output, dtype, weights, form, size)
    return Measurement(loss, output, dtype, weights, form, n, moved, *beside(work, memory, rounds))


def ways(
    loss: Pointwise, output: str, dtype: str, weights: str | None, form: str, size: int
) -> tuple[Callable[[], object], Callable[[], object], int, int]:
    """Return the call of *loss*, the loop beside it, the number of elements, and the bytes that each moves."""
    n = size // np.dtype(dtype).itemsize
    target = other(dtype) if form == "mixed" else dtype
    z = _sample(loss.domain.prediction, dtype, n, 0)
    y = _sample(loss.domain.target, target, n, 1)
    more = _second_target(loss, y)
    w = None if weights is None else _sample(UNIT, weights, n, 2)
    letters = OUTPUTS[output]
    arrays = [_room(dtype, n, i) for i in range(len(letters.replace("s", "")))]
    c, d = [*arrays, None, None][:2]
    sums = np.empty(-(-n // BLOCK))

    def memory() -> None:
        _dotted(y, z, more, w, c, sums) if "s" in letters else _moved(y, z, more, w, c, d)

    def ordered(a: Any) -> Any:
        return a if a is None or form != "Fortran" else a.reshape(64, -1).T

    targets = [ordered(a) for a in (y, more) if a is not None]
    given, outs = [ordered(z), ordered(w)], [ordered(a) for a in arrays]
    options: dict[str, Any] = {"reduction": "none"} if output == "value" else {}
    if letters != "s":
        outs = [np.empty(()), *outs] if "s" in letters else outs
        options["out"] = outs[0] if len(outs) == 1 else tuple(outs)
    method = loss.value if output == "mean" else getattr(loss, output)
    y_true = targets[0] if more is None else tuple(targets)
    moved = sum(a.nbytes for a in (y, z, more, w, *arrays) if a is not None)
    return lambda: method(y_true, *given, **options), memory, n, moved


def other(dtype: str) -> str:
    """Return the other real type."""
    return {"float32": "float64", "float64": "float32"}[dtype]


def _second_target(loss: Pointwise, y: Any) -> Any:
    """Return the second targets of a loss of two: exposures, or the later ends of intervals; else None."""
    if not isinstance(loss, Paired):
        return None
    more = _sample(UNIT, str(y.dtype), y.size, 2)
    return y + more if isinstance(loss, nbloss.AFT) else more + more.dtype.type(0.5)


@functools.lru_cache(maxsize=64)
def _sample(interval: Interval, dtype: str, n: int, seed: int) -> Any:
    """Return *n* numbers of an interval, over a few units around 0 if it is not bounded."""
    rng = np.random.default_rng(seed)
    if interval == UNIT:
        numbers = rng.random(n, np.float32)
        numbers = np.round(numbers) if seed == 1 else numbers  # targets are labels
    elif interval == REAL:
        numbers = 2 * rng.standard_normal(n, np.float32)
    else:
        numbers = np.float32(interval.low) + np.float32(0.01) + rng.standard_exponential(n, np.float32)
    return numbers.astype(dtype)


@functools.lru_cache(maxsize=16)
def _room(dtype: str, n: int, number: int) -> Any:
    return np.ones(n, dtype)


@njit(error_model="numpy")
def _move(a: Any, b: Any, e: Any, w: Any, c: Any, d: Any) -> None:
    for i in range(b.size):
        x = b[i] if w is None else b[i] * w[i]
        x = x if e is None else x * e[i]
        c[i] = a[i] + x
        if d is not None:
            d[i] = a[i] - x


@njit(error_model="numpy", fastmath={"reassoc"})
def _dot(a: Any, b: Any, e: Any, w: Any, c: Any) -> float:
    result = 0.0
    for i in range(b.size):
        x = a[i] * b[i] if w is None else a[i] * b[i] * w[i]
        x = x if e is None else x * e[i]
        if c is not None:
            c[i] = x
        result += x
    return result


@njit(parallel=True, error_model="numpy")
def _moved(a: Any, b: Any, e: Any, w: Any, c: Any, d: Any) -> None:
    """Read a, b, e and w and write c and d, of those that are given."""
    for block in prange((b.size + BLOCK - 1) // BLOCK):
        start, stop = block * BLOCK, min(b.size, (block + 1) * BLOCK)
        _move(
            a[start:stop], b[start:stop], part(e, start, stop), part(w, start, stop), part(c, start, stop),
            part(d, start, stop),
        )  # fmt: skip


@njit(parallel=True, error_model="numpy")
def _dotted(a: Any, b: Any, e: Any, w: Any, c: Any, sums: Any) -> None:
    """Read a, b, e and w, write c, of those that are given, and add up products, one sum for each block."""
    for block in prange((b.size + BLOCK - 1) // BLOCK):
        start, stop = block * BLOCK, min(b.size, (block + 1) * BLOCK)
        sums[block] = _dot(
            a[start:stop], b[start:stop], part(e, start, stop), part(w, start, stop), part(c, start, stop)
        )
