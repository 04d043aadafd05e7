"""Losses in which every element stands alone, on a CUDA device.

Each loss has its own kernels, made from its formula: one fills arrays; one adds up, and leaves a sum for each block of
threads to a last kernel, which all losses share. They are compiled anew in every process: numba-cuda's own cache knows
a kernel by its source file, not by the formula and the functions that it calls, and would serve stale code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import cuda

from nbloss._arrays import DOUBLE, divide
from nbloss._cuda.arrays import View, in_order, vector
from nbloss._cuda.blocks import BLOCK, blocks_for, evaluator, plus, tree, weigh
from nbloss._cuda.launch import compiled
from nbloss._cuda.layout import Form, alone, arrange, as_it_is, reader, readers, spread, writer
from nbloss._cuda.sums import divided, scratch
from nbloss._program import Program
from nbloss.loss import REAL, Domain


def run(
    program: Program, want: str, mean: bool, y: Any, z: View, w: Any, outs: Sequence[View], real: np.dtype[Any]
) -> None:
    """Evaluate a loss element by element, in the type *real*.

    *want* has a letter for each array in *outs*: "v", "g", "h" for the values, gradients and Hessians, "s" for the sum
    of the values or, with *mean*, their weighted mean. A gradient beside it is scaled as it is.
    """
    y, w = (spread(a, z.shape) for a in (y, w))
    placed = dict(zip(want, outs, strict=True))
    more = [x for x in program.numbers if isinstance(x, View)]
    with in_order(z, y, w, *more, *outs) as stream:
        if "s" in placed:
            _reduce(program, mean, y, z, w, placed.get("g"), placed["s"], real, stream)
        elif z.size:
            _fill(program, y, z, w, [placed.get(letter) for letter in "vgh"], real, stream)


def _fill(
    program: Program, y: Any, z: View, w: Any, outs: Sequence[View | None], real: np.dtype[Any], stream: Any
) -> None:
    lengths, forms, operands = arrange(z, [y, z, w, *outs, *_numbers(program, z, real)])
    kernel = kernel_for(program, filling, real, forms)
    kernel[blocks_for(z.size), BLOCK, stream](z.size, lengths, *operands[:6], operands[6:])


def _reduce(
    program: Program, mean: bool, y: Any, z: View, w: Any, gradient: Any, result: View, real: np.dtype[Any], stream: Any
) -> None:
    divisor: Any = 1.0
    scale: Any = 1.0
    sums_weights = mean and isinstance(w, View)
    if mean and not sums_weights:
        divisor = float(z.size if w is None else z.size * w)
        scale = divide(1.0, divisor)
    elif sums_weights and gradient is not None:  # the gradient's scale is needed before the sum is there
        divisor = sum_of(w, stream)
        scale = scratch(1, z)
        divided(1.0, divisor, scale, stream)
        sums_weights = False
    values, weights = _sums(program, y, z, w, gradient, scale, sums_weights, real, stream)
    divided(values, weights if sums_weights else divisor, result, stream)


def sum_of(w: View, stream: Any) -> View:
    """Return a vector of numbers of which the sum is that of *w*."""
    return _sums(_ONE, w, w, w, None, 1.0, False, DOUBLE, stream)[0]


def ratio(total: View, weight: View, result: View) -> None:
    """Write the quotient of two 0-d arrays."""
    with in_order(result, total, weight) as stream:
        divided(total, weight, result, stream)


def _one(y: Any, z: Any) -> tuple[Any, Any, Any]:
    return type(z)(1), type(z)(0), type(z)(0)


_ONE = Program(_one, (), (), Domain(REAL, REAL), {}, False, {})  # its weighted sum is that of the weights


def _sums(
    program: Program, y: Any, z: View, w: Any, gradient: Any, scale: Any, sums_weights: bool, real: np.dtype[Any],
    stream: Any,
) -> tuple[View, View | None]:  # fmt: skip
    """Write the gradient, scaled; return the sums, a number a block, of the weighted values and of the weights."""
    blocks = blocks_for(z.size)
    values, weights = scratch(blocks, z), scratch(blocks, z) if sums_weights else None
    lengths, forms, operands = arrange(z, [y, z, w, gradient, *_numbers(program, z, real)])
    more_forms, more = zip(*map(alone, (scale, values, weights)), strict=True)
    kernel = kernel_for(program, summing, real, (*more_forms, *forms))
    kernel[blocks, BLOCK, stream](z.size, lengths, *more, *operands[:4], operands[4:])
    return values, weights


def _numbers(program: Program, z: View, real: np.dtype[Any]) -> list[Any]:
    """Return the numbers that the formula takes, those of the classes as views with the shape of *z*."""
    strides = (*[0] * (len(z.shape) - 1), real.itemsize)
    numbers: list[Any] = []
    with np.errstate(over="ignore"):  # a number beyond float32 is infinite there, as on the CPU
        for x in program.numbers:
            if isinstance(x, View):  # one for each element
                numbers.append(spread(x, z.shape))
            elif type(x) is tuple:
                numbers.append(vector(x, real, z.stream)._replace(shape=z.shape, strides=strides))
            else:
                numbers.append(None if x is None else real.type(x))  # also of an array of one number
    return numbers


def kernel_for(program: Program, role: Any, real: np.dtype[Any], forms: tuple[Any, ...]) -> Any:
    """Return the kernel that *role*, :func:`filling` or :func:`summing`, makes for operands of these forms."""
    key = ("cuda", role, real, forms)
    kernel = program.kernels.get(key)
    if kernel is None:
        name = f"{program.formula.__qualname__}.{role.__name__}"
        kernel = program.kernels[key] = compiled(role(evaluator(program, real), real.type, forms), name)
    return kernel


def filling(evaluate: Any, real: Any, forms: tuple[Any, ...]) -> Any:
    """Return the kernel that writes those of weighted values, gradients and Hessians that have a form."""
    read_y, read_z, read_w = (reader(form) for form in forms[:3])
    write_value, write_gradient, write_hessian = (writer(form) for form in forms[3:6])
    read_numbers, as_weight = readers(forms[6:], real), as_weight_of(forms[2])

    def kernel(size, lengths, y, z, w, value, gradient, hessian, numbers):  # type: ignore[no-untyped-def]
        i = cuda.grid(1)
        while i < size:
            v, g, h = evaluate(
                real(read_y(y, i, lengths)), real(read_z(z, i, lengths)), read_numbers(numbers, i, lengths)
            )
            weight = as_weight(read_w(w, i, lengths))
            write_value(value, i, lengths, weigh(v, weight))
            write_gradient(gradient, i, lengths, weigh(g, weight))
            write_hessian(hessian, i, lengths, weigh(h, weight))
            i += cuda.gridsize(1)

    return kernel


def summing(evaluate: Any, real: Any, forms: tuple[Any, ...]) -> Any:
    """Return the kernel that adds up weighted values for each block of threads, and weights if their sums have a form.

    It also writes the gradients, multiplied by a scale.
    """
    read_scale, write_values, write_weights = reader(forms[0]), writer(forms[1]), writer(forms[2])
    read_y, read_z, read_w, write_gradient = *(reader(form) for form in forms[3:6]), writer(forms[6])
    read_numbers, as_weight = readers(forms[7:], real), as_weight_of(forms[5])
    sums_weights = forms[2] is not None

    def kernel(size, lengths, scale, values, weights, y, z, w, gradient, numbers):  # type: ignore[no-untyped-def]
        factor = read_scale(scale, 0, lengths)
        value_sum = weight_sum = np.float64(0)
        i = cuda.grid(1)
        while i < size:
            v, g, _ = evaluate(
                real(read_y(y, i, lengths)), real(read_z(z, i, lengths)), read_numbers(numbers, i, lengths)
            )
            weight = as_weight(read_w(w, i, lengths))
            value_sum += weigh(np.float64(v), weight)
            weight_sum = plus(weight_sum, weight)
            write_gradient(gradient, i, lengths, weigh(g, weight) * factor)
            i += cuda.gridsize(1)
        value_sum = tree(value_sum)
        if sums_weights:
            weight_sum = tree(weight_sum)
        if cuda.threadIdx.x == 0:
            write_values(values, cuda.blockIdx.x, lengths, value_sum)
            write_weights(weights, cuda.blockIdx.x, lengths, weight_sum)

    return kernel


def as_weight_of(form: Any) -> Any:
    """Return the function that makes of a weight what is multiplied: a float."""
    return np.float64 if isinstance(form, Form) and form.dtype.kind in "biu" else as_it_is
