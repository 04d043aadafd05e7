"""Losses of sets whose errors are put in order, on the CPU: sort, then scan.

The elements of a set are sorted by falling error. The k-th adds its error times the growth of a set function, which
depends on how many elements of either kind stand before it: whole numbers, from a scan.

Large sets are taken one by one, with threads for their chunks; of several small ones, each has a thread.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, NamedTuple

import numpy as np
from numba import float64, from_dtype, int8, int32, int64, prange, types
from numba.extending import register_jitable

from nbloss import _parallel, _threads
from nbloss._arrays import divide, real_of
from nbloss._compile import INLINE, compiled, inlined
from nbloss._cpu.pointwise import REALS
from nbloss._cpu.radix import chunk, sort
from nbloss._cpu.sets import (
    IGNORED,
    NAN,
    classes,
    error_of_margin,
    error_of_probability,
    finish_rows,
    margins,
    scan,
    softmax,
    survey_rows,
    take_class,
    take_margins,
)
from nbloss._program import Program

PARALLEL_FROM = 1 << 18  # numbers; below, threads would wait for each other, two times a digit, more than they work
CHUNKS = 4  # for each thread, so that one that is held up holds up little
MOST = 1 << 31  # elements of a set up to which items of 32 bits tell them apart

KEYS: dict[Any, Any] = {np.dtype(np.float32): np.dtype(np.uint32), np.dtype(np.float64): np.dtype(np.uint64)}


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
    values = _each_set(MARGINS, program, (kinds, scores, gradient), _divisor(want, mean, sets))
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
    values = _each_set(CLASSES, program, arrays, _divisor(want, mean, sets))
    _deliver(gradient, placed.get("g"))
    _deliver(hessian, placed.get("h"))
    _deliver_values(values, mean, placed)


def probabilities(z: Any, out: Any) -> None:
    """Write the softmax along the last axis of *z* to *out*."""
    shape = (z.size // z.shape[-1] if z.size else 0), z.shape[-1]
    real = real_of(z.dtype)
    rows = _room(out, real, shape)
    kernel = _softmax_kernel(real, z.size >= PARALLEL_FROM and _parallel.is_allowed(z.size))
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
    kinds = np.array(y > 0, np.int8, order="C")
    if y.dtype.kind == "f":
        kinds[np.isnan(y)] = NAN
    if ignore_index is not None:
        kinds[y == ignore_index] = IGNORED
    return kinds


def _labels(y: Any, ignore_index: int | None) -> Any:
    with np.errstate(invalid="ignore"):  # of what is ignored
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


def _divisor(want: str, mean: bool, sets: int) -> float:
    """Return by what gradients are divided."""
    return float(sets) if mean and "s" in want else 1.0


# Kernels


def _chunks() -> int:
    return CHUNKS * _threads.get_num_threads()


class _Family(NamedTuple):
    """How the sets of a family are evaluated."""

    run: Callable[..., float]
    """What is done with one set."""
    steps: Sequence[Callable[..., Any]]
    """What it is given first: functions, which become kernels where threads share a set."""
    kernel: Callable[..., Any]
    """Makes the function that evaluates many sets, each of them in one thread."""
    error_of: Callable[..., float]
    """Gives the error of a key."""
    arguments: Callable[..., tuple[Any, ...]]
    """The types of its labels, predictions and so on, from the real type."""


def _each_set(family: _Family, program: Program, arguments: Sequence[Any], divisor: float) -> Any:
    """Evaluate the sets along the first axis of labels, predictions and what else *family* takes; return the values."""
    labels, z = arguments[:2]
    real, values = z.dtype, np.empty(len(labels))
    parallel = z.size >= PARALLEL_FROM and _parallel.is_allowed(z.size)
    item = np.dtype(np.uint32 if labels.shape[1] <= MOST else np.uint64)
    if parallel and len(values) < 2 * _threads.get_num_threads():
        scratch = _scratch(labels.shape[1], KEYS[real], item)
        steps = [*(_step(step, real, item) for step in family.steps), _scanning(program, family.error_of, real, item)]
        for s in range(len(values)):
            of_set = [a[s] if isinstance(a, np.ndarray) and a.ndim > 1 else a for a in arguments]
            values[s] = family.run(*steps, program.formula, *of_set, divisor, scratch, _chunks())
        return values
    key = family.run, real, item, parallel
    kernel = program.kernels.get(key)
    if kernel is None:
        f = inlined(program.formula)
        kernel = family.kernel(f, KEYS[real].type, item.type)
        signature = *family.arguments(REALS[real]), float64, float64[::1]
        kernel = compiled(kernel, signature, f, family.run.__name__, real, item, parallel=parallel)
        program.kernels[key] = kernel
    kernel(*arguments, divisor, values)
    return values


def _kernel_of_margins(increment: Any, key: Any, item: Any) -> Any:
    def kernel(kinds, z, gradient, divisor, values):  # type: ignore[no-untyped-def]
        for s in prange(values.size):
            scratch = _scratch(kinds.shape[1], key, item)
            values[s] = margins(take_margins, sort, scan, increment, kinds[s], z[s], gradient[s], divisor, scratch, 1)

    return kernel


def _kernel_of_classes(increment: Any, key: Any, item: Any) -> Any:
    def kernel(  # type: ignore[no-untyped-def]
        labels, z, gradient, hessian, counted, only_present, from_logits, divisor, values
    ):
        for s in prange(values.size):
            scratch = _scratch(labels.shape[1], key, item)
            values[s] = classes(
                survey_rows, take_class, finish_rows, sort, scan, increment, labels[s], z[s], gradient[s], hessian[s],
                counted, only_present, from_logits, divisor, scratch, 1,
            )  # fmt: skip

    return kernel


def _arguments_of_margins(real: Any) -> tuple[Any, ...]:
    return types.Array(int8, 2, "C"), _strided(real, 2, True), _strided(real, 2)


def _arguments_of_classes(real: Any) -> tuple[Any, ...]:
    out = _strided(real, 3)
    return (
        types.Array(int32, 2, "C"),
        _strided(real, 3, True),
        out,
        out,
        types.boolean[::1],
        types.boolean,
        types.boolean,
    )


MARGINS = _Family(margins, (take_margins, sort), _kernel_of_margins, error_of_margin, _arguments_of_margins)
CLASSES = _Family(
    classes, (survey_rows, take_class, finish_rows, sort), _kernel_of_classes, error_of_probability,
    _arguments_of_classes,
)  # fmt: skip


@functools.cache
def _step(step: Callable[..., Any], real: np.dtype[Any], item: np.dtype[Any]) -> Any:
    """Return the kernel that does a step of the evaluation of one set, with threads."""
    numbers, keys, items = REALS[real], from_dtype(KEYS[real])[::1], from_dtype(item)[::1]
    flag, row, table, found = types.boolean, _strided(numbers, 1), _strided(numbers, 2), int64[:, ::1]
    softmaxes = flag, float64[::1], float64[::1]
    labels = types.Array(int32, 1, "C"), _strided(numbers, 2, True), *softmaxes
    signature = {
        take_margins: (types.Array(int8, 1, "C"), _strided(numbers, 1, True), keys, items, row, found),
        survey_rows: (*labels, found),
        take_class: (*labels, int64, flag, keys, items, table, found),
        finish_rows: (*labels, flag, table, table, table, int64),
        sort: (keys, items, keys, items, int64),
    }[step]
    kernel = FunctionType(step.__code__, step.__globals__)
    return compiled(kernel, signature, step, real, item, parallel=True)


def _scanning(program: Program, error_of: Callable[..., float], real: np.dtype[Any], item: np.dtype[Any]) -> Any:
    """Return :func:`nbloss._cpu.sets.scan` as a kernel, with threads; its functions are those of the program."""
    key = scan, error_of, real, item
    kernel = program.kernels.get(key)
    if kernel is None:
        f = inlined(program.formula)

        def scanning(keys, items, positives, divisor, gradient):  # type: ignore[no-untyped-def]
            return scan(f, error_of, keys, items, positives, divisor, gradient)

        signature = from_dtype(KEYS[real])[::1], from_dtype(item)[::1], int64, float64, _strided(REALS[real], 1)
        kernel = compiled(scanning, signature, f, "scan", error_of.__name__, real, item, parallel=True)
        program.kernels[key] = kernel
    return lambda increment, error_of, *arguments: kernel(*arguments)


def _strided(real: Any, rank: int, readonly: bool = False) -> Any:
    return types.Array(real, rank, "A", readonly=readonly)


@register_jitable(**INLINE)
def _scratch(n: Any, key: Any, item: Any) -> Any:
    """Return room for the keys and items of a set, and for them once more."""
    return np.empty(n, key), np.empty(n, item), np.empty(n, key), np.empty(n, item)


@functools.cache
def _softmax_kernel(real: np.dtype[Any], parallel: bool) -> Any:
    def kernel(z, out, chunks):  # type: ignore[no-untyped-def]
        for c in prange(chunks):
            part = chunk(len(z), chunks, c)
            softmax(z[part], out[part])

    signature = _strided(REALS[real], 2, True), _strided(REALS[real], 2), int64
    return compiled(kernel, signature, softmax, real, parallel=parallel)
