"""Transposes rows of few classes in registers, by shuffles that are planned for each number of classes.

As many rows as a vector has lanes are as many vectors as there are classes. They are parted by each prime factor of the
number of classes in turn: every p-th number of p vectors is one vector. If p is odd, these lie in different lanes, so
that all but one of the shuffles only choose between two vectors, which is cheaper.
"""

from __future__ import annotations

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from nbloss._cpu.vectors import load, shuffled, store, width_of


def _factors(n: int) -> list[int]:
    """Return the prime factors of a number."""
    for p in range(2, n + 1):
        if n % p == 0:
            return [p, *_factors(n // p)]
    return []


def _undefined(vector: Any) -> Any:
    return ir.Constant(vector.type, ir.Undefined)


def _chosen(builder: Any, vectors: list[Any], sources: list[int]) -> Any:
    """Return a vector whose lane i is that of the vector of the number ``sources[i]``."""
    width, result = len(sources), vectors[0]
    for number, vector in enumerate(vectors[1:], 1):
        if number in sources:
            result = shuffled(builder, result, vector, [i + width * (sources[i] == number) for i in range(width)])
    return result


def _picked(builder: Any, vectors: list[Any], places: list[int]) -> Any:
    """Return the numbers at these places of the vectors, laid end to end."""
    width = len(places)
    if len({place % width for place in places}) == width:  # one in each lane
        at = {place % width: i for i, place in enumerate(places)}
        mixed = _chosen(builder, vectors, [places[at[lane]] // width for lane in range(width)])
        lanes = [place % width for place in places]
        return mixed if lanes == list(range(width)) else shuffled(builder, mixed, _undefined(mixed), lanes)
    result = _undefined(vectors[0])
    for number, vector in enumerate(vectors):
        mine = [place // width == number for place in places]
        if any(mine):
            lanes = [
                width + place % width if yes else i for i, (place, yes) in enumerate(zip(places, mine, strict=True))
            ]
            result = shuffled(builder, result, vector, lanes)
    return result


def _parted(builder: Any, vectors: list[Any], width: int) -> list[Any]:
    """Return the columns of a matrix of *width* rows, given row after row."""
    classes = len(vectors)
    if classes == 1:
        return vectors
    p = _factors(classes)[0]
    parts: list[list[Any]] = [[] for _ in range(p)]
    for first in range(0, classes, p):
        for r, some in enumerate(parts):
            some.append(_picked(builder, vectors[first : first + p], [r + p * i for i in range(width)]))
    columns = [_parted(builder, some, width) for some in parts]
    return [columns[k % p][k // p] for k in range(classes)]


def joined(builder: Any, columns: list[Any], width: int) -> list[Any]:
    """Return a matrix, row after row, from its columns."""
    classes = len(columns)
    if classes == 1:
        return columns
    p = _factors(classes)[0]
    parts = [joined(builder, columns[r::p], width) for r in range(p)]
    vectors = []
    for some in zip(*parts, strict=True):
        if math.gcd(p, width) == 1:  # each part to the lanes of its own, then a choice
            turned = []
            for r, x in enumerate(some):
                lanes = [0] * width
                for i in range(width):
                    lanes[(r + p * i) % width] = i
                turned.append(shuffled(builder, x, _undefined(x), lanes))
            vectors += [_chosen(builder, turned, [(width * v + i) % p for i in range(width)]) for v in range(p)]
        else:
            vectors += [
                _picked(builder, list(some), [(width * v + i) % p * width + (width * v + i) // p for i in range(width)])
                for v in range(p)
            ]
    return vectors


@intrinsic
def load_tile(context: Any, a: Any, first: Any, into: Any, classes: Any) -> Any:
    """Write as many rows of *a* as *into* has columns, from the row *first* on, to *into*.

    *classes* is a tuple of as many numbers as a row has.
    """
    width, count = width_of(a.dtype), len(classes)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        intp, kind = cgutils.intp_t, ir.VectorType(context.get_data_type(a.dtype), width)
        source, goal = (
            context.make_array(t)(context, builder, x) for t, x in ((a, arguments[0]), (into, arguments[2]))
        )
        rows = cgutils.unpack_tuple(builder, goal.shape)[1]
        with cgutils.for_range_slice(builder, intp(0), rows, intp(width)) as (start, _):
            place = builder.gep(source.data, [builder.mul(builder.add(arguments[1], start), intp(count))])
            vectors = [load(builder, builder.gep(place, [intp(j * width)]), kind) for j in range(count)]
            for k, column in enumerate(_parted(builder, vectors, width)):
                store(builder, column, builder.gep(goal.data, [builder.add(builder.mul(rows, intp(k)), start)]))
        return context.get_dummy_value()

    return types.void(a, first, into, classes), generate


@intrinsic
def store_tile(context: Any, columns: Any, a: Any, first: Any, classes: Any) -> Any:
    """Write the columns to rows of *a*, from the row *first* on, as :func:`load_tile` reads them."""
    width, count = width_of(a.dtype), len(classes)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        intp, kind = cgutils.intp_t, ir.VectorType(context.get_data_type(a.dtype), width)
        source, goal = (
            context.make_array(t)(context, builder, x) for t, x in ((columns, arguments[0]), (a, arguments[1]))
        )
        rows = cgutils.unpack_tuple(builder, source.shape)[1]
        with cgutils.for_range_slice(builder, intp(0), rows, intp(width)) as (start, _):
            place = builder.gep(goal.data, [builder.mul(builder.add(arguments[2], start), intp(count))])
            lines = [
                load(builder, builder.gep(source.data, [builder.add(builder.mul(rows, intp(k)), start)]), kind)
                for k in range(count)
            ]
            for j, vector in enumerate(joined(builder, lines, width)):
                store(builder, vector, builder.gep(place, [intp(j * width)]))
        return context.get_dummy_value()

    return types.void(columns, a, first, classes), generate
