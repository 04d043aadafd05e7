"""The kernels of losses that are sums over the classes of a row, made from a formula.

A team of threads works on a row: each takes every so many-th class. The grid depends on shapes and strides alone, and
all sums are added in their order: the same input gives the same bits on every run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import cuda, float64

from nbloss._arrays import DOUBLE
from nbloss._compile import inlined
from nbloss._cuda.blocks import BLOCK, WARPS, tree, weigh
from nbloss._cuda.layout import Form, on_device, reader, writer
from nbloss._cuda.row_classes import RowForms, adder, class_evaluator
from nbloss._cuda.row_layout import class_reader, class_writer, pair_writer, starter, walker
from nbloss._cuda.row_softmax import softmax_reader
from nbloss._cuda.row_targets import Targets, label_reader, number_reader
from nbloss._cuda.shared_rows import DERIVATIVES, NONE, TOO_LARGE, staging
from nbloss._math import exp_difference
from nbloss._row_program import RowProgram
from nbloss._rows import (
    between,
    but_one,
    complement,
    finite,
    inverse_of_mass,
    log_mass,
    log_probability,
    masked,
    nan_unless,
    pulled_back,
)


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
    if forms.staged in (NONE, TOO_LARGE):
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

    @on_device
    def write(z, j, row):  # type: ignore[no-untyped-def]
        slope, bend, least, rest, turn, (k, own_slope, own_bend), weight, pull, options, gradient, hessian, ends = row
        e = exp_difference(of(z), least)
        p, q = e * turn, complement(e, rest, turn)
        g = own_slope if j == k else -(slope * p)
        h = own_bend if j == k else (bend * p) * p - (slope * p) * q
        put_gradient(gradient, ends[0], j, masked(g, weight))
        put_hessian(hessian, ends[1], j, masked(shaped(h, pull, options), weight))

    walk = walker(forms.z, write, forms.staged == TOO_LARGE)

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
            ends = start_gradient(gradient, i, lengths), start_hessian(hessian, i, lengths)
            own_class = k, (a * q) * pull, ((b * q) * q - (a * p) * q) * pull
            row = (a * pull, b * pull, least, rest, turn, own_class, weight, pull, options, gradient, hessian, ends)
            walk(z, start, lane, team, classes if is_mine else 0, row)
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
