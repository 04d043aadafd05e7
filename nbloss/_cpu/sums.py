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

from nbloss._compile import INLINE

LANES = 32
_DOUBLES = ir.VectorType(ir.DoubleType(), LANES)
_ZEROS = ir.Constant(_DOUBLES, [0.0] * LANES)


@register_jitable(**INLINE)
def weigh(x: Any, w: Any) -> Any:
    """Return ``w * x``, and exactly 0 where w is 0, even if x is nan or infinite."""
    return x * w if w != type(w)(0) else type(x * w)(0)


@register_jitable(**INLINE)
def total(x: Any, w: Any) -> Any:
    """Return the sum of the vector *x*, each element weighed by that of *w* if it is not None."""
    result = _total_of_whole(x, w)
    for i in range(x.size - x.size % LANES, x.size):
        result += np.float64(x[i]) if w is None else weigh(np.float64(x[i]), np.float64(w[i]))
    return result


def _total_in_python(x: Any, w: Any) -> float:
    """Do what :func:`total` does where nothing is compiled."""
    return sum(float(a) for a in (x if w is None else map(weigh, x.tolist(), w.tolist())))


if config.DISABLE_JIT:
    total = _total_in_python


@intrinsic
def _total_of_whole(context: Any, x: Any, w: Any) -> Any:
    """Do the work of :func:`total` for as many elements as fill the lanes without a rest."""
    operands = [x] if w is types.none else [x, w]

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = [context.make_array(t)(context, builder, a) for t, a in zip(operands, arguments, strict=False)]
        count = builder.udiv(cgutils.unpack_tuple(builder, vectors[0].shape)[0], cgutils.intp_t(LANES))
        sums = cgutils.alloca_once_value(builder, _ZEROS)
        with cgutils.for_range(builder, count) as loop:
            first = builder.mul(loop.index, cgutils.intp_t(LANES))
            term, *weights = (_doubles(context, builder, t, v, first) for t, v in zip(operands, vectors, strict=True))
            for weight in weights:
                is_counted = builder.fcmp_unordered("!=", weight, _ZEROS)
                term = builder.select(is_counted, builder.fmul(term, weight), _ZEROS)
            builder.store(builder.fadd(builder.load(sums), term), sums)
        result = builder.load(sums)
        width = LANES
        while width > 1:
            width //= 2
            lower, upper = (_lanes(builder, result, start, width) for start in (0, width))
            result = builder.fadd(lower, upper)
        return builder.extract_element(result, ir.IntType(32)(0))

    return types.float64(x, w), generate


def _doubles(context: Any, builder: Any, array_type: Any, array: Any, first: Any) -> Any:
    """Return LANES elements of a contiguous array, from the index *first* on, as a vector of doubles."""
    real = context.get_data_type(array_type.dtype)
    place = builder.bitcast(builder.gep(array.data, [first]), ir.VectorType(real, LANES).as_pointer())
    loaded = builder.load(place, align=array_type.dtype.bitwidth // 8)
    return loaded if array_type.dtype == types.float64 else builder.fpext(loaded, _DOUBLES)


def _lanes(builder: Any, vector: Any, start: int, width: int) -> Any:
    indices = ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(start, start + width)))
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), indices)
