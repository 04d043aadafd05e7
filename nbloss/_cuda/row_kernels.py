"""The kernels of losses that are sums over the classes of a row, made from a formula.

A team of threads works on a row: each takes every so many-th class. The grid depends on shapes and strides alone, and
all sums are added in their order: the same input gives the same bits on every run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import cuda, float64

from nbloss import _rows
from nbloss._arrays import DOUBLE
from nbloss._compile import inlined
from nbloss._cuda.blocks import BLOCK, WARPS, ends, tree, weigh
from nbloss._cuda.layout import Form, on_device, reader, writer
from nbloss._cuda.row_layout import class_reader, class_writer, pair_writer, starter
from nbloss._cuda.row_targets import Targets, label_reader, number_reader, target_reader
from nbloss._cuda.shared_rows import DERIVATIVES, NONE, staging
from nbloss._cuda.teams import greatest, summed
from nbloss._math import exp_difference
from nbloss._row_program import RowProgram
from nbloss._rows import (
    between,
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

for _function in _rows.FUNCTIONS:
    inlined(_function)


class RowForms(NamedTuple):
    """The forms of what a kernel is given."""

    z: Any
    targets: Targets
    pull: Any
    """What multiplies derivatives besides the scale."""
    value: Any = None
    gradient: Any = None
    hessian: Any = None
    sums: Any = None
    """Of sums of values, a number a block of threads."""
    together: bool = False
    """Whether a team has more than one thread."""
    staged: int = NONE
    """What goes by way of shared memory, see :mod:`nbloss._cuda.shared_rows`."""


def filling(program: RowProgram, real: np.dtype[Any], forms: RowForms) -> Any:
    """Return the kernel that writes those of weighted values, gradients, Hessians and sums that have a form."""
    evaluate = (sparse if forms.targets.sparse else dense)(program, real, _within(real, forms))
    room_of, enter, leave, _ = staging(forms.staged, real, forms.z, forms.gradient, forms.hessian)
    write_value, write_sum, read_pull = writer(forms.value), writer(forms.sums), reader(forms.pull)
    together, sums_up, of = forms.together, forms.sums is not None, real.type

    def kernel(rows, classes, team, lengths, y, z, w, numbers, options, pull, value, gradient, hessian, sums):  # type: ignore[no-untyped-def]
        width = np.int32(team if together else 1)
        lane, mine, at_once = cuda.threadIdx.x % width, cuda.threadIdx.x // width, BLOCK // width
        factor = of(read_pull(pull, 0, lengths))
        total = np.float64(0)
        room = cuda.shared.array(WARPS, float64) if together else 0
        piece = room_of()
        first = np.int64(cuda.blockIdx.x) * at_once
        while first < rows:
            i = min(first + mine, rows - 1)  # teams without a row repeat the last one: all threads of a block must meet
            is_mine = first + mine < rows
            count = min(np.int64(at_once), rows - first)
            from_z, to_gradient, to_hessian = enter(z, gradient, hessian, first, count, classes, width, piece)
            v = evaluate(
                i, lane, width, room, classes, is_mine, lengths, y, from_z, w, numbers, options, factor, to_gradient,
                to_hessian,
            )  # fmt: skip
            leave(gradient, hessian, first, count, classes, width, piece)
            if is_mine and lane == 0:
                write_value(value, i, lengths, v)
                total += np.float64(v)
            first += cuda.gridDim.x * at_once
        if sums_up:
            total = tree(total)
            if cuda.threadIdx.x == 0:
                write_sum(sums, cuda.blockIdx.x, lengths, total)

    return kernel


def _within(real: np.dtype[Any], forms: RowForms) -> RowForms:
    """Return the forms of the operands that rows are evaluated with."""
    there = Form(1, real)
    if forms.staged == NONE:
        return forms
    if forms.staged == DERIVATIVES:
        gradient, hessian = (there if form is not None else None for form in (forms.gradient, forms.hessian))
        forms = forms._replace(gradient=gradient, hessian=hessian)
    return forms._replace(z=there)


def sparse(program: RowProgram, real: np.dtype[Any], forms: RowForms) -> Callable[..., Any]:
    """Return the function that evaluates a row of which, with a label, one class tells all."""
    f, choices, of = inlined(program.formula), program.choices, real.type
    start_z, start_gradient, start_hessian = starter(forms.z), starter(forms.gradient), starter(forms.hessian)
    get, put_gradient, put_hessian = class_reader(forms.z), class_writer(forms.gradient), class_writer(forms.hessian)
    softmax_of, label_of = softmax_reader(program, real, forms), label_reader(forms.targets)
    factor_of, weight_of = number_reader(forms.targets.factors, real), number_reader(forms.targets.w, real)
    fills, shaped = forms.gradient is not None or forms.hessian is not None, shaper(program)
    meet = staging(forms.staged if forms.together else NONE, real, forms.z, forms.gradient, forms.hessian)[3]

    def evaluate(i, lane, team, room, classes, is_mine, lengths, y, z, w, numbers, options, factor, gradient, hessian):  # type: ignore[no-untyped-def]
        factors, ignored, scale = options[0], options[3], options[4]
        k, is_label, is_left_out = label_of(y, i, lengths, classes, ignored)
        weight = of(0) if is_left_out else weight_of(w, i, lengths) * scale
        start = start_z(z, i, lengths)
        top, rest = softmax_of(z, start, lane, team, room, classes)
        turn, least = inverse_of_mass(rest), finite(top)
        own = of(get(z, start, k))
        meet()  # each of the team reads this one
        e = exp_difference(own, least)
        p, q = e * turn, complement(e, rest, turn)
        v, a, b = f(factor_of(factors, k, lengths), log_probability(own, top, log_mass(rest)), p, q, *numbers, *choices)
        whole = weight * nan_unless(is_label, of)
        pull = whole * factor
        if fills:
            slope, bend = a * pull, b * pull
            own_slope, own_bend = (a * q) * pull, ((b * q) * q - (a * p) * q) * pull
            to_gradient, to_hessian = start_gradient(gradient, i, lengths), start_hessian(hessian, i, lengths)
            stop = classes if is_mine else 0
            j = lane
            while j < stop:
                e = exp_difference(of(get(z, start, j)), least)
                p, q = e * turn, complement(e, rest, turn)
                g = own_slope if j == k else -(slope * p)
                h = own_bend if j == k else (bend * p) * p - (slope * p) * q
                put_gradient(gradient, to_gradient, j, masked(g, weight))
                put_hessian(hessian, to_hessian, j, masked(shaped(h, pull, options), weight))
                j += team
        return masked(v * whole, weight)

    return on_device(evaluate)


def dense(program: RowProgram, real: np.dtype[Any], forms: RowForms) -> Callable[..., Any]:
    """Return the function that evaluates a row whose classes all add something."""
    softmax, pulled, of = program.softmax, program.pulled, real.type
    start_y, start_z = starter(forms.targets.rows), starter(forms.z)
    start_gradient, start_hessian = starter(forms.gradient), starter(forms.hessian)
    put_gradient, put_hessian = class_writer(forms.gradient), class_writer(forms.hessian)
    softmax_of, label_of = softmax_reader(program, real, forms), label_reader(forms.targets)
    weight_of = number_reader(forms.targets.w, real)
    class_of, add = class_evaluator(program, real, forms), adder(program, real, forms)
    has_gradient, has_hessian, shaped = forms.gradient is not None, forms.hessian is not None, shaper(program)

    def evaluate(i, lane, team, room, classes, is_mine, lengths, y, z, w, numbers, options, factor, gradient, hessian):  # type: ignore[no-untyped-def]
        own, is_label, is_left_out = label_of(y, i, lengths, classes, options[3])
        weight = of(0) if is_left_out else weight_of(w, i, lengths) * options[4]
        start, from_y = start_z(z, i, lengths), start_y(y, i, lengths)
        top, rest = softmax_of(z, start, lane, team, room, classes)
        row = (own, from_y, start, top, rest, inverse_of_mass(rest), log_mass(rest))
        is_inside, value, all_a, all_b = add(y, z, row, lane, team, room, classes, numbers, options)
        whole = weight * nan_unless(is_inside & is_label, of)
        if has_gradient or has_hessian:
            pull = whole * factor
            to_gradient, to_hessian = start_gradient(gradient, i, lengths), start_hessian(hessian, i, lengths)
            stop = classes if is_mine else 0
            k = lane
            while k < stop:
                _, _, a, b, p, q, e = class_of(y, z, row, k, numbers, options)
                if softmax and pulled:
                    g, h = pulled_back(a, b, but_one(a, e, *all_a), but_one(b, e, *all_b), p, q)
                else:
                    g, h = a, b
                put_gradient(gradient, to_gradient, k, masked(g * pull, weight))
                put_hessian(hessian, to_hessian, k, masked(shaped(h * pull, pull, options), weight))
                k += team
        return masked(of(value) * whole, weight)

    return on_device(evaluate)


def pairing(program: RowProgram, real: np.dtype[Any], forms: RowForms) -> Any:
    """Return the kernel that writes the weighted second derivatives by each two predictions of a row."""
    softmax, together, of = program.softmax, forms.together, real.type
    start_y, start_z, start_out = starter(forms.targets.rows), starter(forms.z), starter(forms.hessian)
    put = pair_writer(forms.hessian)
    softmax_of, label_of = softmax_reader(program, real, forms), label_reader(forms.targets)
    weight_of = number_reader(forms.targets.w, real)
    class_of, add = class_evaluator(program, real, forms), adder(program, real, forms)

    def kernel(rows, classes, team, lengths, y, z, w, numbers, options, out):  # type: ignore[no-untyped-def]
        width = np.int32(team if together else 1)
        lane, mine, at_once = cuda.threadIdx.x % width, cuda.threadIdx.x // width, BLOCK // width
        room = cuda.shared.array(WARPS, float64) if together else 0
        first = cuda.blockIdx.x * at_once
        while first < rows:
            i = min(first + mine, rows - 1)
            own, is_label, is_left_out = label_of(y, i, lengths, classes, options[3])
            weight = of(0) if is_left_out else weight_of(w, i, lengths) * options[4]
            start, from_y, to = start_z(z, i, lengths), start_y(y, i, lengths), start_out(out, i, lengths)
            top, rest = softmax_of(z, start, lane, width, room, classes)
            row = (own, from_y, start, top, rest, inverse_of_mass(rest), log_mass(rest))
            is_inside, _, all_a, all_b = add(y, z, row, lane, width, room, classes, numbers, options)
            whole = weight * nan_unless(is_inside & is_label, of)
            j, k = lane // classes, lane % classes
            down, right = width // classes, width % classes
            stop = classes if first + mine < rows else 0
            while j < stop:
                _, _, a, b, p, q, e = class_of(
                    y, z, row, min(j, k), numbers, options
                )  # in this order both halves are equal
                if softmax:
                    _, _, _, c, u, v, _ = class_of(y, z, row, max(j, k), numbers, options)
                    _, same = pulled_back(a, b, but_one(a, e, *all_a), but_one(b, e, *all_b), p, q)
                    whole_a, others = all_a[0] + all_a[1], all_b[0] + all_b[1] - (b + c)
                    h = same if j == k else between(b, c, of(whole_a), of(others), p, q, u, v)
                else:
                    h = b if j == k else of(0)
                put(out, to, j, k, masked(h * whole, weight))
                j += down
                k += right
                if k >= classes:
                    j += 1
                    k -= classes
            first += cuda.gridDim.x * at_once

    return kernel


def weighing(targets: Targets, sums: Any) -> Any:
    """Return the kernel that adds up, for each block of threads, the weights of rows times those of their classes.

    A row whose label is none has no class whose weight could count.
    """
    has_factors = targets.factors is not None
    has_shares = has_factors and targets.rows is not None
    label_of, weight_of, factor_of = (
        label_reader(targets),
        number_reader(targets.w, DOUBLE),
        number_reader(targets.factors, DOUBLE),
    )
    start_y, get_y, write = starter(targets.rows), class_reader(targets.rows), writer(sums)

    def kernel(rows, classes, team, lengths, y, w, factors, ignored, sums):  # type: ignore[no-untyped-def]
        lane, step = cuda.grid(1) % team, cuda.gridsize(1) // team
        total = np.float64(0)
        i = cuda.grid(1) // team
        while i < rows:
            weight = weight_of(w, i, lengths)
            if has_shares:
                start = start_y(y, i, lengths)
                k = lane
                while k < classes:
                    total += weigh(factor_of(factors, k, lengths) * np.float64(get_y(y, start, k)), weight)
                    k += team
            else:
                k, is_label, is_left_out = label_of(y, i, lengths, classes, ignored)
                if has_factors:
                    weight = weigh(factor_of(factors, k, lengths) if is_label else np.float64(0), weight)
                total += np.float64(0) if is_left_out else weight
            i += step
        total = tree(total)
        if cuda.threadIdx.x == 0:
            write(sums, cuda.blockIdx.x, lengths, total)

    return kernel


# What evaluates a row


def shaper(program: RowProgram) -> Callable[..., Any]:
    """Return the function that makes, of a Hessian times what pulls it, the one that is written.

    Its two numbers, where it needs them, come after the other options.
    """
    if program.floor is not None:

        def raised(h, pull, options):  # type: ignore[no-untyped-def]
            curved, least = h * options[5], pull * options[6]
            return least if curved < least else curved  # nan stays nan

        return on_device(raised)
    if program.curve != 1.0:
        return on_device(lambda h, pull, options: h * options[5])
    return on_device(lambda h, pull, options: h)


def softmax_reader(program: RowProgram, real: np.dtype[Any], forms: RowForms) -> Callable[..., Any]:
    """Return the function that gives the greatest prediction of a row, and the sum of all e but for one 1."""
    get, of, add = class_reader(forms.z), real.type, _added if real == DOUBLE else _added_at_once
    sum_of, top_of = summed(forms.together), greatest(forms.together)
    if not program.softmax:
        return on_device(lambda z, start, lane, team, room, classes: (of(0), of(0)))

    def softmax_of(z, start, lane, team, room, classes):  # type: ignore[no-untyped-def]
        top = of(get(z, start, min(lane, classes - 1)))
        k = lane + team
        while k < classes:
            x = of(get(z, start, k))
            top = x if x > top else top
            k += team
        top = top_of(top, lane, team, room)
        least = finite(top)
        total = lost = np.float64(0)
        ones = 0
        k = lane
        while k < classes:
            e = exp_difference(of(get(z, start, k)), least)
            is_one = e == of(1)
            total, lost = add(total, lost, np.float64(of(0) if is_one else e))
            ones += 1 if is_one else 0
            k += team
        others = sum_of(np.float64(ones), lane, team, room) - np.float64(1)
        return top, of(sum_of(total + lost, lane, team, room) + others)

    return on_device(softmax_of)


@on_device
def _added_at_once(total: Any, lost: Any, x: Any) -> Any:
    return total + x, lost


@on_device
def _added(total: Any, lost: Any, x: Any) -> Any:
    """Return the rounded sum, and the sum of what its roundings have taken away."""
    after = total + x
    back = after - total
    return after, lost + ((total - (after - back)) + (x - back))


def class_evaluator(program: RowProgram, real: np.dtype[Any], forms: RowForms) -> Callable[..., Any]:
    """Return the function that gives of a class whether it is in the domain, the three of the formula, p and 1 - p."""
    f, choices, softmax, of = inlined(program.formula), program.choices, program.softmax, real.type
    get, target_of, factor_of = (
        class_reader(forms.z),
        target_reader(forms.targets, real),
        number_reader(forms.targets.factors, real),
    )
    (low_y, high_y), (low_z, high_z) = (ends(interval, real) for interval in program.domain)
    checks_y = forms.targets.rows is not None

    def class_of(y, z, row, k, numbers, options):  # type: ignore[no-untyped-def]
        own, from_y, start, top, rest, turn, mass = row
        u, x = target_of(y, from_y, own, k), of(get(z, start, k))
        inside = is_inside(x, low_z, high_z)
        if checks_y:
            inside = inside & is_inside(u, low_y, high_y)
        t = smoothed(u, factor_of(options[0], k, ()), options[1], options[2])
        p, q, e = x, of(1) - x, of(0)
        if softmax:
            e = exp_difference(x, finite(top))
            p, q, x = e * turn, complement(e, rest, turn), log_probability(x, top, mass)
        v, a, b = f(t, x, p, q, *numbers, *choices)
        return inside, v, a, b, p, q, e

    return on_device(class_of)


def adder(program: RowProgram, real: np.dtype[Any], forms: RowForms) -> Callable[..., Any]:
    """Return the function that tells whether a row is in the domain, and adds up what its classes give.

    Derivatives come as two sums: of the classes whose e is 1, and of the others.
    """
    class_of, sum_of = class_evaluator(program, real, forms), summed(forms.together)
    values = sum_of if forms.value is not None or forms.sums is not None else _not_at_all
    needs_others = program.softmax and program.pulled
    slopes = sum_of if needs_others and (forms.gradient is not None or forms.hessian is not None) else _not_at_all
    bends = sum_of if needs_others and forms.hessian is not None else _not_at_all
    worst = greatest(forms.together)

    def add(y, z, row, lane, team, room, classes, numbers, options):  # type: ignore[no-untyped-def]
        outside = real.type(0)
        v_sum = a_top = a_below = b_top = b_below = np.float64(0)
        k = lane
        while k < classes:
            inside, v, a, b, _, _, e = class_of(y, z, row, k, numbers, options)
            outside = outside if inside else real.type(1)
            v_sum += v
            if e == real.type(1):
                a_top += a
                b_top += b
            else:
                a_below += a
                b_below += b
            k += team
        is_inside = worst(outside, lane, team, room) == real.type(0)
        value = values(v_sum, lane, team, room)
        all_a = slopes(a_top, lane, team, room), slopes(a_below, lane, team, room)
        all_b = bends(b_top, lane, team, room), bends(b_below, lane, team, room)
        return is_inside, value, all_a, all_b

    return on_device(add)


_not_at_all = on_device(lambda x, lane, team, room: np.float64(0))
