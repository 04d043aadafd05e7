"""How kernels are launched: with the addresses of arrays as they are, on the stream that the arrays are used on.

numba compiles a kernel for the types of its arguments, but it is launched by the driver's own function, which takes the
host a few hundred nanoseconds; numba's way takes tens of microseconds, since it makes an array of its own of every
argument.
"""

from __future__ import annotations

import ctypes
import functools
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, NoReturn

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


class Loaded(NamedTuple):
    """A kernel in the memory of a device."""

    function: Any
    """As the driver knows it."""
    owner: Any
    """What keeps it there."""


class Launch(NamedTuple):
    """All that the driver is told of a launch."""

    kernel: Loaded
    blocks: int
    threads: int
    stream: Any
    room: int
    """Bytes of shared memory for each block, besides what the kernel always has."""
    arguments: list[Any]
    addresses: list[tuple[int, int, Any]]
    """Which of the arguments are addresses: their places, the addresses and what owns the memory there."""


class _Watched(threading.local):
    tape: Any = None
    """What is told of every launch of this thread."""
    is_idle = False
    """Whether there is no such tape, and this thread is known to have a device, the only one."""


watched = _Watched()
"""What :mod:`nbloss._cuda.plans` knows of each thread."""


class Kernel:
    """A kernel, compiled at its first launch for arguments of each type on each kind of device."""

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        function.__name__ = function.__qualname__ = name
        self.py_func = function
        self._loaded: dict[Any, Any] = {}
        self._lock = threading.Lock()

    def __getitem__(self, where: tuple[int, ...]) -> Callable[..., None]:
        """Return what launches the kernel: so many blocks of so many threads, on the stream with this handle.

        A fourth number is how many bytes of shared memory a block has besides.
        """
        return functools.partial(self._launch, where)

    def _launch(self, where: tuple[int, ...], /, *arguments: Any) -> None:
        blocks, threads, stream, room = (*where, 0)[:4]
        kinds: list[Any] = []
        flat: list[Any] = []
        addresses: list[tuple[int, int, Any]] = []
        for x in arguments:
            kinds.append(_flatten(x, flat, addresses))
        kernel, on = self._kernel_for(tuple(kinds)), device.stream(stream)
        if watched.tape is not None:
            watched.tape.note(Launch(kernel, blocks, threads, on, room, flat, addresses))
        table, _memory = laid_out(flat, {})
        (error,) = device.launcher()(kernel.function, blocks, 1, 1, threads, 1, 1, room, on, table, 0)
        if error:
            refused(error)

    def _kernel_for(self, kinds: tuple[Any, ...]) -> Any:
        key = (device.capability(), kinds)
        if key not in self._loaded:
            with self._lock:
                if key not in self._loaded:
                    self._loaded[key] = _load(self.py_func, kinds, key[0])
        return self._loaded[key]


def _load(function: Callable[..., Any], kinds: Sequence[Any], capability: tuple[int, int]) -> Loaded:
    found = machine_code.load(function, [_type(kind) for kind in kinds], capability)
    return Loaded(device.function(found), found)


def compiled(kernel: Callable[..., Any], name: str) -> Any:
    """Make a kernel of the function *kernel*, launched as ``kernel[blocks, threads, stream](*arguments)``."""
    if config.ENABLE_CUDASIM:
        kernel.__name__ = kernel.__qualname__ = name
        return cuda.jit(kernel)
    return Kernel(kernel, name)


def laid_out(arguments: Sequence[Any], at: Mapping[int, int]) -> tuple[int, Any]:
    """Return where the list is by which the driver finds *arguments*, and the memory that has to be kept for it.

    *at* says of some, by their places, where they lie already. The list ends with a null pointer, which the driver does
    not ask for, but whoever looks on.
    """
    words = (ctypes.c_uint64 * max(1, len(arguments)))()
    first = ctypes.addressof(words)
    for i, x in enumerate(arguments):
        if i not in at:
            data = np.asarray(x).tobytes()
            ctypes.memmove(first + 8 * i, data, len(data))
    found = [at.get(i, first + 8 * i) for i in range(len(arguments))]
    table = (ctypes.c_void_p * (len(found) + 1))(*found, None)
    return ctypes.addressof(table), (words, table)


def refused(error: Any) -> NoReturn:
    """Raise what the driver said of a launch."""
    raise RuntimeError(f"the CUDA driver refused to launch a kernel: {error.name}")


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
