"""How kernels are launched: with the addresses of arrays as they are, on the stream that the arrays are used on.

numba compiles a kernel for the types of its arguments, but cuda.core launches it, which takes the host a few hundred
nanoseconds; numba's own way takes tens of microseconds, since it makes an array of its own of every argument.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numba import config, cuda, from_dtype, types

from nbloss._cuda import device, machine_code


class Pointer(NamedTuple):
    """The address of an element of an array, for a kernel that indexes it and asks nothing else of it."""

    address: int
    dtype: Any
    owner: Any
    """What keeps the memory alive."""


class Memory(NamedTuple):
    """A vector in the memory of a device, which a kernel sees as an array of numba."""

    address: int
    dtype: Any
    owner: Any
    size: int


class Launch(NamedTuple):
    """All that the driver is told of a launch."""

    stream: Any
    config: Any
    kernel: Any
    arguments: list[Any]
    addresses: list[tuple[int, int, Any]]
    """Which of the arguments are addresses: their places, the addresses and what owns the memory there."""


class _Watched(threading.local):
    tape: Any = None


watched = _Watched()
"""``watched.tape``, if there is one, is told of every launch of its thread; see :mod:`nbloss._cuda.plans`."""


class Kernel:
    """A kernel, compiled at its first launch for arguments of each type on each kind of device."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        function.__name__ = function.__qualname__ = name
        self.py_func = function
        self._loaded: dict[Any, Any] = {}
        self._lock = threading.Lock()

    def __getitem__(self, where: tuple[int, int, int]) -> Callable[..., None]:
        """Return what launches the kernel: so many blocks of so many threads, on the stream with this handle."""
        return functools.partial(self._launch, *where)

    def _launch(self, blocks: int, threads: int, stream: int, /, *arguments: Any) -> None:
        kinds: list[Any] = []
        flat: list[Any] = []
        addresses: list[tuple[int, int, Any]] = []
        for x in arguments:
            kinds.append(_flatten(x, flat, addresses))
        run = Launch(device.stream(stream), _config(blocks, threads), self._kernel_for(tuple(kinds)), flat, addresses)
        if watched.tape is not None:
            watched.tape.note(run)
        device.launcher()(run.stream, run.config, run.kernel, *flat)

    def _kernel_for(self, kinds: tuple[Any, ...]) -> Any:
        key = (device.capability(), kinds)
        if key not in self._loaded:
            with self._lock:
                if key not in self._loaded:
                    self._loaded[key] = machine_code.load(self.py_func, [_type(kind) for kind in kinds], key[0])
        return self._loaded[key]


def compiled(kernel: Callable[..., Any], name: str) -> Any:
    """Make a kernel of the function *kernel*, launched as ``kernel[blocks, threads, stream](*arguments)``."""
    if config.ENABLE_CUDASIM:
        kernel.__name__ = kernel.__qualname__ = name
        return cuda.jit(kernel)
    return Kernel(kernel, name)


@functools.lru_cache(maxsize=1024)
def _config(blocks: int, threads: int) -> Any:
    from cuda.core import LaunchConfig

    return LaunchConfig(grid=blocks, block=threads)


def _flatten(x: Any, flat: list[Any], addresses: list[tuple[int, int, Any]]) -> Any:
    """Append to *flat* what the driver is told of the argument *x*; return what stands for its type."""
    kind = type(x)
    if kind is Pointer:
        addresses.append((len(flat), x.address, x.owner))
        flat.append(x.address)
        return kind, x.dtype
    if kind is Memory:
        size, itemsize = x.size, x.dtype.itemsize
        addresses.append((len(flat) + 4, x.address, x.owner))
        flat += (0, 0, size, itemsize, x.address, size, itemsize)  # as numba lays out an array: no owner, no parent
        return kind, x.dtype
    if kind is tuple:
        return kind, tuple([_flatten(part, flat, addresses) for part in x])
    if kind is not int and kind is not float and kind is not bool and not issubclass(kind, np.generic):
        raise TypeError(f"a kernel takes numbers, pointers and tuples of them, got {kind.__name__}")
    flat.append(x)
    return kind


def _type(kind: Any) -> Any:
    """Return numba's type of an argument."""
    if isinstance(kind, tuple):
        of, more = kind
        if of is tuple:
            return types.BaseTuple.from_types([_type(part) for part in more])
        return types.CPointer(from_dtype(more)) if of is Pointer else types.Array(from_dtype(more), 1, "C")
    return {int: types.int64, float: types.float64, bool: types.boolean}.get(kind) or from_dtype(np.dtype(kind))
