"""Powers of e of the predictions of a row, relative to each other: what a softmax is made of.

The *powers* of a row are exp(x), all times the same power of 2, by which the greatest is about 2^LIFT. So no difference
to the greatest prediction has to be taken, which would lose digits; only where that is huge it is, and then it loses
none of those that count. Lifted, none is subnormal before it is multiplied with the inverse of their sum.
"""

from __future__ import annotations

import contextlib
import functools
import math
import sys
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nbloss._cpu.math import CONSTANTS, EXP_TAIL
from nbloss._cpu.tiles import joined
from nbloss._cpu.vectors import (
    add,
    fma,
    folded,
    greater,
    integers,
    like,
    load,
    narrowed,
    prefetch,
    splat,
    store,
    widened,
    width_of,
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


def _scale(builder: Any, real: Any, top: Any) -> Scale:
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


def _power(builder: Any, real: Any, x: Any, scale: Scale) -> Any:
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
        return context.make_tuple(builder, signature.return_type, _scale(builder, top, *arguments))

    return types.NamedUniTuple(top, len(Scale._fields), Scale)(top), generate


@intrinsic
def power(context: Any, x: Any, scale: Any) -> Any:
    """Return the power of the prediction *x*."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _power(builder, x, arguments[0], Scale(*cgutils.unpack_tuple(builder, arguments[1])))

    return x(x, scale), generate


# Sums of powers


class _Sums:
    """The greatest of some powers, how many are that, and the sum of the others; each lane has its own."""

    def __init__(self, builder: Any, kind: Any) -> None:
        self.builder, self.kind = builder, kind
        kinds = kind, kind, like(kind, ir.DoubleType())
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
        for place, x in zip(self.places, updated, strict=True):
            b.store(x, place)

    def totals(self) -> tuple[Any, Any, Any]:
        """Return what was found."""
        peak, count, below = map(self.builder.load, self.places)
        return peak, count, below

    def rest(self) -> Any:
        """Return the sum of all but one of the greatest."""
        b = self.builder
        peak, count, below = self.totals()
        others = b.fmul(widened(b, b.fsub(count, ir.Constant(self.kind, 1.0))), widened(b, peak))
        return narrowed(b, b.fadd(below, others), self.kind)


TOP, PEAK, REST, OWN_Z, OWN_E, OWN, INVERSE, SLOPE, CURVE, BEND = range(10)
"""What is found in rows: the greatest prediction, the greatest power, the sum of all others; then, where there are
labels, the prediction of that class and its power. After these, the label itself, as a number, and what makes the
derivatives: 1 / (peak + rest), the first derivative by the logarithm of the probability of that class, the same for the
Hessian, and the second derivative."""

UNROLLED = 12  # classes, up to which there is no loop over them


@intrinsic
def powers_of_columns(
    context: Any, z: Any, start: Any, marks: Any, own: Any, e: Any, found: Any, soon: Any, where: Any
) -> Any:
    """Write the powers of as many rows as *e* has columns to *e*, and what is found in each to a line of *found*.

    The predictions of a class are a line of *z*, from the column *start* on. *marks* has as many entries as there are
    classes, or none where that is not known. *own* is None where there are no labels. Rows come in vectors.

    Meanwhile as many rows of the arrays in *soon*, from the row *where* on, are brought to the caches: contiguous ones
    if the number of classes is known, else their columns are. Some may be None.
    """
    real, has_labels = e.dtype, own is not types.none
    width, known = width_of(real), len(marks)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, intp = context.get_data_type(real), cgutils.intp_t
        kind = ir.VectorType(number, width)
        zero, one = intp(0), intp(1)
        source, powers, lines = (
            context.make_array(t)(context, builder, a)
            for t, a in ((z, arguments[0]), (e, arguments[4]), (found, arguments[5]))
        )
        later = [
            (t, context.make_array(t)(context, builder, a))
            for t, a in zip(soon, cgutils.unpack_tuple(builder, arguments[6]), strict=True)
            if t is not types.none
        ]
        wide = [(t, array) for t, array in later if t.ndim == 2]
        stride = cgutils.unpack_tuple(builder, source.shape)[1]
        classes, rows = cgutils.unpack_tuple(builder, powers.shape)
        length = cgutils.unpack_tuple(builder, lines.shape)[1]
        highest, own_z, own_e = (cgutils.alloca_once(builder, kind) for _ in range(3))
        sums = _Sums(builder, kind)

        def each(first: Any) -> Any:
            if known and known <= UNROLLED:
                return [contextlib.nullcontext((intp(k), None)) for k in range(first, known)]
            return [cgutils.for_range_slice(builder, intp(first), classes, one)]

        with cgutils.for_range_slice(builder, zero, rows, intp(width)) as (first, _):

            def at(k: Any) -> Any:
                place = builder.add(builder.mul(k, stride), builder.add(arguments[1], first))
                return load(builder, builder.gep(source.data, [place]), kind)

            def line(i: int) -> Any:
                return builder.gep(lines.data, [builder.add(builder.mul(length, intp(i)), first)])

            builder.store(at(zero), highest)
            for loop in each(1):
                with loop as (k, _):
                    builder.store(greater(builder, at(k), builder.load(highest)), highest)
            top = builder.load(highest)
            scale = _scale(builder, real, top)
            label = load(builder, line(OWN), kind) if has_labels else None
            ahead = builder.add(arguments[7], first)
            for t, array in later:
                if t.ndim == 1:
                    prefetch(builder, builder.gep(array.data, [ahead]))
            sums.clear()
            for loop in each(0):
                with loop as (k, _):
                    x = at(k)
                    for t, array in wide:
                        place = builder.mul(ahead, classes), builder.mul(k, intp(width))
                        if not known:
                            place = ahead, builder.mul(k, stride)
                        prefetch(builder, builder.gep(array.data, [builder.add(*place)]), t.mutable)
                    p = _power(builder, real, x, scale)
                    store(builder, p, builder.gep(powers.data, [builder.add(builder.mul(k, rows), first)]))
                    sums.add(p, builder.fcmp_ordered("==", x, top))
                    if has_labels:
                        is_own = builder.fcmp_ordered("==", label, splat(builder, builder.sitofp(k, number), kind))
                        for place, new in ((own_z, x), (own_e, p)):
                            builder.store(builder.select(is_own, new, builder.load(place)), place)
            results = {TOP: top, PEAK: sums.totals()[0], REST: sums.rest()}
            if has_labels:
                results |= {OWN_Z: builder.load(own_z), OWN_E: builder.load(own_e)}
            for i, x in results.items():
                store(builder, x, line(i))
        return context.get_dummy_value()

    return types.void(z, types.intp, marks, own, e, found, soon, types.intp), generate


@intrinsic
def derivatives_of_columns(
    context: Any, e: Any, found: Any, marks: Any, first: Any, gradient: Any, hessian: Any
) -> Any:
    """Write the derivatives of as many rows as *e* has columns, from the row *first* on, to those that are not None.

    These have contiguous rows if *marks* has an entry for each class, else their columns are contiguous, and they may
    hold narrower numbers.
    """
    real, known = e.dtype, len(marks)
    width = width_of(real)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        intp, kind = cgutils.intp_t, ir.VectorType(context.get_data_type(real), width)
        powers, lines = (
            context.make_array(t)(context, builder, a) for t, a in ((e, arguments[0]), (found, arguments[1]))
        )
        outs: list[Any] = [
            None if t is types.none else context.make_array(t)(context, builder, a)
            for t, a in ((gradient, arguments[4]), (hessian, arguments[5]))
        ]
        classes, rows = cgutils.unpack_tuple(builder, powers.shape)
        length = cgutils.unpack_tuple(builder, lines.shape)[1]
        with cgutils.for_range_slice(builder, intp(0), rows, intp(width)) as (start, _):
            peak, rest, own, inverse, slope, curve, bend = (
                load(builder, builder.gep(lines.data, [builder.add(builder.mul(length, intp(i)), start)]), kind)
                for i in (PEAK, REST, OWN, INVERSE, SLOPE, CURVE, BEND)
            )

            def derivatives(k: Any) -> tuple[Any, Any]:
                x = load(builder, builder.gep(powers.data, [builder.add(builder.mul(k, rows), start)]), kind)
                p = builder.fmul(x, inverse)
                q = builder.fmul(builder.fadd(rest, builder.fsub(peak, x)), inverse)
                me = splat(builder, builder.sitofp(k, kind.element), kind)
                u = builder.select(builder.fcmp_ordered("==", own, me), q, builder.fneg(p))
                crossed = builder.fneg(builder.fmul(builder.fmul(curve, p), q))
                return builder.fmul(slope, u), fma(builder, builder.fmul(bend, u), u, crossed)

            row = builder.add(arguments[3], start)
            if known:
                columns = zip(*(derivatives(intp(k)) for k in range(known)), strict=True)
                for out, some in zip(outs, columns, strict=True):
                    for j, vector in enumerate(joined(builder, list(some), width) if out is not None else []):
                        place = builder.add(builder.mul(row, intp(known)), intp(j * width))
                        store(builder, vector, builder.gep(out.data, [place]))
            else:
                with cgutils.for_range_slice(builder, intp(0), classes, intp(1)) as (k, _):
                    for out, x in zip(outs, derivatives(k), strict=True):
                        if out is not None:
                            stride = cgutils.unpack_tuple(builder, out.shape)[1]
                            x = narrowed(builder, x, like(kind, out.data.type.pointee))
                            store(builder, x, builder.gep(out.data, [builder.add(builder.mul(k, stride), row)]))
        return context.get_dummy_value()

    return types.void(e, found, marks, types.intp, gradient, hessian), generate


@intrinsic
def greatest(context: Any, z: Any, i: Any) -> Any:
    """Return the greatest number in row *i* of a contiguous matrix; nan may be passed over."""
    real = z.dtype
    width = width_of(real)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, intp = context.get_data_type(real), cgutils.intp_t
        kind = ir.VectorType(number, width)
        array = context.make_array(z)(context, builder, arguments[0])
        size = cgutils.unpack_tuple(builder, array.shape)[1]
        row = builder.gep(array.data, [builder.mul(arguments[1], size)])
        head = builder.load(row)
        result = cgutils.alloca_once_value(builder, head)
        some = cgutils.alloca_once_value(builder, splat(builder, head, kind))
        whole = builder.and_(size, intp(-width))
        with cgutils.for_range_slice(builder, intp(0), whole, intp(width)) as (first, _):
            x = load(builder, builder.gep(row, [first]), kind)
            builder.store(greater(builder, x, builder.load(some)), some)
        with cgutils.for_range_slice(builder, whole, size, intp(1)) as (first, _):
            x = builder.load(builder.gep(row, [first]))
            builder.store(greater(builder, x, builder.load(result)), result)
        builder.store(greater(builder, folded(builder, builder.load(some), greater), builder.load(result)), result)
        return builder.load(result)

    return real(z, types.intp), generate


@intrinsic
def powers_of_line(
    context: Any, z: Any, i: Any, start: Any, stop: Any, top: Any, scale: Any, e: Any, ahead: Any, soon: Any
) -> Any:
    """Return the greatest power of some classes of row *i*, how many are that, and the sum of all others.

    The powers are written to *e*, another matrix, if it is not None. Meanwhile what the row has there that is so many
    *ahead*, and the same of row *i* of *soon*, if that is not None, are brought to the caches.
    """
    real, keeps, asks = z.dtype, e is not types.none, soon is not types.none
    width = width_of(real)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        number, intp = context.get_data_type(real), cgutils.intp_t
        vector = ir.VectorType(number, width)
        array = context.make_array(z)(context, builder, arguments[0])
        size = cgutils.unpack_tuple(builder, array.shape)[1]
        begin = builder.mul(arguments[1], size)
        row = builder.gep(array.data, [begin])
        goal = builder.gep(context.make_array(e)(context, builder, arguments[6]).data, [begin]) if keeps else None
        later = builder.gep(context.make_array(soon)(context, builder, arguments[8]).data, [begin]) if asks else None
        distance = builder.mul(arguments[7], size)
        start, stop = arguments[2:4]
        parts = cgutils.unpack_tuple(builder, arguments[5])

        def step(kind: Any, first: Any, sums: _Sums, counts: Any = None) -> None:
            scales = Scale(*(splat(builder, part, kind) for part in parts))
            x = (
                load(builder, builder.gep(row, [first]), kind)
                if kind != number
                else builder.load(builder.gep(row, [first]))
            )
            p = _power(builder, real, x, scales)
            if keeps:
                store(builder, p, builder.gep(goal, [first]))
            is_top = builder.fcmp_ordered("==", x, splat(builder, arguments[4], kind))
            if counts is not None:  # of those that do not, add 0
                p, is_top = builder.select(counts, p, ir.Constant(kind, 0.0)), builder.and_(is_top, counts)
            sums.add(p, is_top)

        sums, rest = _Sums(builder, vector), _Sums(builder, number)
        count = builder.sub(stop, start)
        end = builder.add(start, builder.and_(count, intp(-width)))
        with cgutils.for_range_slice(builder, start, end, intp(width)) as (first, _):
            prefetch(builder, builder.gep(row, [builder.add(distance, first)]))
            if later is not None:
                prefetch(builder, builder.gep(later, [first]), to_write=True)
            step(vector, first, sums)
        left = builder.sub(stop, end)
        is_long = builder.icmp_signed(">=", count, intp(width))
        with builder.if_then(builder.and_(is_long, builder.icmp_signed(">", left, intp(0)))):
            # the last ones, together with some that were there already and do not count again
            lanes = ir.Constant(ir.VectorType(intp, width), list(range(width)))
            fresh = builder.icmp_signed(">=", lanes, splat(builder, builder.sub(intp(width), left), lanes.type))
            step(vector, builder.sub(stop, intp(width)), sums, fresh)
        with (
            builder.if_then(builder.not_(is_long)),
            cgutils.for_range_slice(builder, start, stop, intp(1)) as (first, _),
        ):
            step(number, first, rest)
        all_lanes = [
            join(builder, folded(builder, lanes, join), x)
            for lanes, join, x in zip(sums.totals(), (greater, add, add), rest.totals(), strict=True)
        ]
        return context.make_tuple(builder, signature.return_type, all_lanes)

    signature = types.Tuple((real, real, types.float64))(
        z, types.intp, types.intp, types.intp, top, scale, e, types.intp, soon
    )  # fmt: skip
    return signature, generate
