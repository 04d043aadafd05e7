"""Losses of lists that are to be put in order, on a CUDA device.

A thread has a row, and runs through the pairs of that row in the order of rows: each pair is evaluated twice, once for
either row, and nobody waits for anybody. Sums over a list are those of a block of threads, in a tree.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from numba import cuda, float64, int64

from nbloss._compile import inlined
from nbloss._cuda.arrays import View, in_order
from nbloss._cuda.blocks import BLOCK, tree
from nbloss._cuda.grouped import GAIN, INTEGER, LABEL, MASS, NOISY_MASS, OF_TABLE, Work
from nbloss._cuda.launch import compiled
from nbloss._math import log, log1p, power_below, shares, two_difference
from nbloss._program import GroupProgram

LN2 = math.log(2)

for _function in (log, log1p, power_below, shares, two_difference):
    inlined(_function)


def run_pairs(
    program: GroupProgram, want: str, mean: bool, y: Any, z: View, w: Any, starts: Any, outs: Sequence[View]
) -> None:
    """Evaluate a loss of all pairs with labels *y* that differ.

    *starts* has the place of the first row of each group, and the number of rows. *want* has a letter for each array in
    *outs*: "v", "g", "h" for the losses of the groups, gradients and Hessians, "s" for the sum of the losses or, with
    *mean*, their weighted mean. A gradient beside it is scaled as it is.
    """
    with in_order(z, y, w, *outs) as stream:
        work = Work(want, z, starts, outs, stream)
        work.take(LABEL, y, None, w, 0.0, None, 0)
        kernel = _kernel(program, "pairing", lambda: pairing(program.formula))
        work.launch(
            kernel, program.numbers, work.starts, work.owners, work.strengths, work.scores, work.weights, work.terms,
            work.slopes, work.bends,
        )  # fmt: skip
        _finish(work, mean)


def run_places(
    program: GroupProgram, want: str, mean: bool, y: Any, z: View, w: Any, starts: Any, highest: float,
    label_gain: tuple[float, ...] | None, truncation: int | None, norm: bool, outs: Sequence[View],
) -> None:  # fmt: skip
    """Evaluate a loss of pairs that count by their places, as :func:`run_pairs` does.

    Labels are from 0 to *highest*; of a pair, one must be among the first *truncation* places.
    """
    with in_order(z, y, w, *outs) as stream:
        work = Work(want, z, starts, outs, stream)
        work.take(GAIN if label_gain is None else OF_TABLE, y, None, w, highest, label_gain, 0)
        last = max(1, z.size) if truncation is None else truncation
        places, steps, gains = work.room(z.size, INTEGER), work.room(z.size), work.room(z.size)
        best, steep, differ = (work.room(work.groups) for _ in range(3))
        work.launch(
            placing, last, work.starts, work.owners, work.strengths, work.scores, work.weights, places, gains, steps
        )
        work.add_up(gains, best)
        work.add_up(steps, differ)
        assert program.further is not None
        second = program.further
        kernel = _kernel(program, "weighing", lambda: weighing_places(program.formula, second))
        work.launch(
            kernel, program.numbers, last, norm, work.starts, work.owners, places, work.strengths, work.scores,
            work.weights, best, differ, work.terms, work.slopes, work.bends, steps,
        )  # fmt: skip
        work.add_up(steps, steep)
        if norm:
            work.launch(normalising, work.owners, steep, work.terms, work.slopes, work.bends)
        _finish(work, mean)


def run_shares(
    program: GroupProgram, want: str, mean: bool, y: Any, z: View, w: Any, starts: Any, highest: float,
    seed: int | None, outs: Sequence[View],
) -> None:  # fmt: skip
    """Evaluate a loss of shares of the gain, as :func:`run_pairs` does; *seed* is what makes the noise, if any."""
    with in_order(z, y, w, *outs) as stream:
        work = Work(want, z, starts, outs, stream)
        work.take(MASS if seed is None else NOISY_MASS, y, None, w, highest, None, seed or 0)
        kernel = _kernel(program, "sharing", lambda: sharing(program.formula))
        work.launch_groups(
            kernel, work.starts, work.strengths, work.scores, work.weights, work.terms, work.slopes, work.bends
        )
        _finish(work, mean)


def _finish(work: Work, mean: bool) -> None:
    work.add_up(work.terms, work.values)
    work.weigh()
    work.deliver(mean, work.of_weights)


def _kernel(program: GroupProgram, role: str, make: Callable[[], Any]) -> Any:
    key = "cuda", role
    kernel = program.kernels.get(key)
    if kernel is None:
        kernel = program.kernels[key] = make()
    return kernel


def pairing(formula: Any) -> Any:
    """Return the kernel that evaluates all pairs of each row; the loss of a pair is that of the row above."""
    f = inlined(formula)

    def kernel(  # type: ignore[no-untyped-def]
        numbers, starts, owners, labels, scores, weights, terms, slopes, bends
    ):
        i = cuda.grid(1)
        while i < owners.size:
            term = slope = bend = float64(0)
            if weights[i] != 0:
                for j in range(starts[owners[i]], starts[owners[i] + 1]):
                    if weights[j] != 0 and labels[j] != labels[i]:
                        is_above = labels[i] > labels[j]
                        d, lost = two_difference(
                            scores[i] if is_above else scores[j], scores[j] if is_above else scores[i]
                        )
                        x, first, second = f(d, lost, *numbers)
                        term += x if is_above else float64(0)
                        slope += first if is_above else -first
                        bend += second
            terms[i], slopes[i], bends[i] = term, slope, bend
            i += cuda.gridsize(1)

    return compiled(kernel, "pairing")


def _placing(  # type: ignore[no-untyped-def]
    truncation, starts, owners, strengths, scores, weights, places, gains, differ
):
    """Find the place of each row, from 1, by scores, what it would add to the DCG at its best, and whether any
    score of the list is lower.
    """
    i = cuda.grid(1)
    while i < owners.size:
        place = ideal = int64(1)
        is_lower = float64(0)
        if weights[i] != 0:
            for j in range(starts[owners[i]], starts[owners[i] + 1]):
                if weights[j] != 0:
                    if scores[j] > scores[i] or (scores[j] == scores[i] and j < i):
                        place += 1
                    if strengths[j] > strengths[i] or (strengths[j] == strengths[i] and j < i):
                        ideal += 1
                    if scores[j] < scores[i]:
                        is_lower = float64(1)
        places[i] = place
        gains[i] = strengths[i] * (LN2 / math.log(float64(1 + ideal))) if ideal <= truncation else float64(0)
        differ[i] = is_lower
        i += cuda.gridsize(1)


placing = compiled(_placing, "placing")


def weighing_places(formula: Any, further: Any) -> Any:
    """Return the kernel that evaluates those pairs of each row of which one has a place that counts."""
    f, importance = inlined(formula), inlined(further)

    def kernel(  # type: ignore[no-untyped-def]
        numbers, truncation, norm, starts, owners, places, gains, scores, weights, best, differ, terms, slopes, bends,
        steps,
    ):  # fmt: skip
        i = cuda.grid(1)
        while i < owners.size:
            term = slope = bend = step = float64(0)
            g = owners[i]
            if weights[i] != 0 and best[g] > 0:
                for j in range(starts[g], starts[g + 1]):
                    near, far = min(places[i], places[j]), max(places[i], places[j])
                    if weights[j] != 0 and gains[j] != gains[i] and near <= truncation:
                        is_above = gains[i] > gains[j]
                        d, lost = two_difference(
                            scores[i] if is_above else scores[j], scores[j] if is_above else scores[i]
                        )
                        x, first, second = f(d, lost, *numbers)
                        below, beyond = float64(1 + near), float64(1 + far)
                        discount = LN2 * log1p((far - near) / below) / (log(below) * log(beyond))
                        gap = abs(gains[i] - gains[j])
                        weight = importance(gap, discount, abs(d), norm and differ[g] > 0) / best[g]
                        if weight != 0:
                            term += x * weight if is_above else float64(0)
                            slope += first * weight if is_above else -first * weight
                            bend += second * weight
                            step -= first * weight
            terms[i], slopes[i], bends[i], steps[i] = term, slope, bend, step
            i += cuda.gridsize(1)

    return compiled(kernel, "weighing_places")


def _normalising(owners, steep, terms, slopes, bends):  # type: ignore[no-untyped-def]
    """Make lists count alike; *steep* has the size of each derivative of a pair twice, once for either row."""
    i = cuda.grid(1)
    while i < owners.size:
        x = steep[owners[i]]
        factor = math.log1p(x) / (LN2 * x) if x > 0 else float64(1)
        terms[i], slopes[i], bends[i] = factor * terms[i], factor * slopes[i], factor * bends[i]
        i += cuda.gridsize(1)


normalising = compiled(_normalising, "normalising")


@cuda.jit(device=True)
def _greatest(x: Any) -> Any:
    """Return the greatest of the x of the block's threads, to all of them."""
    found = cuda.shared.array(BLOCK, float64)
    me = cuda.threadIdx.x
    found[me] = x
    half = BLOCK // 2
    while half > 0:
        cuda.syncthreads()
        if me < half and found[me + half] > found[me]:
            found[me] = found[me + half]
        half //= 2
    cuda.syncthreads()
    result = float64(found[0])
    cuda.syncthreads()  # before the next call writes to it
    return result


@cuda.jit(device=True)
def _sum(x: Any) -> Any:
    """Return the sum of the x of the block's threads, to all of them."""
    result = float64(tree(x))
    cuda.syncthreads()
    return result


def sharing(formula: Any) -> Any:
    """Return the kernel in which each list is the work of a block."""
    f = inlined(formula)

    def kernel(starts, masses, scores, weights, terms, slopes, bends):  # type: ignore[no-untyped-def]
        g = cuda.blockIdx.x
        while g < starts.size - 1:
            first, last = starts[g], starts[g + 1]
            top, mass = float64(-math.inf), float64(0)
            for i in range(first + cuda.threadIdx.x, last, BLOCK):
                if weights[i] != 0:
                    mass += masses[i]
                    top = max(top, scores[i])
            top, mass = _greatest(top), _sum(mass)
            leader = float64(math.inf)  # the first row with the greatest score, which is left out of the rest
            for i in range(first + cuda.threadIdx.x, last, BLOCK):
                if weights[i] != 0 and scores[i] == top:
                    leader = min(leader, float64(i))
            leader = -_greatest(-leader)
            rest = float64(0)
            for i in range(first + cuda.threadIdx.x, last, BLOCK):
                if weights[i] != 0 and float64(i) != leader:
                    rest += power_below(top, scores[i])
            rest = _sum(rest)
            beyond = log1p(rest)
            for i in range(first + cuda.threadIdx.x, last, BLOCK):
                term = slope = bend = float64(0)
                if weights[i] != 0:
                    p, q = shares(power_below(top, scores[i]), rest)
                    below = scores[i] - top if scores[i] != top else float64(0)
                    term, slope, bend = f(masses[i] / mass, below - beyond, p, q)
                terms[i], slopes[i], bends[i] = term, slope, bend
            cuda.syncthreads()
            g += cuda.gridDim.x

    return compiled(kernel, "sharing")
