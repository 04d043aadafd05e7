"""How far a function of float32 is off, at worst, over all numbers that there are."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numba.extending import register_jitable

import nbloss._cpu.math  # noqa: F401 registers the primitives with numba
from nbloss import _math
from nbloss._compile import INLINE, inlined
from nbloss._math import exp_expm1_minus_fraction, exp_minus_fraction, sigmoids, softplus, tanh


def _exp_minus_by_fraction(x: Any) -> Any:
    p, q, factor = exp_minus_fraction(x)
    return p / q * factor


def _expm1_minus_by_fraction(x: Any) -> Any:
    _, m, q, _ = exp_expm1_minus_fraction(x)
    return m / q


# name: (the function, the same as float64 knows it: with 29 bits more)
LIBM: dict[str, tuple[Callable[..., Any], Callable[[float], float]]] = {
    "exp": (lambda x: _math.exp(x), lambda x: math.exp(x)),
    "exp_minus": (lambda x: _math.exp_minus(x), lambda x: math.exp(-x)),
    "expm1": (lambda x: _math.expm1(x), lambda x: math.expm1(x)),
    "log": (lambda x: _math.log(x), lambda x: math.log(x)),
    "log1p": (lambda x: _math.log1p(x), lambda x: math.log1p(x)),
    "log1p_unit": (lambda x: _math.log1p_unit(x), lambda x: math.log1p(x)),
    "log_unit": (lambda x: _math.log_unit(x), lambda x: math.log(x)),
    "log1p_positive": (lambda x: _math.log1p_positive(x), lambda x: math.log1p(x)),
    "log1p_fraction": (lambda x: _math.log1p_fraction(x, np.float32(1)), lambda x: math.log1p(x)),
    "exp_minus_fraction": (_exp_minus_by_fraction, lambda x: math.exp(-x)),
    "exp_expm1_minus_fraction": (_expm1_minus_by_fraction, lambda x: math.expm1(-x)),
    "log1m_unit": (lambda x: _math.log1m_unit(x), lambda x: math.log1p(-x)),
    "log2": (lambda x: _math.log2(x), lambda x: math.log2(x)),
    "sqrt": (lambda x: _math.sqrt(x), lambda x: math.sqrt(x)),
    "sigmoids[0]": (lambda x: sigmoids(x)[0], lambda x: 1 / (1 + math.exp(-x))),
    "sigmoids[1]": (lambda x: sigmoids(x)[1], lambda x: 1 / (1 + math.exp(x))),
    "softplus": (lambda x: softplus(x), lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x)))),
    "tanh": (lambda x: tanh(x), lambda x: math.tanh(x)),
    "power 1.5": (lambda x: _math.power(x, np.float32(1.5)), lambda x: x**1.5),
    "power -0.1": (lambda x: _math.power(x, np.float32(-0.1)), lambda x: x ** float(np.float32(-0.1))),
    "power 1e5": (lambda x: _math.power(x, np.float32(1e5)), lambda x: x**1e5),
}


def worst_of_every_number(name: str, low: float, high: float) -> tuple[float, Any, Any]:
    """Return the largest error in ulp between *low* and *high*, its number, and what the function makes of that."""
    function, double = inlined(LIBM[name][0]), register_jitable(**INLINE)(LIBM[name][1])

    @njit(error_model="numpy")
    def evaluate(a: Any, out: Any) -> None:
        for i in range(a.size):
            out[i] = function(a[i])

    @njit(error_model="numpy")
    def judge(a: Any, out: Any) -> tuple[float, int]:
        worst, at = 0.0, -1
        for i in range(a.size):
            if not low < a[i] < high:
                continue
            exact = double(np.float64(a[i]))
            got = np.float64(out[i])
            exponent = max(((np.float64(exact).view(np.int64) >> 52) & 0x7FF) - 1023, -126)
            if exponent > 127:  # infinity counts as the first power of 2 beyond the type
                exponent, exact = 127, math.copysign(2.0**128, exact)
            if abs(got) > 2.0**128:
                got = math.copysign(2.0**128, got)
            error = abs(got - exact) * np.int64((1023 + 23 - exponent) << 52).view(np.float64)
            error = math.inf if math.isnan(got) else error
            if not error <= worst:
                worst, at = error, i
        return worst, at

    found = (0.0, np.float32(0), np.float32(0))
    for first in range(0, 1 << 32, 1 << 20):
        a = np.arange(first, first + (1 << 20), dtype=np.uint32).view(np.float32)
        if not np.isfinite(a[0]) or not (max(a[0], a[-1]) > low and min(a[0], a[-1]) < high):
            continue
        out = np.empty_like(a)
        evaluate(a, out)
        error, at = judge(a, out)
        if not error <= found[0]:
            found = error, a[at], out[at]
    return found
