"""Machine code of kernels: numba makes PTX of a function, NVIDIA's linker machine code of that, and a folder keeps it.

A kernel is known by everything it is made of: the functions, numbers and forms that its source is closed over, the
types of its arguments, the device and the compilers. The folder's name has a hash of the package's sources. What is
made of anything else, as of a formula from elsewhere, is not kept.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import pathlib
import re
import tempfile
from collections.abc import Callable
from typing import Any, NamedTuple

from numba import cuda, types

from nbloss._compile import cache_folder
from nbloss._identity import identity

THREADS, BLOCKS = 256, (2, 1)
"""The threads of a block, and how many blocks must share a multiprocessor: two, with up to 128 registers a thread, or
one where these are so few that some would be kept in memory.
"""


def load(function: Callable[..., Any], arguments: list[Any], capability: tuple[int, int]) -> Any:
    """Return the kernel made of *function* for arguments of these types, ready for the driver to launch."""
    from cuda.core import ObjectCode

    path = _path(function, arguments, capability)
    found = _read(path)
    if found is None:
        name, code, *_ = build(function, arguments, capability)
        _write(path, name, code)
    else:
        name, code = found
    return ObjectCode.from_cubin(code, name=name).get_kernel(name)


class Built(NamedTuple):
    """What is made of a kernel."""

    name: str
    code: bytes
    ptx: str
    log: str
    """What the linker says of it: registers, stack, spills."""


def build(function: Callable[..., Any], arguments: list[Any], capability: tuple[int, int]) -> Built:
    """Compile *function* for arguments of these types."""
    from cuda.core import Linker, LinkerOptions, ObjectCode
    from cuda.pathfinder import DynamicLibNotFoundError
    from numba.cuda.cudadrv.error import NvvmSupportError

    try:
        options = LinkerOptions(arch="sm_{}{}".format(*capability), verbose=True)
        for blocks in BLOCKS:
            ptx, _ = cuda.compile(
                function, types.void(*arguments), device=False, abi="numba", cc=capability, output="ptx",
                launch_bounds=(THREADS, blocks),
            )  # fmt: skip
            linker = Linker(ObjectCode.from_ptx(ptx.encode(), name="kernel"), options=options)
            code, log = bytes(linker.link("cubin").code), linker.get_info_log()
            if not spilled(log):
                break
    except (DynamicLibNotFoundError, NvvmSupportError) as error:
        raise RuntimeError(
            "NVIDIA's compiler libraries are needed to compile for a CUDA device: pip install 'nbloss[cuda]', or "
            f"'nbloss[cuda12]' for a driver of CUDA 12 ({error})"
        ) from error
    found = re.search(r"\.entry\s+([\w$]+)", ptx)
    assert found is not None
    return Built(found[1], code, ptx, log)


def spilled(log: str) -> int:
    """Return how many bytes of registers a thread keeps in memory, as the linker says."""
    return sum(map(int, re.findall(r"(\d+) bytes spill", log)))


def _path(function: Callable[..., Any], arguments: list[Any], capability: tuple[int, int]) -> pathlib.Path | None:
    """Return where the machine code is kept, or None if it is not."""
    folder = cache_folder()
    if folder is None:
        return None
    try:
        made_of = identity(function)
    except TypeError:
        return None
    text = repr((made_of, [str(argument) for argument in arguments], capability, _versions()))
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.cubin"


@functools.cache
def _versions() -> tuple[str, ...]:
    def version(name: str) -> str:
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            return ""

    return tuple(map(version, ("numba", "numba-cuda", "cuda-core", "nvidia-nvvm", "nvidia-nvjitlink")))


def _read(path: pathlib.Path | None) -> tuple[str, bytes] | None:
    """Return name and code, or None where there is no such file, or a damaged one."""
    if path is None:
        return None
    with contextlib.suppress(OSError, ValueError):
        digest, name, code = path.read_bytes().split(b"\n", 2)
        if hashlib.sha256(code).hexdigest().encode() == digest:
            return name.decode(), code
    return None


def _write(path: pathlib.Path | None, name: str, code: bytes) -> None:
    if path is None:
        return
    with contextlib.suppress(OSError):
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(b"\n".join((hashlib.sha256(code).hexdigest().encode(), name.encode(), code)))
        os.replace(file.name, path)
