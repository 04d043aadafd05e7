"""How far a floating-point number is from an exact one."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def ulps(got: Any, exact: Any, largest_term: Any = 0) -> float:
    """Return the distance of *got* to the mpmath number *exact*, in units in the last place of *exact*.

    If *exact* is a difference, the unit is that of the *largest_term*. Subnormal numbers are right if they are within
    the least normal number; an infinite *got* is right if *exact* lies beyond the largest number or is infinite.
    """
    from mpmath import fabs, frexp, isinf, isnan, mpf

    info = np.finfo(got.dtype)
    if isnan(exact) or np.isnan(got):
        return 0.0 if isnan(exact) and np.isnan(got) else math.inf
    if isinf(exact) or np.isinf(got):
        limit = mpf(float(info.max)) * (1 + mpf(float(info.eps)) / 4)
        beyond = exact > limit if got > 0 else exact < -limit
        return 0.0 if np.isinf(got) and beyond else math.inf
    size = max(fabs(exact), fabs(largest_term))
    error = fabs(mpf(float(got)) - exact)
    if size < mpf(float(info.smallest_normal)):
        return 0.0 if error <= mpf(float(info.smallest_normal)) else math.inf
    _, exponent = frexp(size)
    return float(error / (mpf(2) ** (exponent - 1) * mpf(float(info.eps))))
