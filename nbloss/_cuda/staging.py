"""Copies between host and device, for who asks for them: nothing else here moves data by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import config, cuda

from nbloss._cuda import device
from nbloss._cuda.arrays import as_array


def placed(a: Any, to: Any = None) -> Any:
    """Return an array of the host on the current device, in the memory of *to* if that is given."""
    _make_ready()
    copied = cuda.to_device(np.ascontiguousarray(a), to=to)
    return copied if to is None else to


def brought_back(x: Any) -> Any:
    """Return a copy in host memory of an array on a device, after all that is done to it on its stream."""
    if config.ENABLE_CUDASIM:
        return x.copy_to_host()
    device.wait_for(as_array(x, "an array").stream)
    return cuda.as_cuda_array(x, sync=False).copy_to_host()


def room(shape: tuple[int, ...], dtype: Any) -> Any:
    """Return an array on the current device, with nothing in it."""
    _make_ready()
    return cuda.device_array(shape, dtype)


def _make_ready() -> None:
    if not config.ENABLE_CUDASIM:
        device.make_ready()
