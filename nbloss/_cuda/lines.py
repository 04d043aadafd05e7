"""What compiled formulas use in place of :mod:`nbloss._lines`, on CUDA devices.

Lines are labels or lie in the memory of an array, whatever its dtype and strides. In numba's simulator, where formulas
are plain Python, they are indexed as sequences are.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from nbloss._cuda.layout import _from_bfloat16 as from_bfloat16
from nbloss._lines import Label, at, put


class Line(NamedTuple):
    """A row of an array: number k lies at ``memory[first + k * step]``."""

    memory: Any
    first: int
    step: int

    def __getitem__(self, k: Any) -> Any:
        return self.memory[self.first + k * self.step]

    def __setitem__(self, k: Any, x: Any) -> None:
        self.memory[self.first + k * self.step] = x


class BFloat16Line(NamedTuple):
    """A row of an array of bfloat16, whose memory holds its bits."""

    memory: Any
    first: int
    step: int

    def __getitem__(self, k: Any) -> Any:
        return from_bfloat16(self.memory[self.first + k * self.step])


@overload(at, target="cuda", strict=False)
def _at(line: Any, k: Any) -> Any:
    if line.instance_class is Label:
        return lambda line, k: 1.0 if line.label == k else 0.0
    if line.instance_class is BFloat16Line:
        return lambda line, k: np.float64(from_bfloat16(line.memory[line.first + k * line.step]))
    if line.types[0].dtype.bitwidth == 16 and isinstance(
        line.types[0].dtype, types.Float
    ):  # which devices do not turn into doubles at once
        return lambda line, k: np.float64(np.float32(line.memory[line.first + k * line.step]))
    return lambda line, k: np.float64(line.memory[line.first + k * line.step])


@overload(put, target="cuda", strict=False)
def _put(line: Any, k: Any, x: Any) -> Any:
    if isinstance(line, types.NoneType):
        return lambda line, k, x: None

    def into_memory(line: Any, k: Any, x: Any) -> None:
        line.memory[line.first + k * line.step] = x

    return into_memory
