"""What :mod:`nbloss._cpu.math` is made of: the constants, the polynomials, and the bits of each real type.

Comments at the polynomials give the largest relative error that each adds to the result.
"""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import intrinsic


class Format(NamedTuple):
    """How a real type keeps its numbers."""

    fraction: int
    """Bits of the fraction."""
    bias: int
    """The exponent of 1, as it is stored."""


FORMATS = {types.float32: Format(23, 127), types.float64: Format(52, 1023)}


class Constants(NamedTuple):
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
    largest: float
    log_shift: float
    """0 as it comes from :func:`exponent_and_mantissa`."""
    fraction_high: float
    """Some number so high that the exp of its negative times 2^69 would be subnormal, but 2^k has a place."""
    power_low: float
    """Some number so low that 2 to the power of it is 0 ..."""
    power_high: float
    """... and one so high that it is infinite."""
    third_hi: float
    third_lo: float
    """2 / (3 ln 2) is third_hi + third_lo."""


CONSTANTS = {
    types.float32: Constants(
        exp_low=-108.0,
        exp_high=89.0,
        exp_minus_high=88.0,
        exp_shift=1.5 * 2.0**23 + 253,
        exp_minus_shift=1.5 * 2.0**23 + 127,
        log2_e=1.442695,
        ln2_hi=0.6931471,
        ln2_lo=5.769999e-08,
        smallest_normal=2.0**-126,
        largest=2.0**128 - 2.0**104,
        log_shift=2.0**23 + 127,
        fraction_high=136.0,
        power_low=-152.0,
        power_high=129.0,
        third_hi=0.9617967,
        third_lo=-7.028462e-09,
    ),
    types.float64: Constants(
        exp_low=-750.0,
        exp_high=710.0,
        exp_minus_high=709.0,
        exp_shift=1.5 * 2.0**52 + 2045,
        exp_minus_shift=1.5 * 2.0**52 + 1023,
        log2_e=1.4426950408889634,
        ln2_hi=0.6931471805599453,
        ln2_lo=2.3190468138462996e-17,
        smallest_normal=2.0**-1022,
        largest=sys.float_info.max,
        log_shift=2.0**52 + 1023,
        fraction_high=757.0,
        power_low=-1080.0,
        power_high=1025.0,
        third_hi=0.9617966939259756,
        third_lo=5.0577616648125907e-17,
    ),
}


@intrinsic
def constants(context: Any, x: Any) -> Any:
    """Return the constants for the type of x."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        values = [ir.Constant(arguments[0].type, value) for value in CONSTANTS[x]]
        return context.make_tuple(builder, signature.return_type, values)

    return types.NamedUniTuple(x, len(Constants._fields), Constants)(x), generate


@intrinsic
def fused(context: Any, a: Any, b: Any, c: Any) -> Any:
    return a(a, b, c), lambda context, builder, signature, arguments: builder.fma(*arguments)


@intrinsic
def select(context: Any, condition: Any, a: Any, b: Any) -> Any:
    """Return a if condition else b, which LLVM does not have to recover from branches."""
    return a(condition, a, b), lambda context, builder, signature, arguments: builder.select(*arguments)


LONG = 8  # coefficients; fewer are not worth another product


def polynomial_of(coefficients: dict[Any, tuple[float, ...]]) -> Any:
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
exp_tail = polynomial_of(EXP_TAIL)

# r coth(r / 2) by powers of r^2: 2^-30.8 and 2^-62.2 of exp(r)
r_coth_half = polynomial_of(
    {
        types.float32: (2.0, 0.16666618, -0.00276601),
        types.float64: (
            2.0,
            0.16666666666666555,
            -0.0027777777776695814,
            6.613756249876602e-05,
            -1.6533836822697252e-06,
            4.136033151963932e-08,
        ),
    }
)

# R(z) / z where log(1 + f) = f - s (f - R(s^2)), for -1/4 <= f <= 1/2, z <= 0.04: 2^-28.3 and 2^-55.8
log_tail = polynomial_of(
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
log_tail_unit = polynomial_of(
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
def two_factors(context: Any, shifted: Any) -> Any:
    """Return two powers of 2 whose product is 2^(k - 1), from k + exp_shift."""
    fraction = FORMATS[shifted].fraction

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
def power_of_2(context: Any, shifted: Any) -> Any:
    """Return 2^k from k + exp_minus_shift, and 0 for the k below that of the least normal number."""
    fraction = FORMATS[shifted].fraction

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        integer = ir.IntType(shifted.bitwidth)
        exponent = builder.bitcast(arguments[0], integer)
        return builder.bitcast(builder.shl(exponent, integer(fraction)), arguments[0].type)

    return shifted(shifted), generate


# (tanh(x) / x - 1) / x^2 for |x| <= 0.65, by powers of x^2: 2^-27.1 and 2^-58.7 of tanh(x)
tanh_tail = polynomial_of(
    {
        types.float32: (-0.3333326, 0.13330825, -0.053687353, 0.020466901, -0.0055121663),
        types.float64: (
            -0.3333333333333328,
            0.13333333333324993,
            -0.05396825396356267,
            0.021869488403531312,
            -0.00886323332665698,
            0.003592104647976463,
            -0.0014556679700426145,
            0.0005892132303046486,
            -0.0002363657512903096,
            9.045231776577044e-05,
            -2.9101647420977544e-05,
            5.5771801371731395e-06,
        ),
    }
)

# (3 atanh(s) / s - 3 - z) / z^2 for z = s^2, |s| <= (sqrt(2) - 1) / (sqrt(2) + 1): 2^-36.7 and 2^-66.1 of atanh(s)
atanh_tail = polynomial_of(
    {
        types.float32: (0.6000023, 0.42820635, 0.3512947),
        types.float64: (
            0.6000000000000338,
            0.42857142855149355,
            0.33333333779892904,
            0.2727267654942553,
            0.23080136073751148,
            0.1988522500150911,
            0.19794497458361218,
        ),
    }
)


@intrinsic
def times_2_64(context: Any, x: Any) -> Any:
    """Return 2^64 x for subnormal x, or 0, without a multiplication, of which processors begin fewer at a time."""
    fraction, bias = FORMATS[x]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real, integer = arguments[0].type, ir.IntType(x.bitwidth)
        bits = builder.or_(builder.bitcast(arguments[0], integer), integer(65 << fraction))
        return builder.fsub(builder.bitcast(bits, real), ir.Constant(real, 2.0 ** (65 - bias)))

    return x(x), generate


@intrinsic
def exponent_and_centred_mantissa(context: Any, x: Any) -> Any:
    """Return (k, m), where x = 2^k m and sqrt(1/2) <= m < sqrt(2), for positive normal x."""
    fraction, bias = FORMATS[x]
    one = bias << fraction
    least = {types.float32: 0x3F3504F3, types.float64: 0x3FE6A09E667F3BCD}[x]  # sqrt(1/2)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        real, integer = arguments[0].type, ir.IntType(x.bitwidth)
        moved = builder.sub(builder.bitcast(arguments[0], integer), integer(least))
        mantissa = builder.add(builder.and_(moved, integer((1 << fraction) - 1)), integer(least))
        if x == types.float32:  # which all processors convert packed
            k = builder.sitofp(builder.ashr(moved, integer(fraction)), real)
        else:
            exponent = builder.lshr(builder.add(moved, integer(one)), integer(fraction))
            shifted = builder.bitcast(builder.or_(exponent, integer((bias + fraction) << fraction)), real)
            k = builder.fsub(shifted, ir.Constant(real, CONSTANTS[x].log_shift))
        return context.make_tuple(builder, signature.return_type, [k, builder.bitcast(mantissa, real)])

    return types.UniTuple(x, 2)(x), generate


@intrinsic
def exponent_and_mantissa(context: Any, x: Any) -> Any:
    """Return (k + log_shift, m, 2^(2 - k)), where x = 2^k m and 0.75 <= m < 1.5, for positive normal x."""
    fraction, bias = FORMATS[x]
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
