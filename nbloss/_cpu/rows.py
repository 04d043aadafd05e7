"""What the kernels of losses of rows are made of, besides the arithmetic in :mod:`nbloss._rows`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from nbloss import _rows
from nbloss._compile import INLINE, inlined
from nbloss._cpu.power_lines import powers_of_line
from nbloss._cpu.powers import power
from nbloss._cpu.tiles import load_tile, store_tile
from nbloss._math import fma, plus
from nbloss._rows import complement, masked

WIDTH = 32  # classes of a line that are worked on beside each other: few enough that short lines fill them often
SUM = 512  # so many numbers of a line are added up without compensation, in lanes of their own

for _function in (*_rows.FUNCTIONS, plus):
    inlined(_function)


# Targets and weights, of which there are kinds


@register_jitable(**INLINE)
def factor_of(factors: Any, k: Any, real: Any) -> Any:
    """Return what multiplies the target of class k."""
    return real(1) if factors is None else factors[k]


def target_of(y: Any, i: Any, k: Any, real: Any) -> Any:
    """Return the target of class k in row i, from labels or from rows."""


@overload(target_of, target="cpu", strict=False)
def _target_of(y: Any, i: Any, k: Any, real: Any) -> Any:
    if y.ndim == 2:
        return lambda y, i, k, real: real(y[i, k])
    return lambda y, i, k, real: real(1) if y[i] == k else real(0)


def targets(y: Any, first: Any, rows: Any, into: Any, load: Any) -> Any:
    """Write the targets of all classes, as columns, of so many rows from the *first* on."""


@overload(targets, target="cpu", strict=False)
def _targets(y: Any, first: Any, rows: Any, into: Any, load: Any) -> Any:
    if y.ndim == 2:
        return lambda y, first, rows, into, load: load(y, first, rows, into)

    def from_labels(y: Any, first: Any, rows: Any, into: Any, load: Any) -> None:
        for k in range(into.shape[0]):
            column = into[k]
            for i in range(rows):
                column[i] = target_of(y, first + i, k, into.dtype.type)

    return from_labels


@register_jitable(**INLINE)
def label_of(y: Any, i: Any, ignored: Any) -> Any:
    """Return the label of row i, and 0 for a row that is left out."""
    return y[i] if y[i] != ignored else 0


def weight_of(y: Any, w: Any, i: Any, ignored: Any, real: Any) -> Any:
    """Return the weight of row i: 0 for a row that is left out."""


@overload(weight_of, target="cpu", strict=False)
def _weight_of(y: Any, w: Any, i: Any, ignored: Any, real: Any) -> Any:
    weight = (lambda w, i, real: real(1)) if isinstance(w, types.NoneType) else (lambda w, i, real: real(w[i]))
    weight = register_jitable(**INLINE)(weight)
    if y.ndim == 2:
        return lambda y, w, i, ignored, real: weight(w, i, real)
    return lambda y, w, i, ignored, real: weight(w, i, real) if y[i] != ignored else real(0)


# Columns


def loading(by_lines: bool, marks: tuple[int, ...]) -> Any:
    """Return the function that writes rows of *a*, from the *first* on, to columns; 0 behind them.

    *marks* has an entry for each class, if the rows are contiguous and there are few, else none.
    """
    if not by_lines:
        return take

    def load(a, first, rows, into):  # type: ignore[no-untyped-def]
        if rows == into.shape[1]:
            load_tile(a, first, into, marks)
        else:
            load_some(a, first, rows, into)

    return inlined(load) if marks else load_some


def storing(by_lines: bool, marks: tuple[int, ...]) -> Any:
    """Return the function that writes columns to so many rows of *into*, from the *first* on."""
    if not by_lines:
        return take_back

    def store(columns, first, rows, into):  # type: ignore[no-untyped-def]
        if rows == columns.shape[1]:
            store_tile(columns, into, first, marks)
        else:
            store_some(columns, first, rows, into)

    return inlined(store) if marks else store_some


@register_jitable
def load_some(a: Any, first: Any, rows: Any, into: Any) -> None:
    for k in range(into.shape[0]):
        column = into[k]
        for i in range(column.size):
            column[i] = a[first + i, k] if i < rows else into.dtype.type(0)


@register_jitable
def store_some(columns: Any, first: Any, rows: Any, into: Any) -> None:
    for i in range(rows):
        goal = into[first + i]
        for k in range(goal.size):
            goal[k] = columns[k, i]


@register_jitable(**INLINE)
def take(a: Any, first: Any, rows: Any, into: Any) -> None:
    """Write columns of *a*, which lie as rows, from the row *first* on, into columns; 0 behind them."""
    for k in range(into.shape[0]):
        column, source = into[k], a[k, first : first + rows]
        for i in range(rows):
            column[i] = source[i]
        for i in range(rows, column.size):
            column[i] = into.dtype.type(0)


@register_jitable(**INLINE)
def take_back(columns: Any, first: Any, rows: Any, into: Any) -> None:
    """Write columns into the columns of *into*, which lie as rows, from the row *first* on."""
    for k in range(columns.shape[0]):
        column, goal = columns[k], into[k, first : first + rows]
        for i in range(rows):
            goal[i] = column[i]


@register_jitable(**INLINE)
def mask(columns: Any, weight: Any) -> None:
    """Make exactly 0 what lies in rows without weight."""
    for k in range(columns.shape[0]):
        for i in range(columns.shape[1]):
            columns[k, i] = masked(columns[k, i], weight[i])


@register_jitable(**INLINE)
def settle(sums: Any, size: Any) -> None:
    """Put by what was added up, in the first third of the lines of *sums*, since the last time.

    The second third is what was put by, the last one what rounding took away from that.
    """
    count = sums.shape[0] // 3
    for j in range(count):
        part, all_parts, lost = sums[j], sums[count + j], sums[2 * count + j]
        for i in range(size):
            all_parts[i], rounded = plus(all_parts[i], 0.0, part[i])
            lost[i] += rounded if rounded == rounded else 0.0  # of infinite sums
            part[i] = 0.0


@register_jitable(**INLINE)
def put_together(sums: Any, size: Any) -> None:
    """Write to the first third of the lines of *sums* the sums of all that was added up."""
    count = sums.shape[0] // 3
    for j in range(count):
        part, all_parts, lost = sums[j], sums[count + j], sums[2 * count + j]
        for i in range(size):
            part[i] = all_parts[i] + (lost[i] + part[i])


# Lines


@register_jitable(**INLINE)
def line_powers(z: Any, i: Any, top: Any, scale: Any, e: Any, ahead: Any, soon: Any) -> Any:
    """Return the greatest power of row *i* and the sum of all but one of them; write powers to *e* if it is given.

    Sums of parts are added up with what rounding takes away. For *ahead* and *soon* see :func:`powers_of_line`.
    """
    real = type(top)
    peak, count, total, lost = real(0), real(0), 0.0, 0.0
    for start in range(0, z.shape[1], SUM):
        most, times, below = powers_of_line(z, i, start, min(z.shape[1], start + SUM), top, scale, e, ahead, soon)
        peak, count = most if most > peak else peak, count + times
        total, lost = plus(total, lost, below)
    return peak, real(total + (lost + np.float64(count - real(1)) * np.float64(peak)))


@register_jitable(**INLINE)
def pulled_to_all(e: Any, rest: Any, inverse: Any, peak: Any, slope: Any, curve: Any, bend: Any, is_own: Any) -> Any:
    """Return the derivatives by a logit, from those by the log-probability of one class: its own or not."""
    p, q = e * inverse, complement(e, rest, inverse, peak)
    u = q if is_own else -p
    return slope * u, fma(bend * u, u, -((curve * p) * q))


def either(a: Any, b: Any) -> Any:
    """Return the first of two arrays that is not None."""
    return b if a is None else a


@overload(either, target="cpu", strict=False)  # a condition in its place may come out as an array that may be None
def _either(a: Any, b: Any) -> Any:
    if a is types.none:
        return lambda a, b: b
    return lambda a, b: a


def power_at(e: Any, i: Any, k: Any, z: Any, scale: Any) -> Any:
    """Return the power of one prediction, which is in *e* if that is not None."""
    return power(z[i, k], scale) if e is None else e[i, k]


@overload(power_at, target="cpu", strict=False, jit_options=INLINE)
def _power_at(e: Any, i: Any, k: Any, z: Any, scale: Any) -> Any:
    if e is types.none:
        return lambda e, i, k, z, scale: power(z[i, k], scale)
    return lambda e, i, k, z, scale: e[i, k]


def keep(values: Any, into: Any, first: Any) -> None:
    """Write the values of a block, if they are wanted."""


@overload(keep, target="cpu", strict=False)
def _keep(values: Any, into: Any, first: Any) -> Any:
    if into is types.none:
        return lambda values, into, first: None

    def write(values: Any, into: Any, first: Any) -> None:
        for i in range(values.size):
            into[first + i] = values[i]

    return write


def clear(line: Any) -> None:
    """Write 0 to a line, if there is one."""


@overload(clear, target="cpu", strict=False)
def _clear(line: Any) -> Any:
    if line is types.none:
        return lambda line: None

    def write(line: Any) -> None:
        for j in range(line.size):
            line[j] = 0

    return write
