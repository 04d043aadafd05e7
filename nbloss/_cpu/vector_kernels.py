"""The kernel of a loss of vectors: what each vector sums to, what follows from it, and derivatives.

*Columns* are for short vectors: a block of rows lies transposed in a scratch, and each loop runs over its rows. *Lines*
are for long ones: row after row. Between them, what the sums of a block give is found for all its rows together.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import prange
from numba.extending import overload, register_jitable

from nbloss._compile import INLINE, inlined
from nbloss._cpu.rows import loading, storing
from nbloss._cpu.setwise import tree
from nbloss._cpu.sums import LANES, total, weigh
from nbloss._cpu.tuples import (
    added,
    are_numbers,
    at,
    doubles,
    from_bits,
    keep,
    largest,
    none_of,
    put_times,
    rest_of,
    scaled,
    sizes_of,
    taken,
)
from nbloss._cpu.vectors import prefetch_some
from nbloss._rows import SINGLE_MOST

FEW = 24  # elements, up to which rows are transposed
BYTES = 1 << 12  # of the doubles of a block of short vectors
MOST = 9  # times LANES: the most rows of it
LONG = 1 << 12  # elements of a block of long vectors, or one of them
TOGETHER = 1 << 14  # elements whose blocks share a scratch
USUAL = {np.float32: (0.0, SINGLE_MOST), np.float64: (2.0**-400, 2.0**400)}
"""Between which sizes, beside 0, the squares of numbers, and of their differences, are far from the ends of float64."""
RUN = 1024  # elements that are added up before they join the rest


def rows_at_once(size: int) -> int:
    """Return how many rows are a block: an odd number of vectors, so that columns share no lines of the cache."""
    found = BYTES // (max(size, 1) * 8 * LANES)
    return LANES * max(1, min(MOST, found - (found + 1) % 2))


def making(
    formulas: Any, choices: Any, counts: Any, arrays: int, predictions: int, real: Any, marks: Any, at_once: int
) -> Any:  # fmt: skip
    """Return the kernel; *marks* has an entry for each element of short vectors, else none.

    So many *arrays* come, of the type *real*, of which the last are the *predictions*. Of short vectors, *at_once* are
    worked on together.
    """
    finish = formulas[2]
    no_vectors, no_sums, no_arrays = (0,) * counts[0], (0.0,) * counts[1], (0,) * arrays
    vectors, sums, outputs = counts[0], counts[1], (0,) * predictions
    measure, spread = (_columns if marks else _lines)(formulas, choices, no_vectors, no_sums, real, marks)
    short, elements = bool(marks), len(marks)

    def kernel(xs, y, w, numbers, scale, value, gradients, hessians, matrices):  # type: ignore[no-untyped-def]
        rows, size = xs[0].shape
        step = at_once if short else min(LANES, max(1, LONG // max(size, 1)))
        blocks = (rows + step - 1) // step
        together = max(1, TOGETHER // (step * max(size, 1)))
        totals = np.zeros(blocks)
        like = rest_of(finish(0.0, no_sums, sizes_of(no_vectors)[0], *numbers, *choices))
        for chunk in prange((blocks + together - 1) // together):
            wide = taken(np.empty((arrays, elements, at_once), xs[0].dtype), no_arrays)
            us = taken(np.empty((vectors, elements, at_once)), no_vectors)
            slopes = taken(np.empty((predictions, elements, at_once), xs[0].dtype), outputs)
            scratch = taken(np.empty((sums, 1 if short else RUN)), no_sums)
            narrow = np.empty((2 * vectors + sums + len(like) + 3, at_once))
            bits = np.empty((vectors + arrays, at_once), np.int64)
            sizes, inverses = taken(narrow, no_vectors), taken(narrow[vectors:], no_vectors)
            totalled, coefficients = taken(narrow[2 * vectors :], no_sums), taken(narrow[2 * vectors + sums :], like)
            inside, factors, losses = narrow[-3], narrow[-2], narrow[-1]
            for b in range(chunk * together, min(blocks, (chunk + 1) * together)):
                first, count = b * step, min(rows - b * step, step)
                measure(xs, first, count, wide, us, bits, scratch, sizes, inverses, totalled, inside)
                for i in range(count):
                    label = 0.0 if y is None else np.float64(y[first + i])
                    weight = 1.0 if w is None else np.float64(w[first + i])
                    found = finish(label, at(totalled, i), at(sizes, i), *numbers, *choices)
                    keep(coefficients, i, rest_of(found))
                    loss = found[0] * inside[i] if label == label else math.nan
                    factors[i] = weight if loss == loss else math.nan if weight != 0 else 0.0
                    losses[i] = weigh(loss, weight)
                if value is not None:
                    for i in range(count):
                        value[first + i] = losses[i]
                totals[b] = total(losses[:count], None)
                spread(
                    xs, first, count, us, slopes, sizes, inverses, coefficients, factors, scale, gradients, hessians,
                    matrices,
                )  # fmt: skip
        return tree(totals)

    return kernel


def _columns(formulas: Any, choices: Any, no_vectors: Any, no_sums: Any, real: Any, marks: Any) -> Any:
    """Return the steps before and after the finish for short vectors: their sums, and the derivatives."""
    vectors, terms, _, slopes_of, curvature = formulas
    load, store = loading(True, marks), storing(True, marks)
    least, most_of_usual = map(real, USUAL[real])

    def measure(xs, first, count, wide, us, bits, scratch, sizes, inverses, totalled, inside):  # type: ignore[no-untyped-def]
        for j in range(len(xs)):
            load(xs[j], first, count, wide[j])
        for j in range(len(xs)):
            prefetch_some(xs[j], (first + count) * len(marks), count * len(marks))
        if _are_usual(wide, len(marks), least, most_of_usual):
            plain(wide, us, sizes, inverses, totalled, inside)  # type: ignore[no-untyped-call]
        else:
            apart(wide, us, bits, sizes, inverses, totalled, inside)  # type: ignore[no-untyped-call]

    def plain(wide, us, sizes, inverses, totalled, inside):  # type: ignore[no-untyped-def]
        """Do it with numbers of which float64 holds the squares."""
        ones = sizes_of(no_vectors)[0]
        for i in range(inside.size):
            keep(sizes, i, ones)
            keep(inverses, i, ones)
            keep(totalled, i, no_sums)
            inside[i] = 1.0
        for k in range(len(marks)):
            some, kept = at(wide, k), at(us, k)
            for i in range(inside.size):
                u = vectors(doubles(some, i), *choices)
                keep(kept, i, u)
                keep(totalled, i, added(at(totalled, i), terms(u, *choices)))

    def apart(wide, us, bits, sizes, inverses, totalled, inside):  # type: ignore[no-untyped-def]
        """Do it with numbers of any size: they are divided by powers of 2 first."""
        rows = inside.size
        most, of_all = taken(bits, no_vectors), taken(bits[len(no_vectors) :], wide)
        for i in range(rows):
            keep(most, i, no_vectors)
            keep(of_all, i, none_of(wide))
        for k in range(len(marks)):
            some = at(wide, k)
            for i in range(rows):
                x = doubles(some, i)
                keep(of_all, i, largest(at(of_all, i), x))
                keep(most, i, largest(at(most, i), vectors(x, *choices)))
        for i in range(rows):
            size, inverse = sizes_of(at(most, i))
            keep(sizes, i, size)
            keep(inverses, i, inverse)
            keep(totalled, i, no_sums)
            inside[i] = 1.0 if are_numbers(from_bits(at(of_all, i))) else math.nan
        for k in range(len(marks)):
            some, kept = at(wide, k), at(us, k)
            for i in range(rows):
                u = scaled(vectors(doubles(some, i), *choices), at(sizes, i), at(inverses, i))
                keep(kept, i, u)
                keep(totalled, i, added(at(totalled, i), terms(u, *choices)))

    def spread(  # type: ignore[no-untyped-def]
        xs, first, count, us, slopes, sizes, inverses, coefficients, factors, scale, gradients, hessians, matrices
    ):
        if gradients is not None:
            for k in range(len(marks)):
                u, into = at(us, k), at(slopes, k)
                for i in range(factors.size):
                    put_times(into, i, slopes_of(at(u, i), at(coefficients, i), *choices), factors[i], scale)
            store_all(store, slopes, first, count, gradients)
        if hessians is not None:
            for k in range(len(marks)):
                u, into = at(us, k), at(slopes, k)
                for i in range(factors.size):
                    here = at(u, i)
                    put_times(into, i, curvature(here, here, 1.0, at(coefficients, i), *choices), factors[i], 1.0)
            store_all(store, slopes, first, count, hessians)

    return inlined(measure), inlined(spread)


@register_jitable(**INLINE)
def _are_usual(arrays: Any, size: Any, least: Any, most: Any) -> Any:
    """Whether no element of the columns of a tuple of arrays is so large or small that squares need care, or nan."""
    count = 0
    for j in range(len(arrays)):
        for k in range(size):
            column = arrays[j][k]
            for i in range(column.size):
                x = abs(column[i])
                count += (x <= most) & ((x >= least) | (x == 0))
    return count == len(arrays) * size * arrays[0].shape[1]


def store_all(store: Any, columns: Any, first: Any, count: Any, into: Any) -> None:
    """Write columns to so many rows of each array of the tuple *into*, if there is one."""


@overload(store_all, target="cpu", strict=False, jit_options=INLINE)
def _store_all(store: Any, columns: Any, first: Any, count: Any, into: Any) -> Any:
    if not hasattr(into, "count"):  # None
        return lambda store, columns, first, count, into: None

    def write(store: Any, columns: Any, first: Any, count: Any, into: Any) -> None:
        for j in range(len(into)):
            prefetch_some(into[j], (first + count) * into[j].shape[1], count * into[j].shape[1])
            store(columns[j], first, count, into[j])

    return write


def _lines(formulas: Any, choices: Any, no_vectors: Any, no_sums: Any, real: Any, marks: Any) -> Any:
    """Return the same for long vectors."""
    vectors, terms, _, slopes_of, curvature = formulas

    def measure(xs, first, count, wide, us, bits, scratch, sizes, inverses, totalled, inside):  # type: ignore[no-untyped-def]
        for i in range(count):
            here = at(xs, first + i)
            most, are_all = _most(vectors, choices, here, no_vectors)
            size, inverse = sizes_of(most)
            keep(sizes, i, size)
            keep(inverses, i, inverse)
            keep(totalled, i, _sums(vectors, terms, choices, here, size, inverse, no_sums, scratch))
            inside[i] = 1.0 if are_all else math.nan

    def spread(  # type: ignore[no-untyped-def]
        xs, first, count, us, slopes, sizes, inverses, coefficients, factors, scale, gradients, hessians, matrices
    ):
        for i in range(count):
            here, factor, found = at(xs, first + i), factors[i], at(coefficients, i)
            size, inverse = at(sizes, i), at(inverses, i)
            for k in range(0 if gradients is None and hessians is None else here[0].size):
                u = scaled(vectors(doubles(here, k), *choices), size, inverse)
                if gradients is not None:
                    put_times(at(gradients, first + i), k, slopes_of(u, found, *choices), factor, scale)
                if hessians is not None:
                    put_times(at(hessians, first + i), k, curvature(u, u, 1.0, found, *choices), factor, 1.0)
            for j in range(0 if matrices is None else here[0].size):
                u = scaled(vectors(doubles(here, j), *choices), size, inverse)
                for k in range(here[0].size):
                    v = scaled(vectors(doubles(here, k), *choices), size, inverse)
                    same = 1.0 if j == k else 0.0
                    if matrices is not None:
                        into = at(at(matrices, first + i), j)
                        put_times(into, k, curvature(u, v, same, found, *choices), factor, 1.0)

    return inlined(measure), inlined(spread)


@register_jitable(**INLINE)
def _most(vectors: Any, choices: Any, rows: Any, none: Any) -> Any:
    """Return the bits of the sizes of the largest elements of the vectors, and whether nothing is nan.

    Sizes are compared by their bits, as integers: so the loop is vectorised, and nan is beyond infinity.
    """
    most, most_of_all = none, none_of(rows)
    for k in range(rows[0].size):
        x = doubles(rows, k)
        most_of_all = largest(most_of_all, x)
        most = largest(most, vectors(x, *choices))
    return most, are_numbers(from_bits(most_of_all))


@register_jitable(**INLINE)
def _sums(vectors: Any, terms: Any, choices: Any, rows: Any, sizes: Any, inverses: Any, zero: Any, scratch: Any) -> Any:
    """Return the sums of the terms."""
    found, size = zero, rows[0].size
    for first in range(0, size, RUN):
        some = at(rows, slice(first, min(size, first + RUN)))
        for k in range(some[0].size):
            keep(scratch, k, terms(scaled(vectors(doubles(some, k), *choices), sizes, inverses), *choices))
        found = added(found, summed(at(scratch, slice(0, some[0].size))))
    return found


def summed(arrays: Any) -> Any:
    """Return the sums of the vectors in a tuple."""
    return tuple(total(x, None) for x in arrays)


@overload(summed, target="cpu", strict=False, jit_options=INLINE)
def _summed(arrays: Any) -> Any:
    if len(arrays) == 0:
        return lambda arrays: ()
    return lambda arrays: (total(arrays[0], None), *summed(arrays[1:]))
