"""The kernels of classes whose errors are put in order on a CUDA device, through the softmax."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numba import cuda, int64
from numba.extending import register_jitable

from nbloss._compile import inlined
from nbloss._cuda.launch import compiled
from nbloss._cuda.layout import reader, writer
from nbloss._cuda.sets import IGNORED, LAST, kernel_of, key_of_probability
from nbloss._math import add, power_below, shares

for _function in (power_below, shares):
    inlined(_function)


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
                if from_logits:
                    top, highest = top_of(z, first, classes, lengths)
                    tops[i], rests[i] = highest, rest_of(z, first, classes, lengths, top, highest)
                    is_nan = is_nan or highest == -math.inf  # no class has a probability
                if is_nan:
                    nans[s] = 1
                labels[i] = label
                uses[s * classes + label] = 1
            i += cuda.gridsize(1)

    return compiled(kernel, "surveying")


@kernel_of
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
