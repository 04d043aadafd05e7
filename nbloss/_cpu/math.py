"""The primitives of :mod:`nbloss._math` as straight-line code, in which LLVM can vectorise a loop.

Numba calls libm one number at a time. Here are no calls and no branches: every special case is a select. float32 is
computed in float32 and 32-bit integers throughout. Importing this module registers the functions with numba.

Methods (W. J. Cody, W. Waite: Software Manual for the Elementary Functions, 1980), with fused multiply-adds:

* exp: x = k ln 2 + r with |r| <= ln 2 / 2, a polynomial for exp(r), and 2^k as two factors, since neither the
  largest nor the subnormal results are reached with one.
* exp as a fraction: exp(r) = (c + r) / (c - r) with c = r coth(r / 2), which is even.
* log: x = 2^k (1 + f) with 0.75 <= 1 + f < 1.5, and log(1 + f) = f - s (f - R(s^2)) with s = f / (2 + f).
* tanh: a polynomial up to 0.65, then 1 - 2 exp(-2 a) / (1 + exp(-2 a)).
* power: the logarithm to base 2 in two words, so that what an exponent of a thousand multiplies is still exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from numba.extending import overload, register_jitable

from nbloss import _math
from nbloss._compile import INLINED
from nbloss._cpu.formats import CONSTANTS as CONSTANTS  # row kernels take them from here
from nbloss._cpu.formats import EXP_TAIL as EXP_TAIL
from nbloss._cpu.formats import (
    FORMATS,
    atanh_tail,
    constants,
    exp_tail,
    exponent_and_centred_mantissa,
    exponent_and_mantissa,
    log_tail,
    log_tail_unit,
    power_of_2,
    r_coth_half,
    select,
    tanh_tail,
    times_2_64,
    two_factors,
)
from nbloss._cpu.formats import fused as _fma


def _implements(function: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the decorated function what compiled code runs in place of *function*."""

    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        @overload(function, target="cpu", strict=False, jit_options=INLINED)
        def choose(*arguments: Any) -> Callable[..., Any] | None:
            return implementation if arguments[0] in FORMATS else None

        return implementation

    return register


@_implements(_math.fma)
def fma(a: Any, b: Any, c: Any) -> Any:
    return _fma(a, b, c)


@_implements(_math.exp)
def exp(x: Any) -> Any:
    c = constants(x)
    x = select(x < c.exp_low, c.exp_low, x)  # in this order nan stays nan
    x = select(x > c.exp_high, c.exp_high, x)
    shift = c.exp_shift + type(x)(1)  # so that the product of the factors is 2^k
    shifted = _fma(x, c.log2_e, shift)
    k = shifted - shift
    r = _fma(k, -c.ln2_lo, _fma(k, -c.ln2_hi, x))
    a, b = two_factors(shifted)
    return _fma(_fma(r * r, exp_tail(r), r), a, a) * b


@_implements(_math.exp_minus)
def exp_minus(x: Any) -> Any:
    c = constants(x)
    x = select(x > c.exp_minus_high, c.exp_minus_high, x)
    shifted = _fma(x, -c.log2_e, c.exp_minus_shift)
    k = shifted - c.exp_minus_shift
    r = _fma(k, -c.ln2_lo, _fma(k, -c.ln2_hi, -x))
    power = power_of_2(shifted)
    return _fma(_fma(r * r, exp_tail(r), r), power, power)


@register_jitable(**INLINED)
def _parts_of_fraction(x: Any) -> Any:
    """Return (k, r, c, 2^k, factor) for which exp(-x) = factor 2^k (c + r) / (c - r)."""
    real, c = type(x), constants(x)
    is_far = x > real(87)
    x = select(x > c.fraction_high, c.fraction_high, x)
    shifted = _fma(x, -c.log2_e, c.exp_minus_shift)
    k = shifted - c.exp_minus_shift
    r = _fma(k, -c.ln2_lo, _fma(k, -c.ln2_hi, -x))
    power = power_of_2(select(is_far, shifted + real(69), shifted))
    return k, r, r_coth_half(r * r), power, select(is_far, real(2.0**-69), real(1))


@_implements(_math.exp_minus_fraction)
def exp_minus_fraction(x: Any) -> Any:
    _, r, even, power, factor = _parts_of_fraction(x)
    return (even + r) * power, even - r, factor


@_implements(_math.exp_minus_quotient)
def exp_minus_quotient(x: Any) -> Any:
    c = constants(x)
    x = select(x > c.exp_minus_high, c.exp_minus_high, x)
    shifted = _fma(x, -c.log2_e, c.exp_minus_shift)
    k = shifted - c.exp_minus_shift
    r = _fma(k, -c.ln2_lo, _fma(k, -c.ln2_hi, -x))
    even = r_coth_half(r * r)
    return (even + r) * power_of_2(shifted), even - r


@_implements(_math.exp_minus_fraction_words)
def exp_minus_fraction_words(x: Any) -> Any:
    _, r, even, power, factor = _parts_of_fraction(x)
    p, q = even + r, even - r
    return p * power, (r - (p - even)) * power, q, (even - q) - r, factor


@_implements(_math.exp_expm1_minus_fraction)
def exp_expm1_minus_fraction(x: Any) -> Any:
    k, r, even, power, factor = _parts_of_fraction(x)
    p, q = (even + r) * power, even - r
    # the difference is exact but for what both have lost, which counts where they are alike
    return p, select(k == type(x)(0), r + r, p - q), q, factor


@_implements(_math.exp_sum)
def exp_sum(x: Any, dx: Any) -> Any:
    c = constants(x)
    within = select(x < c.exp_low, c.exp_low, x)
    within = select(within > c.exp_high, c.exp_high, within)
    dx = select(within == x, dx, type(x)(0))
    shift = c.exp_shift + type(x)(1)
    shifted = _fma(within + dx, c.log2_e, shift)
    k = shifted - shift
    r = _fma(k, -c.ln2_hi, within) + _fma(k, -c.ln2_lo, dx)
    a, b = two_factors(shifted)
    return _fma(_fma(r * r, exp_tail(r), r), a, a) * b


@_implements(_math.exp_difference)
def exp_difference(x: Any, top: Any) -> Any:
    c, zero, two = constants(x), type(x)(0), type(x)(2)
    d = x - top
    back = d - x
    lost = (x - (d - back)) - (top + back)
    within = select(d < c.exp_low, c.exp_low, d)
    within = select(within > zero, zero, within)
    lost = select(within == d, lost, zero)
    shifted = _fma(within, c.log2_e, c.exp_shift)
    k = shifted - c.exp_shift
    r = _fma(k, -c.ln2_hi, within) + _fma(k, -c.ln2_lo, lost)
    a, b = two_factors(shifted)
    return _fma(_fma(r * r, exp_tail(r), r), two, two) * a * b


@_implements(_math.exp_expm1)
def exp_expm1(x: Any) -> Any:
    c, two, half = constants(x), type(x)(2), type(x)(0.5)
    x = select(x < c.exp_low, c.exp_low, x)
    x = select(x > c.exp_high, c.exp_high, x)
    shifted = _fma(x, c.log2_e, c.exp_shift)
    k = shifted - c.exp_shift
    # expm1(r) in two words, r - tail, so that 2^k expm1(r) + (2^k - 1) loses little where it cancels; the signs are
    # such that -0 gives -0
    rough = _fma(k, -c.ln2_hi, x)
    r = _fma(k, -c.ln2_lo, rough)
    tail = _fma(-(r * r), exp_tail(r), _fma(k, c.ln2_lo, r - rough))
    a, b = two_factors(shifted)
    scale = a * b
    half_expm1 = _fma(-scale, tail, _fma(scale, r, -(half - scale)))
    return _fma(r - tail, two, two) * a * b, half_expm1 + half_expm1


@_implements(_math.exp_expm1_minus)
def exp_expm1_minus(x: Any) -> Any:
    c = constants(x)
    x = select(x > c.exp_minus_high, c.exp_minus_high, x)
    shifted = _fma(x, -c.log2_e, c.exp_minus_shift)
    k = shifted - c.exp_minus_shift
    rough = _fma(k, -c.ln2_hi, -x)  # from here on as in exp_expm1
    r = _fma(k, -c.ln2_lo, rough)
    tail = _fma(-(r * r), exp_tail(r), _fma(k, c.ln2_lo, r - rough))
    power = power_of_2(shifted)
    return _fma(r - tail, power, power), _fma(-power, tail, _fma(power, r, -(type(x)(1) - power)))


@_implements(_math.expm1)
def expm1(x: Any) -> Any:
    return _math.exp_expm1(x)[1]


@register_jitable(**INLINED)
def _log_of_parts(f: Any, minus_k: Any) -> Any:
    """Return log(2^k (1 + f)); with -k, since 0 would turn -0 into 0."""
    c, two = constants(f), type(f)(2)
    s = f / (two + f)
    z = s * s
    return _fma(minus_k, -c.ln2_hi, f + _fma(s, _fma(z, log_tail(z), -f), minus_k * -c.ln2_lo))


@register_jitable(**INLINED)
def _log_at_edges(x: Any, result: Any) -> Any:
    """Return what the logarithm of x is where its parts have no meaning, else the result."""
    real = type(x)
    beyond = x - constants(x).largest  # infinite where x is, else less than any logarithm; a comparison costs more
    result = select(result > beyond, result, beyond)
    return select(x > real(0), result, select(x == real(0), real(-math.inf), real(math.nan)))


@_implements(_math.log)
def log(x: Any) -> Any:
    real, c = type(x), constants(x)
    subnormal = x < c.smallest_normal
    shifted, mantissa, _ = exponent_and_mantissa(select(subnormal, times_2_64(x), x))
    minus_k = c.log_shift - shifted
    minus_k = select(subnormal, minus_k + real(64), minus_k)
    return _log_at_edges(x, _log_of_parts(mantissa - real(1), minus_k))


@_implements(_math.log1p)
def log1p(x: Any) -> Any:
    real, c = type(x), constants(x)
    y = real(1) + x
    shifted, _, scale = exponent_and_mantissa(y)
    # 4 (y / 2^k - 1), but from x, of which y has lost digits
    f4 = _fma(scale, x, -(real(4) - scale))
    return _log_at_edges(y, _log_of_parts(real(0.25) * f4, c.log_shift - shifted))


@_implements(_math.log1p_positive)
def log1p_positive(x: Any) -> Any:
    real, c = type(x), constants(x)
    y = real(1) + x
    shifted, _, scale = exponent_and_mantissa(y)
    f4 = _fma(scale, x, -(real(4) - scale))  # as in log1p
    result, beyond = _log_of_parts(real(0.25) * f4, c.log_shift - shifted), y - c.largest
    return select(result > beyond, result, beyond)


@_implements(_math.log_unit)
def log_unit(x: Any) -> Any:
    real, c = type(x), constants(x)
    shifted, mantissa, _ = exponent_and_mantissa(x * real(2.0**64))  # no subnormal
    result = _log_of_parts(mantissa - real(1), (c.log_shift + real(64)) - shifted)
    return select(x == real(0), real(-math.inf), result)


@_implements(_math.log1m_unit)
def log1m_unit(x: Any) -> Any:
    real, c = type(x), constants(x)
    y = real(1) - x
    shifted, _, scale = exponent_and_mantissa(y)
    f4 = _fma(-scale, x, -(real(4) - scale))  # as in log1p
    return select(y == real(0), real(-math.inf), _log_of_parts(real(0.25) * f4, c.log_shift - shifted))


@_implements(_math.log1p_unit)
def log1p_unit(x: Any) -> Any:
    s = x / (type(x)(2) + x)
    z = s * s
    return _fma(s, _fma(z, log_tail_unit(z), -x), x)


@_implements(_math.log1p_fraction)
def log1p_fraction(p: Any, q: Any) -> Any:
    s = p / (p + (q + q))
    z = s * s
    return _fma(s * z, log_tail_unit(z), s + s)


@_implements(_math.log1p_fraction_words)
def log1p_fraction_words(p: Any, p_lost: Any, q: Any, q_lost: Any) -> Any:
    twice = q + q
    divisor = twice + p
    divisor_lost = (p - (divisor - twice)) + (p_lost + (q_lost + q_lost))
    by_divisor = type(p)(1) / divisor
    s = p * by_divisor
    s_lost = (_fma(-s, divisor, p) + _fma(-s, divisor_lost, p_lost)) * by_divisor
    z = s * s
    return s + s, _fma(s * z, log_tail_unit(z), s_lost + s_lost)


@_implements(_math.log2)
def log2(x: Any) -> Any:
    real, c = type(x), constants(x)
    subnormal = x < c.smallest_normal
    k, m = exponent_and_centred_mantissa(select(subnormal, x * real(2.0**64), x))
    k = select(subnormal, k - real(64), k)
    f = m - real(1)
    s = f / (m + real(1))
    z = s * s
    rest = s * _fma(z, log_tail(z), -f)  # as in _log_of_parts
    return _log_at_edges(x, k + _fma(f, c.log2_e, rest * c.log2_e))


@register_jitable(**INLINED)
def _log2_words(x: Any) -> Any:
    """Return two numbers of which the sum is the logarithm of x to base 2, to 8 bits more than one has.

    With s = f / (2 + f) in two words, it is k + s (3 + 3 (atanh(s) / s - 1)) 2 / (3 ln 2): so the powers of s^2 have
    coefficients 1, and less from there on, and only the first of them needs two words.
    """
    real, c, one, three = type(x), constants(x), type(x)(1), type(x)(3)
    subnormal = x < c.smallest_normal
    k, m = exponent_and_centred_mantissa(select(subnormal, x * real(2.0**64), x))
    k = select(subnormal, k - real(64), k)
    f, divisor = m - one, m + one
    by_divisor = one / divisor
    s = f * by_divisor
    s_lost = _fma(-s, m - (divisor - one), _fma(-s, divisor, f)) * by_divisor
    z = s * s
    whole = three + z
    rest = ((three - whole) + z) + _fma(z * z, atanh_tail(z), _fma(s, s, -z))
    product = s * whole
    # s_lost counts 3 + 3 z times, since it is in z as well
    product_lost = _fma(s, rest, _fma(s_lost, _fma(z, real(2), whole), _fma(s, whole, -product)))
    high = c.third_hi * product
    low = _fma(c.third_hi, product_lost, _fma(c.third_lo, product, _fma(c.third_hi, product, -high)))
    total = k + high
    return _log_at_edges(x, total), ((k - total) + high) + low


@_implements(_math.power)
def power(x: Any, n: Any) -> Any:
    real, c = type(x), constants(x)
    high, low = _log2_words(x)
    exponent = n * high
    lost = _fma(n, low, _fma(n, high, -exponent))
    within = select(exponent < c.power_low, c.power_low, exponent)  # in this order nan stays nan
    within = select(within > c.power_high, c.power_high, within)
    lost = select(within == exponent, lost, real(0))
    shift = c.exp_shift + real(1)
    shifted = (within + lost) + shift
    r = ((within - (shifted - shift)) + lost) * c.ln2_hi
    a, b = two_factors(shifted)
    result = _fma(_fma(r * r, exp_tail(r), r), a, a) * b
    return select((n == real(0)) | (x == real(1)), real(1), result)


@_implements(_math.sqrt)
def sqrt(x: Any) -> Any:
    return math.sqrt(x)


@_implements(_math.tanh)
def tanh(x: Any) -> Any:
    real = type(x)
    a = abs(x)
    z = x * x
    near = _fma(a * z, tanh_tail(z), a)
    p, q = _math.exp_minus_quotient(a + a)
    far = real(1) - (p + p) / (p + q)
    return math.copysign(select(a < real(0.65), near, far), x)
