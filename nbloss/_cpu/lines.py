"""What compiled formulas use in place of :mod:`nbloss._lines`, on the CPU, where lines are vectors or labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from nbloss._lines import at, put


@overload(at, target="cpu", strict=False)
def _at(line: Any, k: Any) -> Any:
    if isinstance(line, types.Array):
        return lambda line, k: np.float64(line[k])
    return lambda line, k: 1.0 if line.label == k else 0.0


@overload(put, target="cpu", strict=False)
def _put(line: Any, k: Any, x: Any) -> Any:
    if isinstance(line, types.NoneType):
        return lambda line, k, x: None

    def into_vector(line: Any, k: Any, x: Any) -> None:
        line[k] = x

    return into_vector
