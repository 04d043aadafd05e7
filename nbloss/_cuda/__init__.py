"""Kernels for arrays on a CUDA device; :mod:`nbloss._cpu` has the same functions under the same names."""

from numba import config, cuda

if not config.ENABLE_CUDASIM and getattr(cuda, "implementation", None) != "NVIDIA":
    raise ImportError("arrays on a CUDA device need the package numba-cuda: pip install 'nbloss[cuda]'")

from nbloss._cuda import math, ordered, pointwise  # math: registers what compiled formulas use in place of nbloss._math
from nbloss._cuda.arrays import as_array, as_host, as_output, check_free, empty, number
from nbloss._cuda.shortcut import shortcut

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
    "shortcut",
]
