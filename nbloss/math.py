"""The functions for formulas of your own: of arrays' elements on both devices, of plain numbers, and in the oracle.

Nothing here raises: what overflows is infinite, and what is not a number is nan. Beside them, a formula uses
arithmetic, ``**``, ``abs``, ``min``, ``max``, comparisons and ``if``.

>>> from nbloss import math
>>> math.softplus(0.0)
0.6931471805599453
"""

from __future__ import annotations

from typing import Any

from nbloss import _math

__all__ = ["exp", "expm1", "fma", "hypot", "log", "log1p", "log2", "sigmoid", "softplus", "sqrt", "tanh"]


def exp(x: Any) -> Any:
    """Return e to the power of x."""
    return _of("exp", x)


def expm1(x: Any) -> Any:
    """Return exp(x) - 1, without cancellation near 0."""
    return _of("expm1", x)


def log(x: Any) -> Any:
    """Return the natural logarithm of x: -inf at 0, nan below."""
    return _of("log", x)


def log1p(x: Any) -> Any:
    """Return log(1 + x), without cancellation near 0: -inf at -1, nan below."""
    return _of("log1p", x)


def log2(x: Any) -> Any:
    """Return the logarithm of x to base 2: -inf at 0, nan below."""
    return _of("log2", x)


def sqrt(x: Any) -> Any:
    """Return the square root of x: nan below 0."""
    return _of("sqrt", x)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent of x."""
    return _of("tanh", x)


def sigmoid(x: Any) -> Any:
    """Return 1 / (1 + exp(-x)); 1 minus it is ``sigmoid(-x)``, which does not cancel."""
    return _of("sigmoids", x)[0]


def softplus(x: Any) -> Any:
    """Return log(1 + exp(x)), the integral of the sigmoid; ``-softplus(-x)`` is the logarithm of the sigmoid."""
    return _of("softplus", x)


def hypot(a: Any, b: Any) -> Any:
    """Return sqrt(a**2 + b**2), where neither the squares overflow nor the derivatives cancel."""
    return _of("hypot", a, b)


def fma(a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c; where it is compiled, rounded once."""
    return _of("fma", a, b, c)


def _of(name: str, *operands: Any) -> Any:
    """Return a function of numbers, of which those that record or differentiate bring their own functions."""
    for x in operands:
        if hasattr(x, "functions"):
            return getattr(x.functions, name)(*operands)
    return getattr(_math, name)(*(float(x) if isinstance(x, int) else x for x in operands))
