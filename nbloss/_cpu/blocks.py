"""How a block of contiguous elements is evaluated: shared by every pointwise kernel, serial and parallel.

A block has at most BLOCK elements. Sums are kept in LANES separate sums, element j in lane j % LANES, which are
added up in a fixed tree: the vector registers of any width hold whole lanes, and the bits depend neither on the
number of threads nor on how LLVM vectorises the loop.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from nbloss._compile import INLINE

BLOCK = 1024
LANES = 64


@register_jitable(**INLINE)
def part(a: Any, first: int, last: int) -> Any:
    """Return ``a[first:last]``, or None where there is no array."""
    return None if a is None else a[first:last]


@register_jitable(**INLINE)
def row(a: Any, i: Any) -> Any:
    """Return ``a[i]``, or None where there is no array."""
    return None if a is None else a[i]


@register_jitable(**INLINE)
def sums_beside(w: Any, blocks: Any) -> Any:
    """Return room for the sums of the weights, or None where there are no weights."""
    return None if w is None else np.zeros((blocks, LANES))


@register_jitable(**INLINE)
def evaluate(f: Any, choices: Any, bounds: Any, numbers: Any, y: Any, z: Any) -> Any:
    """Evaluate the formula *f* at one element: nan outside the domain, to which nan never belongs."""
    real = type(z)
    value, gradient, hessian = f(y, z, *numbers, *choices)
    inside = (real(bounds[0]) <= y) & (y <= real(bounds[1])) & (real(bounds[2]) <= z) & (z <= real(bounds[3]))
    nan = real(math.nan)
    return value if inside else nan, gradient if inside else nan, hessian if inside else nan


def numbers_at(numbers: Any, i: Any) -> Any:
    """Return the tuple *numbers* with the element *i*, or the slice, of each vector in it, and the rest as it is."""
    return tuple(x[i] if isinstance(x, np.ndarray) else x for x in numbers)


@overload(numbers_at, strict=False)  # strict would compare annotations too
def _numbers_at(numbers: Any, i: Any) -> Any:
    if not any(isinstance(x, types.Array) for x in numbers):
        return lambda numbers, i: numbers
    if isinstance(numbers[0], types.Array):
        return lambda numbers, i: (numbers[0][i], *numbers_at(numbers[1:], i))
    return lambda numbers, i: (numbers[0], *numbers_at(numbers[1:], i))


@register_jitable(**INLINE)
def weigh(x: Any, w: Any) -> Any:
    """Return ``w * x``, and exactly 0 where w is 0, even if x is nan or infinite."""
    return x * w if w != type(w)(0) else type(x * w)(0)


@register_jitable(**INLINE)
def fill(
    f: Any, choices: Any, bounds: Any, numbers: Any, y: Any, z: Any, w: Any, value: Any, gradient: Any, hessian: Any
) -> None:
    """Write the weighted values, gradients and Hessians of a block into those arrays that are given."""
    for i in range(z.size):
        v, g, h = evaluate(f, choices, bounds, numbers_at(numbers, i), type(z[i])(y[i]), z[i])
        if value is not None:
            value[i] = v if w is None else weigh(v, w[i])
        if gradient is not None:
            gradient[i] = g if w is None else weigh(g, w[i])
        if hessian is not None:
            hessian[i] = h if w is None else weigh(h, w[i])


@register_jitable(**INLINE)
def add(
    f: Any, choices: Any, bounds: Any, numbers: Any, scale: Any, y: Any, z: Any, w: Any, scratch: Any, gradient: Any,
    values: Any, weights: Any,
) -> None:  # fmt: skip
    """Leave the sums of a block's weighted values and of its weights in the first lanes; write scaled gradients.

    Values pass through a scratch, since a loop that also adds them up in float64 would run at half the width.
    """
    fill(f, choices, bounds, numbers, y, z, None, scratch[: z.size], gradient, None)
    if gradient is not None:
        for i in range(gradient.size):
            gradient[i] = (gradient[i] if w is None else weigh(gradient[i], w[i])) * scale
    whole = z.size - z.size % LANES
    for first in range(0, whole, LANES):
        last = first + LANES
        _add_lanes(scratch[first:last], part(w, first, last), values, weights, LANES)
    _add_lanes(scratch[whole:], part(w, whole, z.size), values, weights, z.size - whole)
    fold(values)
    fold(weights)


@register_jitable(**INLINE)
def _add_lanes(v: Any, w: Any, values: Any, weights: Any, count: Any) -> None:
    """Add *count* elements to the lanes; a constant count lets LLVM make straight vector code of it."""
    for j in range(count):
        if w is None:
            values[j] += v[j]
        else:
            values[j] += weigh(np.float64(v[j]), np.float64(w[j]))
            weights[j] += w[j]


@register_jitable(**INLINE)
def fold(lanes: Any) -> None:
    """Add up the lanes in a tree; the sum is left in the first."""
    if lanes is None:
        return
    half = LANES // 2
    while half > 0:
        for j in range(half):
            lanes[j] += lanes[j + half]
        half //= 2


@register_jitable(**INLINE)
def add_up(lanes: Any) -> Any:
    """Sum of the blocks' sums, pairwise, in an order that depends on their number only; *lanes* is used up."""
    if lanes is None or len(lanes) == 0:
        return 0.0
    sums = lanes[:, 0]
    count = sums.size
    while count > 1:
        for i in range(count // 2):
            sums[i] = sums[2 * i] + sums[2 * i + 1]
        if count % 2:
            sums[count // 2] = sums[count - 1]
        count = (count + 1) // 2
    return sums[0]
