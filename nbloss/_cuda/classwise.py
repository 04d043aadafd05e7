"""Losses of sets with classes, on a CUDA device: sums for each class, and the mean of what they give.

The largest prediction of each row, its class and what the others weigh beside it are kept between the kernels, three
numbers a row. All is computed in float64.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from numba import cuda, float64
from numba.extending import register_jitable

from nbloss._arrays import DOUBLE, divide
from nbloss._compile import inlined
from nbloss._cuda.arrays import View, in_order, memory
from nbloss._cuda.blocks import BLOCK, MOST, blocks_for, rounded, tree
from nbloss._cuda.launch import compiled
from nbloss._cuda.layout import in_c_order, reader, spread, writer
from nbloss._cuda.pointwise import as_weight_of
from nbloss._cuda.setwise import reduce
from nbloss._cuda.sums import scratch
from nbloss._cuda.tuples import putter, taker
from nbloss._math import exp_sum
from nbloss._program import SetProgram

SUMS = 4  # true positives, false positives, false negatives, rows


def run(
    program: SetProgram, want: str, mean: bool, per_image: bool, y: Any, z: View, w: Any, outs: Sequence[View]
) -> None:
    """Evaluate the mean over classes of a loss of sets; see :func:`nbloss._cuda.setwise.run`.

    *y* holds a label for each row of *z*, and *w* a weight for each or for each entry of the first axis. Where a label
    is none of the classes, the loss of its set is nan.
    """
    shape, classes = z.shape[:-1], z.shape[-1]
    y, w = (spread(a, shape) for a in (y, w))
    placed = dict(zip(want, outs, strict=True))
    gradient, hessian = placed.get("g"), placed.get("h")
    sets, count = shape[0] if per_image else 1, math.prod(shape)
    size = count // max(sets, 1)
    with in_order(z, y, w, *outs) as stream:
        row_lengths, row_forms, (y, w) = in_c_order(shape, [y, w])
        lengths, forms, (rows, gradient, hessian) = in_c_order(z.shape, [z, gradient, hessian])
        forms = row_forms + forms
        chunks = max(1, min(MOST // max(1, min(sets * classes, MOST)), -(-size // BLOCK)))
        tops, partial = scratch(3 * count, z), scratch(sets * classes * chunks * SUMS, z)
        found, values = scratch(sets * classes * (program.coefficients + 2), z), scratch(sets, z)
        if z.size and program.choices[0]:
            kernel = _kernel(program, normalising, forms[2:3])
            kernel[blocks_for(count), BLOCK, stream](count, classes, lengths, rows, memory(tops))
        if sets:
            kernel = _kernel(program, summing, forms[:3])
            kernel[rounded(sets * classes * chunks), BLOCK, stream](
                sets, size, classes, chunks, row_lengths, lengths, y, w, rows, memory(tops), memory(partial)
            )
            kernel = _kernel(program, finishing, ())
            kernel[rounded(sets * classes), BLOCK, stream](
                sets * classes, chunks, program.numbers, memory(partial), memory(found)
            )
            kernel = _kernel(program, averaging, ())
            kernel[blocks_for(sets), BLOCK, stream](sets, classes, memory(found), memory(values))
        if z.size and (forms[3] is not None or forms[4] is not None):
            scale = divide(1.0, sets) if mean and "s" in placed else 1.0
            kernel = _kernel(program, deriving, forms)
            kernel[blocks_for(count), BLOCK, stream](
                count, size, classes, row_lengths, lengths, y, w, rows, gradient, hessian, memory(tops), memory(found),
                scale,
            )  # fmt: skip
        reduce(values, sets, mean, placed, stream)


def _kernel(program: SetProgram, role: Any, forms: tuple[Any, ...]) -> Any:
    key = ("cuda", role, DOUBLE, forms)
    kernel = program.kernels.get(key)
    if kernel is None:
        name = f"{program.finish.__qualname__}.classes.{role.__name__}"
        kernel = program.kernels[key] = compiled(role(program, forms), name)
    return kernel


@register_jitable
def _exp_of_difference(x: Any, most: Any) -> Any:
    """Return exp(x - most), as if the difference were not rounded; 1 for equal infinities."""
    d = x - most
    lost = (x - (d + (x - d))) + ((x - d) - most)
    return 1.0 if x == most else exp_sum(d, lost)


@register_jitable
def _probabilities(x: Any, k: Any, most: Any, top: Any, rest: Any) -> Any:
    """Return the probability of class *k*, whose logit is *x*, and that of the others."""
    total = 1.0 + rest
    p = 1.0 / total if k == top else _exp_of_difference(x, most) / total
    if rest != rest:
        p = rest
    return p, rest / total if k == top else 1.0 - p


@register_jitable
def _within(x: Any) -> Any:
    """Return a probability and that of the rest, nan if it is none."""
    p = x if (x >= 0.0) & (x <= 1.0) else math.nan
    return p, 1.0 - p


def normalising(program: SetProgram, forms: tuple[Any, ...]) -> Any:
    """Return the kernel that finds, in each row, the largest logit, its class, and what the others weigh beside it."""
    read = reader(forms[0])

    def kernel(count, classes, lengths, rows, tops):  # type: ignore[no-untyped-def]
        r = cuda.grid(1)
        while r < count:
            most, top = float64(read(rows, r * classes, lengths)), 0
            for k in range(1, classes):
                x = float64(read(rows, r * classes + k, lengths))
                if x > most:
                    most, top = x, k
            rest = float64(0)
            for k in range(classes):
                if k != top:
                    rest += _exp_of_difference(float64(read(rows, r * classes + k, lengths)), most)
            tops[3 * r] = most
            tops[3 * r + 1] = top
            tops[3 * r + 2] = rest if most > -math.inf else math.nan  # no class has a probability
            r += cuda.gridsize(1)

    return kernel


def summing(program: SetProgram, forms: tuple[Any, ...]) -> Any:
    """Return the kernel that adds up what the rows of a part of a set count for one class."""
    f, from_logits = inlined(program.of_class[0]), program.choices[0]
    read_y, read_w, read = (reader(form) for form in forms)
    as_weight, is_weighted, nan = as_weight_of(forms[1]), forms[1] is not None, math.nan

    def kernel(sets, size, classes, chunks, row_lengths, lengths, y, w, rows, tops, partial):  # type: ignore[no-untyped-def]
        b = cuda.blockIdx.x
        while b < sets * classes * chunks:
            k, first = b // chunks % classes, b // chunks // classes * size
            tp = fp = fn = number = float64(0)
            i = b % chunks * BLOCK + cuda.threadIdx.x
            while i < size:
                r = first + i
                weight = float64(as_weight(read_w(w, r, row_lengths))) if is_weighted else float64(1)
                if weight != 0:
                    label = float64(read_y(y, r, row_lengths))
                    x = float64(read(rows, r * classes + k, lengths))
                    if from_logits:
                        p, q = _probabilities(x, k, tops[3 * r], tops[3 * r + 1], tops[3 * r + 2])
                    else:
                        p, q = _within(x)
                    is_label = False
                    if (label >= 0) & (label < classes):
                        is_label = math.floor(label) == label
                    counts = f(float64(1) if label == k else float64(0), p if is_label else nan, q if is_label else nan)
                    tp += counts[0] * weight
                    fp += counts[1] * weight
                    fn += counts[2] * weight
                    number += 1 if label == k else 0
                i += chunks * BLOCK
            tp, fp, fn, number = tree(tp), tree(fp), tree(fn), tree(number)
            if cuda.threadIdx.x == 0:
                partial[b * SUMS] = tp
                partial[b * SUMS + 1] = fp
                partial[b * SUMS + 2] = fn
                partial[b * SUMS + 3] = number
            b += cuda.gridDim.x

    return kernel


def finishing(program: SetProgram, forms: tuple[Any, ...]) -> Any:
    """Return the kernel that leaves, of each class, its loss, the coefficients and how many rows have its label."""
    f, from_logits, count = inlined(program.finish), program.choices[0], program.coefficients
    put = putter(count + 1)

    def kernel(total, chunks, numbers, partial, found):  # type: ignore[no-untyped-def]
        s = cuda.blockIdx.x
        while s < total:
            tp = fp = fn = number = float64(0)
            for c in range(s * chunks + cuda.threadIdx.x, (s + 1) * chunks, BLOCK):
                tp += partial[c * SUMS]
                fp += partial[c * SUMS + 1]
                fn += partial[c * SUMS + 2]
                number += partial[c * SUMS + 3]
            tp, fp, fn, number = tree(tp), tree(fp), tree(fn), tree(number)
            if cuda.threadIdx.x == 0:
                put(found, s * (count + 2), f(tp, fp, fn, *numbers, from_logits))
                found[s * (count + 2) + count + 1] = number
            s += cuda.gridDim.x

    return kernel


def averaging(program: SetProgram, forms: tuple[Any, ...]) -> Any:
    """Return the kernel that makes the loss of each set, and leaves the share of a class in the place of its loss."""
    from_logits, count, inf, nan = program.choices[0], program.coefficients, math.inf, math.nan

    def kernel(sets, classes, found, values):  # type: ignore[no-untyped-def]
        s, width = cuda.grid(1), count + 2
        while s < sets:
            value = number = float64(0)
            for k in range(classes):
                at = (s * classes + k) * width
                occurs = found[at + count + 1] > 0
                if occurs or found[at] != found[at]:
                    value += found[at]
                    number += 1
                # a loss of 0 with slopes without bound comes of logits that have no slope any more
                if not occurs or (from_logits and abs(found[at + 1]) == inf):
                    for j in range(count + 1):
                        found[at + j] = 0
            value = value / number if number > 0 else nan
            values[s] = value
            for k in range(classes):
                found[(s * classes + k) * width] = float64(1) / number if value == value else nan
            s += cuda.gridsize(1)

    return kernel


def deriving(program: SetProgram, forms: tuple[Any, ...]) -> Any:
    """Return the kernel that writes gradients, multiplied by a scale, and Hessians; see the CPU's for the formulas."""
    f, from_logits, count = inlined(program.of_class[1]), program.choices[0], program.coefficients
    read_y, read_w, read = (reader(form) for form in forms[:3])
    write_gradient, write_hessian = (writer(form) for form in forms[3:])
    as_weight, is_weighted, take, width = as_weight_of(forms[1]), forms[1] is not None, taker(count), count + 2

    @register_jitable
    def move(label: Any, k: Any, slope: Any, found: Any, at: Any) -> Any:
        here = at + k * width
        first, second = f(1.0 if label == k else 0.0, slope, *take(found, here + 1))
        return first * found[here], second * found[here]

    def kernel(  # type: ignore[no-untyped-def]
        total, size, classes, row_lengths, lengths, y, w, rows, gradient, hessian, tops, found, scale
    ):
        r = cuda.grid(1)
        while r < total:
            weight = float64(as_weight(read_w(w, r, row_lengths))) if is_weighted else float64(1)
            label = float64(read_y(y, r, row_lengths))
            at = r // size * classes * width
            most = top = rest = mean = bend = slope_of_top = bend_of_top = float64(0)
            if from_logits and weight != 0:
                most, top, rest = tops[3 * r], int(tops[3 * r + 1]), tops[3 * r + 2]
                slope_of_top, _ = move(label, top, 1.0, found, at)
                p, _ = _probabilities(most, top, most, top, rest)
                _, bend_of_top = move(label, top, p, found, at)
                for k in range(classes):
                    if k != top:
                        p, _ = _probabilities(float64(read(rows, r * classes + k, lengths)), k, most, top, rest)
                        slope, _ = move(label, k, 1.0, found, at)
                        _, second = move(label, k, p, found, at)
                        mean += p * (slope - slope_of_top)
                        bend += second
            for k in range(classes):
                g = h = float64(0)
                if weight != 0:
                    slope, second = move(label, k, 1.0, found, at)
                    if from_logits:
                        x = float64(read(rows, r * classes + k, lengths))
                        p, q = _probabilities(x, k, most, top, rest)
                        _, mine = move(label, k, p, found, at)
                        _, own = move(label, k, p * q, found, at)
                        others = bend if k == top else bend + bend_of_top - mine
                        moved = p * ((slope - slope_of_top) - mean)
                        g = moved * weight
                        h = weight * (moved * (q - p) + weight * (own + others * p * p))
                    else:
                        g, h = slope * weight, second * weight * weight
                write_gradient(gradient, r * classes + k, lengths, g * scale)
                write_hessian(hessian, r * classes + k, lengths, h)
            r += cuda.gridsize(1)

    return kernel
