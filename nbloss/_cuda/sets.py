"""What sets whose errors are put in order share on a CUDA device: keys, counts, sums; and the kernels of margins."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numba import cuda, float64, int64
from numba.extending import register_jitable

from nbloss._arrays import DOUBLE
from nbloss._compile import inlined
from nbloss._cuda.blocks import BLOCK, tree
from nbloss._cuda.launch import compiled
from nbloss._cuda.layout import reader, writer
from nbloss._cuda.radix import ITEMS, TILE, before
from nbloss._math import add

IGNORED = -1
"""The label of what is ignored."""
LAST = -1
"""The key of what does not count: all bits are 1."""

INTEGER = np.dtype(np.int64)
KEYS: dict[Any, np.dtype[Any]] = {np.dtype(np.float32): np.dtype(np.int32), DOUBLE: INTEGER}

inlined(add)


# Keys


def _bits(real: np.dtype[Any]) -> tuple[Any, Any, Any]:
    """Return the real type, that of integers of its size, and the lowest of these."""
    integer = KEYS[real].type
    return real.type, integer, integer(np.iinfo(integer).min)


@functools.cache
def key_of_margin(real: np.dtype[Any]) -> Any:
    """Return the function that makes the key of a number: of a negative one all bits are flipped, else the sign."""
    number, integer, lowest = _bits(real)

    def key(x: Any) -> Any:
        bits = (x + number(0)).view(integer)  # -0 has the key of 0
        return ~bits if bits < 0 else bits ^ lowest

    return register_jitable(key)


@functools.cache
def error_of_margin(real: np.dtype[Any]) -> Any:
    """Return the function that gives the error, 1 - margin, of the margin's key."""
    number, integer, lowest = _bits(real)

    def error(key: Any) -> Any:
        bits = key ^ lowest if key < 0 else ~key
        return np.float64(1) - np.float64(integer(bits).view(number))

    return register_jitable(error)


@functools.cache
def key_of_probability(real: np.dtype[Any]) -> Any:
    """Return the function that makes a key of an error in [0, 1] and 1 minus it: the bits of the less of the two."""
    number, integer, _ = _bits(real)
    twice_half = integer(2 * int(number(0.5).view(integer)))

    def key(error: Any, other: Any) -> Any:
        return other.view(integer) if other < error else twice_half - error.view(integer)

    return register_jitable(key)


@functools.cache
def error_of_probability(real: np.dtype[Any]) -> Any:
    """Return the function that gives the error of a key of :func:`key_of_probability`."""
    number, integer, _ = _bits(real)
    half = number(0.5).view(integer)
    twice_half = integer(2 * int(half))

    def error(key: Any) -> Any:
        if key < half:
            return np.float64(1) - np.float64(integer(key).view(number))
        return np.float64(integer(twice_half - key).view(number))

    return register_jitable(error)


# Kernels that every loss uses


def kernel_of(function: Any) -> Any:
    return compiled(function, function.__name__)


@kernel_of
def filling(a, x):  # type: ignore[no-untyped-def]
    i = cuda.grid(1)
    while i < a.size:
        a[i] = x
        i += cuda.gridsize(1)


@cuda.jit(device=True)
def _positives_before(items: Any) -> Any:
    """Return the first and the last item of this thread, how many positive ones its block has before them, and in all.

    A block has a tile of items.
    """
    first = min(cuda.blockIdx.x * TILE + cuda.threadIdx.x * ITEMS, items.size)
    last = min(first + ITEMS, items.size)
    mine = int64(0)
    for i in range(first, last):
        mine += items[i] & 1
    earlier, total = before(mine)
    return first, last, earlier, total


@kernel_of
def counting_positives(items, positives):  # type: ignore[no-untyped-def]
    """Count the positive items of each tile; the number after those of all tiles is 0."""
    _, _, _, total = _positives_before(items)
    if cuda.threadIdx.x == 0 and cuda.blockIdx.x < positives.size:
        positives[cuda.blockIdx.x] = total  # 0 in the block after the last tile
    if cuda.grid(1) == 0:
        positives[positives.size - 1] = 0


@kernel_of
def starting(length, items, positives, starts):  # type: ignore[no-untyped-def]
    """Find how many positive items are before each set, from those before each tile."""
    s = cuda.grid(1)
    while s < starts.size:
        tile = s * length // TILE
        total = positives[tile]
        for i in range(tile * TILE, s * length):
            total += items[i] & 1
        starts[s] = total
        s += cuda.gridsize(1)


@functools.cache
def incrementing(increment: Any, error_of: Any) -> Any:
    """Return the kernel that makes terms of the value, and slopes: increments as derivatives, divided by a number."""
    increment = inlined(increment)

    def kernel(  # type: ignore[no-untyped-def]
        length, k, classes, divisor, keys, items, positives, starts, uses, shares, terms, slopes
    ):
        first, last, earlier, _ = _positives_before(items)
        if first < last:
            earlier += positives[cuda.blockIdx.x]
        for i in range(first, last):
            item, s = items[i], i // length
            is_positive = (item & 1) == 1
            found = earlier - starts[s]
            earlier += item & 1
            term = slope = np.float64(0)
            if keys[i] != LAST and uses[s * classes + k]:
                intersection = starts[s + 1] - starts[s] - found
                grown = increment(is_positive, intersection, intersection + i - s * length)
                if grown > 0:
                    term = error_of(keys[i]) * grown
                slope = (-grown if is_positive else grown) / (divisor * shares[s])
            terms[i] = term
            if slopes.size:
                slopes[(item >> 1) * classes + k] = slope

    return compiled(kernel, "incrementing")


@kernel_of
def adding(length, parts, terms, sums):  # type: ignore[no-untyped-def]
    """Add up the terms of the parts of each set, a part in each block."""
    if cuda.blockIdx.x >= sums.size:
        return
    s, part = cuda.blockIdx.x // parts, cuda.blockIdx.x % parts
    first, last = s * length + length * part // parts, s * length + length * (part + 1) // parts
    mine = float64(0)
    for i in range(first + cuda.threadIdx.x, last, BLOCK):
        mine += terms[i]
    total = tree(mine)
    if cuda.threadIdx.x == 0:
        sums[cuda.blockIdx.x] = total


@kernel_of
def totalling(parts, sums, shares, nans, values):  # type: ignore[no-untyped-def]
    """Add to the value of each set its share of the sums of its parts."""
    s = cuda.grid(1)
    while s < values.size:
        total = float64(0)
        for i in range(s * parts, (s + 1) * parts):
            total += sums[i]
        values[s] = math.nan if nans[s] else values[s] + total / shares[s]
        s += cuda.gridsize(1)


@functools.cache
def delivering(form: Any) -> Any:
    """Return the kernel that writes the values of the sets where they are wanted."""
    write = writer(form)

    def kernel(lengths, values, out):  # type: ignore[no-untyped-def]
        s = cuda.grid(1)
        while s < values.size:
            write(out, s, lengths, values[s])
            s += cuda.gridsize(1)

    return compiled(kernel, "delivering")


# Kernels of margins


@functools.cache
def taking_margins(real: np.dtype[Any], of_y: Any, of_z: Any) -> Any:
    """Return the kernel that makes labels (1, 0 or ignored), keys and items, and finds the sets with nan."""
    number, key_of, read_y, read_z = real.type, key_of_margin(real), reader(of_y), reader(of_z)

    def kernel(length, lengths, y, z, ignores, ignored, labels, keys, items, nans):  # type: ignore[no-untyped-def]
        i = cuda.grid(1)
        while i < items.size:
            target, score = read_y(y, i, lengths), number(read_z(z, i, lengths))
            margin = score if target > 0 else -score
            label = int64(1 if target > 0 else 0)
            key = key_of(margin)
            if ignores and target == ignored:
                label = int64(IGNORED)
            elif target != target or score != score:
                nans[i // length] = 1
            keys[i] = key if label != IGNORED and margin < number(1) else LAST
            items[i] = 2 * i + (1 if label == 1 else 0)
            labels[i] = label
            i += cuda.gridsize(1)

    return compiled(kernel, "taking_margins")


@functools.cache
def finishing_margins(of_g: Any, of_h: Any) -> Any:
    """Return the kernel that writes gradient and Hessian."""
    write_g, write_h = writer(of_g), writer(of_h)

    def kernel(length, lengths, labels, nans, slopes, g, h):  # type: ignore[no-untyped-def]
        i = cuda.grid(1)
        while i < labels.size:
            slope = bend = np.float64(0)
            if labels[i] != IGNORED:
                if slopes.size:
                    slope = np.float64(slopes[i])
                if nans[i // length]:
                    slope = bend = np.float64(math.nan)
            write_g(g, i, lengths, slope)
            write_h(h, i, lengths, bend)
            i += cuda.gridsize(1)

    return compiled(kernel, "finishing_margins")
