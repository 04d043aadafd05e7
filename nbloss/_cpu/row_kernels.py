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
from nbloss._cpu.power_columns import (
    BEND,
    CURVE,
    INVERSE,
    OWN,
    OWN_E,
    OWN_Z,
    PEAK,
    REST,
    SLOPE,
    TOP,
    derivatives_of_columns,
    powers_of_columns,
)
from nbloss._cpu.power_lines import greatest
from nbloss._cpu.powers import PART, Scale, power, scale_of
from nbloss._cpu.rows import (
    WIDTH,
    clear,
    either,
    factor_of,
    keep,
    label_of,
    line_powers,
    loading,
    mask,
    power_at,
    pulled_to_all,
    put_together,
    settle,
    storing,
    target_of,
    targets,
    weight_of,
)
from nbloss._cpu.sums import total
from nbloss._cpu.views import part
from nbloss._row_program import RowProgram
from nbloss._rows import (
    but_one,
    complement,
    inverse_of_mass,
    is_inside,
    log_mass,
    log_probability,
    masked,
    nan_unless,
    pulled_back,
    smoothed,
)

TOGETHER = 1 << 15  # predictions whose blocks share a scratch
WEIGHT, VALUE, START, HIGH, LOW, SHIFT = range(BEND + 1, BEND + 7)
"""Lines of numbers of each row of a block, besides what is found in it."""
LINES = SHIFT + 1
MOST = 272
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


def sparse(program: RowProgram, bounds: Any, by_lines: bool, marks: Any, adds: bool, columns: bool) -> Any:
    """Return the kernel for labels, of which the formula is evaluated once a row."""
    f, choices = inlined(program.formula), program.choices
    soften, spread = _columns(by_lines, marks) if columns else _lines()

    def block(y, z, w, first, rows, at_once, numbers, options, wide, narrow, sums, gradient, hessian):  # type: ignore[no-untyped-def]
        real = narrow.dtype.type
        idle = np.int64(0)
        some_y, some_w = y[first : first + rows], part(w, first, first + rows)
        for i in range(rows):
            k = label_of(some_y, i, options.ignored)
            narrow[OWN, i], narrow[VALUE, i] = real(k), factor_of(options.factors, k, real)
            narrow[WEIGHT, i] = weight_of(some_y, some_w, i, options.ignored, real) * options.scale
            idle += np.int64(narrow[WEIGHT, i] == real(0))
        for i in range(rows, at_once):
            narrow[OWN, i], narrow[VALUE, i], narrow[WEIGHT, i] = real(0), real(1), real(1)
        soften(y, z, w, first, rows, wide, narrow, gradient, hessian)
        for i in range(at_once):
            peak, rest, e = narrow[PEAK, i], narrow[REST, i], narrow[OWN_E, i]
            turn = inverse_of_mass(rest, peak)
            p, q = e * turn, complement(e, rest, turn, peak)
            x = log_probability(narrow[OWN_Z, i], narrow[TOP, i], log_mass(rest, peak))
            v, a, b = f(narrow[VALUE, i], x, p, q, *numbers, *choices)
            weight = narrow[WEIGHT, i]
            if adds:
                narrow[VALUE, i] = masked(v * weight, weight)
            pull = weight * options.pull
            narrow[INVERSE, i], narrow[SLOPE, i] = turn, a * pull
            narrow[CURVE, i], narrow[BEND, i] = narrow[SLOPE, i] * options.curve, b * pull * options.curve
        if gradient is not None or hessian is not None:
            spread(first, rows, idle, wide, narrow, gradient, hessian)

    return _driven(inlined(block), by_lines, 2 if columns else 0, adds)


def _columns(by_lines: bool, marks: Any) -> Any:
    """Return the steps before and after the formula for few classes, or rows that lie as columns."""
    load, store = loading(by_lines, marks), storing(by_lines, marks)

    def soften(y, z, w, first, rows, wide, narrow, gradient, hessian):  # type: ignore[no-untyped-def]
        soon = y, z, w, gradient, hessian
        if by_lines or rows < wide.shape[2]:
            load(z, first, rows, wide[0])
            powers_of_columns(wide[0], 0, marks, True, wide[1], narrow, soon, first + rows)
        else:
            powers_of_columns(z, first, marks, True, wide[1], narrow, soon, first + rows)

    def spread(first, rows, idle, wide, narrow, gradient, hessian):  # type: ignore[no-untyped-def]
        x, e = wide[0], wide[1]
        if rows == e.shape[1] and idle == 0:
            derivatives_of_columns(e, narrow, marks, first, gradient, hessian)
            return
        for k in range(e.shape[0]):
            me = type(e[0, 0])(k)
            for i in range(e.shape[1]):
                x[k, i], e[k, i] = pulled_to_all(
                    e[k, i], narrow[REST, i], narrow[INVERSE, i], narrow[PEAK, i], narrow[SLOPE, i], narrow[CURVE, i],
                    narrow[BEND, i], narrow[OWN, i] == me,
                )  # fmt: skip
        if idle > 0:
            mask(x, narrow[WEIGHT])
            mask(e, narrow[WEIGHT])
        if gradient is not None:
            store(x, first, rows, gradient)
        if hessian is not None:
            store(e, first, rows, hessian)

    return inlined(soften), inlined(spread)


def _lines() -> Any:
    """Return the same for many classes: powers are kept where results will be."""

    def soften(y, z, w, first, rows, wide, narrow, gradient, hessian):  # type: ignore[no-untyped-def]
        e = either(gradient, hessian)
        for j in range(rows):
            narrow[TOP, j] = greatest(z, first + j)
        for j in range(rows):
            scale = scale_of(narrow[TOP, j])
            narrow[START, j], narrow[HIGH, j], narrow[LOW, j], narrow[SHIFT, j] = scale
        for j in range(rows):
            i, k, top = first + j, np.int64(narrow[OWN, j]), narrow[TOP, j]
            scale = Scale(narrow[START, j], narrow[HIGH, j], narrow[LOW, j], narrow[SHIFT, j])
            narrow[PEAK, j], narrow[REST, j] = line_powers(z, i, top, scale, e, rows, hessian)
            narrow[OWN_Z, j] = z[i, k]
            narrow[OWN_E, j] = power_at(e, i, k, z, scale)

    def spread(first, rows, idle, wide, narrow, gradient, hessian):  # type: ignore[no-untyped-def]
        e = either(gradient, hessian)
        zero = narrow.dtype.type(0)
        for j in range(rows):
            i, k, own = first + j, np.int64(narrow[OWN, j]), narrow[OWN_E, j]
            rest, turn, peak = narrow[REST, j], narrow[INVERSE, j], narrow[PEAK, j]
            slope, curve, bend = narrow[SLOPE, j], narrow[CURVE, j], narrow[BEND, j]
            is_idle = narrow[WEIGHT, j] == zero
            powers, g_line, h_line = e[i], row(gradient, i), row(hessian, i)
            for m in range(powers.size):
                g, h = pulled_to_all(powers[m], rest, turn, peak, slope, curve, bend, False)
                if gradient is not None:
                    g_line[m] = g
                if hessian is not None:
                    h_line[m] = h
            g, h = pulled_to_all(own, rest, turn, peak, slope, curve, bend, True)
            if gradient is not None:
                g_line[k] = g
            if hessian is not None:
                h_line[k] = h
            if is_idle:
                clear(g_line)
                clear(h_line)

    return inlined(soften), inlined(spread)


def columns_dense(program: RowProgram, bounds: Any, by_lines: bool, marks: Any, adds: bool, columns: bool) -> Any:
    """Return the kernel for few classes that all add something."""
    f, choices, softmax, pulled = inlined(program.formula), program.choices, program.softmax, program.pulled
    load, store = loading(by_lines, marks), storing(by_lines, marks)
    many = not marks

    def block(y, z, w, first, rows, at_once, numbers, options, wide, narrow, sums, gradient, hessian):  # type: ignore[no-untyped-def]
        real = narrow.dtype.type
        zero, one = real(0), real(1)
        x, e, t = wide[0], wide[1], wide[2]
        top, peak, rest, pull = narrow[TOP], narrow[PEAK], narrow[REST], narrow[SLOPE]
        values, weight, inverse, mass = narrow[VALUE], narrow[WEIGHT], narrow[INVERSE], narrow[BEND]
        v_sum, a_top, a_below, b_top, b_below = sums[0], sums[1], sums[2], sums[3], sums[4]
        load(z, first, rows, x)
        targets(y, first, rows, t, load)
        for i in range(rows):
            weight[i] = weight_of(y, w, first + i, options.ignored, real) * options.scale
        for i in range(at_once):
            values[i] = one
        for j in range(sums.shape[0]):
            for i in range(at_once):
                sums[j, i] = 0.0
        for k in range(x.shape[0]):
            wanted, column, factor = t[k], x[k], factor_of(options.factors, k, real)
            for i in range(at_once):
                inside = is_inside(wanted[i], bounds[0], bounds[1]) & is_inside(column[i], bounds[2], bounds[3])
                values[i] *= nan_unless(inside, real)
                wanted[i] = smoothed(wanted[i], factor, options.smoothing, options.share)
        if softmax:
            powers_of_columns(x, 0, marks, None, e, narrow, (y, z, w, gradient, hessian), first + rows)
            for i in range(at_once):
                inverse[i], mass[i] = inverse_of_mass(rest[i], peak[i]), log_mass(rest[i], peak[i])
        for k in range(x.shape[0]):
            wanted, column, powers = t[k], x[k], e[k]
            for i in range(at_once):
                if softmax:
                    column[i] = log_probability(column[i], top[i], mass[i])
                    p, q = powers[i] * inverse[i], complement(powers[i], rest[i], inverse[i], peak[i])
                    v, a, b = f(wanted[i], column[i], p, q, *numbers, *choices)
                    is_top = powers[i] == peak[i]
                    a_top[i] += a if is_top else zero
                    b_top[i] += b if is_top else zero
                    a_below[i] += zero if is_top else a
                    b_below[i] += zero if is_top else b
                else:
                    v, a, b = f(wanted[i], column[i], column[i], one - column[i], *numbers, *choices)
                if adds:
                    v_sum[i] += v
            if many and k % PART == PART - 1:
                settle(sums, at_once)
        if many:
            put_together(sums, at_once)
        for i in range(rows):
            factor = weight[i] * values[i]  # nan where an element of the row lies outside the domain
            values[i] = masked(real(v_sum[i]) * factor, weight[i])
            pull[i] = factor * options.pull
        if gradient is not None or hessian is not None:
            for k in range(x.shape[0]):
                wanted, column, powers = t[k], x[k], e[k]
                for i in range(at_once):
                    if softmax:
                        p, q = powers[i] * inverse[i], complement(powers[i], rest[i], inverse[i], peak[i])
                        v, a, b = f(wanted[i], column[i], p, q, *numbers, *choices)
                        g, h = a, b
                        if pulled:
                            other_a = but_one(a, powers[i], a_top[i], a_below[i], peak[i])
                            other_b = but_one(b, powers[i], b_top[i], b_below[i], peak[i])
                            g, h = pulled_back(a, b, other_a, other_b, p, q)
                    else:
                        v, g, h = f(wanted[i], column[i], column[i], one - column[i], *numbers, *choices)
                    if gradient is not None:
                        wanted[i] = masked(g * pull[i], weight[i])
                    if hessian is not None:
                        powers[i] = masked(h * pull[i] * options.curve, weight[i])
            if gradient is not None:
                store(t, first, rows, gradient)
            if hessian is not None:
                store(e, first, rows, hessian)

    return _driven(inlined(block), by_lines, 3, adds, 15 if many else 5)


def lines_dense(program: RowProgram, bounds: Any, by_lines: bool, marks: Any, adds: bool, columns: bool) -> Any:
    """Return the kernel for many classes that all add something."""
    f, choices, softmax, pulled = inlined(program.formula), program.choices, program.softmax, program.pulled

    def line(y, i, all_z, weight, numbers, options, lanes, sums, gradient, hessian):  # type: ignore[no-untyped-def]
        z = all_z[i]
        real = lanes.dtype.type
        zero, one = real(0), real(1)
        top, peak, r, turn, mass, scale = one, one, one, one, one, scale_of(one)
        if softmax:
            top = greatest(all_z, i)
            scale = scale_of(top)
            peak, r = line_powers(all_z, i, top, scale, None, 1, None)
            turn, mass = inverse_of_mass(r, peak), log_mass(r, peak)
        v_sum, a_top, a_below, b_top, b_below = sums[0], sums[1], sums[2], sums[3], sums[4]
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
                    e = power(some[j], scale)
                    p, q = e * turn, complement(e, r, turn, peak)
                    v, a, b = f(t, log_probability(some[j], top, mass), p, q, *numbers, *choices)
                    is_top = e == peak
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
                    e = power(z[k], scale)
                    p, q = e * turn, complement(e, r, turn, peak)
                    v, a, b = f(t, log_probability(z[k], top, mass), p, q, *numbers, *choices)
                    g, h = a, b
                    if pulled:
                        other_a = but_one(a, e, a_top[0], a_below[0], peak)
                        other_b = but_one(b, e, b_top[0], b_below[0], peak)
                        g, h = pulled_back(a, b, other_a, other_b, p, q)
                else:
                    v, g, h = f(t, z[k], z[k], one - z[k], *numbers, *choices)
                if gradient is not None:
                    gradient[k] = g * pull
                if hessian is not None:
                    hessian[k] = h * pull * options.curve
        return real(v_sum[0]) * factor

    evaluate = inlined(line)

    def block(y, z, w, first, rows, at_once, numbers, options, wide, narrow, sums, gradient, hessian):  # type: ignore[no-untyped-def]
        zero, lanes = narrow.dtype.type(0), narrow[0]
        for j in range(rows):
            i = first + j
            weight = weight_of(y, w, i, options.ignored, narrow.dtype.type) * options.scale
            g, h = row(gradient, i), row(hessian, i)
            if weight == zero:
                narrow[VALUE, j] = zero
                clear(g)
                clear(h)
            else:
                narrow[VALUE, j] = evaluate(y, i, z, weight, numbers, options, lanes, sums, g, h)

    return _driven(inlined(block), by_lines, 0, adds)


def _driven(block: Any, by_lines: bool, layers: int, adds: bool, lines: int = 5) -> Any:
    """Return the kernel that runs *block*, which has so many *lines* of sums, over all blocks.

    It gives the sum of the values.
    """

    def kernel(y, z, w, at_once, numbers, options, value, gradient, hessian):  # type: ignore[no-untyped-def]
        n, classes = z.shape if by_lines else (z.shape[1], z.shape[0])
        blocks = (n + at_once - 1) // at_once
        together = max(1, TOGETHER // (at_once * classes))
        totals = np.zeros(blocks)
        for chunk in prange((blocks + together - 1) // together):
            wide, narrow = np.empty((layers, classes, at_once), z.dtype), np.empty((LINES, MOST), z.dtype)
            sums = np.empty((lines, MOST))
            for b in range(chunk * together, min(blocks, (chunk + 1) * together)):
                first = b * at_once
                rows = min(n - first, at_once)
                block(y, z, w, first, rows, at_once, numbers, options, wide, narrow, sums, gradient, hessian)
                if adds:
                    keep(narrow[VALUE, :rows], value, first)
                    totals[b] = total(narrow[VALUE, :rows], None)
        return add_up(totals)

    return kernel
