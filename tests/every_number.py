"""How far a function of float32 is off, at worst, over all numbers that there are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit

import nbloss._cpu.math  # noqa: F401 registers the primitives with numba
from nbloss import _math
from nbloss._compile import inlined
from nbloss._math import exp_expm1_minus_fraction, exp_minus_fraction, sigmoids, softplus, tanh


def _exp_minus_by_fraction(x: Any) -> Any:
    p, q, factor = exp_minus_fraction(x)
    return p / q * factor


def _expm1_minus_by_fraction(x: Any) -> Any:
    _, m, q, _ = exp_expm1_minus_fraction(x)
    return m / q


# name: (the function of numbers, the same of arrays as NumPy knows it in float64: with 29 bits more)
SINGLES: dict[str, tuple[Callable[..., Any], Callable[[Any], Any]]] = {
    "exp": (lambda x: _math.exp(x), np.exp),
    "exp_minus": (lambda x: _math.exp_minus(x), lambda a: np.exp(-a)),
    "exp_minus_fraction": (_exp_minus_by_fraction, lambda a: np.exp(-a)),
    "exp_expm1_minus_fraction": (_expm1_minus_by_fraction, lambda a: np.expm1(-a)),
    "expm1": (lambda x: _math.expm1(x), np.expm1),
    "log": (lambda x: _math.log(x), np.log),
    "log1p": (lambda x: _math.log1p(x), np.log1p),
    "log1p_positive": (lambda x: _math.log1p_positive(x), np.log1p),
    "log1p_unit": (lambda x: _math.log1p_unit(x), np.log1p),
    "log1p_fraction": (lambda x: _math.log1p_fraction(x, np.float32(1)), np.log1p),
    "log1m_unit": (lambda x: _math.log1m_unit(x), lambda a: np.log1p(-a)),
    "log_unit": (lambda x: _math.log_unit(x), np.log),
    "log2": (lambda x: _math.log2(x), np.log2),
    "power 1.5": (lambda x: _math.power(x, np.float32(1.5)), lambda a: a**1.5),
    "power -0.1": (lambda x: _math.power(x, np.float32(-0.1)), lambda a: a ** float(np.float32(-0.1))),
    "sqrt": (lambda x: _math.sqrt(x), np.sqrt),
    "sigmoids[0]": (lambda x: sigmoids(x)[0], lambda a: 1 / (1 + np.exp(-a))),
    "sigmoids[1]": (lambda x: sigmoids(x)[1], lambda a: 1 / (1 + np.exp(a))),
    "softplus": (lambda x: softplus(x), lambda a: np.maximum(a, 0) + np.log1p(np.exp(-abs(a)))),
    "tanh": (lambda x: tanh(x), np.tanh),
}
CHUNK = 1 << 14


def worst_of_every_number(name: str, low: float, high: float) -> tuple[float, Any, Any]:
    """Return the largest error in ulp between *low* and *high*, its number, and what the function makes of that."""
    function, of_doubles = inlined(SINGLES[name][0]), SINGLES[name][1]

    @njit(error_model="numpy")
    def evaluate(a: Any, out: Any) -> None:
        for i in range(a.size):
            out[i] = function(a[i])

    @njit(error_model="numpy")
    def judge(a: Any, out: Any, exact: Any, errors: Any) -> None:
        end = 2.0**128  # infinity counts as the first power of 2 beyond the type
        for i in range(a.size):
            wanted = min(max(exact[i], -end), end)
            exponent = ((np.float64(wanted).view(np.int64) >> 52) & 0x7FF) - 1023
            exponent = min(max(exponent, -126), 127)
            got = min(max(np.float64(out[i]), -end), end)
            error = abs(got - wanted) * np.int64((1023 + 23 - exponent) << 52).view(np.float64)
            is_inside = (low < a[i]) & (a[i] < high)
            is_right = (out[i] == out[i]) & (exact[i] == exact[i])
            errors[i] = (error if is_right else math.inf) if is_inside else 0.0

    found = (0.0, np.float32(0), np.float32(0))
    out, errors = np.empty(CHUNK, np.float32), np.empty(CHUNK)
    for first in range(0, 1 << 32, CHUNK):
        a = np.arange(first, first + CHUNK, dtype=np.uint32).view(np.float32)
        if not np.isfinite(a[0]) or not (max(a[0], a[-1]) > low and min(a[0], a[-1]) < high):
            continue
        evaluate(a, out)
        with np.errstate(all="ignore"):
            exact = of_doubles(a.astype(np.float64))
        judge(a, out, exact, errors)
        at = int(errors.argmax())
        if not errors[at] <= found[0]:
            found = float(errors[at]), a[at], out[at]
    return found
