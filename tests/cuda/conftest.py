"""Settings of the tests of the CUDA part."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numba import config, cuda, types
from numba.np.numpy_support import as_dtype


@pytest.fixture(autouse=True, scope="session")
def simulator() -> Iterator[None]:
    """Make numba's simulator fast and right: its threads are Python's, of which one runs at a time."""
    if not config.ENABLE_CUDASIM:
        yield
        return
    from numba.cuda.simulator import kernel, kernelapi

    usual, swapped = sys.getswitchinterval(), kernel.swapped_cuda_module
    array = kernelapi.FakeCUDAShared.array
    sys.setswitchinterval(1e-4)  # taking turns often is 6 times as fast
    kernel.swapped_cuda_module = _swapped_by_the_first
    kernelapi.FakeCUDAShared.array = _made_once
    yield
    kernel.swapped_cuda_module = swapped
    kernelapi.FakeCUDAShared.array = array
    sys.setswitchinterval(usual)


_lock = threading.Lock()


def _made_once(self: Any, shape: Any, dtype: Any) -> Any:
    """Return the array that all threads of a block share, known by the line that asks for it.

    In numba's own form, two threads that ask at the same time may each make one.
    """
    frame = sys._getframe(1)
    with _lock:
        key = frame.f_code.co_filename, frame.f_lineno
        if key not in self._allocations:
            self._allocations[key] = np.empty(shape, as_dtype(dtype) if isinstance(dtype, types.Type) else dtype)
        return self._allocations[key]


_inside: dict[int, int] = {}  # how many calls are inside, by the module's globals


@contextlib.contextmanager
def _swapped_by_the_first(function: Any, simulated: Any) -> Iterator[None]:
    """Put the *simulated* module in the place of ``cuda`` while any thread runs a function of this module.

    numba's own form does it for each call of a device function: the first thread that leaves one takes the simulated
    module away from those that are still inside.
    """
    module = function.__globals__
    with _lock:
        _inside[id(module)] = _inside.get(id(module), 0) + 1
        names = [name for name, x in module.items() if x is cuda or x is simulated]
        module.update(dict.fromkeys(names, simulated))
    try:
        yield
    finally:
        with _lock:
            _inside[id(module)] -= 1
            if not _inside[id(module)]:
                module.update(dict.fromkeys(names, cuda))
