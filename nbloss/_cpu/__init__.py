"""Kernels for arrays in host memory; :mod:`nbloss._cuda` has the same functions under the same names."""

from nbloss._cpu import classwise, hazards, linewise, lists, math, ordered, pointwise, rowwise, setwise, vectorwise
from nbloss._cpu.arrays import (
    along_last,
    as_array,
    as_host,
    as_output,
    check_free,
    check_labels,
    empty,
    number,
    to_last,
)
from nbloss._cpu.shortcut import shortcut

# math registers what compiled formulas use in place of nbloss._math
__all__ = [
    "along_last",
    "as_array",
    "as_host",
    "as_output",
    "check_free",
    "check_labels",
    "classwise",
    "empty",
    "hazards",
]
__all__ += ["linewise", "lists", "math", "number", "ordered", "pointwise", "rowwise", "setwise", "shortcut"]
__all__ += ["to_last", "vectorwise"]
