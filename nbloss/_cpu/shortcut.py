"""The shortest way from a call to the kernel, for vectors whose dtypes have one.

On small arrays, preparing the call costs more than the kernel, and on large ones as much as starting threads. Here
everything that depends on dtypes alone is decided once; a call only looks at shapes and flags, and whatever is unusual
about it goes the general way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nbloss._arrays import computed_in, divide
from nbloss._cpu.pointwise import PARALLEL_FROM, REALS, TARGETS, kernel_for
from nbloss._program import Program

Shortcut = Callable[[Any, Any, Any, Any], Any]


def shortcut(program: Program, want: str, mean: bool, target: Any, dtype: Any, weight: Any) -> Shortcut | None:
    """Return a function of targets, predictions, weights and `out=` that gives the result, or None if it cannot.

    *want* and *mean* are those of :func:`nbloss._cpu.pointwise.run`. Returns None for dtypes without a kernel.
    """
    if dtype not in REALS or target not in TARGETS or not (weight is None or weight in REALS):
        return None
    if program.vectors or computed_in(target, dtype, program.unbounded) != dtype:
        return None
    if want == "sg":  # two kernels, so little to gain
        return None
    numbers = program.numbers
    alone: list[Any] = []

    def kernel_at(size: int) -> Any:
        if size >= PARALLEL_FROM:
            return kernel_for(program, want, target, dtype, weight, size)
        if not alone:
            alone.append(kernel_for(program, want, target, dtype, weight, size))
        return alone[0]

    def total(y: Any, z: Any, w: Any, out: Any) -> Any:
        if out is not None or not _are_vectors(y, z, w):
            return None
        values, weights = kernel_at(z.size)(y, z, w, numbers, 1.0, None)
        return np.float64(divide(values, z.size if w is None else weights) if mean else values)

    def one(y: Any, z: Any, w: Any, out: Any) -> Any:
        if not _are_vectors(y, z, w):
            return None
        if out is None:
            out = np.empty(z.shape, dtype)
        elif not _is_like(out, dtype, z):
            return None
        value, gradient, hessian = (out if letter in want else None for letter in "vgh")
        return out if kernel_at(z.size)(y, z, w, numbers, value, gradient, hessian) else None

    def two(y: Any, z: Any, w: Any, out: Any) -> Any:
        if not _are_vectors(y, z, w):
            return None
        if out is None:
            a, b = np.empty(z.shape, dtype), np.empty(z.shape, dtype)
        elif type(out) is tuple and len(out) == 2:
            a, b = out
            if not (_is_like(a, dtype, z) and _is_like(b, dtype, z)):
                return None
        else:
            return None
        kernel = kernel_at(z.size)
        is_done = kernel(y, z, w, numbers, None, a, b) if want == "gh" else kernel(y, z, w, numbers, a, b, None)
        return (a, b) if is_done else None

    return total if want == "s" else one if len(want) == 1 else two


def _are_vectors(y: Any, z: Any, w: Any) -> bool:
    """Whether the arrays are contiguous vectors of one length, which is not 0."""
    of_y, of_z = y.flags, z.flags
    if not (z.ndim == 1 and y.shape == z.shape and z.size):
        return False
    if not (of_y.c_contiguous and of_z.c_contiguous and of_y.aligned and of_z.aligned):
        return False
    return w is None or (w.shape == z.shape and w.flags.c_contiguous and w.flags.aligned)


def _is_like(out: Any, dtype: Any, z: Any) -> bool:
    """Whether results can be written to *out* at once: a vector like *z*. The kernel sees whether memory is shared."""
    if not (type(out) is np.ndarray and out.dtype == dtype and out.shape == z.shape):
        return False
    flags = out.flags
    return bool(flags.c_contiguous and flags.aligned and flags.writeable)
