"""The kernels of losses that are sums over the classes of a row, made from a formula.

*Columns* are for few classes: a block of rows lies transposed in a scratch, and each loop runs over its rows. *Lines*
are for many classes: row after row, and each loop runs over the classes. Of both there is a *sparse* form, where with
labels one class of a row tells all, and a *dense* one.

Arrays are contiguous: (rows, classes), or (classes, rows) if not *by_lines*.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import prange

from nbloss._compile import inlined
from nbloss._cpu.blocks import add_up
from nbloss._cpu.lanes import fold, row
from nbloss._cpu.rows import (
    WIDTH,
    columns_exp,
    columns_top,
    factor_of,
    keep,
    label_of,
    line_exp,
    line_top,
    take,
    take_back,
    target_of,
    targets,
    transpose,
    transpose_back,
    weight_of,
)
from nbloss._cpu.sums import total
from nbloss._math import exp_difference
from nbloss._row_program import RowProgram
from nbloss._rows import (
    but_one,
    complement,
    finite,
    inverse_of_mass,
    is_inside,
    log_mass,
    log_probability,
    masked,
    nan_unless,
    pulled_back,
    smoothed,
)

CHUNK = 4  # blocks that share a scratch
MOST = 256
"""The most rows in a block. A constant: by constant distances LLVM tells rows of a scratch apart, and vectorises."""


class Options(NamedTuple):
    """What a loss of rows does besides its formula, as kernels see it."""

    factors: Any
    """A number for each class, or None."""
    smoothing: Any
    share: Any
    """What every class gets of the smoothing: its K-th part."""
    ignored: Any
    """The label of rows that are left out."""
    scale: Any
    """What multiplies all results ..."""
    pull: Any
    """... and what multiplies derivatives besides ..."""
    curve: Any
    """... and what multiplies Hessians besides."""


def columns_sparse(program: RowProgram, bounds: Any, by_lines: bool) -> Any:
    """Return the kernel for labels and few classes."""
    f, choices = inlined(program.formula), program.choices
    load, store = (transpose, transpose_back) if by_lines else (take, take_back)

    def block(y, z, w, first, rows, classes, numbers, options, wide, narrow, sums, gradient, hessian):  # type: ignore[no-untyped-def]
        real = wide.dtype.type
        e = wide[0, : classes * rows].reshape(classes, rows)
        other = wide[1, : classes * rows].reshape(classes, rows)
        values, weight, top, r, inverse, own = narrow[0], narrow[1], narrow[2], narrow[3], narrow[4], narrow[5]
        slope, bend, own_slope, own_bend = narrow[6], narrow[7], narrow[8], narrow[9]
        load(z, first, other)
        columns_top(other, top)
        for i in range(rows):
            k = label_of(y, first + i, options.ignored)
            own[i], slope[i], values[i] = real(k), other[k, i], factor_of(options.factors, k, real)
            weight[i] = weight_of(y, w, first + i, options.ignored, real) * options.scale
        columns_exp(other, e, top, r, sums[0], sums[1])
        for i in range(rows):
            bend[i] = e[np.int64(own[i]), i]
        for i in range(rows):
            r[i] = real(sums[0, i])
            turn = inverse_of_mass(r[i])
            p, q = bend[i] * turn, complement(bend[i], r[i], turn)
            x = log_probability(slope[i], top[i], log_mass(r[i]))
            v, a, b = f(values[i], x, p, q, *numbers, *choices)
            values[i] = masked(v * weight[i], weight[i])
            pull = weight[i] * options.pull
            inverse[i], slope[i], bend[i] = turn, a * pull, b * pull
            own_slope[i] = (a * q) * pull
            own_bend[i] = ((b * q) * q - (a * p) * q) * pull
        if gradient is not None or hessian is not None:
            for k in range(classes):
                column, beside, me = e[k], other[k], real(k)
                for i in range(rows):
                    p, q = column[i] * inverse[i], complement(column[i], r[i], inverse[i])
                    # loaded first: a load that may not happen becomes a gather
                    is_own, slope_here, bend_here, mine = own[i] == me, own_slope[i], own_bend[i], weight[i]
                    g, h = -(slope[i] * p), (bend[i] * p) * p - (slope[i] * p) * q
                    if gradient is not None:
                        beside[i] = masked(slope_here if is_own else g, mine)
                    if hessian is not None:
                        column[i] = masked((bend_here if is_own else h) * options.curve, mine)
            if gradient is not None:
                store(other, first, gradient)
            if hessian is not None:
                store(e, first, hessian)

    return _driven(inlined(block), by_lines, True)


def columns_dense(program: RowProgram, bounds: Any, by_lines: bool) -> Any:
    """Return the kernel for few classes that all add something."""
    f, choices, softmax, pulled = inlined(program.formula), program.choices, program.softmax, program.pulled
    load, store = (transpose, transpose_back) if by_lines else (take, take_back)

    def block(y, z, w, first, rows, classes, numbers, options, wide, narrow, sums, gradient, hessian):  # type: ignore[no-untyped-def]
        real = wide.dtype.type
        zero, one = real(0), real(1)
        x = wide[0, : classes * rows].reshape(classes, rows)
        e = wide[1, : classes * rows].reshape(classes, rows)
        t = wide[2, : classes * rows].reshape(classes, rows)
        values, weight, top, r, inverse, mass = narrow[0], narrow[1], narrow[2], narrow[3], narrow[4], narrow[5]
        v_sum, a_top, a_below, b_top, b_below = sums[2], sums[3], sums[4], sums[5], sums[6]
        load(z, first, x)
        targets(y, first, t, load)
        for i in range(rows):
            weight[i] = weight_of(y, w, first + i, options.ignored, real) * options.scale
            v_sum[i], values[i] = 0.0, one
            a_top[i], a_below[i], b_top[i], b_below[i] = 0.0, 0.0, 0.0, 0.0
        for k in range(classes):
            wanted, column, factor = t[k], x[k], factor_of(options.factors, k, real)
            for i in range(rows):
                inside = is_inside(wanted[i], bounds[0], bounds[1]) & is_inside(column[i], bounds[2], bounds[3])
                values[i] *= nan_unless(inside, real)
                wanted[i] = smoothed(wanted[i], factor, options.smoothing, options.share)
        if softmax:
            columns_top(x, top)
            columns_exp(x, e, top, r, sums[0], sums[1])
            for i in range(rows):
                r[i] = real(sums[0, i])
                inverse[i], mass[i] = inverse_of_mass(r[i]), log_mass(r[i])
        for k in range(classes):
            wanted, column, powers = t[k], x[k], e[k]
            for i in range(rows):
                if softmax:
                    column[i] = log_probability(column[i], top[i], mass[i])
                    p, q = powers[i] * inverse[i], complement(powers[i], r[i], inverse[i])
                    v, a, b = f(wanted[i], column[i], p, q, *numbers, *choices)
                    is_top = powers[i] == one
                    a_top[i] += a if is_top else zero
                    b_top[i] += b if is_top else zero
                    a_below[i] += zero if is_top else a
                    b_below[i] += zero if is_top else b
                else:
                    v, a, b = f(wanted[i], column[i], column[i], one - column[i], *numbers, *choices)
                v_sum[i] += v
        for i in range(rows):
            factor = weight[i] * values[i]  # nan where an element of the row lies outside the domain
            values[i] = masked(real(v_sum[i]) * factor, weight[i])
            top[i] = factor * options.pull
        if gradient is not None or hessian is not None:
            for k in range(classes):
                wanted, column, powers = t[k], x[k], e[k]
                for i in range(rows):
                    if softmax:
                        p, q = powers[i] * inverse[i], complement(powers[i], r[i], inverse[i])
                        v, a, b = f(wanted[i], column[i], p, q, *numbers, *choices)
                        g, h = a, b
                        if pulled:
                            other_a = but_one(a, powers[i], a_top[i], a_below[i])
                            other_b = but_one(b, powers[i], b_top[i], b_below[i])
                            g, h = pulled_back(a, b, other_a, other_b, p, q)
                    else:
                        v, g, h = f(wanted[i], column[i], column[i], one - column[i], *numbers, *choices)
                    if gradient is not None:
                        wanted[i] = masked(g * top[i], weight[i])
                    if hessian is not None:
                        powers[i] = masked(h * top[i] * options.curve, weight[i])
            if gradient is not None:
                store(t, first, gradient)
            if hessian is not None:
                store(e, first, hessian)

    return _driven(inlined(block), by_lines, True)


def lines_sparse(program: RowProgram, bounds: Any, by_lines: bool) -> Any:
    """Return the kernel for labels and many classes."""
    f, choices = inlined(program.formula), program.choices

    def line(y, i, z, weight, numbers, options, lanes, sums, gradient, hessian):  # type: ignore[no-untyped-def]
        real = lanes.dtype.type
        k = label_of(y, i, options.ignored)
        top = line_top(z, lanes)
        e = gradient if gradient is not None else hessian
        r = real(line_exp(z, top, e, sums[0], sums[1]))
        turn = inverse_of_mass(r)
        own = exp_difference(z[k], finite(top))
        p, q = own * turn, complement(own, r, turn)
        x = log_probability(z[k], top, log_mass(r))
        v, a, b = f(factor_of(options.factors, k, real), x, p, q, *numbers, *choices)
        pull = weight * options.pull
        slope, bend = a * pull, b * pull
        if e is not None:
            for j in range(z.size):
                p_j, q_j = e[j] * turn, complement(e[j], r, turn)
                if gradient is not None:
                    gradient[j] = masked(-(slope * p_j), weight)
                if hessian is not None:
                    hessian[j] = masked(((bend * p_j) * p_j - (slope * p_j) * q_j) * options.curve, weight)
            if gradient is not None:
                gradient[k] = masked((a * q) * pull, weight)
            if hessian is not None:
                hessian[k] = masked(((b * q) * q - (a * p) * q) * pull * options.curve, weight)
        return masked(v * weight, weight)

    return _driven(_each(inlined(line)), by_lines, False)


def lines_dense(program: RowProgram, bounds: Any, by_lines: bool) -> Any:
    """Return the kernel for many classes that all add something."""
    f, choices, softmax, pulled = inlined(program.formula), program.choices, program.softmax, program.pulled

    def line(y, i, z, weight, numbers, options, lanes, sums, gradient, hessian):  # type: ignore[no-untyped-def]
        real = lanes.dtype.type
        zero, one = real(0), real(1)
        top, r, turn, mass = one, one, one, one
        if softmax:
            top = line_top(z, lanes)
            r = real(line_exp(z, top, None, sums[0], sums[1]))
            turn, mass = inverse_of_mass(r), log_mass(r)
        v_sum, a_top, a_below, b_top, b_below = sums[2], sums[3], sums[4], sums[5], sums[6]
        for j in range(WIDTH):
            v_sum[j], lanes[j] = 0.0, one
            a_top[j], a_below[j], b_top[j], b_below[j] = 0.0, 0.0, 0.0, 0.0
        for first in range(0, z.size, WIDTH):
            some = z[first : first + WIDTH]
            for j in range(some.size):
                u = target_of(y, i, first + j, real)
                inside = is_inside(u, bounds[0], bounds[1]) & is_inside(some[j], bounds[2], bounds[3])
                lanes[j] *= nan_unless(inside, real)
                t = smoothed(u, factor_of(options.factors, first + j, real), options.smoothing, options.share)
                if softmax:
                    e = exp_difference(some[j], finite(top))
                    p, q = e * turn, complement(e, r, turn)
                    v, a, b = f(t, log_probability(some[j], top, mass), p, q, *numbers, *choices)
                    is_top = e == one
                    a_top[j] += a if is_top else zero
                    b_top[j] += b if is_top else zero
                    a_below[j] += zero if is_top else a
                    b_below[j] += zero if is_top else b
                else:
                    v, a, b = f(t, some[j], some[j], one - some[j], *numbers, *choices)
                v_sum[j] += v
        fold(v_sum, WIDTH)
        fold(a_top, WIDTH)
        fold(a_below, WIDTH)
        fold(b_top, WIDTH)
        fold(b_below, WIDTH)
        factor = weight
        for j in range(WIDTH):
            factor *= lanes[j]  # nan where an element of the row lies outside the domain
        pull = factor * options.pull
        if gradient is not None or hessian is not None:
            for k in range(z.size):
                u = target_of(y, i, k, real)
                t = smoothed(u, factor_of(options.factors, k, real), options.smoothing, options.share)
                if softmax:
                    e = exp_difference(z[k], finite(top))
                    p, q = e * turn, complement(e, r, turn)
                    v, a, b = f(t, log_probability(z[k], top, mass), p, q, *numbers, *choices)
                    g, h = a, b
                    if pulled:
                        other_a, other_b = but_one(a, e, a_top[0], a_below[0]), but_one(b, e, b_top[0], b_below[0])
                        g, h = pulled_back(a, b, other_a, other_b, p, q)
                else:
                    v, g, h = f(t, z[k], z[k], one - z[k], *numbers, *choices)
                if gradient is not None:
                    gradient[k] = masked(g * pull, weight)
                if hessian is not None:
                    hessian[k] = masked(h * pull * options.curve, weight)
        return masked(real(v_sum[0]) * factor, weight)

    return _driven(_each(inlined(line)), by_lines, False)


def _each(line: Any) -> Any:
    """Return the block that evaluates row after row."""

    def block(y, z, w, first, rows, classes, numbers, options, wide, narrow, sums, gradient, hessian):  # type: ignore[no-untyped-def]
        real = wide.dtype.type
        for j in range(rows):
            i = first + j
            weight = weight_of(y, w, i, options.ignored, real) * options.scale
            narrow[0, j] = line(y, i, z[i], weight, numbers, options, wide[0], sums, row(gradient, i), row(hessian, i))

    return inlined(block)


def _driven(block: Any, by_lines: bool, by_columns: bool) -> Any:
    """Return the kernel that runs *block* over all blocks, and gives the sum of the values."""

    def kernel(y, z, w, at_once, numbers, options, value, gradient, hessian):  # type: ignore[no-untyped-def]
        n, classes = z.shape if by_lines else (z.shape[1], z.shape[0])
        blocks = (n + at_once - 1) // at_once
        totals = np.empty(blocks)
        room = classes * at_once if by_columns else WIDTH
        for chunk in prange((blocks + CHUNK - 1) // CHUNK):
            wide, narrow = np.empty((3, room), z.dtype), np.empty((10, MOST), z.dtype)
            sums = np.empty((7, MOST))
            for b in range(chunk * CHUNK, min(blocks, (chunk + 1) * CHUNK)):
                first = b * at_once
                rows = min(n - first, at_once)
                block(y, z, w, first, rows, classes, numbers, options, wide, narrow, sums, gradient, hessian)
                keep(narrow[0, :rows], value, first)
                totals[b] = total(narrow[0, :rows], None)
        return add_up(totals)

    return kernel
