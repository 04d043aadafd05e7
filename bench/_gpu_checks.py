"""The checks of bench/gpu.py: every loss on the device against the CPU."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numba import cuda

Row = dict[str, Any]
GROUPS = (1, 0, 7, 300, 40, 2)
MOST_ULPS = 64
"""Between CPU and device, of the largest number of a result: libraries round exp, log and sums otherwise."""


def cases() -> Iterator[tuple[str, Any, tuple[Any, Any]]]:
    """Return name, loss and arrays in float64 of everything that the tests have."""
    from tests import cases as of_tests

    n = 1000
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
        yield "groups", loss, of_tests.of_groups(loss, GROUPS)


def check(only: str) -> list[Row]:
    """Compare what all methods give on the device and on the CPU, in both precisions, twice for the same bits."""
    found = []
    for kind, loss, arrays in cases():
        if only and only not in type(loss).__name__:
            continue
        for dtype in (np.float64, np.float32):
            row: Row = {"loss": repr(loss), "kind": kind, "dtype": np.dtype(dtype).name}
            try:
                how = {"groups": GROUPS} if kind == "groups" else {}
                row |= compared(loss, *(narrowed(x, dtype) for x in arrays), **how)
            except Exception as error:
                row |= {"ulps": math.nan, "same bits": "", "error": brief(error)}
            row["ok"] = "yes" if row["ulps"] <= MOST_ULPS and row["same bits"] == "yes" else "NO"
            found.append(row)
            print(f"{row['ok']:4}{row['ulps']:10.3g} ulp  {row['dtype']:8} {row['loss']} {row['error']}", flush=True)
    return found


def narrowed(x: Any, dtype: Any) -> Any:
    """Return arrays of floats in *dtype*; labels and None as they are."""
    if isinstance(x, tuple):
        return tuple(narrowed(part, dtype) for part in x)
    return x.astype(dtype) if x is not None and x.dtype.kind == "f" else x


def compared(loss: Any, y: Any, z: Any, **how: Any) -> Row:
    """Return the greatest difference of any result, and whether a second call gave the same bits."""
    placed = to_device(y), to_device(z)
    worst, same = 0.0, True
    for method in ("value", "gradient_and_hessian", "value_and_gradient"):
        wanted = leaves(getattr(loss, method)(y, z, **how))
        first, second = (
            [a.copy_to_host() for a in leaves(getattr(loss, method)(*placed, **how))] for _ in range(2)
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


def brief(error: BaseException) -> str:
    """Return the first line of an error."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]
