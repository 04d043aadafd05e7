"""Gradient and matrix of second derivatives of a single row: for CatBoost, which asks row by row.

There is no array of rows to be prepared, and the call costs about what Python takes to make lists of the results.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import float64, int64, types

from nbloss._arrays import DOUBLE, check_vector
from nbloss._compile import compiled, inlined
from nbloss._cpu.pointwise import bounds_of
from nbloss._cpu.power_lines import greatest
from nbloss._cpu.powers import scale_of
from nbloss._cpu.rows import factor_of, line_powers
from nbloss._row_program import RowProgram
from nbloss._rows import (
    between,
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


def derivatives_of_row(program: RowProgram) -> Callable[[Any, int, float, Any], None]:
    """Return a function of predictions, a label, a weight and the array it writes to, of shape (K + 1, K).

    Predictions are a contiguous vector of float64, and the label is one of K. The first line of the results is the
    gradient, the others are the matrix.
    """
    key = "one row", program.factors is None
    kernel = program.kernels.get(key)
    if kernel is None:
        kernel = program.kernels[key] = _compiled(program)
    factors = None if program.factors is None else np.array(program.factors)
    numbers, averaged = program.numbers, program.averaged
    smoothing, scale = program.smoothing, program.scale

    def derivatives(z: Any, label: int, weight: float, out: Any) -> None:
        classes = z.size
        if program.factors is not None:
            check_vector(program.factors, z.shape, "the loss")
        weight *= scale / classes if averaged else scale
        kernel(z, label, weight, numbers, factors, smoothing, smoothing / classes, out)

    return derivatives


def _compiled(program: RowProgram) -> Any:
    f, choices, softmax = inlined(program.formula), program.choices, program.softmax
    low, high = bounds_of(program.domain.prediction, DOUBLE)

    def kernel(z, label, weight, numbers, factors, smoothing, share, out):  # type: ignore[no-untyped-def]
        zero, one, classes = 0.0, 1.0, z.size
        of_class = np.empty((5, classes))  # e, p, q, a and b
        e, p, q, a, b = of_class[0], of_class[1], of_class[2], of_class[3], of_class[4]
        top, peak, rest, turn, mass = zero, one, zero, one, zero
        if softmax:
            line = z.reshape((1, classes))
            top = greatest(line, 0)
            peak, rest = line_powers(line, 0, top, scale_of(top), of_class[:1], 1, None)
            turn, mass = inverse_of_mass(rest, peak), log_mass(rest, peak)
        a_top, a_below, b_top, b_below, factor = zero, zero, zero, zero, weight
        for k in range(classes):
            t = smoothed(one if k == label else zero, factor_of(factors, k, np.float64), smoothing, share)
            x = z[k]
            factor *= nan_unless(is_inside(x, low, high), np.float64)
            p[k], q[k] = x, one - x
            if softmax:
                x = log_probability(x, top, mass)
                p[k], q[k] = e[k] * turn, complement(e[k], rest, turn, peak)
            _, a[k], b[k] = f(t, x, p[k], q[k], *numbers, *choices)
            if e[k] == peak:
                a_top, b_top = a_top + a[k], b_top + b[k]
            else:
                a_below, b_below = a_below + a[k], b_below + b[k]
        all_a, all_b = a_top + a_below, b_top + b_below
        for k in range(classes):
            if softmax:
                other_a = but_one(a[k], e[k], a_top, a_below, peak)
                other_b = but_one(b[k], e[k], b_top, b_below, peak)
                g, h = pulled_back(a[k], b[k], other_a, other_b, p[k], q[k])
            else:
                g, h = a[k], b[k]
            out[0, k], out[k + 1, k] = masked(g * factor, weight), masked(h * factor, weight)
            for j in range(k):
                h = zero
                if softmax:
                    h = between(b[j], b[k], all_a, all_b - (b[j] + b[k]), p[j], q[j], p[k], q[k])
                out[j + 1, k] = out[k + 1, j] = masked(h * factor, weight)

    factors = types.none if program.factors is None else types.Array(float64, 1, "C")
    signature = (
        types.Array(float64, 1, "C", readonly=True), int64, float64, types.Tuple([float64] * len(program.numbers)),
        factors, float64, float64, float64[:, ::1],
    )  # fmt: skip
    names = "one row", *([] if program.factors is None else ["factors"])
    return compiled(kernel, signature, program.formula, *program.choices, *names, parallel=False)
