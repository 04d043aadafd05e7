"""How a block of at most BLOCK elements is evaluated: shared by every pointwise kernel, serial and parallel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload, register_jitable

from nbloss._compile import INLINED
from nbloss._cpu.sums import add_to, no_sums, sum_of, total, total_with, weigh
from nbloss._cpu.views import address, part, scratch_of

BLOCK = 512  # elements: few enough that a sum of the values hardly interrupts the reading of the next ones
STEP = 128  # elements that are evaluated, then added up
_scratch = scratch_of(STEP)


# Not register_jitable, here and below: as :func:`nbloss._cpu.views.part`.
def sums_beside(w: Any, blocks: int) -> Any:
    """Return room for the sums of the weights, or None where there are no weights."""
    return None if w is None else np.empty(blocks)


@overload(sums_beside, target="cpu", strict=False, jit_options=INLINED)
def _sums_beside(w: Any, blocks: int) -> Any:
    return (lambda w, blocks: None) if w is types.none else (lambda w, blocks: np.empty(blocks))


def add_weights(w: Any, sums: Any, b: int) -> None:
    """Write the sum of the weights of the block *b*, if there are any."""
    if w is not None:
        sums[b] = total(w, None)


@overload(add_weights, target="cpu", strict=False, jit_options=INLINED)
def _add_weights(w: Any, sums: Any, b: int) -> Any:
    if w is types.none:
        return lambda w, sums, b: None

    def write(w: Any, sums: Any, b: Any) -> None:
        sums[b] = total(w, None)

    return write


@register_jitable(**INLINED)
def are_apart(out: Any, a: Any, b: Any, c: Any, d: Any) -> bool:
    """Whether the contiguous vector *out* shares no memory with the others; each of them may be None."""
    return not (overlap(out, a) or overlap(out, b) or overlap(out, c) or overlap(out, d))


def overlap(a: Any, b: Any) -> bool:
    """Whether two contiguous vectors share memory; each of them may be None."""
    return a is not None and b is not None and bool(np.may_share_memory(a, b))


@overload(overlap, target="cpu", strict=False, jit_options=INLINED)
def _overlap(a: Any, b: Any) -> Any:
    if types.none in (a, b):
        return lambda a, b: False

    def compare(a: Any, b: Any) -> bool:
        start, other = address(a), address(b)
        return bool(start < other + b.size * b.itemsize and other < start + a.size * a.itemsize)

    return compare


@register_jitable(**INLINED)
def evaluate(f: Any, choices: Any, bounds: Any, numbers: Any, y: Any, z: Any) -> Any:
    """Evaluate the formula *f* at one element: nan outside the domain, to which nan never belongs."""
    real = type(z)
    value, gradient, hessian = f(y, z, *numbers, *choices)
    inside = (real(bounds[0]) <= y) & (y <= real(bounds[1])) & (real(bounds[2]) <= z) & (z <= real(bounds[3]))
    nan = real(math.nan)
    return value if inside else nan, gradient if inside else nan, hessian if inside else nan


def parts(numbers: Any, first: int, last: int) -> Any:
    """Return the tuple *numbers* with that part of each vector in it, and the rest as it is."""
    return tuple(x[first:last] if isinstance(x, np.ndarray) else x for x in numbers)


@overload(parts, target="cpu", strict=False, jit_options=INLINED)
def _parts(numbers: Any, first: int, last: int) -> Any:
    if not any(isinstance(x, types.Array) for x in numbers):
        return lambda numbers, first, last: numbers
    if isinstance(numbers[0], types.Array):
        return lambda numbers, first, last: (part(numbers[0], first, last), *parts(numbers[1:], first, last))
    return lambda numbers, first, last: (numbers[0], *parts(numbers[1:], first, last))


def numbers_at(numbers: Any, i: Any, real: Any) -> Any:
    """Return the tuple *numbers* with the element *i* of each vector in it, as *real*, and the rest as it is."""
    return tuple(real(x[i]) if isinstance(x, np.ndarray) else x for x in numbers)


@overload(numbers_at, target="cpu", strict=False, jit_options=INLINED)  # strict would compare annotations too
def _numbers_at(numbers: Any, i: Any, real: Any) -> Any:
    if not any(isinstance(x, types.Array) for x in numbers):
        return lambda numbers, i, real: numbers
    if isinstance(numbers[0], types.Array):
        return lambda numbers, i, real: (real(numbers[0][i]), *numbers_at(numbers[1:], i, real))
    return lambda numbers, i, real: (numbers[0], *numbers_at(numbers[1:], i, real))


# A loop is vectorised for the widest type in it: one number of 64 bits halves the speed of all arithmetic in 32 bits.
# So targets and weights that are wider than what is computed pass through loops of their own.
def room_beside(y: Any, real: Any) -> Any:
    """Return room for a block of targets of the type *real*, or None where theirs is not wider."""
    return np.empty(BLOCK, real) if y.itemsize > np.dtype(real).itemsize else None


@overload(room_beside, target="cpu", strict=False, jit_options=INLINED)
def _room_beside(y: Any, real: Any) -> Any:
    if _is_wide(y, real.dtype):
        return lambda y, real: np.empty(BLOCK, real)
    return lambda y, real: None


def narrowed(y: Any, room: Any) -> Any:
    """Return *y* in the type of *room*, or as it is where that is None."""
    if room is None:
        return y
    room[: y.size] = y
    return room[: y.size]


@overload(narrowed, target="cpu", strict=False, jit_options=INLINED)
def _narrowed(y: Any, room: Any) -> Any:
    if room is types.none:
        return lambda y, room: y

    def convert(y: Any, room: Any) -> Any:
        narrow = part(room, 0, y.size)
        for i in range(y.size):
            narrow[i] = y[i]
        return narrow

    return convert


def weighed_at_once(x: Any, w: Any, i: int) -> Any:
    """Return *x*, weighed unless that comes later."""
    return x if w is None or w.itemsize > x.itemsize else weigh(x, w[i])


@overload(weighed_at_once, target="cpu", strict=False, jit_options=INLINED)
def _weighed_at_once(x: Any, w: Any, i: int) -> Any:
    if w is types.none or _is_wide(w, x):
        return lambda x, w, i: x
    return lambda x, w, i: weigh(x, w[i])


def weigh_later(a: Any, w: Any, real: Any) -> None:
    """Weigh the block *a*, if there is any and that was not done at once."""
    if a is not None and w is not None and w.itemsize > np.dtype(real).itemsize:
        for i in range(a.size):
            a[i] = weigh(a[i], w[i])


@overload(weigh_later, target="cpu", strict=False, jit_options=INLINED)
def _weigh_later(a: Any, w: Any, real: Any) -> Any:
    if a is types.none or w is types.none or not _is_wide(w, real.dtype):
        return lambda a, w, real: None

    def multiply(a: Any, w: Any, real: Any) -> None:
        for i in range(a.size):
            a[i] = weigh(a[i], w[i])

    return multiply


def _is_wide(a: Any, real: Any) -> bool:
    return bool(getattr(a.dtype, "bitwidth", 8) > real.bitwidth)  # a Boolean has none


@register_jitable(**INLINED)
def fill(
    f: Any, choices: Any, bounds: Any, real: Any, numbers: Any, y: Any, z: Any, w: Any, value: Any, gradient: Any,
    hessian: Any,
) -> None:  # fmt: skip
    """Write the weighted values, gradients and Hessians of a block, computed as *real*, into those arrays given."""
    for i in range(z.size):
        v, g, h = evaluate(f, choices, bounds, numbers_at(numbers, i, real), real(y[i]), real(z[i]))
        if value is not None:
            value[i] = weighed_at_once(v, w, i)
        if gradient is not None:
            gradient[i] = weighed_at_once(g, w, i)
        if hessian is not None:
            hessian[i] = weighed_at_once(h, w, i)
    weigh_later(value, w, real)
    weigh_later(gradient, w, real)
    weigh_later(hessian, w, real)


@register_jitable(**INLINED)
def add(
    f: Any, choices: Any, bounds: Any, real: Any, numbers: Any, scale: Any, y: Any, z: Any, w: Any, gradient: Any
) -> Any:
    """Return the sum of a block's weighted values; write scaled gradients.

    Values pass through a scratch, since a loop that also adds them up in float64 would run at half the width. It is
    so short that the processor reads the next elements while it adds up these.
    """
    values, sums = _scratch(real), no_sums()
    whole = z.size - z.size % STEP
    for first in range(0, whole, STEP):
        last = first + STEP
        evaluate_few(
            f, choices, bounds, real, parts(numbers, first, last), scale, part(y, first, last), part(z, first, last),
            part(w, first, last), values, part(gradient, first, last),
        )  # fmt: skip
        add_to(sums, values, part(w, first, last))
    rest = z.size - whole
    if rest == 0:
        return sum_of(sums)
    evaluate_few(
        f, choices, bounds, real, parts(numbers, whole, z.size), scale, part(y, whole, z.size),
        part(z, whole, z.size), part(w, whole, z.size), part(values, 0, rest), part(gradient, whole, z.size),
    )  # fmt: skip
    return total_with(sums, part(values, 0, rest), part(w, whole, z.size))


@register_jitable(**INLINED)
def evaluate_few(
    f: Any, choices: Any, bounds: Any, real: Any, numbers: Any, scale: Any, y: Any, z: Any, w: Any, values: Any,
    gradient: Any,
) -> None:  # fmt: skip
    """Write values, not weighed, and weighed and scaled gradients."""
    fill(f, choices, bounds, real, numbers, y, z, None, values, gradient, None)
    if gradient is not None:
        for i in range(gradient.size):
            gradient[i] = (gradient[i] if w is None else weigh(gradient[i], w[i])) * scale


@register_jitable(**INLINED)
def add_up(sums: Any) -> Any:
    """Sum of the blocks' sums, pairwise, in an order that depends on their number only; *sums* is used up."""
    if sums is None or sums.size == 0:
        return 0.0
    count = sums.size
    while count > 1:
        for i in range(count // 2):
            sums[i] = sums[2 * i] + sums[2 * i + 1]
        if count % 2:
            sums[count // 2] = sums[count - 1]
        count = (count + 1) // 2
    return sums[0]


def put_total(sums: Any, totals: Any, c: int) -> None:
    """Write what *sums* add up to as the number *c* of *totals*, if there are any."""
    if sums is not None:
        totals[c] = add_up(sums)


@overload(put_total, target="cpu", strict=False, jit_options=INLINED)
def _put_total(sums: Any, totals: Any, c: int) -> Any:
    if sums is types.none:
        return lambda sums, totals, c: None

    def put(sums: Any, totals: Any, c: int) -> None:
        totals[c] = add_up(sums)

    return put
