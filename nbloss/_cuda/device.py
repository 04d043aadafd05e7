"""The device at hand, and streams: what of cuda.core the kernels need. The driver is asked at the first use only."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from typing import Any


class _Thread(threading.local):
    devices = 0  # so many there are, once one of them is current


_thread = _Thread()


def make_ready() -> int:
    """See to it that this thread has a current device; return how many there are. RuntimeError where there is none."""
    if _thread.devices:
        return _thread.devices
    from cuda.bindings import driver
    from cuda.core import Device

    try:
        found = count()
        if not int(driver.cuCtxGetCurrent()[1]):
            Device().set_current()
    except Exception as error:  # what the driver, or the search for it, raises has no common class
        raise RuntimeError(f"a CUDA array came, but no CUDA device can be used: {error}") from error
    _thread.devices = found
    return found


@functools.cache
def count() -> int:
    """Return how many devices there are."""
    from cuda.core import Device

    return len(Device.get_all_devices())


def capability() -> tuple[int, int]:
    """Return the compute capability of the current device, which machine code is made for."""
    return _capability(ordinal())


@functools.cache
def _capability(number: int) -> tuple[int, int]:
    from cuda.core import Device

    major, minor = Device(number).compute_capability
    return major, minor


def ordinal() -> int:
    """Return the number of the current device."""
    make_ready()
    if count() == 1:
        return 0
    from cuda.core import Device

    return int(Device().device_id)


def owner_of(address: int) -> int:
    """Return the number of the device in whose memory *address* lies."""
    if count() == 1:
        return 0
    from cuda.bindings import driver

    attribute = driver.CUpointer_attribute.CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL
    error, number = driver.cuPointerGetAttribute(attribute, address)
    if error != driver.CUresult.CUDA_SUCCESS:
        raise ValueError(f"arrays must lie in the memory of a CUDA device, got address {address:#x} ({error.name})")
    return int(number)


@contextlib.contextmanager
def current(number: int) -> Iterator[None]:
    """Make this device the current one, and then the one before again."""
    before = ordinal()
    if number == before:
        yield
        return
    from cuda.core import Device

    Device(number).set_current()
    try:
        yield
    finally:
        Device(before).set_current()


@functools.lru_cache(maxsize=1024)
def stream(handle: int) -> Any:
    """Return the stream with this handle, of which 0 is the default stream's, as the driver knows it."""
    from cuda.bindings import driver

    return driver.CUstream(handle)


@functools.cache
def _copier(number: int) -> Any:
    from cuda.core import Device

    return Device(number).create_stream()


def copier(number: int) -> int:
    """Return the handle of a stream of a device, the current one, on which nothing runs but copies from the host."""
    return int(_copier(number).handle)


def wait_for(handle: int) -> None:
    """Wait until all is done on the stream with this handle."""
    from cuda.core import Stream

    Stream.from_handle(handle).sync()


def function(kernel: Any) -> Any:
    """Return a kernel as the driver knows it, as long as the one that was loaded is kept."""
    from cuda.bindings import driver

    return driver.CUfunction(int(kernel.handle))


@functools.cache
def launcher() -> Any:
    """Return what launches a kernel, the function cuLaunchKernel of the driver."""
    from cuda.bindings import driver

    return driver.cuLaunchKernel
