"""The functions of formulas, one number after another on one thread, against NumPy's and the C library's."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any

import _common
import numpy as np
import scipy.special
from numba import njit

import nbloss._cpu.math  # noqa: F401  registers the functions with numba
from nbloss import _math
from nbloss._compile import inlined
from nbloss._math import sigmoids

SIZE = 1 << 15  # bytes, so that what is measured is arithmetic
CALLS = 50  # in a row, of which the time is taken together


def sigmoid(x: Any) -> Any:
    return sigmoids(x)[0]


# name: (ours, that of NumPy or SciPy, that of the C library, least and greatest argument)
FUNCTIONS: dict[str, tuple[Any, Any, Any, float, float]] = {
    "exp": (_math.exp, np.exp, math.exp, -10, 10),
    "exp_minus": (_math.exp_minus, np.exp, math.exp, 0, 10),
    "expm1": (_math.expm1, np.expm1, math.expm1, -3, 3),
    "log": (_math.log, np.log, math.log, 1e-3, 1e3),
    "log2": (_math.log2, np.log2, math.log2, 1e-3, 1e3),
    "log_unit": (_math.log_unit, np.log, math.log, 1e-3, 1),
    "log1p": (_math.log1p, np.log1p, math.log1p, -0.9, 9),
    "log1p_unit": (_math.log1p_unit, np.log1p, math.log1p, 0, 1),
    "sqrt": (_math.sqrt, np.sqrt, math.sqrt, 0, 10),
    "tanh": (_math.tanh, np.tanh, math.tanh, -3, 3),
    "sigmoid": (sigmoid, scipy.special.expit, lambda x: 1 / (1 + math.exp(-x)), -10, 10),
    "softplus": (_math.softplus, None, lambda x: math.log1p(math.exp(-abs(x))) + max(x, 0.0), -10, 10),
    "power": (
        lambda x: _math.power(x, type(x)(1.5)),
        lambda a, out: np.power(a, 1.5, out=out),
        lambda x: x**1.5,
        0,
        10,
    ),
}


def loop_of(function: Callable[..., Any]) -> Callable[..., None]:
    """Return *function* for all elements of an array."""
    compiled = inlined(function) if isinstance(function, types.FunctionType) else function

    @njit(error_model="numpy")
    def loop(a: Any, out: Any) -> None:
        for i in range(a.size):
            out[i] = compiled(a[i])

    return loop


def repeated(way: Callable[..., object], a: Any, out: Any) -> Callable[[], None]:
    def run() -> None:
        for _ in range(CALLS):
            way(a, out)

    return run


def main() -> None:
    rows = []
    for name, (ours, theirs, libm, low, high) in FUNCTIONS.items():
        for dtype in (np.float64, np.float32):
            n = SIZE // np.dtype(dtype).itemsize
            a = np.random.default_rng(0).uniform(low, high, n).astype(dtype)
            out = np.empty_like(a)
            ways = {
                "nbloss": repeated(loop_of(ours), a, out),
                "C library": repeated(loop_of(libm), a, out),
            }
            if theirs is not None:
                ways["NumPy or SciPy"] = repeated(theirs, a, out)
            seconds = _common.interleaved(ways, 15)
            each = {way: 1e9 * found / CALLS / n for way, found in seconds.items()}
            row: _common.Row = {"function": name, "dtype": dtype.__name__, "nbloss, ns": each["nbloss"]}
            for way in ("NumPy or SciPy", "C library"):
                row[f"{way}, ns"] = each.get(way, "")
                row[f"{way}, times as long"] = each[way] / each["nbloss"] if way in each else ""
            rows.append(row)
    _common.write("math", rows)
    print(_common.table(list(rows[0]), [list(_common.rounded(row).values()) for row in rows]))


if __name__ == "__main__":
    main()
