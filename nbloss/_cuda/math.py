"""The primitives of :mod:`nbloss._math` by libdevice, NVIDIA's library of scalar functions.

Importing this module registers the functions with numba. The simulator runs formulas as plain Python: there this
module does nothing, and no harm.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba import cuda, types
from numba.cuda import libdevice
from numba.extending import overload

from nbloss import _math

# as in nbloss._cpu.formats: what follows 3 + z in 3 atanh(s) / s by powers of z = s^2, and 2 / (3 ln 2) in two words
TAIL = (
    0.6000000000000338, 0.42857142855149355, 0.33333333779892904, 0.2727267654942553, 0.23080136073751148,
    0.1988522500150911, 0.19794497458361218,
)  # fmt: skip
THIRD, THIRD_LOST = 0.9617966939259756, 5.0577616648125907e-17


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


@_implements(_math.exp_minus_fraction)
def exp_minus_fraction(x: Any) -> Any:
    real = type(x)
    is_far = x > real(87)
    return math.exp(real(48) - x if is_far else -x), real(1), real(1.4251640827409352e-21) if is_far else real(1)


@_implements(_math.exp_minus_quotient)
def exp_minus_quotient(x: Any) -> Any:
    return math.exp(-x), type(x)(1)


@_implements(_math.exp_expm1_minus_fraction)
def exp_expm1_minus_fraction(x: Any) -> Any:
    p, q, factor = _math.exp_minus_fraction(x)
    return p, math.expm1(-x), q, factor


@_implements(_math.exp_minus_fraction_words)
def exp_minus_fraction_words(x: Any) -> Any:
    p, q, factor = _math.exp_minus_fraction(x)
    return p, type(x)(0), q, type(x)(0), factor


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


@_implements(_math.log1p_positive)
def log1p_positive(x: Any) -> Any:
    return math.log1p(x)


@_implements(_math.log1p_unit)
def log1p_unit(x: Any) -> Any:
    return math.log1p(x)


@_implements(_math.log1p_fraction)
def log1p_fraction(p: Any, q: Any) -> Any:
    return math.log1p(p / q)


@_implements(_math.log1p_fraction_words)
def log1p_fraction_words(p: Any, p_lost: Any, q: Any, q_lost: Any) -> Any:
    return math.log1p(p / q), p - p  # nan where p is


@_implements(_math.log_unit)
def log_unit(x: Any) -> Any:
    return math.log(x)


@_implements(_math.log1m_unit)
def log1m_unit(x: Any) -> Any:
    return math.log1p(-x)


def _power_of_singles(x: Any, n: Any) -> Any:
    return math.pow(abs(x), n) if not x < type(x)(0) or n == type(x)(0) else type(x)(math.nan)


def _power_of_doubles(x: Any, n: Any) -> Any:
    """Return x to the power of n as nbloss._cpu.math does, in fewer registers than libdevice's needs."""
    is_subnormal = x < 2.0**-1022
    moved = libdevice.double_as_longlong(x * 2.0**64 if is_subnormal else x) + 0x95F619980C433
    k = float((moved >> 52) - (1087 if is_subnormal else 1023))
    m = libdevice.longlong_as_double((moved & 0xFFFFFFFFFFFFF) + 0x3FE6A09E667F3BCD)
    f, divisor = m - 1.0, m + 1.0
    by_divisor = 1.0 / divisor
    s = f * by_divisor
    s_lost = cuda.fma(-s, m - (divisor - 1.0), cuda.fma(-s, divisor, f)) * by_divisor
    z = s * s
    t = cuda.fma(z, TAIL[6], TAIL[5])
    t = cuda.fma(z, t, TAIL[4])
    t = cuda.fma(z, t, TAIL[3])
    t = cuda.fma(z, t, TAIL[2])
    t = cuda.fma(z, t, TAIL[1])
    t = cuda.fma(z, t, TAIL[0])
    whole = 3.0 + z
    rest = ((3.0 - whole) + z) + cuda.fma(z * z, t, cuda.fma(s, s, -z))
    product = s * whole
    lost = cuda.fma(s, rest, cuda.fma(s_lost, cuda.fma(z, 2.0, whole), cuda.fma(s, whole, -product)))
    high = THIRD * product
    low = cuda.fma(THIRD, lost, cuda.fma(THIRD_LOST, product, cuda.fma(THIRD, product, -high)))
    total = k + high
    low = ((k - total) + high) + low
    exponent = n * total
    low = cuda.fma(n, low, cuda.fma(n, total, -exponent))
    whole = exponent + low
    low = ((exponent - whole) + low) * 0.6931471805599453
    e = libdevice.exp2(whole)
    result = cuda.fma(e, low, e) if 0.0 < e < math.inf else e
    if not 0.0 < x < math.inf:
        edge = 0.0 if (x == 0.0) == (n > 0.0) else math.inf
        result = edge if x >= 0.0 and n == n else math.nan
    elif abs(exponent) > 1e4:
        result = math.inf if exponent > 0.0 else 0.0
    return 1.0 if n == 0.0 or x == 1.0 else result


@overload(_math.power, target="cuda", strict=False)
def _power(x: Any, n: Any) -> Any:
    return {types.float32: _power_of_singles, types.float64: _power_of_doubles}.get(x)


@_implements(_math.sqrt)
def sqrt(x: Any) -> Any:
    return math.sqrt(x)


@_implements(_math.tanh)
def tanh(x: Any) -> Any:
    return math.tanh(x)
