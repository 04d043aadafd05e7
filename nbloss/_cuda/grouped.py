"""What losses of groups of rows share on a CUDA device: vectors of doubles that kernels take, and the way back.

Everything is computed in float64, and nothing is copied to the host: sums by which gradients are divided stay on the
device.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import cuda, float64, int64

from nbloss import _hash
from nbloss._arrays import DOUBLE
from nbloss._cuda.arrays import View, as_output, brought, empty, memory
from nbloss._cuda.blocks import BLOCK, blocks_for, rounded, tree
from nbloss._cuda.launch import compiled
from nbloss._cuda.layout import NUMBER, in_c_order, reader, writer
from nbloss._cuda.sums import divided

INTEGER = np.dtype(np.int64)

LABEL, GAIN, OF_TABLE, MASS, NOISY_MASS = range(5)
"""What is made of a label: itself, 2**label - 1, its number in a table, 2**label less 1/2 or a number in [0, 1)."""


class Work:
    """The vectors of rows and groups, and the launches that all losses share."""

    def __init__(self, want: str, z: View, starts: Any, outs: Sequence[View], stream: Any) -> None:
        self.z, self.size, self.groups, self.stream = z, z.size, starts.size - 1, stream
        self.placed, self.want = dict(zip(want, outs, strict=True)), want
        self.kept: list[View] = []
        self.starts = self.bring(starts)
        self.scores, self.weights = self.room(self.size), self.room(self.size)
        self.strengths, self.events = self.room(self.size), self.room(self.size)
        self.of_events = self.kept[-1]
        self.factors = self.weights
        """What derivatives are multiplied by; 0 where a row does not count."""
        self.slopes, self.bends, self.terms = (self.room(self.size) for _ in range(3))
        self.owners, self.nans = self.room(self.size, INTEGER), self.room(self.groups, INTEGER)
        self.values = self.room(self.groups)
        self.of_values = self.kept[-1]
        self.of_groups = self.room(self.groups)
        self.of_weights = self.kept[-1]

    def room(self, size: int, dtype: np.dtype[Any] = DOUBLE) -> Any:
        """Return an array to write to, which is kept as long as this is."""
        self.kept.append(as_output(empty((size,), dtype, self.z, self.z.owner)))
        return memory(self.kept[-1])

    def bring(self, numbers: Any) -> Any:
        """Return numbers of the host as an array on the device, which is kept as long as this is."""
        self.kept.append(brought(numbers, self.stream))
        return memory(self.kept[-1])

    def launch(self, kernel: Any, *arguments: Any) -> None:
        """Launch a kernel whose threads share the rows, or the groups if they are more."""
        if self.groups:
            kernel[blocks_for(max(self.size, self.groups)), BLOCK, self.stream](*arguments)

    def launch_groups(self, kernel: Any, *arguments: Any) -> None:
        """Launch a kernel that has a block for each group."""
        if self.groups:
            kernel[rounded(self.groups), BLOCK, self.stream](*arguments)

    def take(self, role: int, y: Any, event: Any, w: Any, highest: float, table: Any, first: int) -> None:
        """Bring scores, weights, and what is made of labels; find the group of each row, and those with nan."""
        shape, by_group = self.z.shape, isinstance(w, View) and w.shape == (self.groups,)
        is_of_rows = isinstance(w, View) and not by_group
        w = w if w is None or isinstance(w, View) else np.float64(w)
        (of_y, y_), (of_e, e_), (of_z, z_) = (_operand(shape, a) for a in (y, event, self.z))
        of_w, w_ = _operand((self.groups,) if by_group else shape, w)
        gains = self.bring(np.asarray(table or [0.0], np.float64))
        self.launch(clearing, self.nans)
        self.launch(
            taking(of_y, of_e, of_z, of_w), role, y_, e_, z_, w_, by_group, highest, gains, np.uint64(first),
            self.starts, self.strengths, self.events, self.scores, self.weights, self.owners, self.nans,
        )  # fmt: skip
        if is_of_rows:
            self.launch_groups(averaging, self.starts, self.weights, self.of_groups)
        else:
            self.launch(copying(of_w), w_, self.of_groups)

    def add_up(self, x: Any, out: Any) -> None:
        """Write the sum of x over the rows of each group."""
        self.launch_groups(adding, self.starts, x, out)

    def weigh(self) -> None:
        """Multiply the values of the groups by their weights."""
        self.launch(weighing, self.of_groups, self.values)

    def deliver(self, mean: bool, divisor: View) -> None:
        """Write what is wanted: derivatives and values, divided by the sum of *divisor* if they are means."""
        by = self.room(1)
        is_mean, rows = mean and "s" in self.want and self.groups > 0, self.z.shape
        divided(divisor if is_mean else np.float64(1), np.float64(1), self.kept[-1], self.stream)
        (of_g, g), (of_h, h) = (_operand(rows, self.placed.get(letter)) for letter in "gh")
        if self.size and ("g" in self.want or "h" in self.want):
            self.launch(delivering(of_g, of_h), self.owners, self.nans, self.factors, self.slopes, self.bends, by, g, h)
        self.launch(spoiling, self.nans, self.values)
        if "v" in self.placed:
            form, operand = _operand((self.groups,), self.placed["v"])
            self.launch(writing(form), self.values, operand)
        if "s" in self.placed:
            total = self.of_values if self.groups else np.float64(0)
            weight = (divisor if self.groups else np.float64(0)) if mean else np.float64(1)
            divided(total, weight, self.placed["s"], self.stream)


def _operand(shape: tuple[int, ...], a: Any) -> tuple[Any, Any]:
    if isinstance(a, View):
        _, forms, operands = in_c_order(shape, [a])
        return forms[0], operands[0]
    return (None, 0) if a is None else (NUMBER, a)


# Kernels


def _kernel(function: Any) -> Any:
    return compiled(function, function.__name__)


@cuda.jit(device=True)
def group_of(starts: Any, i: Any) -> Any:
    """Return the group that has row i."""
    low, high = int64(0), int64(starts.size - 1)
    while high - low > 1:
        middle = (low + high) // 2
        if starts[middle] <= i:
            low = middle
        else:
            high = middle
    return low


@cuda.jit(device=True)
def _power_of_two(y: Any) -> Any:
    """Return 2**y for y >= 0, which is exact for whole numbers: those are made from their bits."""
    n = np.int64(y)
    return np.int64((n + np.int64(1023)) << np.int64(52)).view(np.float64) if y == n else math.pow(float64(2), y)


@cuda.jit(device=True)
def _unit(first: Any, i: Any) -> Any:
    """Return what nbloss._hash.unit does, from its first step."""
    x = first + np.uint64(i) + np.uint64(_hash.STEP)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(_hash.FIRST)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(_hash.SECOND)
    return float64((x ^ (x >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


@cuda.jit(device=True)
def _strength(role: Any, y: Any, i: Any, highest: Any, table: Any, first: Any) -> Any:
    """Return what is made of the label of row i; nan of what is none."""
    if role == LABEL:
        return y
    if not (y >= 0 and y <= highest):
        return float64(math.nan)
    if role == OF_TABLE:
        return table[int64(y)] if y == int64(y) and y < table.size else float64(math.nan)
    power = _power_of_two(y)
    if role == GAIN:
        return power - float64(1)
    return power - (_unit(first, i) if role == NOISY_MASS else float64(0.5))


@functools.cache
def taking(of_y: Any, of_e: Any, of_z: Any, of_w: Any) -> Any:
    """Return the kernel that brings rows: what does not count has the weight 0 and no other numbers."""
    read_y, read_e, read_z, read_w = (reader(form) for form in (of_y, of_e, of_z, of_w))
    has_event, has_weight = of_e is not None, of_w is not None

    def kernel(  # type: ignore[no-untyped-def]
        role, y, e, z, w, by_group, highest, table, first, starts, strengths, events, scores, weights, owners, nans
    ):
        i = cuda.grid(1)
        while i < scores.size:
            g = group_of(starts, i)
            weight = float64(read_w(w, g if by_group else i, 0)) if has_weight else float64(1)
            strength = score = event = float64(0)
            if weight != 0:
                score = float64(read_z(z, i, 0))
                strength = _strength(role, float64(read_y(y, i, 0)), i, highest, table, first)
                if has_event:
                    event = float64(read_e(e, i, 0))
                if score != score or strength != strength or weight != weight or not (event == 0 or event == 1):
                    nans[g] = 1
            strengths[i], scores[i], events[i], weights[i], owners[i] = strength, score, event * weight, weight, g
            i += cuda.gridsize(1)

    return compiled(kernel, "taking")


@_kernel
def clearing(nans):  # type: ignore[no-untyped-def]
    g = cuda.grid(1)
    while g < nans.size:
        nans[g] = 0
        g += cuda.gridsize(1)


@functools.cache
def copying(of_w: Any) -> Any:
    """Return the kernel that brings the weights of groups: 1 without weights."""
    read, has_weight = reader(of_w), of_w is not None

    def kernel(w, of_groups):  # type: ignore[no-untyped-def]
        g = cuda.grid(1)
        while g < of_groups.size:
            of_groups[g] = float64(read(w, g, 0)) if has_weight else float64(1)
            g += cuda.gridsize(1)

    return compiled(kernel, "copying_weights")


@_kernel
def averaging(starts, weights, of_groups):  # type: ignore[no-untyped-def]
    """Write the mean of the weights other than 0 of each group."""
    g = cuda.blockIdx.x
    while g < of_groups.size:
        mine = count = float64(0)
        for i in range(starts[g] + cuda.threadIdx.x, starts[g + 1], BLOCK):
            mine += weights[i]
            count += float64(1) if weights[i] != 0 else float64(0)
        mine = tree(mine)
        cuda.syncthreads()
        count = tree(count)
        if cuda.threadIdx.x == 0:
            of_groups[g] = mine / max(count, float64(1))
        cuda.syncthreads()
        g += cuda.gridDim.x


@_kernel
def adding(starts, x, out):  # type: ignore[no-untyped-def]
    """Write the sum over the rows of each group."""
    g = cuda.blockIdx.x
    while g < out.size:
        mine = float64(0)
        for i in range(starts[g] + cuda.threadIdx.x, starts[g + 1], BLOCK):
            mine += x[i]
        mine = tree(mine)
        if cuda.threadIdx.x == 0:
            out[g] = mine
        cuda.syncthreads()
        g += cuda.gridDim.x


@_kernel
def weighing(of_groups, values):  # type: ignore[no-untyped-def]
    """Multiply losses by weights; what has the weight 0 is 0."""
    g = cuda.grid(1)
    while g < values.size:
        values[g] = values[g] * of_groups[g] if of_groups[g] != 0 else float64(0)
        g += cuda.gridsize(1)


@_kernel
def spoiling(nans, values):  # type: ignore[no-untyped-def]
    g = cuda.grid(1)
    while g < values.size:
        if nans[g]:
            values[g] = math.nan
        g += cuda.gridsize(1)


@functools.cache
def writing(form: Any) -> Any:
    """Return the kernel that writes the losses of the groups."""
    write = writer(form)

    def kernel(values, out):  # type: ignore[no-untyped-def]
        g = cuda.grid(1)
        while g < values.size:
            write(out, g, 0, values[g])
            g += cuda.gridsize(1)

    return compiled(kernel, "writing")


@functools.cache
def delivering(of_g: Any, of_h: Any) -> Any:
    """Return the kernel that writes derivatives, weighed; gradients are divided by a number on the device."""
    write_g, write_h = writer(of_g), writer(of_h)

    def kernel(owners, nans, factors, slopes, bends, by, g, h):  # type: ignore[no-untyped-def]
        i = cuda.grid(1)
        while i < owners.size:
            slope = bend = float64(0)
            if factors[i] != 0:
                slope, bend = slopes[i] * factors[i] / by[0], bends[i] * factors[i]
                if nans[owners[i]]:
                    slope = bend = float64(math.nan)
            write_g(g, i, 0, slope)
            write_h(h, i, 0, bend)
            i += cuda.gridsize(1)

    return compiled(kernel, "delivering")
