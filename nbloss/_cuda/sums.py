"""Sums that kernels leave behind, a number for each block of threads, and the kernel that finishes them."""

from __future__ import annotations

import functools
from typing import Any

from numba import cuda

from nbloss._arrays import DOUBLE
from nbloss._cuda.arrays import View, as_output, empty
from nbloss._cuda.blocks import BLOCK, FEWEST, add_up, compiled
from nbloss._cuda.layout import NUMBER, alone, as_it_is, writer


def scratch(size: int, z: View) -> View:
    """Return room for *size* sums beside the predictions."""
    return as_output(empty((size,), DOUBLE, z, z.owner))


def divided(total: Any, weight: Any, result: View, stream: Any) -> None:
    """Write ``total / weight`` to *result*; each of them is a number or a vector of numbers to add up."""
    forms, operands = zip(*map(alone, (total, weight, result)), strict=True)
    dividing(*forms)[FEWEST, BLOCK, stream](*operands)


@functools.cache
def dividing(total_form: Any, weight_form: Any, result_form: Any) -> Any:
    """Return the kernel of :func:`divided`, of which every block does the same, and one writes the result."""
    total_of, weight_of = (as_it_is if form == NUMBER else add_up for form in (total_form, weight_form))
    write = writer(result_form)

    def kernel(total, weight, result):  # type: ignore[no-untyped-def]
        a, b = total_of(total), weight_of(weight)
        if cuda.grid(1) == 0:
            write(result, 0, 0, a / b)

    return compiled(kernel, "dividing")
