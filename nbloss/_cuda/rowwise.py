"""Losses of rows that are sums over the classes, on a CUDA device.

Each loss has its own kernels, made from its formula: one fills arrays, and adds up values; one adds up what a mean is
divided by; one fills the matrices of second derivatives. Sums are left for each block of threads to a last kernel.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from nbloss._arrays import DOUBLE, divide, strides_of
from nbloss._cuda.arrays import View, in_order, memory, vector
from nbloss._cuda.blocks import BLOCK, blocks_for
from nbloss._cuda.launch import compiled
from nbloss._cuda.layout import NUMBER, Form, alone
from nbloss._cuda.row_classes import RowForms
from nbloss._cuda.row_kernels import filling, pairing, weighing
from nbloss._cuda.row_layout import arrange_rows
from nbloss._cuda.row_targets import Targets
from nbloss._cuda.shared_rows import stage_for
from nbloss._cuda.sums import divided, scratch
from nbloss._cuda.teams import team_for
from nbloss._row_program import RowProgram


def run(
    program: RowProgram, want: str, mean: bool, y: Any, z: View, w: Any, outs: Sequence[View], real: np.dtype[Any]
) -> None:
    """Evaluate a loss row by row, in the type *real*.

    *y* holds labels or rows. *want* has a letter for each array in *outs*: "v", "g", "h" for values, gradients and
    Hessians, "s" for the sum of the values or, with *mean*, their weighted mean. A gradient beside it is scaled alike.
    """
    placed = dict(zip(want, outs, strict=True))
    results = [placed.get(letter) for letter in "vgh"]
    with in_order(z, y, w, *outs) as stream:
        if "s" not in placed:
            _fill(program, y, z, w, 1.0, results, None, real, stream)
            return
        divisor = _divisor(program, y, z, w, stream) if mean else 1.0
        pull: Any = 1.0
        if "g" in placed and isinstance(divisor, View):
            pull = scratch(1, z)
            divided(1.0, divisor, pull, stream)
        elif "g" in placed:
            pull = divide(1.0, divisor)
        sums = scratch(blocks_for(_rows(z) * _team(z)), z)
        _fill(program, y, z, w, pull, results, sums, real, stream)
        divided(sums, divisor, placed["s"], stream)


def run_matrix(program: RowProgram, y: Any, z: View, w: Any, out: View, real: np.dtype[Any]) -> None:
    """Write to *out*, of shape (..., K, K), the weighted second derivatives by each two predictions of a row."""
    rows, classes = _rows(z), z.shape[-1]
    if not rows:
        return
    with in_order(z, y, w, out) as stream:
        team = team_for(rows, classes**2, False)
        lengths, (form, to_form), targets, (y, z_at, w, to) = _arrange(program, y, z, w, [out], real)
        forms = RowForms(form, targets, None, hessian=to_form, together=team > 1)
        kernel = _kernel_for(program, pairing, real, forms)
        kernel[blocks_for(rows * team), BLOCK, stream](
            rows, classes, team, lengths, y, z_at, w, _numbers(program, real), _options(program, z, real), to
        )


def _fill(
    program: RowProgram, y: Any, z: View, w: Any, pull: Any, results: list[Any], sums: View | None, real: np.dtype[Any],
    stream: Any,
) -> None:  # fmt: skip
    """Write values, gradients and Hessians where there are results, and sums of values, a number a block, to *sums*."""
    rows, team = _rows(z), _team(z)
    if not rows and sums is None:
        return
    lengths, (form, *into), targets, (y, z_at, w, *to) = _arrange(program, y, z, w, results, real)
    if not isinstance(pull, View):
        with np.errstate(over="ignore"):
            pull = real.type(pull)
    pull_form, pull = alone(pull)
    sums_form, at = alone(sums)
    value, gradient, hessian = into
    staged, room = stage_for(z.shape[-1], team, real, z_at, to[1:])
    forms = RowForms(form, targets, pull_form, value, gradient, hessian, sums_form, team > 1, staged)
    kernel = _kernel_for(program, filling, real, forms)
    numbers, options = _numbers(program, real), _options(program, z, real)
    kernel[blocks_for(rows * team), BLOCK, stream, room](
        rows, z.shape[-1], team, lengths, y, z_at, w, numbers, options, pull, *to, at
    )  # fmt: skip


def _divisor(program: RowProgram, y: Any, z: View, w: Any, stream: Any) -> Any:
    """Return the sum of the weights of the rows, times those of their classes if they count.

    It is a number, or what is left of it to add up, a number a block of threads.
    """
    factors = program.factors if program.weighs else None
    ignored = program.ignored if _has_labels(y, z) else None
    if factors is None and ignored is None and not isinstance(w, View):
        return float(_rows(z) if w is None else _rows(z) * w)
    team = 1 if factors is None or _has_labels(y, z) else _team(z)
    sums = scratch(blocks_for(_rows(z) * team), z)
    counted = program._replace(factors=factors, softmax=False)
    lengths, _, targets, (y, _, w) = _arrange(counted, y, z, w, [], DOUBLE)
    sums_form, at = alone(sums)
    key = ("cuda", weighing, targets, sums_form)
    if key not in program.kernels:
        program.kernels[key] = compiled(weighing(targets, sums_form), f"{program.formula.__qualname__}.weighing")
    program.kernels[key][blocks_for(_rows(z) * team), BLOCK, stream](
        _rows(z), z.shape[-1], team, lengths, y, w, _factors(counted, z, DOUBLE), ignored or 0, at
    )
    return sums


def _rows(z: View) -> int:
    return math.prod(z.shape[:-1])


def _team(z: View) -> int:
    """Return how many threads work on a row."""
    steps = [abs(step) for step, n in zip(z.strides[:-1], z.shape[:-1], strict=True) if n > 1]
    return team_for(_rows(z), z.shape[-1], min(steps, default=math.inf) < abs(z.strides[-1]))


def _has_labels(y: Any, z: View) -> bool:
    return len(y.shape) < len(z.shape)


def _arrange(
    program: RowProgram, y: Any, z: View, w: Any, results: list[Any], real: np.dtype[Any]
) -> tuple[tuple[int, ...], tuple[Any, ...], Targets, tuple[Any, ...]]:
    """Return the lengths of the axes of the rows, the forms of z and results, and of targets, and all operands."""
    has_labels = _has_labels(y, z)
    if isinstance(w, View):
        w = w._replace(shape=z.shape[:-1], strides=strides_of(w, z.shape[:-1]))
    elif w is not None:
        with np.errstate(over="ignore"):
            w = real.type(w)
    y = y if isinstance(y, View) else np.float64(y)
    lengths, (y_form, z_form, w_form, *forms), operands = arrange_rows(z, [y, z, w, *results])
    targets = Targets(
        y_form if has_labels else None,
        None if has_labels else y_form,
        w_form,
        None if program.factors is None else Form(0, real),
        NUMBER if has_labels and program.ignored is not None else None,
        program.sparse and program.softmax and has_labels and not program.smoothing,
    )
    return lengths, (z_form, *forms), targets, operands


def _options(program: RowProgram, z: View, real: np.dtype[Any]) -> tuple[Any, ...]:
    """Return what multiplies targets, how they are smoothed, the label left out, and what multiplies results.

    If Hessians are to have another shape, also what multiplies them, and the least of them.
    """
    scale = program.scale / (z.shape[-1] if program.averaged else 1)
    numbers = (program.smoothing, program.smoothing / z.shape[-1], scale)
    with np.errstate(over="ignore"):  # a number beyond float32 is infinite there, as on the CPU
        smoothing, share, factor = map(real.type, numbers)
        shapes: tuple[Any, ...] = ()
        if program.floor is not None:
            shapes = (real.type(program.curve), real.type(divide(program.floor, scale)))
        elif program.curve != 1.0:
            shapes = (real.type(program.curve),)
    return (_factors(program, z, real), smoothing, share, program.ignored or 0, factor, *shapes)


def _numbers(program: RowProgram, real: np.dtype[Any]) -> tuple[Any, ...]:
    with np.errstate(over="ignore"):
        return tuple(map(real.type, program.numbers))


def _factors(program: RowProgram, z: View, real: np.dtype[Any]) -> Any:
    return 0 if program.factors is None else memory(vector(program.factors, real, z.stream))


def _kernel_for(program: RowProgram, role: Any, real: np.dtype[Any], forms: RowForms) -> Any:
    """Return the kernel that *role*, :func:`filling` or :func:`pairing`, makes for operands of these forms."""
    key = ("cuda", role, real, forms, program.curve != 1.0, program.floor is not None)
    if key not in program.kernels:
        name = f"{program.formula.__qualname__}.{role.__name__}"
        program.kernels[key] = compiled(role(program, real, forms), name)
    return program.kernels[key]
