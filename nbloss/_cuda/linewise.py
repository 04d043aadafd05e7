"""Losses of rows that are a formula of the whole row, on a CUDA device: a thread evaluates a row.

Each loss has its own kernels, made from its formula: one fills arrays and adds up values, one fills matrices of second
derivatives. Sums are left for each block of threads to a last kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import cuda
from numba.extending import register_jitable

from nbloss._arrays import DOUBLE, coalesce, divide, strides_of
from nbloss._compile import inlined
from nbloss._cuda import pointwise
from nbloss._cuda.arrays import View, as_output, empty, in_order, pointer
from nbloss._cuda.blocks import BLOCK, blocks_for, tree
from nbloss._cuda.launch import compiled
from nbloss._cuda.layout import NUMBER, Form, alone, as_it_is, place_of, reader, writer
from nbloss._cuda.lines import BFloat16Line, Line
from nbloss._cuda.sums import divided, scratch
from nbloss._line_program import LineProgram
from nbloss._lines import Label, at, put
from nbloss._program import Program
from nbloss.loss import REAL, Domain


class LineForms(NamedTuple):
    """The forms of the operands of a kernel."""

    targets: Any
    has_labels: bool
    predictions: Any
    weights: Any
    pull: Any = NUMBER
    value: Any = None
    gradient: Any = None
    hessian: Any = None
    sums: Any = None


def run(
    program: LineProgram, want: str, mean: bool, y: Any, z: View, w: Any, outs: Sequence[View], real: np.dtype[Any]
) -> None:
    """Evaluate a loss row by row, with results in the type *real*.

    *y* holds labels or rows. *want* has a letter for each array in *outs*: "v", "g", "h" for values, gradients and
    Hessians, "s" for the sum of the values or, with *mean*, their weighted mean. A gradient beside it is scaled alike.
    """
    placed = dict(zip(want, outs, strict=True))
    narrow = {
        a: as_output(empty(z.shape, real, z, z.owner)) for a in "gh" if a in placed and not _holds(placed[a], real)
    }
    results = [narrow.get(letter, placed.get(letter)) for letter in "vgh"]
    rows = math.prod(z.shape[:-1])
    with in_order(z, y, w, *outs) as stream:
        pull: Any = 1.0
        if "s" not in placed:
            _fill(program, y, z, w, pull, results, None, stream)
        else:
            divisor: Any = 1.0
            if mean:
                divisor = _sum(w, rows, z, stream) if isinstance(w, View) else float(rows if w is None else rows * w)
            if "g" in placed and isinstance(divisor, View):
                pull = scratch(1, z)
                divided(1.0, divisor, pull, stream)
            elif "g" in placed:
                pull = divide(1.0, divisor)
            sums = scratch(blocks_for(rows), z)
            _fill(program, y, z, w, pull, results, sums, stream)
            divided(sums, divisor, placed["s"], stream)
    for letter, a in narrow.items():
        pointwise.run(_COPY, "v", False, a, a, None, [placed[letter]], real)


def run_matrix(program: LineProgram, y: Any, z: View, w: Any, out: View, real: np.dtype[Any]) -> None:
    """Write to *out*, of shape (..., K, K), the weighted second derivatives by each two predictions of a row."""
    rows, classes = math.prod(z.shape[:-1]), z.shape[-1]
    if not rows:
        return
    with in_order(z, y, w, out) as stream:
        flat = out._replace(shape=(*z.shape[:-1], classes**2), strides=out.strides[:-1])
        lengths, forms, (y, z_at, w, to) = _arranged(y, z, w, [flat])
        kernel = _kernel_for(program, pairing, forms(hessian=Form(len(lengths), out.dtype)))
        kernel[blocks_for(rows), BLOCK, stream](rows, classes, lengths, y, z_at, w, program.numbers, to)


def _holds(out: View, real: np.dtype[Any]) -> bool:
    """Whether formulas may read back from *out* what they have written."""
    return out.dtype in (real, DOUBLE)


def _copied(y: Any, z: Any) -> tuple[Any, Any, Any]:
    return z, z, z


_COPY = Program(_copied, (), (), Domain(REAL, REAL), {}, False, {})


def _fill(
    program: LineProgram, y: Any, z: View, w: Any, pull: Any, results: Sequence[Any], sums: View | None, stream: Any
) -> None:
    """Write values, gradients and Hessians where there are results, and sums of values, a number a block, to *sums*."""
    rows = math.prod(z.shape[:-1])
    if not rows and sums is None:
        return
    lengths, forms, (y, z_at, w, *to) = _arranged(y, z, w, results)
    rank = len(lengths)
    names = [None if a is None else Form(rank, a.dtype) for a in results]
    (pull_form, pull), (sums_form, sums_at) = alone(pull), alone(sums)
    kernel = _kernel_for(program, filling, forms(pull_form, *names, sums_form))
    kernel[blocks_for(rows), BLOCK, stream](rows, z.shape[-1], lengths, y, z_at, w, program.numbers, pull, *to, sums_at)


def _arranged(y: Any, z: View, w: Any, results: Sequence[Any]) -> tuple[tuple[int, ...], Callable[..., Any], list[Any]]:
    """Return the lengths of the axes of the rows, what makes the forms, and the operands along these axes."""
    lead = z.shape[:-1]
    rank, has_labels = len(lead), len(y.shape) < len(z.shape)
    y = y if isinstance(y, View) else np.float64(y)
    if isinstance(w, View):
        w = w._replace(shape=lead, strides=strides_of(w, lead))
    elif w is not None:
        w = np.float64(w)
    arrays = [y, z, w, *results]
    views = [a for a in arrays if isinstance(a, View)]
    lengths, strides = coalesce(lead, [*(a.strides[:rank] for a in views), z.strides[:rank]])
    along = iter(strides)
    operands = [_operand(a, next(along), rank) if isinstance(a, View) else alone(a)[1] for a in arrays]
    y_form, z_form, w_form = (Form(len(lengths), a.dtype) if isinstance(a, View) else alone(a)[0] for a in arrays[:3])

    def forms(*rest: Any, **named: Any) -> LineForms:
        return LineForms(y_form, has_labels, z_form, w_form, *rest, **named)

    return tuple(lengths), forms, operands


def _operand(a: View, strides: Sequence[int], rank: int) -> tuple[Any, ...]:
    """Return memory, place of element 0, steps along the axes of the rows and, if there is one, within a row."""
    size = a.dtype.itemsize
    operand = pointer(a), a.start, tuple(s // size for s in strides)
    return (*operand, a.strides[rank] // size) if len(a.shape) > rank else operand


def _sum(w: View, rows: int, z: View, stream: Any) -> View:
    """Return the sum of the weights of the rows, as numbers to add up."""
    sums = scratch(blocks_for(rows), z)
    lead = z.shape[:-1]
    w = w._replace(shape=lead, strides=strides_of(w, lead))
    lengths, (steps,) = coalesce(lead, [w.strides])
    form, (sums_form, sums_at) = Form(len(lengths), w.dtype), alone(sums)
    key = ("weights", form)
    if key not in _kernels:
        _kernels[key] = compiled(_weighing(form, sums_form), "weights")
    _kernels[key][blocks_for(rows), BLOCK, stream](rows, tuple(lengths), _operand(w, steps, len(lead)), sums_at)
    return sums


_kernels: dict[Any, Any] = {}


def _kernel_for(program: LineProgram, role: Any, forms: LineForms) -> Any:
    """Return the kernel that *role*, :func:`filling` or :func:`pairing`, makes for operands of these forms."""
    key = ("cuda", role, forms)
    kernel = program.kernels.get(key)
    if kernel is None:
        kernel = program.kernels[key] = compiled(
            role(program, forms), f"{program.formula.__qualname__}.{role.__name__}"
        )
    return kernel


def filling(program: LineProgram, forms: LineForms) -> Any:
    """Return the kernel that writes those of weighted values, gradients and Hessians that have a form, and sums."""
    evaluate, line_z, target = _evaluator(program), _line_of(forms.predictions), _target_of(forms)
    line_g, line_h, write_value = _line_of(forms.gradient), _line_of(forms.hessian), writer(forms.value)
    read_w, read_pull, write_sums = reader(forms.weights), reader(forms.pull), writer(forms.sums)
    scale_g, scale_h = (_scaler(form is not None) for form in (forms.gradient, forms.hessian))
    as_weight = _as_one if forms.weights is None else np.float64
    adds_up = forms.sums is not None

    def kernel(size, classes, lengths, y, z, w, numbers, pull, value, gradient, hessian, sums):  # type: ignore[no-untyped-def]
        factor = read_pull(pull, 0, lengths)
        total = np.float64(0)
        i = cuda.grid(1)
        while i < size:
            t, is_target = target(y, i, lengths, classes)
            g, h = line_g(gradient, i, lengths), line_h(hessian, i, lengths)
            v = evaluate(t, line_z(z, i, lengths), g, h, classes, numbers)
            v = v if is_target else math.nan
            weight = as_weight(read_w(w, i, lengths))
            x = _masked(v * weight, weight)
            write_value(value, i, lengths, x)
            total += x
            times = weight * factor if v == v else math.nan
            scale_g(g, classes, times, weight)
            scale_h(h, classes, times, weight)
            i += cuda.gridsize(1)
        if adds_up:
            total = tree(total)
            if cuda.threadIdx.x == 0:
                write_sums(sums, cuda.blockIdx.x, lengths, total)

    return kernel


def pairing(program: LineProgram, forms: LineForms) -> Any:
    """Return the kernel that writes matrices of second derivatives."""
    evaluate, line_z, target = _evaluator(program), _line_of(forms.predictions), _target_of(forms)
    read_w, mixed, place = reader(forms.weights), inlined(program.mixed), place_of(forms.hessian.rank)
    as_weight, scale_diagonal = _as_one if forms.weights is None else np.float64, _scaler(True)

    def kernel(size, classes, lengths, y, z, w, numbers, out):  # type: ignore[no-untyped-def]
        i = cuda.grid(1)
        while i < size:
            t, is_target = target(y, i, lengths, classes)
            first = out[1] + place(i, lengths, out[2])
            diagonal = Line(out[0], first, classes + 1)
            v = evaluate(t, line_z(z, i, lengths), None, diagonal, classes, numbers)
            weight = as_weight(read_w(w, i, lengths))
            times = weight if is_target and v == v else math.nan
            for j in range(classes):
                for k in range(classes):
                    if j != k:
                        out[0][first + j * classes + k] = _masked(mixed(t, diagonal, j, k) * times, weight)
            scale_diagonal(diagonal, classes, times, weight)
            i += cuda.gridsize(1)

    return kernel


def _weighing(form: Any, sums_form: Any) -> Any:
    """Return the kernel that adds up weights."""
    read_w, write_sums = reader(form), writer(sums_form)

    def kernel(size, lengths, w, sums):  # type: ignore[no-untyped-def]
        total = np.float64(0)
        i = cuda.grid(1)
        while i < size:
            total += read_w(w, i, lengths)
            i += cuda.gridsize(1)
        total = tree(total)
        if cuda.threadIdx.x == 0:
            write_sums(sums, cuda.blockIdx.x, lengths, total)

    return kernel


# What kernels of lines are made of


def _device(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let kernels call *function*."""
    registered: Callable[..., Any] = register_jitable(function)
    return registered


@_device
def _as_one(w: Any) -> Any:
    return 1.0


@_device
def _masked(x: Any, weight: Any) -> Any:
    """Return *x*, and exactly 0 where the row has no weight."""
    return x if weight != 0.0 else 0.0


def _evaluator(program: LineProgram) -> Callable[..., Any]:
    """Return the function that evaluates the formula of a row: nan where an element lies outside the domain."""
    f, choices = inlined(program.formula), program.choices
    (low_t, high_t), (low_z, high_z) = ((float(interval.low), float(interval.high)) for interval in program.domain)

    def evaluate(t: Any, z: Any, gradient: Any, hessian: Any, classes: Any, numbers: Any) -> Any:
        inside = True
        for k in range(classes):
            u, x = at(t, k), at(z, k)
            inside = inside and low_t <= u and u <= high_t and low_z <= x and x <= high_z
        value = f(t, z, gradient, hessian, classes, *numbers, *choices)
        return value if inside else math.nan

    return _device(evaluate)


def _line_of(form: Any) -> Callable[..., Any]:
    """Return the function that gives row i of an operand, from i and the lengths of the axes of the rows."""
    if form is None:
        return _device(lambda a, i, lengths: None)
    place, make = place_of(form.rank), BFloat16Line if form.dtype.name == "bfloat16" else Line
    return _device(lambda a, i, lengths: make(a[0], a[1] + place(i, lengths, a[2]), a[3]))


def _target_of(forms: LineForms) -> Callable[..., Any]:
    """Return the function that gives the line of targets of row i, and whether its label is one."""
    if not forms.has_labels:
        line = _line_of(forms.targets)
        return _device(lambda y, i, lengths, classes: (line(y, i, lengths), True))
    read, has_fractions = reader(forms.targets), forms.targets == NUMBER or forms.targets.dtype.kind not in "biu"
    whole = math.floor if has_fractions else as_it_is
    number = np.float64 if has_fractions else np.int64

    def label(y: Any, i: Any, lengths: Any, classes: Any) -> Any:
        x = number(read(y, i, lengths))
        is_label = x >= 0 and x < classes and x == whole(x)
        return Label(np.int64(x) if is_label else np.int64(0)), is_label  # type: ignore[arg-type]  # an int for numba

    return _device(label)


def _scaler(is_there: bool) -> Callable[..., Any]:
    """Return the function that multiplies a line of derivatives; without weight they are 0."""
    if not is_there:
        return _device(lambda line, classes, factor, weight: None)

    def scale(line: Any, classes: Any, factor: Any, weight: Any) -> None:
        for k in range(classes):
            put(line, k, _masked(at(line, k) * factor, weight))

    return _device(scale)
