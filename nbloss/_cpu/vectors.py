"""What intrinsics are made of that work on vectors of LLVM, where its vectoriser would not find the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

BYTES = 64
"""Of a vector: what the widest registers hold. Of narrower ones LLVM takes several."""

_BITS = {ir.FloatType(): 32, ir.DoubleType(): 64}


def width_of(real: Any) -> int:
    """Return how many numbers of a type of numba a vector holds."""
    return BYTES * 8 // int(real.bitwidth)


def element(kind: Any) -> Any:
    """Return the type of the numbers in a vector, which is the type itself where it is no vector."""
    return kind.element if isinstance(kind, ir.VectorType) else kind


def like(kind: Any, scalar: Any) -> Any:
    """Return the type of as many *scalar* as *kind* has numbers."""
    return ir.VectorType(scalar, kind.count) if isinstance(kind, ir.VectorType) else scalar


def integers(kind: Any) -> Any:
    """Return the type of integers of the bits of *kind*."""
    return like(kind, ir.IntType(_BITS[element(kind)]))


def fma(builder: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, rounded once."""
    kind = a.type
    if not isinstance(kind, ir.VectorType):
        return builder.fma(a, b, c)
    name = f"llvm.fma.v{kind.count}f{_BITS[kind.element]}"
    return builder.call(builder.module.declare_intrinsic(name, (), ir.FunctionType(kind, [kind] * 3)), (a, b, c))


def widened(builder: Any, x: Any) -> Any:
    """Return *x* as doubles."""
    doubles = like(x.type, ir.DoubleType())
    return x if x.type == doubles else builder.fpext(x, doubles)


def narrowed(builder: Any, x: Any, kind: Any) -> Any:
    """Return doubles as numbers of the type *kind*."""
    return x if x.type == kind else builder.fptrunc(x, kind)


def load(builder: Any, place: Any, kind: Any) -> Any:
    """Return the vector that begins at a pointer to a number."""
    return builder.load(builder.bitcast(place, kind.as_pointer()), align=_BITS[element(kind)] // 8)


def store(builder: Any, x: Any, place: Any) -> None:
    """Write a vector from a pointer to a number on."""
    builder.store(x, builder.bitcast(place, x.type.as_pointer()), align=_BITS[element(x.type)] // 8)


def shuffled(builder: Any, a: Any, b: Any, lanes: Sequence[int]) -> Any:
    """Return the vector of these lanes of *a* and, from its width on, of *b*."""
    indices = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes))
    return builder.shuffle_vector(a, b, indices)


def prefetch(builder: Any, place: Any, to_write: bool = False) -> None:
    """Ask for the line of the cache at a pointer, of which nothing need be there."""
    i32 = ir.IntType(32)
    pointer = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [pointer, i32, i32, i32])
    function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
    builder.call(function, (builder.bitcast(place, pointer), i32(int(to_write)), i32(3), i32(1)))


@intrinsic
def prefetch_some(context: Any, a: Any, first: Any, count: Any) -> Any:
    """Bring *count* elements of a contiguous array to the caches, from the one at *first* on; some may be beyond it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        intp, array = cgutils.intp_t, context.make_array(a)(context, builder, arguments[0])
        end, step = builder.add(arguments[1], arguments[2]), intp(width_of(a.dtype))
        with cgutils.for_range_slice(builder, arguments[1], end, step) as (place, _):
            prefetch(builder, builder.gep(array.data, [place]), a.mutable)
        return context.get_dummy_value()

    return types.void(a, types.intp, types.intp), generate


def splat(builder: Any, x: Any, kind: Any) -> Any:
    """Return *x* as the type *kind*: in all lanes, if that is a vector."""
    if not isinstance(kind, ir.VectorType):
        return x
    undefined = ir.Constant(kind, ir.Undefined)
    return shuffled(builder, builder.insert_element(undefined, x, ir.IntType(32)(0)), undefined, [0] * kind.count)


def folded(builder: Any, x: Any, join: Callable[[Any, Any, Any], Any]) -> Any:
    """Return what *join* makes of the lanes of a vector, in a fixed tree."""
    while x.type.count > 1:
        half = x.type.count // 2
        lower, upper = (shuffled(builder, x, x, range(start, start + half)) for start in (0, half))
        x = join(builder, lower, upper)
    return builder.extract_element(x, ir.IntType(32)(0))


def greater(builder: Any, x: Any, most: Any) -> Any:
    """Return *x* where it is greater than *most*, else that: nan in *x* is passed over."""
    return builder.select(builder.fcmp_ordered(">", x, most), x, most)


def add(builder: Any, x: Any, y: Any) -> Any:
    return builder.fadd(x, y)
