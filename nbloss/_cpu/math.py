"""The primitives of :mod:`nbloss._math` as straight-line code, in which LLVM can vectorise a loop.

Numba calls libm one number at a time. Here are no calls and no branches: every special case is a select. float32 is
computed in float32 and 32-bit integers throughout. Importing this module registers the functions with numba.

Methods (W. J. Cody, W. Waite: Software Manual for the Elementary Functions, 1980), with fused multiply-adds:

* exp: x = k ln 2 + r with |r| <= ln 2 / 2, a polynomial for exp(r), and 2^k as two factors, since neither the
  largest nor the subnormal results are reached with one.
* log: x = 2^k (1 + f) with 0.75 <= 1 + f < 1.5, and log(1 + f) = f - s (f - R(s^2)) with s = f / (2 + f).

Comments at the polynomials give the largest relative error that each adds to the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload, register_jitable

from nbloss import _math

# numpy: a division by zero does not raise, so it needs no branch; a call that is left in a loop stops its vectorisation
_OPTIONS = {"error_model": "numpy", "forceinline": True}


class _Format(NamedTuple):
    """How a real type keeps its numbers."""

    fraction: int
    """Bits of the fraction."""
    bias: int
    """The exponent of 1, as it is stored."""


_FORMATS = {types.float32: _Format(23, 127), types.float64: _Format(52, 1023)}


class _Constants(NamedTuple):
    """Numbers that depend on the real type."""

    exp_low: float
    """Some number so low that its exp is 0 ..."""
    exp_high: float
    """... and one so high that its exp is infinite."""
    exp_minus_high: float
    """Some number so high that the exp of its negative would be subnormal, but not so high that 2^k had no place."""
    exp_shift: float
    """Added to a number it leaves the nearest integer k, as k + 2 bias - 1, in the lowest bits."""
    exp_minus_shift: float
    """The same for k + bias."""
    log2_e: float
    ln2_hi: float
    ln2_lo: float
    """ln 2 is ln2_hi + ln2_lo; neither is negative, so that products with 0 have the signs that keep -0."""
    smallest_normal: float
    log_shift: float
    """0 as it comes from :func:`_exponent_and_mantissa`."""


CONSTANTS = {
    types.float32: _Constants(
        exp_low=-108.0,
        exp_high=89.0,
        exp_minus_high=88.0,
        exp_shift=1.5 * 2.0**23 + 253,
        exp_minus_shift=1.5 * 2.0**23 + 127,
        log2_e=1.442695,
        ln2_hi=0.6931471,
        ln2_lo=5.769999e-08,
        smallest_normal=2.0**-126,
        log_shift=2.0**23 + 127,
    ),
    types.float64: _Constants(
        exp_low=-750.0,
        exp_high=710.0,
        exp_minus_high=709.0,
        exp_shift=1.5 * 2.0**52 + 2045,
        exp_minus_shift=1.5 * 2.0**52 + 1023,
        log2_e=1.4426950408889634,
        ln2_hi=0.6931471805599453,
        ln2_lo=2.3190468138462996e-17,
        smallest_normal=2.0**-1022,
        log_shift=2.0**52 + 1023,
    ),
}


@intrinsic
def _constants(context: Any, x: Any) -> Any:
    """Return the constants for the type of x."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = [ir.Constant(arguments[0].type, value) for value in CONSTANTS[x]]
        return context.make_tuple(builder, signature.return_type, values)

    return types.NamedUniTuple(x, len(_Constants._fields), _Constants)(x), generate


@intrinsic
def _fma(context: Any, a: Any, b: Any, c: Any) -> Any:
    return a(a, b, c), lambda context, builder, signature, arguments: builder.fma(*arguments)


@intrinsic
def _select(context: Any, condition: Any, a: Any, b: Any) -> Any:
    """Return a if condition else b, which LLVM does not have to recover from branches."""
    return a(condition, a, b), lambda context, builder, signature, arguments: builder.select(*arguments)


LONG = 8  # coefficients; fewer are not worth another product


def _polynomial(coefficients: dict[Any, tuple[float, ...]]) -> Any:
    """Return a function of x with these coefficients, the constant one first; float32 has its own.

    Of many, the even and the odd ones are added up apart, by powers of x^2: it takes no more operations where the
    caller needs x^2 too, and half of them wait for half of the others only.
    """

    @intrinsic
    def polynomial(context: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            def horner(terms: Any, x: Any) -> Any:
                *others, result = terms
                for term in reversed(others):
                    result = builder.fma(result, x, term)
                return result

            [x] = arguments
            terms = [ir.Constant(x.type, value) for value in coefficients[signature.return_type]]
            if len(terms) < LONG:
                return horner(terms, x)
            square = builder.fmul(x, x)
            return builder.fma(horner(terms[1::2], square), x, horner(terms[::2], square))

        return x(x), generate

    return polynomial


# (exp(r) - 1 - r) / r^2 for |r| <= ln 2 / 2: 2^-26.1 and 2^-55.5 of exp(r) - 1
EXP_TAIL: dict[Any, tuple[float, ...]] = {
    types.float32: (0.49999997, 0.16666545, 0.04166752, 0.00836639, 0.0013862732),
    types.float64: (
        0.5000000000000006,
        0.16666666666666613,
        0.04166666666657391,
        0.00833333333337427,
        0.001388888893225331,
        0.00019841269752244106,
        2.480150461048201e-05,
        2.7557377781552863e-06,
        2.7626259370263505e-07,
        2.5063204504939074e-08,
    ),
}
_exp_tail = _polynomial(EXP_TAIL)

# R(z) / z where log(1 + f) = f - s (f - R(s^2)), for -1/4 <= f <= 1/2, z <= 0.04: 2^-28.3 and 2^-55.8
_log_tail = _polynomial(
    {
        types.float32: (0.6666695, 0.39957824, 0.30360597),
        types.float64: (
            0.6666666666667271,
            0.3999999999616162,
            0.28571429395305203,
            0.22222138500267624,
            0.18186356119791114,
            0.15250187628374565,
            0.1536819803085885,
        ),
    }
)

# the same for 0 <= f <= 1, z <= 1/9: 2^-27.6 and 2^-59.3
_log_tail_unit = _polynomial(
    {
        types.float32: (0.6666641, 0.40021703, 0.27999103, 0.28024632),
        types.float64: (
            0.6666666666666631,
            0.40000000000156166,
            0.28571428547968375,
            0.22222223963422832,
            0.18181744127704016,
            0.1538655591174911,
            0.13301023071475376,
            0.12105715315375339,
            0.08341647196304874,
            0.17015829447421962,
        ),
    }
)


@intrinsic
def _two_factors(context: Any, shifted: Any) -> Any:
    """Return two powers of 2 whose product is 2^(k - 1), from k + exp_shift."""
    fraction = _FORMATS[shifted].fraction

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real, integer = arguments[0].type, ir.IntType(shifted.bitwidth)
        both = builder.bitcast(arguments[0], integer)
        half = builder.lshr(both, integer(1))
        factors = [
            builder.bitcast(builder.shl(exponent, integer(fraction)), real)
            for exponent in (half, builder.sub(both, half))
        ]
        return context.make_tuple(builder, signature.return_type, factors)

    return types.UniTuple(shifted, 2)(shifted), generate


@intrinsic
def _power_of_2(context: Any, shifted: Any) -> Any:
    """Return 2^k from k + exp_minus_shift, and 0 for the k below that of the least normal number."""
    fraction = _FORMATS[shifted].fraction

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer = ir.IntType(shifted.bitwidth)
        exponent = builder.bitcast(arguments[0], integer)
        return builder.bitcast(builder.shl(exponent, integer(fraction)), arguments[0].type)

    return shifted(shifted), generate


@intrinsic
def _exponent_and_mantissa(context: Any, x: Any) -> Any:
    """Return (k + log_shift, m, 2^(2 - k)), where x = 2^k m and 0.75 <= m < 1.5, for positive normal x."""
    fraction, bias = _FORMATS[x]
    implicit_bit = 1 << fraction
    three_quarters = (bias << fraction) - (implicit_bit >> 1)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real, integer = arguments[0].type, ir.IntType(x.bitwidth)
        moved = builder.add(builder.bitcast(arguments[0], integer), integer(implicit_bit >> 1))
        exponent = builder.lshr(moved, integer(fraction))
        shifted = builder.or_(exponent, integer((bias + fraction) << fraction))
        mantissa = builder.add(builder.and_(moved, integer(implicit_bit - 1)), integer(three_quarters))
        scale = builder.shl(builder.sub(integer(2 * bias + 2), exponent), integer(fraction))
        parts = [builder.bitcast(part, real) for part in (shifted, mantissa, scale)]
        return context.make_tuple(builder, signature.return_type, parts)

    return types.UniTuple(x, 3)(x), generate


def _implements(function: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make the decorated function what compiled code runs in place of *function*."""

    def register(implementation: Callable[..., Any]) -> Callable[..., Any]:
        @overload(function, target="cpu", strict=False, jit_options=_OPTIONS)
        def choose(*arguments: Any) -> Callable[..., Any] | None:
            return implementation if arguments[0] in _FORMATS else None

        return implementation

    return register


@_implements(_math.fma)
def fma(a: Any, b: Any, c: Any) -> Any:
    return _fma(a, b, c)


@_implements(_math.exp)
def exp(x: Any) -> Any:
    c = _constants(x)
    x = _select(x < c.exp_low, c.exp_low, x)  # in this order nan stays nan
    x = _select(x > c.exp_high, c.exp_high, x)
    shift = c.exp_shift + type(x)(1)  # so that the product of the factors is 2^k
    shifted = _fma(x, c.log2_e, shift)
    k = shifted - shift
    r = _fma(k, -c.ln2_lo, _fma(k, -c.ln2_hi, x))
    a, b = _two_factors(shifted)
    return _fma(_fma(r * r, _exp_tail(r), r), a, a) * b


@_implements(_math.exp_minus)
def exp_minus(x: Any) -> Any:
    c = _constants(x)
    x = _select(x > c.exp_minus_high, c.exp_minus_high, x)
    shifted = _fma(x, -c.log2_e, c.exp_minus_shift)
    k = shifted - c.exp_minus_shift
    r = _fma(k, -c.ln2_lo, _fma(k, -c.ln2_hi, -x))
    power = _power_of_2(shifted)
    return _fma(_fma(r * r, _exp_tail(r), r), power, power)


@_implements(_math.exp_sum)
def exp_sum(x: Any, dx: Any) -> Any:
    c = _constants(x)
    within = _select(x < c.exp_low, c.exp_low, x)
    within = _select(within > c.exp_high, c.exp_high, within)
    dx = _select(within == x, dx, type(x)(0))
    shift = c.exp_shift + type(x)(1)
    shifted = _fma(within + dx, c.log2_e, shift)
    k = shifted - shift
    r = _fma(k, -c.ln2_hi, within) + _fma(k, -c.ln2_lo, dx)
    a, b = _two_factors(shifted)
    return _fma(_fma(r * r, _exp_tail(r), r), a, a) * b


@_implements(_math.exp_difference)
def exp_difference(x: Any, top: Any) -> Any:
    c, zero, two = _constants(x), type(x)(0), type(x)(2)
    d = x - top
    back = d - x
    lost = (x - (d - back)) - (top + back)
    within = _select(d < c.exp_low, c.exp_low, d)
    within = _select(within > zero, zero, within)
    lost = _select(within == d, lost, zero)
    shifted = _fma(within, c.log2_e, c.exp_shift)
    k = shifted - c.exp_shift
    r = _fma(k, -c.ln2_hi, within) + _fma(k, -c.ln2_lo, lost)
    a, b = _two_factors(shifted)
    return _fma(_fma(r * r, _exp_tail(r), r), two, two) * a * b


@_implements(_math.exp_expm1)
def exp_expm1(x: Any) -> Any:
    c, two, half = _constants(x), type(x)(2), type(x)(0.5)
    x = _select(x < c.exp_low, c.exp_low, x)
    x = _select(x > c.exp_high, c.exp_high, x)
    shifted = _fma(x, c.log2_e, c.exp_shift)
    k = shifted - c.exp_shift
    # expm1(r) in two words, r - tail, so that 2^k expm1(r) + (2^k - 1) loses little where it cancels; the signs are
    # such that -0 gives -0
    rough = _fma(k, -c.ln2_hi, x)
    r = _fma(k, -c.ln2_lo, rough)
    tail = _fma(-(r * r), _exp_tail(r), _fma(k, c.ln2_lo, r - rough))
    a, b = _two_factors(shifted)
    scale = a * b
    half_expm1 = _fma(-scale, tail, _fma(scale, r, -(half - scale)))
    return _fma(r - tail, two, two) * a * b, half_expm1 + half_expm1


@_implements(_math.exp_expm1_minus)
def exp_expm1_minus(x: Any) -> Any:
    c = _constants(x)
    x = _select(x > c.exp_minus_high, c.exp_minus_high, x)
    shifted = _fma(x, -c.log2_e, c.exp_minus_shift)
    k = shifted - c.exp_minus_shift
    rough = _fma(k, -c.ln2_hi, -x)  # from here on as in exp_expm1
    r = _fma(k, -c.ln2_lo, rough)
    tail = _fma(-(r * r), _exp_tail(r), _fma(k, c.ln2_lo, r - rough))
    power = _power_of_2(shifted)
    return _fma(r - tail, power, power), _fma(-power, tail, _fma(power, r, -(type(x)(1) - power)))


@_implements(_math.expm1)
def expm1(x: Any) -> Any:
    return _math.exp_expm1(x)[1]


@register_jitable(**_OPTIONS)
def _log_of_parts(f: Any, minus_k: Any) -> Any:
    """Return log(2^k (1 + f)); with -k, since 0 would turn -0 into 0."""
    c, two = _constants(f), type(f)(2)
    s = f / (two + f)
    z = s * s
    return _fma(minus_k, -c.ln2_hi, f + _fma(s, _fma(z, _log_tail(z), -f), minus_k * -c.ln2_lo))


@register_jitable(**_OPTIONS)
def _log_at_edges(x: Any, result: Any) -> Any:
    """Return what the logarithm of x is where its parts have no meaning, else the result."""
    real = type(x)
    result = _select(x < real(math.inf), result, x)
    return _select(x > real(0), result, _select(x == real(0), real(-math.inf), real(math.nan)))


@_implements(_math.log)
def log(x: Any) -> Any:
    real, c = type(x), _constants(x)
    subnormal = x < c.smallest_normal
    shifted, mantissa, _ = _exponent_and_mantissa(_select(subnormal, x * real(2.0**64), x))
    minus_k = c.log_shift - shifted
    minus_k = _select(subnormal, minus_k + real(64), minus_k)
    return _log_at_edges(x, _log_of_parts(mantissa - real(1), minus_k))


@_implements(_math.log1p)
def log1p(x: Any) -> Any:
    real, c = type(x), _constants(x)
    y = real(1) + x
    shifted, _, scale = _exponent_and_mantissa(y)
    # 4 (y / 2^k - 1), but from x, of which y has lost digits
    f4 = _fma(scale, x, -(real(4) - scale))
    return _log_at_edges(y, _log_of_parts(real(0.25) * f4, c.log_shift - shifted))


@_implements(_math.log_unit)
def log_unit(x: Any) -> Any:
    real, c = type(x), _constants(x)
    shifted, mantissa, _ = _exponent_and_mantissa(x * real(2.0**64))  # no subnormal
    result = _log_of_parts(mantissa - real(1), (c.log_shift + real(64)) - shifted)
    return _select(x == real(0), real(-math.inf), result)


@_implements(_math.log1m_unit)
def log1m_unit(x: Any) -> Any:
    real, c = type(x), _constants(x)
    y = real(1) - x
    shifted, _, scale = _exponent_and_mantissa(y)
    f4 = _fma(-scale, x, -(real(4) - scale))  # as in log1p
    return _select(y == real(0), real(-math.inf), _log_of_parts(real(0.25) * f4, c.log_shift - shifted))


@_implements(_math.log1p_unit)
def log1p_unit(x: Any) -> Any:
    s = x / (type(x)(2) + x)
    z = s * s
    return _fma(s, _fma(z, _log_tail_unit(z), -x), x)


@_implements(_math.sqrt)
def sqrt(x: Any) -> Any:
    return math.sqrt(x)
