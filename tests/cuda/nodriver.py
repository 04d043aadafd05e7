"""Compiles kernels for devices that are not here: to PTX by numba, then to machine code by NVIDIA's linker."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from numba import config, cuda, from_dtype, types

from nbloss._arrays import is_bfloat16

Capability = tuple[int, int]


class Code(NamedTuple):
    """A kernel's code, and what it takes of a multiprocessor."""

    ptx: str
    registers: int
    """32-bit registers a thread."""
    stack: int
    """Bytes of memory a thread, beside the registers."""
    spilled: int
    """Bytes that a thread stores and loads for lack of registers."""
    machine: bytes

    def count(self, pattern: str) -> int:
        """Return how often *pattern* occurs in the instructions."""
        return len(re.findall(pattern, self.ptx[self.ptx.index(".entry") :]))


def what_is_missing() -> str:
    """Return what must be installed before anything can be compiled here, or nothing."""
    if config.ENABLE_CUDASIM:
        return "a process without NUMBA_ENABLE_CUDASIM: the simulator compiles nothing"
    if getattr(cuda, "implementation", None) != "NVIDIA":
        return "numba-cuda: pip install -e '.[cuda]'"
    try:
        code_of(cuda.jit(lambda: None), [], (9, 0))
    except (ImportError, RuntimeError) as error:
        return f"NVIDIA's compiler libraries, pip install -e '.[cuda]': {error}"
    return ""


def code_of(kernel: Any, arguments: list[Any], capability: Capability) -> Code:
    """Compile *kernel* for arguments of these types."""
    from nbloss._cuda import machine_code

    with _some_device():
        built = machine_code.build(kernel.py_func, arguments, capability)
    log = built.log
    found = re.search(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads", log)
    registers = re.search(r"Used (\d+) registers", log)
    assert found and registers, log
    stack, stored, loaded = map(int, found.groups())
    return Code(built.ptx, int(registers[1]), stack, stored + loaded, built.code)


@contextlib.contextmanager
def _some_device() -> Iterator[None]:
    """Let numba find a device, which it asks for where a kernel calls a function although any would do."""
    device = mock.Mock(compute_capability=(9, 0))
    with mock.patch("numba.cuda.dispatcher.get_current_device", lambda: device):
        yield


def type_of(form: Any, number: Any = types.float64) -> Any:
    """Return the type of the operand of a form (see :mod:`nbloss._cuda.layout`); numbers are of the type *number*."""
    if form is None:
        return types.int64
    if isinstance(form, str):
        return number
    dtype = np.dtype(np.uint16) if is_bfloat16(form.dtype) else form.dtype
    vector = types.CPointer(from_dtype(dtype))
    return types.Tuple((vector, types.int64, types.UniTuple(types.int64, form.rank))) if form.rank else vector
