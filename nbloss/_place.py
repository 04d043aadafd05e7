"""Where arrays live: the CUDA part is imported only when a CUDA array comes."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np


def on_device(x: Any) -> bool:
    """Whether *x* lies in the memory of a CUDA device, or is an array of numba's CUDA simulator."""
    if type(x) is np.ndarray:
        return False
    if hasattr(x, "__cuda_array_interface__"):
        return True
    simulator = sys.modules.get("numba.cuda.simulator.cudadrv.devicearray")
    return simulator is not None and isinstance(x, simulator.FakeCUDAArray)


def is_lazy(*arrays: Any) -> bool:
    """Whether one of *arrays* is of dask, which is not imported for the question."""
    module = sys.modules.get("dask.array")
    return module is not None and any(isinstance(x, module.Array) for x in arrays)


def backend_of(**arrays: Any) -> Any:
    """Return the package of kernels, `_cpu` or `_cuda`, for *arrays* by name, which must live in one place.

    None and plain numbers live nowhere.
    """
    if is_lazy(*arrays.values()):
        raise TypeError("dask arrays are for losses of elements and of rows, which need no other chunk")
    device, host = "", ""
    for name, x in arrays.items():
        if x is None or isinstance(x, int | float | np.generic):
            continue
        if on_device(x):
            device = device or f"{name} ({type(x).__module__}.{type(x).__qualname__})"
        else:
            host = host or f"{name} ({type(x).__module__}.{type(x).__qualname__})"
    if device and host:
        raise TypeError(f"all arrays must live in one place, got {device} on a CUDA device and {host} in host memory")
    if device:
        from nbloss import _cuda

        return _cuda
    from nbloss import _cpu

    return _cpu


def replayed(
    loss: Any, want: str, y_true: Any, y_pred: Any, sample_weight: Any, reduction: str, out: Any,
    groups: tuple[Any, ...] = (),
) -> Any:  # fmt: skip
    """Return the result of `loss._evaluate` by launches kept from a call like it, or None: for CUDA arrays only.

    What else a method takes, such as sizes of groups, is in the tuple *groups*.
    """
    found = sys.modules.get("nbloss._cuda")
    return None if found is None else found.replay(loss, want, y_true, y_pred, sample_weight, reduction, out, groups)
