"""What tells functions apart, the same in every process: by it, machine code of kernels is found on the disk again."""

from __future__ import annotations

import dataclasses
import types as python
from typing import Any

import numpy as np
from numba import types

PACKAGE = __package__


def identity(x: Any) -> Any:
    """Return what tells *x*, which a kernel is made of, from all else: the same in every process.

    Raises TypeError where nothing does.
    """
    if isinstance(x, python.FunctionType):
        if x.__module__.split(".")[0] != PACKAGE:
            raise TypeError(f"{x.__qualname__} is of other sources")
        code, cells = x.__code__, x.__closure__ or ()
        constants = [
            repr(sorted(map(repr, c)) if isinstance(c, frozenset) else c)
            for c in code.co_consts
            if not isinstance(c, python.CodeType)
        ]
        inside = [identity(cell.cell_contents) for cell in cells]
        return x.__module__, x.__qualname__, code.co_firstlineno, code.co_code.hex(), constants, inside
    if isinstance(x, tuple | list):
        return type(x).__name__, [identity(part) for part in x]
    if isinstance(x, np.generic):
        return type(x).__name__, x.tobytes().hex()
    if isinstance(x, type | python.BuiltinFunctionType):
        return x.__module__, x.__qualname__
    if isinstance(x, int | float | str | np.dtype | types.Type) or x is None:
        return type(x).__name__, repr(x)
    if dataclasses.is_dataclass(x):
        return type(x).__qualname__, [identity(getattr(x, field.name)) for field in dataclasses.fields(x)]
    made_of = getattr(x, "py_func", None) or getattr(x, "_defn", None)
    if made_of is not None:  # a compiled function, or an intrinsic
        return type(x).__name__, identity(made_of)
    if isinstance(x, python.ModuleType):
        return "module", x.__name__
    raise TypeError(f"{x!r} is not known by what it is made of")
