"""Losses of sets whose errors are put in order, on a CUDA device: sort, then scan.

All sets go through the same kernels at once: a stable sort by error, then by set, brings each set to its place, its
elements by falling error. What does not count has the last key, and so comes last: the host need not know how many do.

An item is twice the index of an element, plus 1 if the element is positive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nbloss._arrays import DOUBLE, real_of
from nbloss._cuda.arrays import View, as_output, empty, in_order, memory, pointer, vector
from nbloss._cuda.blocks import BLOCK, blocks_for
from nbloss._cuda.class_sets import choosing, finishing_classes, softmax, surveying, taking_class
from nbloss._cuda.layout import NUMBER, Form
from nbloss._cuda.radix import DIGITS, TILE, grid_of, prefixing, sort, tiles_of
from nbloss._cuda.sets import (
    INTEGER,
    KEYS,
    adding,
    counting_positives,
    delivering,
    error_of_margin,
    error_of_probability,
    filling,
    finishing_margins,
    incrementing,
    starting,
    taking_margins,
    totalling,
)
from nbloss._cuda.sums import divided
from nbloss._program import Program

PARTS = 64
"""Blocks that add up a set, at most."""


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
