"""What the classes of a row give, each alone and all together, for the kernels of :mod:`nbloss._cuda.row_kernels`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from nbloss import _rows
from nbloss._compile import inlined
from nbloss._cuda.blocks import ends
from nbloss._cuda.layout import on_device
from nbloss._cuda.row_layout import class_reader
from nbloss._cuda.row_targets import Targets, number_reader, target_reader
from nbloss._cuda.shared_rows import NONE
from nbloss._cuda.teams import greatest, summed
from nbloss._math import exp_difference
from nbloss._row_program import RowProgram
from nbloss._rows import complement, finite, is_inside, log_probability, smoothed

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
