"""Brings arrays of rows of any dtype and layout before kernels that take contiguous ones.

Rows that are contiguous already, or whose columns are, are handed over as they are. The rest passes through copies of a
fixed size, piece by piece.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from nbloss._arrays import SINGLE, coalesce
from nbloss._cpu.layout import PIECE


class Rows(NamedTuple):
    """The arrays of a call, or views of some rows of them: None where there is none."""

    y: Any
    z: Any
    w: Any
    value: Any
    gradient: Any
    hessian: Any

    def each(self, function: Callable[[Any], Any]) -> Rows:
        """Return the rows with *function* applied to all arrays that there are."""
        return Rows(*(None if a is None else function(a) for a in self))


def aligned(rows: Rows) -> Iterator[Rows]:
    """Yield views of all rows, in which they lie along one axis: one view where the memory allows."""
    lead = rows.z.shape[:-1]
    if 0 in lead:
        return
    if len(lead) == 1:  # as they are: to make views takes longer than a small kernel
        yield rows
        return
    rank = len(lead)
    present = [a for a in (*rows[2:], rows.y, rows.z) if a is not None]
    lengths, strides = coalesce(lead, [a.strides[:rank] for a in present])
    along = {id(a): steps for a, steps in zip(present, strides, strict=True)}
    views = rows.each(
        lambda a: np.lib.stride_tricks.as_strided(
            a, (*lengths, *a.shape[rank:]), (*along[id(a)], *a.strides[rank:]), writeable=a.flags.writeable
        )
    )
    longest = int(np.argmax(lengths))
    for outer in np.ndindex(*lengths[:longest], *lengths[longest + 1 :]):
        at = (*outer[:longest], slice(None), *outer[longest:])
        yield views.each(lambda a, at=at: a[at])  # type: ignore[misc]


def fitted(rows: Rows, real: np.dtype[Any], call: Callable[[Rows, bool], float], narrows: bool = False) -> float:
    """Return the sum of ``call(rows, by_lines)`` over pieces that a kernel for the type *real* takes.

    Labels come as int64 and weights as float64. Rows are contiguous or, unless *by_lines*, their columns are, and then
    the arrays come transposed. What fits is not copied. If the call *narrows*, columns of derivatives may be float32.
    """
    wide = [a for a in (rows.z, rows.gradient, rows.hessian, rows.y) if a is not None and a.ndim == 2]
    narrow = [a for a in (rows.w, rows.value, rows.y) if a is not None and a.ndim == 1]
    types = Rows(real if rows.y.ndim == 2 else np.dtype(np.int64), real, np.dtype(np.float64), real, real, real)
    fits = [a is None or a.dtype == dtype for a, dtype in zip(rows, types, strict=True)]
    if all(a.flags.aligned for a in (*wide, *narrow)):
        if all(fits) and all(a.flags.c_contiguous for a in (*wide, *narrow)):
            return call(rows, True)
        # kernels of columns have a scratch of their own, and may write narrower numbers: those that LightGBM wants
        results_fit = all(fits[4:]) or (narrows and all(a is None or a.dtype == SINGLE for a in rows[4:]))
        value_fits = rows.value is None or (fits[3] and rows.value.flags.c_contiguous)
        y_fits = fits[0] or rows.y.ndim == 1
        if y_fits and fits[1] and value_fits and results_fit and all(a.flags.f_contiguous for a in wide):
            # to convert labels and weights as a whole is less than to copy the rows piece by piece
            y = rows.y if rows.y.ndim == 2 else np.ascontiguousarray(rows.y, types.y)
            w = None if rows.w is None else np.ascontiguousarray(rows.w, types.w)
            return call(rows._replace(y=y, w=w).each(lambda a: a.T), False)
    sums = []
    copies = [a for a in wide if a.dtype != real or not (a.flags.c_contiguous and a.flags.aligned)]
    at_once = max(1, PIECE // rows.z.shape[-1]) if copies else PIECE  # of labels and weights, which are quick to copy
    for first in range(0, len(rows.z), at_once):
        some = rows.each(lambda a, first=first: a[first : first + at_once])  # type: ignore[misc]
        inputs = [_copied(a, dtype, np.array) for a, dtype in zip(some[:3], types[:3], strict=True)]
        outputs = [_copied(a, dtype, np.empty_like) for a, dtype in zip(some[3:], types[3:], strict=True)]
        sums.append(call(Rows(*inputs, *outputs), True))
        with np.errstate(over="ignore"):  # into a narrower type
            for out, result in zip(some[3:], outputs, strict=True):
                if out is not result:
                    out[...] = result
    return sum(sums)


def _copied(a: Any, dtype: Any, copy: Callable[..., Any]) -> Any:
    """Return *a* if it is contiguous and of this dtype, else a copy that is."""
    fits = a is None or (a.dtype == dtype and a.flags.c_contiguous and a.flags.aligned)
    return a if fits else copy(a, dtype=dtype, order="C")
