"""Losses of sets whose errors are put in order, on the CPU: sort, then scan.

The elements of a set are sorted by falling error. The k-th adds its error times the growth of a set function, which
depends on how many elements of either kind stand before it: whole numbers, from a scan.

Large sets are taken one by one, with threads for their chunks; of several small ones, each has a thread.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numba
import numpy as np
from numba import float64, int8, int32, int64, prange, types
from numba.extending import register_jitable

from nbloss._arrays import divide, real_of
from nbloss._compile import INLINE, compiled, inlined
from nbloss._cpu import pointwise
from nbloss._cpu.pointwise import PARALLEL_FROM, REALS
from nbloss._cpu.radix import chunk
from nbloss._cpu.sets import IGNORED, NAN, classes, margins, softmax
from nbloss._program import Program

CHUNKS = 4  # for each thread, so that one that is held up holds up little
MOST = 1 << 31  # elements of a set up to which items of 32 bits tell them apart

KEYS = {np.dtype(np.float32): np.dtype(np.uint32), np.dtype(np.float64): np.dtype(np.uint64)}


def run_margins(
    program: Program, want: str, mean: bool, y: Any, z: Any, sets: int, ignore_index: int | None, outs: Sequence[Any]
) -> None:
    """Evaluate a loss of margins: labels *y* and scores *z*, in *sets* along the first axis.

    *want* has a letter for each array in *outs*: "v", "g", "h" for the values of the sets, the gradients and Hessians,
    "s" for the sum of the values or, with *mean*, their mean. A gradient beside it is scaled as it is.
    """
    placed, real = dict(zip(want, outs, strict=True)), real_of(z.dtype)
    shape = sets, _length(z.shape, sets)
    kinds, scores = _kinds(y, ignore_index).reshape(shape), _native(z, real).reshape(shape)
    gradient = _room(placed.get("g"), real, shape)
    values = _each_set(_of_margins, program, (kinds, scores, gradient), _factor(want, mean, sets))
    _deliver(gradient, placed.get("g"))
    if "h" in placed:
        hessian = np.zeros(shape, real)
        for i in np.flatnonzero(np.isnan(values)):
            hessian[i][kinds[i] != IGNORED] = np.nan
        _deliver(hessian, placed["h"])
    _deliver_values(values, mean, placed)


def run_classes(
    program: Program, want: str, mean: bool, y: Any, z: Any, sets: int, ignore_index: int | None,
    which: str | tuple[int, ...], from_logits: bool, outs: Sequence[Any],
) -> None:  # fmt: skip
    """Evaluate a loss of rows of classes: labels *y* and logits or probabilities *z*, as :func:`run_margins` does.

    *which* is "all", "present" or the numbers of those that count.
    """
    placed, real = dict(zip(want, outs, strict=True)), real_of(z.dtype)
    shape = sets, _length(y.shape, sets), z.shape[-1]
    labels, predictions = _labels(y, ignore_index).reshape(shape[:2]), _native(z, real).reshape(shape)
    counted = np.ones(shape[2], np.bool_)
    if isinstance(which, tuple):
        counted[:] = np.isin(np.arange(shape[2]), which)
    gradient, hessian = (_room(placed.get(letter), real, shape) for letter in "gh")
    arrays = labels, predictions, gradient, hessian, counted, which == "present", from_logits
    values = _each_set(_of_classes, program, arrays, _factor(want, mean, sets))
    _deliver(gradient, placed.get("g"))
    _deliver(hessian, placed.get("h"))
    _deliver_values(values, mean, placed)


def first_bad_label(y: Any, classes: int, ignore_index: int | None) -> tuple[int, ...] | None:
    """Return the index of the first label that is neither a whole number below *classes* nor ignored, if there is one.

    On a CUDA device, this is left to the kernels.
    """
    if y.size == 0 or (y.dtype.kind != "f" and 0 <= y.min() and y.max() < classes):
        return None
    good = (y >= 0) & (y < classes)
    if y.dtype.kind == "f":
        good &= y == np.floor(y)
    if ignore_index is not None:
        good |= y == ignore_index
    if good.all():
        return None
    return tuple(map(int, np.unravel_index(int(np.argmin(good)), y.shape)))


def probabilities(z: Any, out: Any) -> None:
    """Write the softmax along the last axis of *z* to *out*."""
    shape = (z.size // z.shape[-1] if z.size else 0), z.shape[-1]
    real = real_of(z.dtype)
    rows = _room(out, real, shape)
    kernel = _softmax_kernel(real, z.size >= PARALLEL_FROM and not pointwise._is_child)
    kernel(_native(z, real).reshape(shape), rows, _chunks())
    _deliver(rows, out)


# Arrays


def _length(shape: tuple[int, ...], sets: int) -> int:
    """Return how many elements each set has."""
    size = 1
    for n in shape:
        size *= n
    return size // sets if sets else 0


def _kinds(y: Any, ignore_index: int | None) -> Any:
    kinds = (y > 0).astype(np.int8)
    if y.dtype.kind == "f":
        kinds[np.isnan(y)] = NAN
    if ignore_index is not None:
        kinds[y == ignore_index] = IGNORED
    return kinds


def _labels(y: Any, ignore_index: int | None) -> Any:
    labels = np.array(y, np.int32, order="C")
    if ignore_index is not None:
        labels[y == ignore_index] = IGNORED
    return labels


def _native(z: Any, real: np.dtype[Any]) -> Any:
    """Return *z* as numbers that kernels can read where they lie; a copy where it must be one."""
    return z if z.dtype == real and z.dtype.isnative and z.flags.aligned else z.astype(real)


def _room(out: Any, real: np.dtype[Any], shape: tuple[int, ...]) -> Any:
    """Return an array of this shape to write to: a view of *out* where it can be; of no elements if it is None."""
    if out is None:
        return np.empty((shape[0], 0, *shape[2:]), real)
    view = out.reshape(shape)
    is_view = view.size == 0 or np.may_share_memory(view, out)
    return view if is_view and out.dtype == real and out.dtype.isnative and out.flags.aligned else np.empty(shape, real)


def _deliver(room: Any, out: Any) -> None:
    """Copy what was written to *room* to *out*, unless it is there already."""
    if out is not None and not np.may_share_memory(room, out):
        with np.errstate(over="ignore"):
            out[...] = room.reshape(out.shape)


def _deliver_values(values: Any, mean: bool, placed: dict[str, Any]) -> None:
    with np.errstate(over="ignore"):
        if "v" in placed:
            placed["v"][...] = values.reshape(placed["v"].shape)
        if "s" in placed:
            placed["s"][()] = divide(float(values.sum()), values.size) if mean else values.sum()


def _factor(want: str, mean: bool, sets: int) -> float:
    return divide(1.0, sets) if mean and "s" in want else 1.0


# Kernels


def _chunks() -> int:
    return CHUNKS * numba.get_num_threads()


def _each_set(family: Any, program: Program, arrays: Sequence[Any], factor: float) -> Any:
    """Evaluate the sets along the first axis of labels, predictions and what else *family* takes; return the values."""
    labels, z = arrays[:2]
    values = np.empty(len(labels))
    parallel = z.size >= PARALLEL_FROM and not pointwise._is_child
    one_by_one = parallel and len(values) < 2 * numba.get_num_threads()
    item = np.dtype(np.uint32 if labels.shape[1] <= MOST else np.uint64)
    key = family, z.dtype, item, one_by_one, parallel
    kernel = program.kernels.get(key)
    if kernel is None:
        f = inlined(program.formula)
        kernel = family(f, KEYS[z.dtype].type, item.type, one_by_one)
        name = family.__name__, z.dtype, item, one_by_one
        kernel = program.kernels[key] = compiled(kernel, _signature(family, REALS[z.dtype]), f, *name, parallel=parallel)
    kernel(*arrays, factor, values, _chunks() if one_by_one else 1)
    return values


def _signature(family: Any, real: Any) -> tuple[Any, ...]:
    last = float64, float64[::1], int64
    if family is _of_margins:
        return types.Array(int8, 2, "C"), _strided(real, 2, True), _strided(real, 2), *last
    three = _strided(real, 3, True), _strided(real, 3), _strided(real, 3)
    return types.Array(int32, 2, "C"), *three, types.boolean[::1], types.boolean, types.boolean, *last


def _strided(real: Any, rank: int, readonly: bool = False) -> Any:
    return types.Array(real, rank, "A", readonly=readonly)


def _of_margins(increment: Any, key: Any, item: Any, one_by_one: bool) -> Any:
    def with_threads_in_sets(kinds, z, gradient, factor, values, chunks):  # type: ignore[no-untyped-def]
        scratch = _scratch(kinds.shape[1], key, item)
        for s in range(values.size):
            values[s] = margins(increment, kinds[s], z[s], gradient[s], factor, scratch, chunks)

    def with_sets_in_threads(kinds, z, gradient, factor, values, chunks):  # type: ignore[no-untyped-def]
        for s in prange(values.size):
            scratch = _scratch(kinds.shape[1], key, item)
            values[s] = margins(increment, kinds[s], z[s], gradient[s], factor, scratch, chunks)

    return with_threads_in_sets if one_by_one else with_sets_in_threads


def _of_classes(increment: Any, key: Any, item: Any, one_by_one: bool) -> Any:
    def with_threads_in_sets(  # type: ignore[no-untyped-def]
        labels, z, gradient, hessian, counted, only_present, from_logits, factor, values, chunks
    ):
        scratch = _scratch(labels.shape[1], key, item)
        for s in range(values.size):
            values[s] = classes(
                increment, labels[s], z[s], gradient[s], hessian[s], counted, only_present, from_logits, factor,
                scratch, chunks,
            )  # fmt: skip

    def with_sets_in_threads(  # type: ignore[no-untyped-def]
        labels, z, gradient, hessian, counted, only_present, from_logits, factor, values, chunks
    ):
        for s in prange(values.size):
            scratch = _scratch(labels.shape[1], key, item)
            values[s] = classes(
                increment, labels[s], z[s], gradient[s], hessian[s], counted, only_present, from_logits, factor,
                scratch, chunks,
            )  # fmt: skip

    return with_threads_in_sets if one_by_one else with_sets_in_threads


@register_jitable(**INLINE)
def _scratch(n: Any, key: Any, item: Any) -> Any:
    """Return room for the keys and items of a set, and for them once more."""
    return np.empty(n, key), np.empty(n, item), np.empty(n, key), np.empty(n, item)


def _of_softmax() -> Any:
    def kernel(z, out, chunks):  # type: ignore[no-untyped-def]
        for c in prange(chunks):
            part = chunk(len(z), chunks, c)
            softmax(z[part], out[part])

    return kernel


@functools.cache
def _softmax_kernel(real: np.dtype[Any], parallel: bool) -> Any:
    numbers = REALS[real]
    signature = _strided(numbers, 2, True), _strided(numbers, 2), int64
    return compiled(_of_softmax(), signature, softmax, real, parallel=parallel)
