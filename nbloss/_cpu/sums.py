"""Sums of contiguous vectors in float64, of which the bits depend on the numbers alone.

Element j goes into lane j % LANES, and the lanes are added up in a fixed tree. The lanes are one vector of LLVM, which
lies in registers of any width: a loop that is left to its vectoriser keeps them in memory, at more than twice the time,
and one that may reassociate has other bits on other machines.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

from nbloss._compile import INLINED
from nbloss._cpu.views import borrowed

LANES = 32
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_ZEROS = ir.Constant(_DOUBLES, [0.0] * LANES)


@register_jitable(**INLINED)
def weigh(x: Any, w: Any) -> Any:
    """Return ``w * x``, and exactly 0 where w is 0, even if x is nan or infinite."""
    return x * w if w != type(w)(0) else type(x * w)(0)


@register_jitable(**INLINED)
def total(x: Any, w: Any) -> Any:
    """Return the sum of the vector *x*, each element weighed by that of *w* if it is not None."""
    return total_with(no_sums(), x, w)


@register_jitable(**INLINED)
def total_with(sums: Any, x: Any, w: Any) -> Any:
    """Return what is in the lanes plus the sum of the vector *x*, weighed."""
    add_to(sums, x, w)
    result = sum_of(sums)
    for i in range(x.size - x.size % LANES, x.size):
        result += np.float64(x[i]) if w is None else weigh(np.float64(x[i]), np.float64(w[i]))
    return result


@intrinsic
def no_sums(context: Any) -> Any:
    """Return LANES sums of nothing, on the stack: in registers, if all that is done with them is in one function."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = cgutils.alloca_once(builder, _DOUBLES)
        builder.store(_ZEROS, place)
        return borrowed(context, builder, signature.return_type, place, cgutils.intp_t(LANES))

    return types.float64[::1](), generate


@intrinsic
def add_to(context: Any, sums: Any, x: Any, w: Any) -> Any:
    """Add as many elements of *x* as fill the lanes without a rest, weighed by *w* if that is not None."""
    operands = [x] if w is types.none else [x, w]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        lanes = _lanes_of(context, builder, sums, arguments[0])
        vectors = [context.make_array(t)(context, builder, a) for t, a in zip(operands, arguments[1:], strict=False)]
        count = builder.udiv(cgutils.unpack_tuple(builder, vectors[0].shape)[0], cgutils.intp_t(LANES))
        with cgutils.for_range(builder, count) as loop:
            first = builder.mul(loop.index, cgutils.intp_t(LANES))
            term, *weights = (_doubles(context, builder, t, v, first) for t, v in zip(operands, vectors, strict=True))
            for weight in weights:
                is_counted = builder.fcmp_unordered("!=", weight, _ZEROS)
                term = builder.select(is_counted, builder.fmul(term, weight), _ZEROS)
            builder.store(builder.fadd(builder.load(lanes), term), lanes)
        return context.get_dummy_value()

    return types.void(sums, x, w), generate


@intrinsic
def sum_of(context: Any, sums: Any) -> Any:
    """Return the sum of the lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        result = builder.load(_lanes_of(context, builder, sums, arguments[0]))
        width = LANES
        while width > 1:
            width //= 2
            lower, upper = (_lanes(builder, result, start, width) for start in (0, width))
            result = builder.fadd(lower, upper)
        return builder.extract_element(result, ir.IntType(32)(0))

    return types.float64(sums), generate


def _lanes_of(context: Any, builder: Any, kind: Any, array: Any) -> Any:
    return builder.bitcast(context.make_array(kind)(context, builder, array).data, _DOUBLES.as_pointer())


def _doubles(context: Any, builder: Any, array_type: Any, array: Any, first: Any) -> Any:
    """Return LANES elements of a contiguous array, from the index *first* on, as a vector of doubles."""
    real = context.get_data_type(array_type.dtype)
    place = builder.bitcast(builder.gep(array.data, [first]), ir.VectorType(real, LANES).as_pointer())
    loaded = builder.load(place, align=array_type.dtype.bitwidth // 8)
    return loaded if array_type.dtype == types.float64 else builder.fpext(loaded, _DOUBLES)


def _lanes(builder: Any, vector: Any, start: int, width: int) -> Any:
    indices = ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(start, start + width)))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), indices)


if config.DISABLE_JIT:  # the same in Python

    def _no_sums() -> Any:
        return np.zeros(LANES)

    def _add_to(sums: Any, x: Any, w: Any) -> None:
        for i in range(x.size - x.size % LANES):
            sums[i % LANES] += x[i] if w is None else weigh(float(x[i]), float(w[i]))

    def _sum_of(sums: Any) -> float:
        return float(sums.sum())

    no_sums, add_to, sum_of = _no_sums, _add_to, _sum_of
