"""Losses in which every element stands alone, on a CUDA device.

Each loss has its own kernels, made from its formula: one fills arrays; one adds up, and leaves a sum for each block of
threads to a last kernel, which all losses share. Where arrays are aligned vectors, a thread loads 16 bytes at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import cuda

from nbloss._arrays import DOUBLE, divide
from nbloss._cuda.arrays import View, in_order, vector
from nbloss._cuda.blocks import BLOCK, blocks_for, evaluator, tree, unless_masked, weigh
from nbloss._cuda.launch import compiled
from nbloss._cuda.layout import NUMBER, Form, alone, arrange, as_it_is, on_device, reader, readers, spread, writer
from nbloss._cuda.sums import divided, scratch
from nbloss._cuda.wide import adding, evaluating, is_wide, loader, storer, width_for
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
    wide = _is_wide(forms, operands)
    width = width_for(real.itemsize) if wide else 1
    kernel = kernel_for(program, filling, real, forms, wide)
    blocks = -(-z.size // (width * BLOCK))
    kernel[blocks, BLOCK, stream](z.size, lengths, *operands[:6], operands[6:])


def _is_wide(forms: Sequence[Any], operands: Sequence[Any]) -> bool:
    """Whether several elements can be loaded at once: all arrays are vectors in memory, and begin where they must."""
    return all(form is None or form == NUMBER or form.rank == 0 for form in forms) and is_wide(operands)


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
    blocks = blocks_for(-(-z.size // width_for(real.itemsize)))
    values, weights = scratch(blocks, z), scratch(blocks, z) if sums_weights else None
    lengths, forms, operands = arrange(z, [y, z, w, gradient, *_numbers(program, z, real)])
    more_forms, more = zip(*map(alone, (scale, values, weights)), strict=True)
    kernel = kernel_for(program, summing, real, (*more_forms, *forms), _is_wide(forms, operands))
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


def kernel_for(program: Program, role: Any, real: np.dtype[Any], forms: tuple[Any, ...], wide: bool) -> Any:
    """Return the kernel that *role*, :func:`filling` or :func:`summing`, makes for operands of these forms.

    If *wide*, they are loaded several elements at once.
    """
    key = ("cuda", role, real, forms, wide)
    kernel = program.kernels.get(key)
    if kernel is None:
        name = f"{program.formula.__qualname__}.{role.__name__}"
        kernel = program.kernels[key] = compiled(role(evaluator(program, real), real.type, forms, wide), name)
    return kernel


def filling(evaluate: Any, real: Any, forms: tuple[Any, ...], wide: bool) -> Any:
    """Return the kernel that writes those of weighted values, gradients and Hessians that have a form.

    A thread has one element or, if *wide*, as many as it loads at once. Those left over at the end are the last one's.
    """
    read_numbers, as_weight = readers(forms[6:], real), as_weight_of(forms[2])

    def one(y: Any, z: Any, w: Any, numbers: Any, i: Any, lengths: Any) -> Any:
        v, g, h = evaluate(real(y), real(z), read_numbers(numbers, i, lengths))
        weight = as_weight(w)
        return weigh(v, weight), weigh(g, weight), weigh(h, weight)

    def made(width: int) -> Any:
        """Return the function that works on so many elements."""
        load_y, load_z, load_w = (loader(form, width, width > 1) for form in forms[:3])
        store_value, store_gradient, store_hessian = (storer(form, width, width > 1) for form in forms[3:6])
        evaluate_all = evaluating(on_device(one), width)

        def work(i, lengths, y, z, w, value, gradient, hessian, numbers):  # type: ignore[no-untyped-def]
            v, g, h = evaluate_all(
                load_y(y, i, lengths), load_z(z, i, lengths), load_w(w, i, lengths), numbers, i, lengths
            )
            store_value(value, i, lengths, v)
            store_gradient(gradient, i, lengths, g)
            store_hessian(hessian, i, lengths, h)

        return on_device(work)

    width = width_for(real().itemsize) if wide else 1
    work, work_on_one = made(width), made(1)

    def kernel(size, lengths, y, z, w, value, gradient, hessian, numbers):  # type: ignore[no-untyped-def]
        i = cuda.grid(1) * width
        if i + width <= size:
            work(i, lengths, y, z, w, value, gradient, hessian, numbers)
        elif width > 1:
            while i < size:
                work_on_one(i, lengths, y, z, w, value, gradient, hessian, numbers)
                i += 1

    return kernel


def summing(evaluate: Any, real: Any, forms: tuple[Any, ...], wide: bool) -> Any:
    """Return the kernel that adds up weighted values for each block of threads, and weights if their sums have a form.

    It also writes the gradients, multiplied by a scale. Elements are added in the same order whether *wide* or not.
    """
    read_scale, write_values, write_weights = reader(forms[0]), writer(forms[1]), writer(forms[2])
    read_numbers, as_weight = readers(forms[7:], real), as_weight_of(forms[5])
    sums_weights, width = forms[2] is not None, width_for(real().itemsize)

    def one(y: Any, z: Any, w: Any, common: Any, i: Any, lengths: Any) -> Any:
        numbers, factor = common
        v, g, _ = evaluate(real(y), real(z), read_numbers(numbers, i, lengths))
        weight = as_weight(w)
        return weigh(np.float64(v), weight), unless_masked(weigh(g, weight) * factor, weight), weight

    def made(width: int, wide: bool) -> Any:
        """Return the function that gives the values and weights of so many elements, and writes their gradients."""
        load_y, load_z, load_w = (loader(form, width, wide) for form in forms[3:6])
        store_gradient, evaluate_all = storer(forms[6], width, wide), evaluating(on_device(one), width)

        def work(i, lengths, y, z, w, gradient, common):  # type: ignore[no-untyped-def]
            values, gradients, weights = evaluate_all(
                load_y(y, i, lengths), load_z(z, i, lengths), load_w(w, i, lengths), common, i, lengths
            )
            store_gradient(gradient, i, lengths, gradients)
            return values, weights

        return on_device(work)

    work, work_on_one = made(width, wide), made(1, False)
    add, add_one, add_weights = adding(width), adding(1), adding(width) if sums_weights else _not_added
    add_weight = adding(1) if sums_weights else _not_added

    def kernel(size, lengths, scale, values, weights, y, z, w, gradient, numbers):  # type: ignore[no-untyped-def]
        common = numbers, read_scale(scale, 0, lengths)
        value_sum = weight_sum = np.float64(0)
        i = cuda.grid(1) * width
        while i + width <= size:
            some, some_weights = work(i, lengths, y, z, w, gradient, common)
            value_sum = add(value_sum, some)
            weight_sum = add_weights(weight_sum, some_weights)
            i += cuda.gridsize(1) * width
        while i < size:
            some_, some_weights_ = work_on_one(i, lengths, y, z, w, gradient, common)
            value_sum = add_one(value_sum, some_)
            weight_sum = add_weight(weight_sum, some_weights_)
            i += 1
        value_sum = tree(value_sum)
        if sums_weights:
            weight_sum = tree(weight_sum)
        if cuda.threadIdx.x == 0:
            write_values(values, cuda.blockIdx.x, lengths, value_sum)
            write_weights(weights, cuda.blockIdx.x, lengths, weight_sum)

    return kernel


_not_added = on_device(lambda total, x: total)


def as_weight_of(form: Any) -> Any:
    """Return the function that makes of a weight what is multiplied: a float."""
    return np.float64 if isinstance(form, Form) and form.dtype.kind in "biu" else as_it_is
