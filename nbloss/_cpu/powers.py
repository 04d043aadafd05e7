"""Powers of e of the predictions of a row, relative to each other: what a softmax is made of.

The *powers* of a row are exp(x), all times the same power of 2, by which the greatest is about 2^LIFT. So no difference
to the greatest prediction has to be taken, which would lose digits; only where that is huge it is, and then it loses
none of those that count. Lifted, none is subnormal before it is multiplied with the inverse of their sum.
"""

from __future__ import annotations

import functools
import math
import sys
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nbloss._cpu.math import CONSTANTS, EXP_TAIL
from nbloss._cpu.vectors import (
    fma,
    integers,
    like,
    narrowed,
    widened,
)


class _Form(NamedTuple):
    """How the powers of a real type are made."""

    most: float
    lift: int
    bias: int
    fraction: int
    far: float
    """Of predictions at least this great, those that are not negligible differ from the greatest by what is exact."""
    ln2: tuple[float, float]
    """The logarithm of 2 in two parts: so few bits of it that its product with an exponent is exact, and the rest."""


def _ln2(bits: int) -> tuple[float, float]:
    c = CONSTANTS[types.float64]
    high = round(c.ln2_hi * 2.0**bits) / 2.0**bits
    return high, (c.ln2_hi - high) + c.ln2_lo


_FORMS = {
    types.float32: _Form(2.0**128 - 2.0**104, 60, 127, 23, 512.0, _ln2(13)),
    types.float64: _Form(sys.float_info.max, 500, 1023, 52, 4096.0, _ln2(40)),
}


class Scale(NamedTuple):
    """What the powers of a row have in common."""

    start: Any
    """What is subtracted from predictions: 0 unless they are huge."""
    high: Any
    """The greatest prediction after that: one of infinity comes down to it."""
    low: Any
    """From here on downwards powers are 0."""
    shift: Any
    """Added to the logarithm to base 2, it leaves the exponent, as it is stored, in the lowest bits."""


def make_scale(builder: Any, real: Any, top: Any) -> Scale:
    form, c, kind = _FORMS[real], CONSTANTS[real], top.type
    number = functools.partial(ir.Constant, kind)
    lowest = form.lift + form.bias
    shift = number(1.5 * 2.0**form.fraction + lowest)
    top = builder.select(builder.fcmp_ordered(">", top, number(form.most)), number(form.most), top)
    is_near = builder.and_(
        builder.fcmp_ordered("<", top, number(form.far)), builder.fcmp_ordered(">", top, number(-form.far))
    )
    start = builder.select(is_near, number(0.0), top)
    high = builder.fsub(top, start)
    exponent = builder.fsub(fma(builder, high, number(c.log2_e), shift), shift)
    low = builder.fmul(builder.fsub(exponent, number(float(lowest))), number(math.log(2)))
    return Scale(start, high, low, builder.fsub(shift, exponent))


def make_power(builder: Any, real: Any, x: Any, scale: Scale) -> Any:
    c, kind = CONSTANTS[real], x.type
    high, low = _FORMS[real].ln2
    number = functools.partial(ir.Constant, kind)
    x = builder.fsub(x, scale.start)
    x = builder.select(builder.fcmp_ordered(">", x, scale.high), scale.high, x)  # in this order nan stays nan
    x = builder.select(builder.fcmp_ordered("<", x, scale.low), scale.low, x)
    shifted = fma(builder, x, number(c.log2_e), scale.shift)
    k = builder.fsub(shifted, scale.shift)
    r = fma(builder, k, number(-low), fma(builder, k, number(-high), x))
    *others, tail = map(number, EXP_TAIL[real])
    for coefficient in reversed(others):
        tail = fma(builder, tail, r, coefficient)
    bits = builder.bitcast(shifted, integers(kind))
    power = builder.bitcast(builder.shl(bits, ir.Constant(bits.type, _FORMS[real].fraction)), kind)
    return fma(builder, fma(builder, builder.fmul(r, r), tail, r), power, power)


@intrinsic
def scale_of(context: Any, top: Any) -> Any:
    """Return the :class:`Scale` of a row from its greatest prediction."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_tuple(builder, signature.return_type, make_scale(builder, top, *arguments))

    return types.NamedUniTuple(top, len(Scale._fields), Scale)(top), generate


@intrinsic
def power(context: Any, x: Any, scale: Any) -> Any:
    """Return the power of the prediction *x*."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return make_power(builder, x, arguments[0], Scale(*cgutils.unpack_tuple(builder, arguments[1])))

    return x(x, scale), generate


PART = 64  # so many numbers of columns, a power of 2, are added up without compensation


class Sums:
    """The greatest of some powers, how many are that, and the sum of the others; each lane has its own.

    If there are *many*, what is added up is put by in :meth:`settle`, with what rounding takes away.
    """

    def __init__(self, builder: Any, kind: Any, many: bool = False) -> None:
        self.builder, self.kind, self.many = builder, kind, many
        double = like(kind, ir.DoubleType())
        kinds = (kind, kind, double) + (double, double) * many
        self.places = [cgutils.alloca_once(builder, kind) for kind in kinds]
        self.clear()

    def clear(self) -> None:
        for place in self.places:
            self.builder.store(ir.Constant(place.type.pointee, 0.0), place)

    def add(self, e: Any, is_top: Any) -> None:
        """Add powers, of which some are the greatest."""
        b, one = self.builder, ir.Constant(self.kind, 1.0)
        peak, count, below = self.totals()
        updated = (
            b.select(is_top, e, peak),
            b.select(is_top, b.fadd(count, one), count),
            b.select(is_top, below, b.fadd(below, widened(b, e))),
        )
        for place, x in zip(self.places, updated, strict=False):
            b.store(x, place)

    def settle(self) -> None:
        """Put by the sum of what was added since the last time."""
        b, (below, total, lost) = self.builder, self.places[2:]
        old, part = b.load(total), b.load(below)
        new = b.fadd(old, part)
        back = b.fsub(new, old)
        rounded = b.fadd(b.fsub(old, b.fsub(new, back)), b.fsub(part, back))
        for place, x in ((total, new), (lost, b.fadd(b.load(lost), rounded)), (below, ir.Constant(part.type, 0.0))):
            b.store(x, place)

    def totals(self) -> tuple[Any, Any, Any]:
        """Return what was found."""
        peak, count, below = map(self.builder.load, self.places[:3])
        return peak, count, below

    def rest(self) -> Any:
        """Return the sum of all but one of the greatest."""
        b = self.builder
        peak, count, below = self.totals()
        others = b.fmul(widened(b, b.fsub(count, ir.Constant(self.kind, 1.0))), widened(b, peak))
        if self.many:
            total, lost = map(b.load, self.places[3:])
            below = b.fadd(total, b.fadd(lost, below))
        return narrowed(b, b.fadd(below, others), self.kind)
