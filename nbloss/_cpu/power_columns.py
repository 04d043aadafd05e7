"""The powers of rows that lie as columns, and the derivatives made of them: see :mod:`nbloss._cpu.powers`."""

from __future__ import annotations

import contextlib
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nbloss._cpu.powers import PART, Sums, make_power, make_scale
from nbloss._cpu.tiles import joined
from nbloss._cpu.vectors import fma, greater, like, load, narrowed, prefetch, splat, store, width_of

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
        sums = Sums(builder, kind, many=not known)

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
            scale = make_scale(builder, real, top)
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
                    p = make_power(builder, real, x, scale)
                    store(builder, p, builder.gep(powers.data, [builder.add(builder.mul(k, rows), first)]))
                    sums.add(p, builder.fcmp_ordered("==", x, top))
                    if has_labels:
                        is_own = builder.fcmp_ordered("==", label, splat(builder, builder.sitofp(k, number), kind))
                        for place, new in ((own_z, x), (own_e, p)):
                            builder.store(builder.select(is_own, new, builder.load(place)), place)
                    if not known:
                        is_last = builder.icmp_signed("==", builder.and_(k, intp(PART - 1)), intp(PART - 1))
                        with builder.if_then(is_last):
                            sums.settle()
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
