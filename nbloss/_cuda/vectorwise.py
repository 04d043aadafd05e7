"""Losses of vectors along the last axis, on a CUDA device: each row is the work of one thread.

It reads the row twice, once for its size and once for its sums, and again for derivatives. All is computed in float64.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import cuda, float64

from nbloss._arrays import DOUBLE, divide
from nbloss._compile import inlined
from nbloss._cuda.arrays import View, in_order
from nbloss._cuda.blocks import BLOCK, blocks_for, tree
from nbloss._cuda.launch import compiled
from nbloss._cuda.layout import alone, in_c_order, reader, spread, writer
from nbloss._cuda.pointwise import as_weight_of, sum_of
from nbloss._cuda.sums import divided, scratch
from nbloss._cuda.tuples import (
    adder,
    caster,
    double_readers,
    inverse,
    larger,
    mapper,
    over_size,
    power_of_2,
    writers,
)
from nbloss._program import VectorProgram


def run(
    program: VectorProgram, whole: bool, of_numbers: bool, mean: bool, y: Any, zs: list[Any], w: Any,
    placed: dict[str, list[Any]],
) -> None:  # fmt: skip
    """Evaluate a loss of vectors.

    *whole* tells whether targets *y* are vectors too, else there is one for each or none; *of_numbers* whether there
    is no axis of elements, and a vector is one number. *placed* has arrays by letters: "v", "g", "h" for values,
    gradients and Hessians, "m" for matrices of second derivatives, "s" for the sum of the values or, with *mean*,
    their weighted mean. A gradient beside it is scaled as it is.
    """
    z = zs[0]
    shape = z.shape if of_numbers else z.shape[:-1]
    size, count = 1 if of_numbers else z.shape[-1], math.prod(shape)
    vectors = [spread(y, z.shape), *zs] if whole else zs
    labels, w = None if whole else spread(y, shape), spread(w, shape)
    gradients, hessians, matrices = (placed.get(letter, []) for letter in "ghm")
    sums = "s" in placed
    outs = [a for found in placed.values() for a in found]
    with in_order(z, *zs, y, w, *outs) as stream:
        divisor: Any = 1.0
        scale: Any = 1.0
        if mean and sums:
            divisor = sum_of(w, stream) if isinstance(w, View) else float(count if w is None else count * w)
            if gradients and isinstance(w, View):
                scale = scratch(1, z)
                divided(1.0, divisor, scale, stream)
            elif gradients:
                scale = divide(1.0, divisor)
        partial = scratch(blocks_for(count), z) if sums else None
        values = placed.get("v", [None])[0]
        row_lengths, row_forms, rows = in_c_order(shape, [labels, w, values])
        lengths, forms, elements = in_c_order(z.shape, [*vectors, *gradients, *hessians])
        first, second = len(vectors), len(vectors) + len(gradients)
        matrix_lengths: Any = (1,)
        matrix_forms: Any = ()
        tables: Any = ()
        if matrices:
            matrix_lengths, matrix_forms, tables = in_c_order(matrices[0].shape, matrices)
        (partial_form, scale_form), (sums_at, scale_at) = zip(*map(alone, (partial, scale)), strict=True)
        if count or sums:
            of_elements = forms[:first], forms[first:second], forms[second:]
            kernel = _kernel(program, (row_forms, *of_elements, matrix_forms, partial_form, scale_form))
            kernel[blocks_for(count), BLOCK, stream](
                count, size, row_lengths, lengths, matrix_lengths, rows, elements[:first],
                elements[first:second], elements[second:], tables, program.numbers, scale_at, sums_at,
            )  # fmt: skip
        if partial is not None:
            divided(partial, divisor, placed["s"][0], stream)


def _kernel(program: VectorProgram, forms: tuple[Any, ...]) -> Any:
    key = ("cuda", DOUBLE, forms)
    kernel = program.kernels.get(key)
    if kernel is None:
        kernel = program.kernels[key] = compiled(evaluating(program, *forms), f"{program.finish.__qualname__}.rows")
    return kernel


def evaluating(
    program: VectorProgram, row_forms: Any, forms: Any, gradient_forms: Any, hessian_forms: Any, matrix_forms: Any,
    partial_form: Any, scale_form: Any,
) -> Any:  # fmt: skip
    """Return the kernel that writes values, derivatives and matrices, and adds up for each block of threads."""
    vectors, terms, finish, slopes, curvature = map(
        inlined, (program.vectors, program.terms, program.finish, program.slopes, program.curvature)
    )
    choices, (many, width) = program.choices, program.counts
    read_y, read_w, write_value = reader(row_forms[0]), reader(row_forms[1]), writer(row_forms[2])
    has_label, is_weighted, as_weight = row_forms[0] is not None, row_forms[1] is not None, as_weight_of(row_forms[1])
    read, read_scale, write_sum = double_readers(forms), reader(scale_form), writer(partial_form)
    write_gradients, write_hessians, write_matrices = map(writers, (gradient_forms, hessian_forms, matrix_forms))
    derives, has_matrices, adds = bool(gradient_forms or hessian_forms), bool(matrix_forms), partial_form is not None
    add, most_of, sizes_of, inverses_of = (
        adder(width),
        mapper(larger, many),
        mapper(power_of_2, many),
        mapper(inverse, many),
    )
    scaled, doubles, no_vectors, no_sums = (
        mapper(over_size, many),
        caster(np.float64, width),
        (0.0,) * many,
        (0.0,) * width,
    )
    start, nan, several = caster(np.float64, many), math.nan, len(forms)

    def kernel(  # type: ignore[no-untyped-def]
        count, size, row_lengths, lengths, matrix_lengths, rows, elements, gradients, hessians, matrices, numbers,
        scale, partial,
    ):  # fmt: skip
        factor_of_gradient = float64(read_scale(scale, 0, lengths))
        total = float64(0)
        r = cuda.grid(1)
        while r < count:
            weight = float64(as_weight(read_w(rows[1], r, row_lengths))) if is_weighted else float64(1)
            label = float64(read_y(rows[0], r, row_lengths)) if has_label else float64(0)
            inside, most, sums = label == label, start(no_vectors), doubles(no_sums)
            for k in range(size):
                x = read(elements, r * size + k, lengths)
                for j in range(several):
                    inside = inside and x[j] == x[j]
                most = most_of(most, vectors(x, *choices))
            sizes = sizes_of(most)
            inverses = inverses_of(sizes)
            for k in range(size):
                u = scaled(vectors(read(elements, r * size + k, lengths), *choices), sizes, inverses)
                sums = add(sums, terms(u, *choices), float64(1))
            found = finish(label, sums, sizes, *numbers, *choices)
            loss, coefficients = found[0] if inside else nan, found[1:]
            weighted = loss * weight if weight != 0 else float64(0)
            factor = float64(0) if weight == 0 else weight if loss == loss else nan
            write_value(rows[2], r, row_lengths, weighted)
            total += weighted
            if derives:
                for k in range(size):
                    i = r * size + k
                    u = scaled(vectors(read(elements, i, lengths), *choices), sizes, inverses)
                    write_gradients(
                        gradients, i, lengths, slopes(u, coefficients, *choices), factor, factor_of_gradient
                    )
                    write_hessians(
                        hessians, i, lengths, curvature(u, u, 1.0, coefficients, *choices), factor, float64(1)
                    )
            if has_matrices:
                for j in range(size):
                    u = scaled(vectors(read(elements, r * size + j, lengths), *choices), sizes, inverses)
                    for k in range(size):
                        v = scaled(vectors(read(elements, r * size + k, lengths), *choices), sizes, inverses)
                        second = curvature(u, v, 1.0 if j == k else 0.0, coefficients, *choices)
                        write_matrices(matrices, (r * size + j) * size + k, matrix_lengths, second, factor, float64(1))
            r += cuda.gridsize(1)
        if adds:
            total = tree(total)
            if cuda.threadIdx.x == 0:
                write_sum(partial, cuda.blockIdx.x, lengths, total)

    return kernel
