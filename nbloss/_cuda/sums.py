"""Sums that kernels leave behind, a number for each block of threads, and the kernel that finishes them."""

from __future__ import annotations

import functools
from typing import Any

from numba import cuda

from nbloss._cuda.arrays import View, scratch
from nbloss._cuda.blocks import BLOCK, add_up
from nbloss._cuda.launch import compiled
from nbloss._cuda.layout import NUMBER, alone, on_device, writer

__all__ = ["divided", "dividing", "scratch"]


def divided(total: Any, weight: Any, result: View, stream: Any) -> None:
    """Write ``total / weight`` to *result*; each of them is a number or a vector of numbers to add up."""
    forms, operands = zip(*map(alone, (total, weight, result)), strict=True)
    sizes = (a.size if isinstance(a, View) else 1 for a in (total, weight))
    dividing(*forms)[1, BLOCK, stream](*operands, *sizes)


@functools.cache
def dividing(total_form: Any, weight_form: Any, result_form: Any) -> Any:
    """Return the kernel of :func:`divided`, for one block."""
    total_of, weight_of = (_number if form == NUMBER else add_up for form in (total_form, weight_form))
    write = writer(result_form)

    def kernel(total, weight, result, totals, weights):  # type: ignore[no-untyped-def]
        a, b = total_of(total, totals), weight_of(weight, weights)
        if cuda.threadIdx.x == 0:
            write(result, 0, 0, a / b)

    return compiled(kernel, "dividing")


_number = on_device(lambda x, size: x)
