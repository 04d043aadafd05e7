"""Kernels for arrays in host memory; :mod:`nbloss._cuda` has the same functions under the same names."""

from nbloss._cpu import (
    classwise,
    math,
    pointwise,
    setwise,
    vectorwise,
)  # math: registers what compiled formulas use in place of nbloss._math
from nbloss._cpu.arrays import as_array, as_host, as_output, check_free, check_labels, empty, number
from nbloss._cpu.shortcut import shortcut

__all__ = [
    "as_array",
    "as_host",
    "as_output",
    "check_free",
    "check_labels",
    "classwise",
    "empty",
    "math",
    "number",
    "pointwise",
    "setwise",
    "shortcut",
    "vectorwise",
]
