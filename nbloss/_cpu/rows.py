"""What the kernels of losses of rows are made of, besides the arithmetic in :mod:`nbloss._rows`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from nbloss import _rows
from nbloss._compile import INLINE, inlined
from nbloss._cpu.blocks import part
from nbloss._cpu.lanes import fold
from nbloss._math import exp_difference
from nbloss._rows import finite

STRIP = 32  # rows that are written back together, while their lines are in the cache
WIDTH = 32  # classes of a line that are worked on beside each other: few enough that short lines fill them often
SUM = 128 * WIDTH  # so many numbers are added up without compensation

for _function in _rows.FUNCTIONS:
    inlined(_function)


# Targets and weights, of which there are kinds


@register_jitable(**INLINE)
def factor_of(factors: Any, k: Any, real: Any) -> Any:
    """Return what multiplies the target of class k."""
    return real(1) if factors is None else factors[k]


def target_of(y: Any, i: Any, k: Any, real: Any) -> Any:
    """Return the target of class k in row i, from labels or from rows."""


@overload(target_of, strict=False)
def _target_of(y: Any, i: Any, k: Any, real: Any) -> Any:
    if y.ndim == 2:
        return lambda y, i, k, real: real(y[i, k])
    return lambda y, i, k, real: real(1) if y[i] == k else real(0)


def targets(y: Any, first: Any, into: Any, load: Any) -> Any:
    """Write the targets of all classes, as columns, of the rows from the *first* on."""


@overload(targets, strict=False)
def _targets(y: Any, first: Any, into: Any, load: Any) -> Any:
    if y.ndim == 2:
        return lambda y, first, into, load: load(y, first, into)

    def from_labels(y: Any, first: Any, into: Any, load: Any) -> None:
        for k in range(into.shape[0]):
            column = into[k]
            for i in range(column.size):
                column[i] = target_of(y, first + i, k, into.dtype.type)

    return from_labels


@register_jitable(**INLINE)
def label_of(y: Any, i: Any, ignored: Any) -> Any:
    """Return the label of row i, and 0 for a row that is left out."""
    return y[i] if y[i] != ignored else 0


def weight_of(y: Any, w: Any, i: Any, ignored: Any, real: Any) -> Any:
    """Return the weight of row i: 0 for a row that is left out."""


@overload(weight_of, strict=False)
def _weight_of(y: Any, w: Any, i: Any, ignored: Any, real: Any) -> Any:
    weight = (lambda w, i, real: real(1)) if isinstance(w, types.NoneType) else (lambda w, i, real: real(w[i]))
    weight = register_jitable(**INLINE)(weight)
    if y.ndim == 2:
        return lambda y, w, i, ignored, real: weight(w, i, real)
    return lambda y, w, i, ignored, real: weight(w, i, real) if y[i] != ignored else real(0)


# Columns


@register_jitable(**INLINE)
def transpose(a: Any, first: Any, into: Any) -> None:
    """Write rows of *a* from the *first* on into columns."""
    for k in range(into.shape[0]):
        column = into[k]
        source = a[first : first + column.size, k]
        for i in range(column.size):
            column[i] = source[i]


@register_jitable(**INLINE)
def transpose_back(a: Any, first: Any, into: Any) -> None:
    """Write columns into the rows of *into* from the *first* on."""
    for start in range(0, a.shape[1], STRIP):
        stop = min(a.shape[1], start + STRIP)
        for k in range(a.shape[0]):
            column, goal = a[k, start:stop], into[first + start : first + stop, k]
            for i in range(column.size):
                goal[i] = column[i]


@register_jitable(**INLINE)
def take(a: Any, first: Any, into: Any) -> None:
    """Write the columns of *a*, which lie as rows, from the row *first* on, into columns."""
    for k in range(into.shape[0]):
        column = into[k]
        source = a[k, first : first + column.size]
        for i in range(column.size):
            column[i] = source[i]


@register_jitable(**INLINE)
def take_back(a: Any, first: Any, into: Any) -> None:
    """Write columns into the columns of *into*, which lie as rows, from the row *first* on."""
    for k in range(a.shape[0]):
        column = a[k]
        goal = into[k, first : first + column.size]
        for i in range(column.size):
            goal[i] = column[i]


@register_jitable(**INLINE)
def columns_top(z: Any, top: Any) -> None:
    """Find the greatest prediction of each row; nan may be passed over."""
    first = z[0]
    for i in range(first.size):
        top[i] = first[i]
    for k in range(1, z.shape[0]):
        column = z[k]
        for i in range(column.size):
            top[i] = column[i] if column[i] > top[i] else top[i]


@register_jitable(**INLINE)
def columns_exp(z: Any, e: Any, top: Any, least: Any, rest: Any, ones: Any) -> None:
    """Write exp(z - top) to *e*, another array than *z*, and their sum but for one 1 to *rest*; *least* is used up."""
    for i in range(z.shape[1]):
        rest[i], ones[i], least[i] = 0.0, -1.0, finite(top[i])
    for k in range(z.shape[0]):
        source, column = z[k], e[k]
        for i in range(column.size):
            x = exp_difference(source[i], least[i])
            column[i] = x
            is_one = x == type(x)(1)
            rest[i] += 0.0 if is_one else np.float64(x)
            ones[i] += 1.0 if is_one else 0.0
    for i in range(z.shape[1]):
        rest[i] += ones[i]


# Lines


@register_jitable(**INLINE)
def line_top(z: Any, lanes: Any) -> Any:
    """Return the greatest prediction of a row; nan may be passed over."""
    for j in range(WIDTH):
        lanes[j] = z[0]
    whole = z.size - z.size % WIDTH
    for first in range(0, whole, WIDTH):
        some = z[first : first + WIDTH]
        for j in range(WIDTH):
            lanes[j] = some[j] if some[j] > lanes[j] else lanes[j]
    some = z[whole:]
    for j in range(some.size):
        lanes[j] = some[j] if some[j] > lanes[j] else lanes[j]
    top = lanes[0]
    for j in range(1, WIDTH):
        top = lanes[j] if lanes[j] > top else top
    return top


@register_jitable(**INLINE)
def line_exp(z: Any, top: Any, e: Any, sums: Any, ones: Any) -> Any:
    """Return the sum of exp(z - top) but for one 1, and write them to *e* if it is given."""
    total, lost, others, top = 0.0, 0.0, -1.0, finite(top)
    for start in range(0, z.size, SUM):
        stop = min(z.size, start + SUM)
        for j in range(WIDTH):
            sums[j], ones[j] = 0.0, 0.0
        whole = stop - (stop - start) % WIDTH
        for first in range(start, whole, WIDTH):
            last = first + WIDTH
            _line_exp(z[first:last], top, part(e, first, last), sums, ones, WIDTH)
        _line_exp(z[whole:stop], top, part(e, whole, stop), sums, ones, stop - whole)
        fold(sums, WIDTH)
        fold(ones, WIDTH)
        after = total + sums[0]
        back = after - total
        total, lost = after, lost + ((total - (after - back)) + (sums[0] - back))
        others += ones[0]
    return total + (lost + others)


@register_jitable(**INLINE)
def _line_exp(z: Any, top: Any, e: Any, sums: Any, ones: Any, count: Any) -> None:
    for j in range(count):
        x = exp_difference(z[j], top)
        if e is not None:
            e[j] = x
        is_one = x == type(x)(1)
        sums[j] += 0.0 if is_one else np.float64(x)
        ones[j] += 1.0 if is_one else 0.0


def keep(values: Any, into: Any, first: Any) -> None:
    """Write the values of a block, if they are wanted."""


@overload(keep, strict=False)
def _keep(values: Any, into: Any, first: Any) -> Any:
    if into is types.none:
        return lambda values, into, first: None

    def write(values: Any, into: Any, first: Any) -> None:
        for i in range(values.size):
            into[first + i] = values[i]

    return write
