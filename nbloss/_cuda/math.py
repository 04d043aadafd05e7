"""The primitives of :mod:`nbloss._math` by libdevice, NVIDIA's library of scalar functions.

Importing this module registers the functions with numba. The simulator runs formulas as plain Python: there this
module does nothing, and no harm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import cuda, types
from numba.extending import overload

from nbloss import _math


def _implements(function: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the decorated function what compiled code runs in place of *function*."""

    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        @overload(function, target="cuda", strict=False)
        def choose(*arguments: Any) -> Callable[..., Any] | None:
            return implementation if arguments[0] in (types.float32, types.float64) else None

        return implementation

    return register


@_implements(_math.fma)
def fma(a: Any, b: Any, c: Any) -> Any:
    return cuda.fma(a, b, c)


@_implements(_math.exp)
def exp(x: Any) -> Any:
    return math.exp(x)


@_implements(_math.exp_minus)
def exp_minus(x: Any) -> Any:
    return math.exp(-x)


@_implements(_math.exp_minus_words)
def exp_minus_words(x: Any) -> Any:
    return math.exp(-x), type(x)(0)


@_implements(_math.expm1_minus_words)
def expm1_minus_words(x: Any) -> Any:
    return math.expm1(-x), type(x)(0)


@_implements(_math.expm1)
def expm1(x: Any) -> Any:
    return math.expm1(x)


@_implements(_math.exp_expm1)
def exp_expm1(x: Any) -> Any:
    return math.exp(x), math.expm1(x)


@_implements(_math.exp_expm1_minus)
def exp_expm1_minus(x: Any) -> Any:
    return math.exp(-x), math.expm1(-x)


@_implements(_math.exp_sum)
def exp_sum(x: Any, dx: Any) -> Any:
    e = math.exp(x)
    return cuda.fma(e, dx, e) if type(x)(0) < e < type(x)(math.inf) else e


@_implements(_math.exp_difference)
def exp_difference(x: Any, top: Any) -> Any:
    d = x - top
    back = d - x
    lost = (x - (d - back)) - (top + back)
    e = math.exp(d)
    return type(x)(1) if d >= type(x)(0) else cuda.fma(e, lost, e) if e > type(x)(0) else e


@_implements(_math.log)
def log(x: Any) -> Any:
    return math.log(x)


@_implements(_math.log2)
def log2(x: Any) -> Any:
    return math.log2(x)


@_implements(_math.log1p)
def log1p(x: Any) -> Any:
    return math.log1p(x)


@_implements(_math.log1p_unit)
def log1p_unit(x: Any) -> Any:
    return math.log1p(x)


@_implements(_math.log1p_unit_words)
def log1p_unit_words(x: Any) -> Any:
    return math.log1p(x), type(x)(0)


@_implements(_math.log_unit)
def log_unit(x: Any) -> Any:
    return math.log(x)


@_implements(_math.log1m_unit)
def log1m_unit(x: Any) -> Any:
    return math.log1p(-x)


@_implements(_math.power)
def power(x: Any, n: Any) -> Any:
    return math.pow(abs(x), n) if not x < type(x)(0) or n == type(x)(0) else type(x)(math.nan)


@_implements(_math.sqrt)
def sqrt(x: Any) -> Any:
    return math.sqrt(x)
