"""The kernels of losses of sets with classes: one adds up what rows count for each class, one writes derivatives.

A block of rows lies transposed in a scratch, and each loop runs over its rows. Rows become probabilities in both, as in
:mod:`nbloss._cpu.row_kernels`, and nothing of the size of the predictions is kept between.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange, types
from numba.extending import overload, register_jitable

from nbloss._compile import INLINE, inlined
from nbloss._cpu.lanes import row
from nbloss._cpu.power_columns import PEAK, REST, TOP, powers_of_columns
from nbloss._cpu.rows import loading, storing
from nbloss._cpu.sums import LANES, total
from nbloss._cpu.tuples import cast, taken
from nbloss._cpu.views import part
from nbloss._rows import but_one, complement, inverse_of_mass, masked

CHUNKS = 64  # parts of a set, at most, that are added up on their own
LEAST = 1 << 13  # predictions in such a part
BYTES = 1 << 14  # of the predictions of a block
MOST = 9  # times LANES: the most rows in a block

OWN, INVERSE, WEIGHT, A_TOP, A_BELOW, B_TOP, B_BELOW = range(max(TOP, PEAK, REST) + 1, max(TOP, PEAK, REST) + 8)
"""Lines of numbers of each row of a block: its label, what makes its softmax, its weight, and sums over classes."""
LINES = B_BELOW + 1


def rows_at_once(classes: int, real: Any) -> int:
    """Return how many rows are a block: an odd number of vectors, so that columns share no lines of the cache."""
    found = BYTES // (max(classes, 1) * np.dtype(real).itemsize * LANES)
    return LANES * max(1, min(MOST, found - (found + 1) % 2))


@register_jitable(**INLINE)
def _chunks(rows: Any, classes: Any) -> Any:
    return max(1, min(CHUNKS, rows * classes // LEAST))


def summing(f: Any, from_logits: bool, high: float, real: Any, narrow: bool, marks: Any, at_once: int) -> Any:
    """Return the kernel that gives, for each set and class, the three sums, and whether a row has its label.

    *marks* has an entry for each class, or none where that is not known; *real* is what is computed in, and *narrow*
    tells whether predictions are not of that type.
    """
    prepare = _preparing(from_logits, real, narrow, marks)

    def kernel(y, z, w):  # type: ignore[no-untyped-def]
        sets, rows, classes = z.shape
        chunks, zero, one = _chunks(rows, classes), real(0), real(1)
        found = np.zeros((sets * chunks, 4, classes))
        for chunk in prange(sets * chunks):
            s, begin, end = chunk // chunks, chunk % chunks * rows // chunks, (chunk % chunks + 1) * rows // chunks
            now, labels, weights = found[chunk], y[s], row(w, s)
            raw, e = np.empty((classes, at_once), z.dtype), np.empty((classes, at_once), real)
            lines, parts = np.empty((LINES, at_once), real), np.empty((3, at_once), real)
            own, inverse, peak, rest = lines[OWN], lines[INVERSE], lines[PEAK], lines[REST]
            a, b, c = parts[0], parts[1], parts[2]
            for first in range(begin, end, at_once):
                count = min(end - first, at_once)
                some = part(weights, first, first + count)
                prepare(labels, z[s], first, count, raw, e, lines, (labels, z[s], weights))
                for i in range(count):
                    if _counts(some, i):  # else the label may be anything
                        now[3, int(labels[first + i])] = 1.0
                for k in range(classes):
                    column, me = e[k], real(k)
                    for i in range(at_once):
                        if from_logits:
                            p = column[i] * inverse[i]
                            q = complement(column[i], rest[i], inverse[i], peak[i])
                        else:
                            p = column[i] if (column[i] >= zero) & (column[i] <= real(high)) else real(math.nan)
                            q = one - p
                        a[i], b[i], c[i] = f(one if own[i] == me else zero, p, q)
                    now[0, k] += total(a[:count], some)
                    now[1, k] += total(b[:count], some)
                    now[2, k] += total(c[:count], some)
        return _joined(found, sets, chunks)

    return kernel


@register_jitable
def _joined(found: Any, sets: Any, chunks: Any) -> Any:
    """Return the sums of the chunks of each set, pairwise."""
    count = chunks
    while count > 1:
        half = (count + 1) // 2
        for s in range(sets):
            for i in range(count // 2):
                into, other = found[s * chunks + i], found[s * chunks + half + i]
                for k in range(into.shape[0]):
                    for j in range(into.shape[1]):
                        into[k, j] += other[k, j]
        count = half
    totals = np.empty((sets, found.shape[1], found.shape[2]))
    for s in range(sets):
        totals[s] = found[s * chunks]
    return totals


def deriving(f: Any, from_logits: bool, like: Any, real: Any, narrow: bool, marks: Any, at_once: int) -> Any:
    """Return the kernel that writes derivatives, through the softmax if predictions are logits.

    With a the slopes by the probabilities, the gradient is ``p_k (a_k q_k - sum of a p of all others)``, where that of
    the most probable class is summed apart, so that nothing cancels where it has nearly all.
    """
    prepare, store = _preparing(from_logits, real, narrow, marks), _storing(narrow, marks)

    def kernel(y, z, w, coefficients, scale, gradient, hessian):  # type: ignore[no-untyped-def]
        sets, rows, classes = z.shape
        chunks, zero, one = _chunks(rows, classes), real(0), real(1)
        for chunk in prange(sets * chunks):
            s, begin, end = chunk // chunks, chunk % chunks * rows // chunks, (chunk % chunks + 1) * rows // chunks
            weights, g_set, h_set = row(w, s), row(gradient, s), row(hessian, s)
            raw, wide = np.empty((classes, at_once), z.dtype), np.empty((3, classes, at_once), real)
            e, slopes, bends, lines = wide[0], wide[1], wide[2], np.empty((LINES, at_once), real)
            own, weight, inverse, peak, rest = lines[OWN], lines[WEIGHT], lines[INVERSE], lines[PEAK], lines[REST]
            a_top, a_below, b_top, b_below = lines[A_TOP], lines[A_BELOW], lines[B_TOP], lines[B_BELOW]
            factor = real(scale)
            for first in range(begin, end, at_once):
                count = min(end - first, at_once)
                prepare(y[s], z[s], first, count, raw, e, lines, (y[s], z[s], weights, g_set, h_set))
                _weigh(part(weights, first, first + count), weight)
                for i in range(at_once):
                    a_top[i], a_below[i], b_top[i], b_below[i] = zero, zero, zero, zero
                for k in range(classes if from_logits else 0):
                    c, share = cast(real, taken(coefficients[s, k, 1:], like)), real(coefficients[s, k, 0])
                    of_others, of_own = f(zero, one, *c)[0] * share, f(one, one, *c)[0] * share
                    powers, column, bend, me = e[k], slopes[k], bends[k], real(k)
                    for i in range(at_once):
                        p, is_own, is_top = powers[i] * inverse[i], own[i] == me, powers[i] == peak[i]
                        a = (of_own if is_own else of_others) * p
                        column[i] = a
                        a_top[i] += a if is_top else zero
                        a_below[i] += zero if is_top else a
                        if hessian is not None:
                            b = f(one if is_own else zero, p, *c)[1] * share
                            bend[i] = b
                            b_top[i] += b if is_top else zero
                            b_below[i] += zero if is_top else b
                for k in range(classes):
                    c, share = cast(real, taken(coefficients[s, k, 1:], like)), real(coefficients[s, k, 0])
                    powers, column, bend, me = e[k], slopes[k], bends[k], real(k)
                    for i in range(at_once):
                        t = one if own[i] == me else zero
                        if from_logits:
                            p, q = powers[i] * inverse[i], complement(powers[i], rest[i], inverse[i], peak[i])
                            a = column[i]
                            g = a * q - p * but_one(a, powers[i], a_top[i], a_below[i], peak[i])
                            h = g * (q - p)
                            second = f(t, p * q, *c)[1] * share
                            if hessian is not None:
                                second += but_one(bend[i], powers[i], b_top[i], b_below[i], peak[i]) * p * p
                        else:
                            g, second = f(t, one, *c)
                            g, h, second = g * share, zero, second * share
                        if gradient is not None:
                            column[i] = masked(g * weight[i] * factor, weight[i])
                        if hessian is not None:
                            bend[i] = masked(weight[i] * (h + weight[i] * second), weight[i])
                if gradient is not None:
                    store(slopes, raw, first, count, g_set)
                if hessian is not None:
                    store(bends, raw, first, count, h_set)

    return kernel


def _preparing(from_logits: bool, real: Any, narrow: bool, marks: Any) -> Any:
    """Return the function that loads a block, makes powers of logits, and keeps the labels as numbers."""
    load = loading(True, marks)

    def prepare(y, z, first, count, raw, e, found, soon):  # type: ignore[no-untyped-def]
        if narrow:
            load(z, first, count, raw)
            _convert(raw, e)
        else:
            load(z, first, count, e)
        for i in range(count):
            found[OWN, i] = real(y[first + i])
        if from_logits:
            powers_of_columns(e, 0, marks, None, e, found, soon, first + count)
            for i in range(e.shape[1]):
                found[INVERSE, i] = inverse_of_mass(found[REST, i], found[PEAK, i])

    return inlined(prepare)


def _storing(narrow: bool, marks: Any) -> Any:
    """Return the function that writes columns to rows."""
    store = storing(True, marks)

    def write(columns, raw, first, count, into):  # type: ignore[no-untyped-def]
        if narrow:
            _convert(columns, raw)
            store(raw, first, count, into)
        else:
            store(columns, first, count, into)

    return inlined(write)


@register_jitable(**INLINE)
def _convert(columns: Any, into: Any) -> None:
    for k in range(into.shape[0]):
        column, goal = columns[k], into[k]
        for i in range(goal.size):
            goal[i] = column[i]


def _counts(w: Any, i: Any) -> Any:
    """Whether a row has a weight, if there are any."""


@overload(_counts, target="cpu", strict=False, jit_options=INLINE)
def _counts_if_weighed(w: Any, i: Any) -> Any:
    return (lambda w, i: True) if w is types.none else (lambda w, i: w[i] != 0)


def _weigh(w: Any, into: Any) -> None:
    """Write the weights of a block; 1 behind them, or if there are none."""


@overload(_weigh, target="cpu", strict=False, jit_options=INLINE)
def _weigh_some(w: Any, into: Any) -> Any:
    def write(w: Any, into: Any) -> None:
        for i in range(w.size):
            into[i] = w[i]
        for i in range(w.size, into.size):
            into[i] = 1

    def fill(w: Any, into: Any) -> None:
        for i in range(into.size):
            into[i] = 1

    return fill if w is types.none else write
