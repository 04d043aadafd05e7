"""Arrays in host memory: how they come in, and where results go."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nbloss._arrays import check_dtype


def as_array(x: Any, name: str) -> np.ndarray[Any, Any]:
    """Return *x* as an array of numbers, which is *x* itself or a view where it can be."""
    if type(x) is not np.ndarray:
        if isinstance(x, np.ma.MaskedArray):
            raise TypeError(f"{name} must not be a masked array: give the mask as sample_weight, 0 where masked")
        x = np.asarray(x)
    check_dtype(x.dtype, name)
    return x


as_host = as_array


def empty(shape: tuple[int, ...], dtype: np.dtype[Any], z: Any, like: Any) -> np.ndarray[Any, Any]:
    """Return room for a result; for one of the shape of the predictions *z*, in their layout."""
    return np.empty(shape, dtype) if shape != z.shape else np.empty_like(z, dtype)


def number(a: np.ndarray[Any, Any]) -> Any:
    """Return the number in a 0-d array."""
    return a[()]


def as_output(out: Any) -> np.ndarray[Any, Any]:
    """Return *out* as the array to write to."""
    if not isinstance(out, np.ndarray) or isinstance(out, np.ma.MaskedArray):
        raise TypeError(f"out must be a NumPy array, since y_pred is in host memory, got {type(out).__name__}")
    return out


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


def check_labels(y: Any, classes: int, w: Any) -> None:
    """Raise unless every target whose weight is not 0 is a whole number from 0 to *classes* - 1."""
    if y.size == 0:
        return
    first = 0
    axes = list(range(y.ndim))
    with np.nditer(
        [y, np.ones((), bool) if w is None else w],
        flags=["external_loop", "buffered"],
        op_axes=[axes, axes[: w.ndim] + [-1] * (y.ndim - w.ndim) if w is not None else [-1] * y.ndim],
        order="C",
        buffersize=1 << 16,
    ) as iterator:
        for labels, weights in iterator:
            is_label = (labels >= 0) & (labels < classes)
            if labels.dtype.kind == "f":
                is_label &= labels == np.floor(labels)
            wrong = ~is_label & (weights != 0)
            if wrong.any():
                i = int(wrong.argmax())
                index = tuple(map(int, np.unravel_index(first + i, y.shape)))
                raise ValueError(
                    f"y_true must hold whole numbers from 0 to {classes - 1}, got {labels[i]} at index {index}"
                )
            first += labels.size
