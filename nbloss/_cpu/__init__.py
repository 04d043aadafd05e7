"""Kernels for arrays in host memory; :mod:`nbloss._cuda` has the same functions under the same names."""

from nbloss._cpu import linewise, math, pointwise, rowwise  # math: registers compiled functions for nbloss._math
from nbloss._cpu.arrays import as_array, as_host, as_output, check_free, empty, number
from nbloss._cpu.shortcut import shortcut

__all__ = [
    "as_array", "as_host", "as_output", "check_free", "empty", "linewise", "math", "number", "pointwise", "rowwise",
    "shortcut",
]  # fmt: skip
