"""Kernels for arrays on a CUDA device; :mod:`nbloss._cpu` has the same functions under the same names."""

from numba import config, cuda

if not config.ENABLE_CUDASIM and getattr(cuda, "implementation", None) != "NVIDIA":
    raise ImportError("arrays on a CUDA device need the package numba-cuda: pip install 'nbloss[cuda]'")

from nbloss._cuda import classwise, hazards, linewise, lists, math, ordered, pointwise, rowwise, setwise, vectorwise
from nbloss._cuda.arrays import (
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
from nbloss._cuda.plans import replay
from nbloss._cuda.shortcut import shortcut

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
__all__ += ["linewise", "lists", "math", "number", "ordered", "pointwise", "replay", "rowwise", "setwise"]
__all__ += ["shortcut", "to_last"]
__all__ += ["vectorwise"]
