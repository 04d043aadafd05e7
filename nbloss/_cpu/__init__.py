"""Kernels for arrays in host memory; :mod:`nbloss._cuda` has the same functions under the same names."""

import importlib
from types import ModuleType

from nbloss._cpu import lines, math
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

FAMILIES = "classwise", "hazards", "linewise", "lists", "ordered", "pointwise", "rowwise", "setwise", "vectorwise"

# lines and math register what compiled formulas use in place of nbloss._lines and nbloss._math
__all__ = [
    "along_last",
    "as_array",
    "as_host",
    "as_output",
    "check_free",
    "check_labels",
    "empty",
    "lines",
    "math",
    "number",
]
__all__ += ["shortcut", "to_last"]


def __getattr__(name: str) -> ModuleType:
    """Import the kernels of a family when they are first asked for: those of all take a tenth of a first call."""
    if name in FAMILIES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
