"""Losses of sets whose errors are put in order, on a CUDA device: sort, then scan.

All sets go through the same kernels at once: a stable sort by error, then by set, brings each set to its place, its
elements by falling error. What does not count has the last key, and so comes last: the host need not know how many do.

An item is twice the index of an element, plus 1 if the element is positive.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import cuda, float64, int64
from numba.extending import register_jitable

from nbloss._arrays import DOUBLE, real_of
from nbloss._compile import inlined
from nbloss._cuda.arrays import View, as_output, empty, in_order, memory, pointer, vector
from nbloss._cuda.blocks import BLOCK, blocks_for, tree
from nbloss._cuda.launch import compiled
from nbloss._cuda.layout import NUMBER, Form, reader, writer
from nbloss._cuda.radix import DIGITS, ITEMS, TILE, before, grid_of, prefixing, sort, tiles_of
from nbloss._cuda.sums import divided
from nbloss._math import add, power_below, shares
from nbloss._program import Program

IGNORED = -1
"""The label of what is ignored."""
LAST = -1
"""The key of what does not count: all bits are 1."""
PARTS = 64
"""Blocks that add up a set, at most."""

INTEGER = np.dtype(np.int64)
KEYS: dict[Any, np.dtype[Any]] = {np.dtype(np.float32): np.dtype(np.int32), DOUBLE: INTEGER}

for _function in (add, power_below, shares):
    inlined(_function)


def run_margins(
    program: Program, want: str, mean: bool, y: Any, z: View, sets: int, ignore_index: int | None, outs: Sequence[View]
) -> None:
    """Evaluate a loss of margins: labels *y* and scores *z*, in *sets* along the first axis.

    *want* has a letter for each array in *outs*: "v", "g", "h" for the values of the sets, the gradients and Hessians,
    "s" for the sum of the values or, with *mean*, their mean. A gradient beside it is scaled as it is.
    """
    placed, real = dict(zip(want, outs, strict=True)), real_of(z.dtype)
    with in_order(z, y, *outs) as stream:
        work = _Work(z, sets, z.size, 1, real, "g" in want, stream)
        if z.size:
            lengths, forms, operands = _in_order_of_index(z.shape, y, z, placed.get("g"), placed.get("h"))
            work.launch(
                taking_margins(real, *forms[:2]), work.length, lengths, *operands[:2], *_option(ignore_index),
                work.labels, work.keys, work.items, work.nans,
            )  # fmt: skip
            work.launch(filling, work.uses, 1)
            work.launch(filling, work.shares, 1)
            work.scan(program, error_of_margin, 0, _divisor(want, mean, sets))
            if "g" in want or "h" in want:
                work.launch(
                    finishing_margins(*forms[2:]), work.length, lengths, work.labels, work.nans, work.slopes,
                    *operands[2:],
                )  # fmt: skip
        work.deliver(placed, mean)


def run_classes(
    program: Program, want: str, mean: bool, y: Any, z: View, sets: int, ignore_index: int | None,
    which: str | tuple[int, ...], from_logits: bool, outs: Sequence[View],
) -> None:  # fmt: skip
    """Evaluate a loss of rows of classes: labels *y* and logits or probabilities *z*, as :func:`run_margins` does.

    *which* is "all", "present" or the numbers of those that count.
    """
    placed, real, classes = dict(zip(want, outs, strict=True)), real_of(z.dtype), z.shape[-1]
    counted = tuple(float(k in which) if isinstance(which, tuple) else 1.0 for k in range(classes))
    with in_order(z, y, *outs) as stream:
        work = _Work(z, sets, z.size // classes, classes, real, "g" in want or "h" in want, stream)
        if z.size:
            row_lengths, of_y, y_ = _in_order_of_index(z.shape[:-1], y)
            lengths, forms, (z_, *rest) = _in_order_of_index(z.shape, z, placed.get("g"), placed.get("h"))
            tops, rests = work.room(work.labels.size, DOUBLE), work.room(work.labels.size, DOUBLE)
            work.launch(
                surveying(of_y[0], forms[0]), work.length, classes, row_lengths, *y_, lengths, z_,
                *_option(ignore_index), from_logits, work.labels, tops, rests, work.uses, work.nans,
            )  # fmt: skip
            mask = vector(counted, DOUBLE, z.stream)
            work.launch(choosing, classes, memory(mask), which == "present", work.uses, work.shares)
            for k in range(classes):
                work.launch(
                    taking_class(real, forms[0]), k, classes, lengths, z_, from_logits, work.labels, tops, rests,
                    work.keys, work.items,
                )  # fmt: skip
                work.scan(program, error_of_probability, k, _divisor(want, mean, sets))
            if work.slopes.size:
                work.launch(
                    finishing_classes(*forms), work.length, classes, lengths, z_, from_logits, work.labels, tops, rests,
                    work.nans, work.slopes, *rest,
                )  # fmt: skip
        work.deliver(placed, mean)


def probabilities(z: View, out: View) -> None:
    """Write the softmax along the last axis of *z* to *out*."""
    if z.size:
        with in_order(z, out) as stream:
            lengths, forms, operands = _in_order_of_index(z.shape, z, out)
            rows = z.size // z.shape[-1]
            softmax(*forms)[blocks_for(rows), BLOCK, stream](rows, z.shape[-1], lengths, *operands)


def _divisor(want: str, mean: bool, sets: int) -> float:
    """Return by what gradients are divided."""
    return float(sets) if mean and "s" in want else 1.0


def _option(index: int | None) -> tuple[bool, int]:
    """Return whether there is a label to ignore, and which."""
    return index is not None, index or 0


def _in_order_of_index(shape: tuple[int, ...], *arrays: Any) -> tuple[Any, Any, Any]:
    """Return the lengths of axes, and forms and operands of arrays of this shape, numbers or None.

    Element i is the i-th in the order of indices, wherever it lies: of equal errors, the first comes first.
    """
    forms, operands = zip(*(_operand(shape, a) for a in arrays), strict=True)
    return tuple(shape) or (1,), forms, operands


def _operand(shape: tuple[int, ...], a: Any) -> tuple[Any, Any]:
    if a is None:
        return None, 0
    if not isinstance(a, View):
        return NUMBER, np.float64(a)
    steps, size = [], 1
    for n in reversed(shape):
        steps.append(size * a.dtype.itemsize)
        size *= n
    if size <= 1 or all(n == 1 or s == t for n, s, t in zip(shape, a.strides, reversed(steps), strict=True)):
        return Form(0, a.dtype), pointer(a)
    return Form(len(shape), a.dtype), (pointer(a), a.start, tuple(s // a.dtype.itemsize for s in a.strides))


class _Work:
    """The arrays in which all sets are worked on, and the launches that all losses share."""

    def __init__(
        self, z: View, sets: int, size: int, classes: int, real: np.dtype[Any], has_slopes: bool, stream: Any
    ) -> None:
        self.z, self.sets, self.classes, self.real, self.stream = z, sets, classes, real, stream
        self.size, self.length = size, size // sets if sets else 0
        self.kept: list[View] = []
        key, tiles = KEYS[real], tiles_of(size)
        self.keys, self.spare_keys = self.room(size, key), self.room(size, key)
        self.items, self.spare_items = self.room(size, INTEGER), self.room(size, INTEGER)
        self.labels, self.terms = self.room(size, INTEGER), self.room(size, DOUBLE)
        self.counts, self.positives = self.room(tiles * DIGITS, INTEGER), self.room(tiles + 1, INTEGER)
        self.starts, self.parts = self.room(sets + 1, INTEGER), min(PARTS, -(-self.length // TILE))
        self.sums = self.room(sets * self.parts, DOUBLE)
        self.slopes = self.room(size * classes if has_slopes else 0, real)
        self.nans, self.uses = self.room(sets, INTEGER), self.room(sets * classes, INTEGER)
        self.shares, self.values = self.room(sets, INTEGER), self.room(sets, DOUBLE)
        self.total = self.kept[-1]
        for a in (self.nans, self.uses, self.values):
            self.launch(filling, a, 0)

    def room(self, size: int, dtype: np.dtype[Any]) -> Any:
        """Return an array to write to, which is kept as long as this is."""
        self.kept.append(as_output(empty((size,), dtype, self.z, self.z.owner)))
        return memory(self.kept[-1])

    def launch(self, kernel: Any, *arguments: Any) -> None:
        """Launch a kernel whose threads share the elements of all sets."""
        if self.sets:
            kernel[blocks_for(max(self.size, self.sets)), BLOCK, self.stream](*arguments)

    def scan(self, program: Program, error_of: Any, k: int, divisor: float) -> None:
        """Sort the items by their keys; add errors times increments to the values, and make slopes of class *k*."""
        keys, items = sort(
            self.keys, self.items, self.spare_keys, self.spare_items, self.counts, self.length, self.stream
        )
        grid, stream = grid_of(tiles_of(self.size)), self.stream
        counting_positives[grid, BLOCK, stream](items, self.positives)
        prefixing[grid_of(1), BLOCK, stream](self.positives)
        self.launch(starting, self.length, items, self.positives, self.starts)
        incrementing(program.formula, error_of(self.real))[grid, BLOCK, stream](
            self.length, k, self.classes, divisor, keys, items, self.positives, self.starts, self.uses, self.shares,
            self.terms, self.slopes,
        )  # fmt: skip
        adding[grid_of(self.sets * self.parts), BLOCK, stream](self.length, self.parts, self.terms, self.sums)
        self.launch(totalling, self.parts, self.sums, self.shares, self.nans, self.values)

    def deliver(self, placed: dict[str, View], mean: bool) -> None:
        """Write the values where they are wanted."""
        if "v" in placed and self.sets:
            _, (form,), (operand,) = _in_order_of_index(placed["v"].shape, placed["v"])
            self.launch(delivering(form), (self.sets,), self.values, operand)
        if "s" in placed:
            divisor = np.float64(self.sets if mean else 1)
            divided(self.total if self.sets else np.float64(0), divisor, placed["s"], self.stream)


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


def _kernel(function: Any) -> Any:
    return compiled(function, function.__name__)


@_kernel
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


@_kernel
def counting_positives(items, positives):  # type: ignore[no-untyped-def]
    """Count the positive items of each tile; the number after those of all tiles is 0."""
    _, _, _, total = _positives_before(items)
    if cuda.threadIdx.x == 0 and cuda.blockIdx.x < positives.size:
        positives[cuda.blockIdx.x] = total  # 0 in the block after the last tile
    if cuda.grid(1) == 0:
        positives[positives.size - 1] = 0


@_kernel
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


@_kernel
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


@_kernel
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


# Kernels of classes


@functools.cache
def _row_top(read_z: Any) -> Any:
    """Return the function that gives the place of the largest number of a row, the first if there are several."""

    def top_of(z: Any, first: Any, classes: Any, lengths: Any) -> Any:
        top, highest = first, np.float64(read_z(z, first, lengths))
        for j in range(first + 1, first + classes):
            x = np.float64(read_z(z, j, lengths))
            if x > highest:
                top, highest = j, x
        return top, highest

    return register_jitable(top_of)


@functools.cache
def _row_rest(read_z: Any) -> Any:
    """Return the function that adds up the powers of a row but for that of the largest number."""

    def rest_of(z: Any, first: Any, classes: Any, lengths: Any, top: Any, highest: Any) -> Any:
        rest = lost = np.float64(0)
        for j in range(first, first + classes):
            if j != top:
                rest, lost = add(rest, lost, power_below(highest, np.float64(read_z(z, j, lengths))))
        return rest + lost

    return register_jitable(rest_of)


@functools.cache
def surveying(of_y: Any, of_z: Any) -> Any:
    """Return the kernel that makes labels, finds classes that occur and sets with nan, and prepares the softmax."""
    read_y, read_z = reader(of_y), reader(of_z)
    top_of, rest_of = _row_top(read_z), _row_rest(read_z)

    def kernel(  # type: ignore[no-untyped-def]
        length, classes, row_lengths, y, lengths, z, ignores, ignored, from_logits, labels, tops, rests, uses, nans
    ):
        i = cuda.grid(1)
        while i < labels.size:
            target, s, first = read_y(y, i, row_lengths), i // length, i * classes
            if ignores and target == ignored:
                labels[i] = IGNORED
            else:
                is_within = target >= 0 and target < classes
                label = int64(target) if is_within else int64(0)
                is_nan = not is_within or label != target
                for j in range(first, first + classes):
                    x = np.float64(read_z(z, j, lengths))
                    is_nan = is_nan or x != x or not (from_logits or (x >= 0 and x <= 1))
                if is_nan:
                    nans[s] = 1
                labels[i] = label
                uses[s * classes + label] = 1
                if from_logits:
                    top, highest = top_of(z, first, classes, lengths)
                    tops[i], rests[i] = highest, rest_of(z, first, classes, lengths, top, highest)
            i += cuda.gridsize(1)

    return compiled(kernel, "surveying")


@_kernel
def choosing(classes, mask, only_present, uses, shares):  # type: ignore[no-untyped-def]
    """Decide of each set which classes count, and how many do: those of the mask, or those of them that occur."""
    s = cuda.grid(1)
    while s < shares.size:
        count = int64(0)
        for j in range(s * classes, (s + 1) * classes):
            uses[j] = 1 if mask[j - s * classes] != 0 and (uses[j] or not only_present) else 0
            count += uses[j]
        shares[s] = max(count, int64(1))
        s += cuda.gridsize(1)


@functools.cache
def taking_class(real: np.dtype[Any], of_z: Any) -> Any:
    """Return the kernel that makes keys and items of the errors of a class."""
    number, key_of, read_z = real.type, key_of_probability(real), reader(of_z)

    def kernel(k, classes, lengths, z, from_logits, labels, tops, rests, keys, items):  # type: ignore[no-untyped-def]
        i = cuda.grid(1)
        while i < items.size:
            is_positive = labels[i] == k
            x = np.float64(read_z(z, i * classes + k, lengths)) + np.float64(0)
            p, q = x, np.float64(1) - x
            if from_logits and labels[i] != IGNORED:
                p, q = shares(power_below(tops[i], x), rests[i])
            error, other = number(q if is_positive else p), number(p if is_positive else q)
            key = key_of(error, other)
            keys[i] = key if labels[i] != IGNORED else LAST
            items[i] = 2 * i + (1 if is_positive else 0)
            i += cuda.gridsize(1)

    return compiled(kernel, "taking_class")


@functools.cache
def finishing_classes(of_z: Any, of_g: Any, of_h: Any) -> Any:
    """Return the kernel that makes gradient and Hessian of the derivatives by probabilities."""
    read_z, write_g, write_h = reader(of_z), writer(of_g), writer(of_h)
    top_of = _row_top(read_z)

    def kernel(  # type: ignore[no-untyped-def]
        length, classes, lengths, z, from_logits, labels, tops, rests, nans, slopes, g, h
    ):
        i = cuda.grid(1)
        while i < labels.size:
            first, s = i * classes, i // length
            if labels[i] == IGNORED or nans[s] or not from_logits:
                for j in range(first, first + classes):
                    slope = bend = np.float64(0)
                    if labels[i] != IGNORED:
                        slope = np.float64(slopes[j])
                        if nans[s]:
                            slope = bend = np.float64(math.nan)
                    write_g(g, j, lengths, slope)
                    write_h(h, j, lengths, bend)
            else:
                top, highest = top_of(z, first, classes, lengths)
                others = np.float64(0)
                for j in range(first, first + classes):
                    if j != top:
                        p, q = shares(power_below(highest, np.float64(read_z(z, j, lengths))), rests[i])
                        others += p * slopes[j]
                p, q = shares(np.float64(1), rests[i])
                of_top = slopes[top] * q - others
                mean = others + p * slopes[top]
                for j in range(first, first + classes):
                    p, q = shares(power_below(highest, np.float64(read_z(z, j, lengths))), rests[i])
                    slope = p * (of_top if j == top else slopes[j] - mean)
                    bend = np.float64(1) - (p + p) if p < q else (q + q) - np.float64(1)  # q - p, rounded once
                    write_g(g, j, lengths, slope)
                    write_h(h, j, lengths, slope * bend)
            i += cuda.gridsize(1)

    return compiled(kernel, "finishing_classes")


@functools.cache
def softmax(of_z: Any, of_out: Any) -> Any:
    """Return the kernel that writes the softmax of rows."""
    read_z, write = reader(of_z), writer(of_out)
    top_of, rest_of = _row_top(read_z), _row_rest(read_z)

    def kernel(rows, classes, lengths, z, out):  # type: ignore[no-untyped-def]
        i = cuda.grid(1)
        while i < rows:
            first = i * classes
            top, highest = top_of(z, first, classes, lengths)
            rest = rest_of(z, first, classes, lengths, top, highest)
            for j in range(first, first + classes):
                p, _ = shares(power_below(highest, np.float64(read_z(z, j, lengths))), rest)
                write(out, j, lengths, p)
            i += cuda.gridsize(1)

    return compiled(kernel, "softmax")
