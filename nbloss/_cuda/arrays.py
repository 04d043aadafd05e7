"""Arrays on a CUDA device: how they come in, from any library, and where results go.

An array comes in as a :class:`View`, which says where its elements lie, by the CUDA Array Interface
(https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html). Nothing is copied, and no library is imported:
the one that an array is of is there already. In numba's simulator a device has no memory of its own: the arrays that
stand for those of a device hold NumPy arrays, whose interface is the same.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import sys
import threading
import types
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import config, cuda

from nbloss._arrays import check_dtype, is_bfloat16, numbers_of
from nbloss._cuda import device
from nbloss._cuda.launch import Memory, Pointer, watched


@dataclasses.dataclass(frozen=True)
class _BFloat16:
    """What there is of numpy.dtype for bfloat16, a type that NumPy does not have."""

    name: str = "bfloat16"
    kind: str = "V"
    itemsize: int = 2


BFLOAT16 = _BFloat16()


class View(NamedTuple):
    """Where the elements of an array lie in the memory of a device."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    """In bytes; always whole multiples of the size of an element."""
    dtype: Any
    is_readonly: bool
    stream: int
    """Handle of the CUDA stream on which the array is used."""
    owner: Any
    """The array itself, which keeps the memory alive."""

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def start(self) -> int:
        """The number of elements that its memory has room for before element 0, where strides are negative."""
        before = sum((n - 1) * max(0, -stride) for n, stride in zip(self.shape, self.strides, strict=True))
        return int(before // self.dtype.itemsize)

    @property
    def extent(self) -> int:
        """The number of elements that its memory has room for, from the lowest to the highest."""
        between = sum((n - 1) * abs(stride) for n, stride in zip(self.shape, self.strides, strict=True))
        return int(between // self.dtype.itemsize) + 1 if self.size else 0


def as_array(x: Any, name: str) -> Any:
    """Return *x* as a :class:`View`; a plain number, which lives nowhere, as a 0-d NumPy array."""
    if _is_on_device(x):
        return _view(x, name)
    if name == "y_pred":  # which the results are to be like
        raise TypeError(f"y_pred must be an array on the CUDA device, like the others, got {type(x).__name__}")
    return np.asarray(x)


def as_host(x: Any, name: str) -> Any:
    """Return *x* as an array of numbers in host memory, or raise: nothing is copied from a device unasked."""
    if _is_on_device(x):
        raise TypeError(f"{name} must be in host memory, got {type(x).__name__} on a CUDA device: copy it there first")
    return numbers_of(x, name)


def as_output(out: Any) -> View:
    """Return *out* as the view to write to."""
    if not _is_on_device(out):
        raise TypeError(f"out must be an array on the CUDA device, like y_pred, got {type(out).__name__}")
    return _view(out, "out")


def check_free(outs: Sequence[View], *inputs: Any) -> None:
    """Raise unless *outs* can be written to without changing an input or each other."""
    for i, out in enumerate(outs):
        if out.is_readonly:
            raise ValueError("out must be writeable, got a read-only array")
        for other in (*inputs, *outs[:i]):
            if isinstance(other, View) and _overlap(out, other):
                raise ValueError("out must not overlap the inputs or another output, got arrays that share memory")


def check_labels(y: Any, classes: int, ignored: int | None = None, w: Any = None) -> None:
    """Do nothing: what is no label makes its row nan, since to raise would be to wait for the device."""


def empty(shape: tuple[int, ...], dtype: np.dtype[Any], z: View, like: Any) -> Any:
    """Return room for a result, of the library that *like* is of; for one of the shape of *z*, in the layout of *z*."""
    strides, step = [0] * len(shape), dtype.itemsize
    axes = list(range(len(shape)))
    if shape == z.shape:
        axes.sort(key=lambda axis: -abs(z.strides[axis]))
    for axis in reversed(axes):
        strides[axis] = step
        step *= max(1, shape[axis])
    result = room(shape, dtype, tuple(strides), like, z.stream)
    if watched.tape is not None:
        watched.tape.note_room(result, (shape, dtype, tuple(strides)), z.stream)
    return result


def room(shape: tuple[int, ...], dtype: np.dtype[Any], strides: tuple[int, ...], like: Any, stream: int) -> Any:
    """Return an array of the library that *like* is of, with this layout, for use on the stream with this handle."""
    if _is(like, "cupy", "ndarray"):
        cupy = sys.modules["cupy"]
        return cupy.ndarray(shape, dtype, memptr=cupy.empty(math.prod(shape), dtype).data, strides=strides)
    if _is(like, "torch", "Tensor"):
        steps = [stride // dtype.itemsize for stride in strides]
        return like.new_empty_strided(shape, steps, dtype=getattr(sys.modules["torch"], dtype.name))
    if _is(like, "jax", "Array"):  # whose arrays have one order only
        result = sys.modules["jax.numpy"].zeros(shape, dtype, device=next(iter(like.devices())))
        if result.dtype != dtype:
            raise TypeError(f"y_pred must not need results in {dtype} unless JAX has them: set jax_enable_x64")
        return result
    return cuda.device_array(shape, dtype, strides=strides, stream=_stream(stream))


def extent(x: Any) -> tuple[int, int]:
    """Return how far from its first element, in bytes, the memory of an array begins and ends."""
    a = _view(x, "an array")
    low = -a.start * a.dtype.itemsize
    return low, low + a.extent * a.dtype.itemsize


def to_last(a: View, axis: int) -> View:
    """Return a view of *a* in which *axis* is the last."""
    shape, strides = list(a.shape), list(a.strides)
    shape.append(shape.pop(axis))
    strides.append(strides.pop(axis))
    return a._replace(shape=tuple(shape), strides=tuple(strides))


def along_last(a: View, shape: tuple[int, ...]) -> View:
    """Return a view of *a* with *shape*, in which each number is repeated along a further last axis."""
    return a._replace(shape=shape, strides=(*a.strides, 0))


def number(a: Any) -> Any:
    """Return the 0-d array *a* as it is: reading its number would wait for the device."""
    return a


def memory(a: View) -> Any:
    """Return all the memory from the lowest to the highest element of *a*, as a vector for a kernel."""
    if config.ENABLE_CUDASIM:
        return _simulated()(_from_interface(_whole(a)))
    return Memory(_lowest(a), _stored(a), a.owner, a.extent)


def pointer(a: View) -> Any:
    """Return the lowest element of *a*, for a kernel that indexes it and asks nothing else of it."""
    return memory(a) if config.ENABLE_CUDASIM else Pointer(_lowest(a), _stored(a), a.owner)


def _stored(a: View) -> np.dtype[Any]:
    """Return the type in which kernels see the elements of *a*."""
    return np.dtype(np.uint16) if is_bfloat16(a.dtype) else a.dtype


def _lowest(a: View) -> int:
    return a.address - a.start * a.dtype.itemsize


def _whole(a: View) -> dict[str, Any]:
    return {"shape": (a.extent,), "typestr": _stored(a).str, "data": (_lowest(a), False)}


def vector(numbers: tuple[float, ...], dtype: np.dtype[Any], stream: int) -> View:
    """Return *numbers* as an array on the device, for use on the stream with this handle; it is kept for next time."""
    return _vector(numbers, dtype, stream, 0 if config.ENABLE_CUDASIM else device.ordinal())


@functools.lru_cache(maxsize=256)
def _vector(numbers: tuple[float, ...], dtype: np.dtype[Any], stream: int, number: int) -> View:
    return kept(_copied(np.array(numbers, dtype), stream))


def brought(numbers: np.ndarray[Any, Any], stream: int) -> View:
    """Return an array of the host as one on the device, for use on the stream with this handle.

    It is kept for the next time that such numbers come, unless it is large.
    """
    if numbers.size > KEPT_UP_TO:
        return _copied(numbers, stream)
    where = 0 if config.ENABLE_CUDASIM else device.ordinal()
    return _brought(numbers.tobytes(), numbers.dtype, stream, where)


@functools.lru_cache(maxsize=16)
def _brought(data: bytes, dtype: np.dtype[Any], stream: int, number: int) -> View:
    return kept(_copied(np.frombuffer(data, dtype), stream))


def _copied(numbers: np.ndarray[Any, Any], stream: int) -> View:
    """Return a copy on the device. It is made on a stream of its own, for which the other one waits, not the host."""
    if config.ENABLE_CUDASIM:
        return _view(cuda.to_device(numbers), "a parameter")
    own = _stream(device.copier(device.ordinal()))
    there = _view(cuda.to_device(numbers, stream=own), "a parameter")
    _wait(_stream(stream), own)
    return there._replace(stream=stream)


def kept(a: View) -> View:
    """Return *a*, whose memory is kept from call to call."""
    return a._replace(owner=Kept(a.owner))


class Kept(NamedTuple):
    """Says of what owns memory that it is kept from call to call."""

    owner: Any


turn = threading.RLock()
"""Held while the kernels of a call are launched: they leave sums for each other."""


@contextlib.contextmanager
def in_order(*views: Any) -> Iterator[int]:
    """Yield the handle of the stream of the first of *views*; those of the others wait for it, and it for them.

    So whatever was begun on the arrays is finished before they are read, and their memory is not used anew, by
    libraries that keep it in the order of their streams, before it has been read. Nobody else waits. Inside, the
    device of the arrays is the current one, and no other thread launches.
    """
    if config.ENABLE_CUDASIM:
        yield 0
        return
    arrays = [a for a in views if isinstance(a, View)]
    first = arrays[0].stream
    others = {a.stream for a in arrays} - {first}
    is_jax = any(_is(a.owner, "jax", "Array") for a in arrays)
    if watched.tape is not None and (others or is_jax):
        watched.tape.spoil()
    with turn, device.current(_device_of(arrays)):
        _scratch.taken = 0
        stream = _stream(first)
        for other in others:
            _wait(stream, _stream(other))
        yield first
        for other in others:
            _wait(_stream(other), stream)
        if is_jax:  # JAX tells nobody its streams
            device.wait_for(first)


def _device_of(arrays: Sequence[View]) -> int:
    """Return the number of the device that all arrays lie on, or raise."""
    device.make_ready()
    numbers = sorted({device.owner_of(a.address) for a in arrays if a.size}) if device.count() > 1 else []
    if len(numbers) > 1:
        raise ValueError(f"all arrays must lie on one CUDA device, got arrays on devices {numbers}")
    return numbers[0] if numbers else device.ordinal()


class _Scratch(threading.local):
    taken = 0


_scratch = _Scratch()
_rooms: dict[tuple[int, int, int], View] = {}
KEPT_UP_TO = 1 << 17
"""So many sums are kept room for: 1 MiB."""


def scratch(size: int, z: View) -> View:
    """Return room for *size* sums in float64, on the stream of the predictions *z*.

    It is kept for the next calls on this stream, unless it is large: so a call into given arrays allocates nothing.
    """
    dtype = np.dtype(np.float64)
    if config.ENABLE_CUDASIM or size > KEPT_UP_TO:
        return as_output(empty((size,), dtype, z, z.owner))
    key = (device.ordinal(), z.stream, _scratch.taken)
    _scratch.taken += 1
    found = _rooms.get(key)
    if found is None or found.size < size:
        capacity = max(1 << 12, 1 << max(size - 1, 0).bit_length())
        found = _rooms[key] = kept(_view(cuda.device_array(capacity, dtype), "scratch")._replace(stream=z.stream))
    return found._replace(shape=(size,))


def _view(x: Any, name: str) -> View:
    if _is(x, "jax", "Array"):
        x.block_until_ready()
    interface = x._ary.__array_interface__ if config.ENABLE_CUDASIM else x.__cuda_array_interface__
    if interface.get("mask") is not None:
        raise TypeError(f"{name} must not be a masked array: give the mask as sample_weight, 0 where masked")
    shape, dtype = tuple(interface["shape"]), _dtype(x, interface["typestr"])
    check_dtype(dtype, name)
    strides = interface.get("strides") or tuple(dtype.itemsize * math.prod(shape[i + 1 :]) for i in range(len(shape)))
    address, is_readonly = interface["data"]
    address = address or 0
    if any(offset % dtype.itemsize for offset in (address, *strides)):
        raise ValueError(
            f"{name} must have its elements at multiples of their size, {dtype.itemsize} bytes, "
            f"got address {address:#x} and strides {tuple(strides)}"
        )
    return View(address, shape, tuple(strides), dtype, is_readonly, _stream_of(x, interface), x)


def _dtype(x: Any, typestr: str) -> Any:
    if str(getattr(x, "dtype", "")).endswith("bfloat16"):  # its typestr differs between libraries, and their versions
        return BFLOAT16
    dtype = np.dtype(typestr)
    if not dtype.isnative:
        raise TypeError(f"arrays on a CUDA device must be in native byte order, got dtype {typestr}")
    return dtype


def _stream_of(x: Any, interface: dict[str, Any]) -> int:
    """Return the handle of the stream on which the library of *x* uses it."""
    if _is(x, "torch", "Tensor"):  # which leaves the stream out of the interface
        return int(sys.modules["torch"].cuda.current_stream(x.device).cuda_stream)
    handle = interface.get("stream") or 0
    return 0 if handle == 1 else int(handle)  # both stand for the default stream


@functools.lru_cache(maxsize=64)
def _stream(handle: int) -> Any:
    """Return what numba takes as the stream with this handle."""
    return cuda.external_stream(handle) if handle else 0


def _wait(waiting: Any, stream: Any) -> None:
    """Let *waiting* wait for what was begun on *stream*; the host waits for nothing."""
    event = cuda.event(timing=False)
    event.record(stream)
    event.wait(waiting)


def _is_on_device(x: Any) -> bool:
    return isinstance(x, _simulated()) if config.ENABLE_CUDASIM else hasattr(x, "__cuda_array_interface__")


def _is(x: Any, library: str, kind: str) -> bool:
    """Whether *x* is of a class of a library, which need not be installed."""
    found = sys.modules.get(library)
    return found is not None and isinstance(x, getattr(found, kind, ()))


def _simulated() -> Any:
    """Return the class of the arrays of numba's simulator."""
    return sys.modules["numba.cuda.cudadrv.devicearray"].FakeCUDAArray


def _overlap(a: View, b: View) -> bool:
    """Whether two arrays share an element: NumPy tells from their addresses, and reads nothing there."""

    def elements(v: View) -> Any:
        typestr, data = f"V{v.dtype.itemsize}", (v.address, False)
        return _from_interface({"shape": v.shape, "strides": v.strides, "typestr": typestr, "data": data})

    try:
        return np.shares_memory(elements(a), elements(b), max_work=100_000)  # type: ignore[arg-type]
    except np.exceptions.TooHardError:  # an exotic pair of layouts
        return True


def _from_interface(interface: dict[str, Any]) -> Any:
    """Return the NumPy array that an array interface describes."""
    return np.asarray(types.SimpleNamespace(__array_interface__={"version": 3, **interface}))
