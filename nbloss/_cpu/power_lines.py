"""The powers of a long row, one row at a time: see :mod:`nbloss._cpu.powers`."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nbloss._cpu.powers import Scale, Sums, make_power
from nbloss._cpu.vectors import add, folded, greater, load, prefetch, splat, store, width_of


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

        def step(kind: Any, first: Any, sums: Sums, counts: Any = None) -> None:
            scales = Scale(*(splat(builder, part, kind) for part in parts))
            x = (
                load(builder, builder.gep(row, [first]), kind)
                if kind != number
                else builder.load(builder.gep(row, [first]))
            )
            p = make_power(builder, real, x, scales)
            if keeps:
                store(builder, p, builder.gep(goal, [first]))
            is_top = builder.fcmp_ordered("==", x, splat(builder, arguments[4], kind))
            if counts is not None:  # of those that do not, add 0
                p, is_top = builder.select(counts, p, ir.Constant(kind, 0.0)), builder.and_(is_top, counts)
            sums.add(p, is_top)

        sums, rest = Sums(builder, vector), Sums(builder, number)
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
