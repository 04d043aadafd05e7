"""How kernels find the greatest prediction of a row, and the sum of all e.

Rows that lie in shared memory, or in a cache, are read once for the one and once for the other. Those that are larger
are read once for both.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nbloss import _rows
from nbloss._arrays import DOUBLE
from nbloss._compile import inlined
from nbloss._cuda.layout import on_device
from nbloss._cuda.powers import powers_of
from nbloss._cuda.row_classes import RowForms
from nbloss._cuda.row_layout import class_reader
from nbloss._cuda.shared_rows import TOO_LARGE
from nbloss._cuda.teams import greatest, summed
from nbloss._math import exp_difference, fma, plus
from nbloss._row_program import RowProgram
from nbloss._rows import finite

for _function in (*_rows.FUNCTIONS, plus):
    inlined(_function)


def softmax_reader(program: RowProgram, real: np.dtype[Any], forms: RowForms) -> Callable[..., Any]:
    """Return the function that gives the greatest prediction of a row, and the sum of all e but for one 1."""
    get, of, add = class_reader(forms.z), real.type, plus if real == DOUBLE else _added_at_once
    sum_of, top_of = summed(forms.together), greatest(forms.together)
    if not program.softmax:
        return on_device(lambda z, start, lane, team, room, classes: (of(0), of(0)))
    scale_of, power, in_words, are_right = powers_of(real)

    @on_device
    def top_from(k, z, start, lane, team, room, classes):  # type: ignore[no-untyped-def]
        top = of(get(z, start, min(lane, classes - 1)))
        while k < classes:
            x = of(get(z, start, k))
            top = x if x > top else top
            k += team
        return top_of(top, lane, team, room)

    @on_device
    def below(top, z, start, lane, team, classes):  # type: ignore[no-untyped-def]
        """Return the sum of those e that are not 1, and how many are, of the classes of a thread."""
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
        return total + lost, ones

    def softmax_of_small(z, start, lane, team, room, classes):  # type: ignore[no-untyped-def]
        top = top_from(lane + team, z, start, lane, team, room, classes)
        total, ones = below(top, z, start, lane, team, classes)
        others = sum_of(np.float64(ones), lane, team, room) - np.float64(1)
        return top, of(sum_of(total, lane, team, room) + others)

    def softmax_of_large(z, start, lane, team, room, classes):  # type: ignore[no-untyped-def]
        some = top_from(classes, z, start, lane, team, room, classes)
        scale = scale_of(some)
        mine, peak = of(-math.inf), of(0)
        total = lost = np.float64(0)
        k = lane
        while k < classes:
            x = of(get(z, start, k))
            e = power(x, scale)
            is_more = x > mine
            total, lost = add(total, lost, np.float64(peak if is_more else e))  # all but the greatest
            mine, peak = x if is_more else mine, e if is_more else peak
            k += team
        top = top_of(mine, lane, team, room)
        total += lost
        ones = 1 if mine == top else 0
        total += np.float64(of(0) if mine == top else peak)
        high, low = in_words(top, scale)
        if not are_right(top, some):  # so the row is read once more
            total, ones = below(top, z, start, lane, team, classes)
            high, low = of(1), of(0)
        others = sum_of(np.float64(ones), lane, team, room) - np.float64(1)
        return top, divided(sum_of(total, lane, team, room), high, low) + of(others)

    @on_device
    def divided(total, high, low):  # type: ignore[no-untyped-def]
        inverse, whole = of(1) / high, of(total)
        quotient = whole * inverse
        lost = fma(-quotient, low, of(total - np.float64(whole)))
        return fma(fma(-quotient, high, whole) + lost, inverse, quotient)

    return on_device(softmax_of_large if forms.staged == TOO_LARGE else softmax_of_small)


@on_device
def _added_at_once(total: Any, lost: Any, x: Any) -> Any:
    return total + x, lost
