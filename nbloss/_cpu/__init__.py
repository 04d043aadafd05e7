"""Kernels for arrays in host memory; :mod:`nbloss._cuda` has the same functions under the same names."""

from nbloss._cpu import (  # math: registers what compiled formulas use in place of nbloss._math
    math,
    ordered,
    pointwise,
    rowwise,
)
from nbloss._cpu.arrays import as_array, as_host, as_output, check_free, empty, number, to_last
from nbloss._cpu.shortcut import shortcut

__all__ = [
    "as_array",
    "as_host",
    "as_output",
    "check_free",
    "empty",
    "math",
    "number",
    "ordered",
    "pointwise",
    "rowwise",
]
__all__ += ["shortcut", "to_last"]
