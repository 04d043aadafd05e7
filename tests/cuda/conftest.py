"""Settings of the tests of the CUDA part."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tests.cuda import standin

if os.environ.get("NUMBA_ENABLE_CUDASIM", "0") == "0" and importlib.util.find_spec("numba_cuda"):
    standin.driver()  # before numba looks for the driver: nothing here needs a device, or uses one that is there

from numba import config, cuda
from numba.np import numpy_support


@pytest.fixture(autouse=True, scope="session")
def simulator() -> Iterator[None]:
    """Make numba's simulator fast and right, if it is on."""
    with simulated() if config.ENABLE_CUDASIM else contextlib.nullcontext():
        yield


@contextlib.contextmanager
def simulated() -> Iterator[None]:
    """Make numba's simulator fast and right."""
    from numba.cuda.simulator import kernel, kernelapi

    from tests.cuda import threads

    usual, array = kernel.swapped_cuda_module, kernelapi.FakeCUDAShared.array
    threads.install()
    kernel.swapped_cuda_module = _swapped_by_the_first
    kernelapi.FakeCUDAShared.array = _shared_by_all
    yield
    kernelapi.FakeCUDAShared.array = array
    kernel.swapped_cuda_module = usual


_lock = threading.Lock()
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


def _shared_by_all(shared: Any, shape: Any, dtype: Any, alignment: Any = None) -> Any:
    """Return the one array of a block that stands for this line of the source, or for the room that it was given.

    In numba's own form, two threads that come to it at once get one each.
    """
    if shape == 0:
        return shared._dynshared[: shared._dynshared_size].view(numpy_support.as_dtype(dtype))
    caller = sys._getframe(1)
    made = np.empty(shape, numpy_support.as_dtype(dtype))
    return shared._allocations.setdefault((caller.f_code.co_filename, caller.f_lineno), made)
