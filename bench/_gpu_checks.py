"""The checks of bench/gpu.py: every loss on the device against the CPU."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from _gpu_workers import brief, is_fatal
from numba import cuda

Row = dict[str, Any]
GROUPS = (1, 0, 7, 300, 40, 2)
FEW_GROUPS = (1, 0, 7, 12)
MOST_ULPS = 64
"""Between CPU and device, of the largest number of a result: libraries round exp, log and sums otherwise."""

METHODS: tuple[tuple[str, dict[str, str]], ...] = (
    ("value", {"reduction": "mean"}),
    ("value", {"reduction": "none"}),
    ("gradient_and_hessian", {}),
    ("value_and_gradient", {"reduction": "mean"}),
)
WEIGHED: tuple[tuple[str, dict[str, str]], ...] = (
    ("gradient_and_hessian", {}),
    ("value_and_gradient", {"reduction": "mean"}),
    ("value", {"reduction": "sum"}),
)


def cases(n: int) -> Iterator[tuple[str, Any, tuple[Any, Any]]]:
    """Return name, loss and arrays in float64, of about *n* elements or rows, of everything that the tests have."""
    from tests import cases as of_tests

    loss: Any
    for loss in of_tests.CASES:
        yield "pointwise", loss, of_tests.ordinary(loss, n)
    rows: list[Any] = of_tests.ROW_CASES
    for loss in rows:
        if loss.takes_labels:
            yield "labels", loss, of_tests.rows(loss, n, labels=True)
        if loss.parameters.get("ignore_index") is None:
            yield "rows", loss, of_tests.rows(loss, n, labels=False)
    for loss in of_tests.LINE_CASES:
        yield "lines", loss, of_tests.rows(loss, n, labels=True)
    for loss in of_tests.SET_CASES:
        yield "sets", loss, of_tests.of_sets(loss, n=n)
    for loss in of_tests.ORDERED_CASES:
        yield "ordered", loss, of_tests.image(loss, (4, n))
    for loss in of_tests.PAIR_CASES:
        yield "pairs", loss, of_tests.pairs(loss, n)
    for loss in of_tests.GROUP_CASES:
        yield "groups", loss, of_tests.of_groups(loss, GROUPS if n > 100 else FEW_GROUPS)


def jobs(only: str, n: int) -> list[tuple[str, Callable[[], Iterator[Row]]]]:
    """Return names and checks, one for each loss and precision."""
    return [
        (f"{loss!r} {kind} {np.dtype(dtype).name}", functools.partial(check, kind, loss, arrays, dtype, n))
        for kind, loss, arrays in cases(n)
        if only in type(loss).__name__
        for dtype in (np.float64, np.float32)
    ]


def check(kind: str, loss: Any, arrays: tuple[Any, Any], dtype: Any, n: int) -> Iterator[Row]:
    """Compare what methods give on the device and on the CPU.

    First contiguous arrays without weights, twice for the same bits, once with a nan; then an odd number of elements,
    weighed, of which every other one of those in memory counts.
    """
    y, z = (narrowed(x, dtype) for x in arrays)
    how: dict[str, Any] = {"groups": GROUPS if n > 100 else FEW_GROUPS} if kind == "groups" else {}
    methods = [(m, h) for m, h in METHODS if kind != "ordered" or h.get("reduction") != "none"]
    odd = (y, z) if kind == "groups" else (shorter(y), shorter(z))
    w = None if kind == "ordered" else np.arange(len(leaves(odd[1])[0])).astype(dtype) % 4 * dtype(0.75)
    ways: dict[str, tuple[Any, ...]] = {
        "contiguous": (y, z, None, methods, to_device),
        "with a nan": (y, with_nan(z), None, METHODS[2:3], to_device),
        "weighed, every other one": (*odd, w, WEIGHED, spread_out),
    }
    for name, way in ways.items():
        row: Row = {"loss": repr(loss), "kind": kind, "dtype": np.dtype(dtype).name, "arrays": name}
        try:
            yield row | compared(loss, *way, **how)
        except Exception as error:
            yield row | {"error": brief(error)}
            if is_fatal(error):
                raise


def verdict(row: Row) -> Row:
    """Return the row with whether it is as it must be."""
    is_right = not row.get("error") and row.get("ulps", math.inf) <= MOST_ULPS and row.get("same bits") == "yes"
    return row | {"ok": "yes" if is_right else "NO"}


def narrowed(x: Any, dtype: Any) -> Any:
    """Return arrays of floats in *dtype*; labels and None as they are."""
    if isinstance(x, tuple):
        return tuple(narrowed(part, dtype) for part in x)
    return x.astype(dtype) if x is not None and x.dtype.kind == "f" else x


def with_nan(x: Any) -> Any:
    """Return a copy with a nan in the place of one number, of the first array."""
    if isinstance(x, tuple):
        return with_nan(x[0]), *x[1:]
    a = x.copy()
    a.reshape(-1)[a.size // 2] = math.nan
    return a


def shorter(x: Any) -> Any:
    """Return arrays without the last entry of their first axis: odd numbers of them."""
    if isinstance(x, tuple):
        return tuple(map(shorter, x))
    return None if x is None else np.ascontiguousarray(x[: len(x) - 1 + len(x) % 2])


def compared(
    loss: Any, y: Any, z: Any, w: Any, methods: Any, place: Callable[[Any], Any], **more: Any
) -> Row:  # fmt: skip
    """Return the greatest difference of any result, and whether a second call gave the same bits."""
    placed = place(y), place(z), place(w)
    worst, same = 0.0, True
    for method, how in methods:
        wanted = leaves(getattr(loss, method)(y, z, w, **how, **more))
        first, second = (
            [a.copy_to_host() for a in leaves(getattr(loss, method)(*placed, **how, **more))] for _ in range(2)
        )  # fmt: skip
        same = same and all(a.tobytes() == b.tobytes() for a, b in zip(first, second, strict=True))
        for a, b in zip(first, wanted, strict=True):
            worst = max(worst, distance(a, np.asarray(b), z))
    return {"ulps": worst, "same bits": "yes" if same else "NO", "error": ""}


def distance(got: Any, wanted: Any, z: Any) -> float:
    """Return the greatest difference in units in the last place of the largest number; inf where nan does not agree."""
    if got.shape != wanted.shape or got.dtype != wanted.dtype or (np.isfinite(got) != np.isfinite(wanted)).any():
        return math.inf
    finite = np.isfinite(wanted)
    if not finite.any():
        return 0.0
    narrowest = max(np.finfo(a.dtype).eps for a in leaves(z))  # a sum of float32 losses has their precision
    scale = max(float(np.abs(wanted[finite]).max()), float(np.finfo(wanted.dtype).tiny))
    with np.errstate(over="ignore"):
        return float(np.abs(got[finite].astype(float) - wanted[finite]).max() / scale / narrowest)


def leaves(x: Any) -> list[Any]:
    return [leaf for part in x for leaf in leaves(part)] if isinstance(x, tuple) else [x]


def to_device(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(map(to_device, x))
    return None if x is None else cuda.to_device(np.ascontiguousarray(x))


def spread_out(x: Any) -> Any:
    """Return arrays on the device of which every other entry of the first axis in memory is one of theirs."""
    if isinstance(x, tuple):
        return tuple(map(spread_out, x))
    if x is None:
        return None
    return cuda.to_device(np.repeat(x, 2, axis=0))[::2] if x.ndim else cuda.to_device(x)
