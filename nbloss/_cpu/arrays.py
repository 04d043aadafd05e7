"""Arrays in host memory: how they come in, and where results go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nbloss._arrays import numbers_of, raise_bad_label

as_array = as_host = numbers_of


def empty(shape: tuple[int, ...], dtype: np.dtype[Any], z: Any, like: Any) -> np.ndarray[Any, Any]:
    """Return room for a result; for one of the shape of the predictions *z*, in their layout."""
    return np.empty(shape, dtype) if shape != z.shape else np.empty_like(z, dtype)


def to_last(a: np.ndarray[Any, Any], axis: int) -> np.ndarray[Any, Any]:
    """Return a view of *a* in which *axis* is the last."""
    return np.moveaxis(a, axis, -1)


def along_last(a: np.ndarray[Any, Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Return a view of *a* with *shape*, in which each number is repeated along a further last axis."""
    return np.broadcast_to(a[..., np.newaxis], shape)


def number(a: np.ndarray[Any, Any]) -> Any:
    """Return the number in a 0-d array."""
    return a[()]


def as_output(out: Any) -> np.ndarray[Any, Any]:
    """Return *out* as the array to write to."""
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"out must be a NumPy array, since y_pred is in host memory, got {type(out).__name__}")
    return np.asarray(out)  # of a class derived from it, the array that it is


def check_free(outs: Sequence[Any], *inputs: Any) -> None:
    """Raise unless *outs* can be written to without changing an input or each other."""
    for i, out in enumerate(outs):
        if not out.flags.writeable:
            raise ValueError("out must be writeable, got a read-only array")
        for other in (*inputs, *outs[:i]):
            if other is not None and np.may_share_memory(out, other) and _overlap(out, other):
                raise ValueError("out must not overlap the inputs or another output, got arrays that share memory")


def _overlap(a: Any, b: Any) -> bool:
    try:
        return np.shares_memory(a, b, max_work=100_000)  # type: ignore[arg-type]  # any integer
    except np.exceptions.TooHardError:  # an exotic pair of layouts
        return True


def check_labels(y: Any, classes: int, ignored: int | None = None, w: Any = None) -> None:
    """Raise unless all of *y* but those of weight 0 are whole numbers from 0 to *classes* - 1, or the *ignored* one."""
    if w is not None:
        w = np.broadcast_to(w.reshape(w.shape + (1,) * (y.ndim - w.ndim) if w.ndim else ()), y.shape)
    for first in range(0, y.size, PIECE):
        some = y.reshape(-1)[first : first + PIECE] if y.flags.c_contiguous else y.flat[first : first + PIECE]
        if some.dtype.kind == "i":
            some = some.view(some.dtype.str.replace("i", "u"))  # of which negative ones are the greatest
        if some.dtype.kind in "bu" and some.max() < classes:
            continue
        some = some.view(y.dtype)
        with np.errstate(invalid="ignore"):
            bad = ~((some >= 0) & (some < classes) & (some == np.floor(some)))
        if ignored is not None:
            bad &= some != ignored
        if w is not None:
            bad &= w.flat[first : first + PIECE] != 0
        if bad.any():
            index = np.unravel_index(first + int(bad.argmax()), y.shape)
            raise_bad_label(y, tuple(map(int, index)), classes, ignored)


PIECE = 1 << 17  # elements that are looked at together
