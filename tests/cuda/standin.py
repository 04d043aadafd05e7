"""Puts a stand-in in the place of the CUDA driver, so that what the host does can be tested without a device."""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

SOURCE = pathlib.Path(__file__).with_name("driver.c")
KINDS = ("launches", "allocations", "waits of the host", "waits of streams", "copies", "modules")


@functools.cache
def library() -> pathlib.Path:
    """Return the stand-in's path, built where it is not there yet: by the C compiler, or by that of ziglang."""
    digest = hashlib.sha256(SOURCE.read_bytes()).hexdigest()[:16]
    folder = pathlib.Path(tempfile.gettempdir()) / f"nbloss-stand-in-{os.getuid()}-{digest}"
    path = folder / "libcuda.so.1"
    if not path.exists():
        folder.mkdir(exist_ok=True)
        found = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
        compiler = [found] if found else [sys.executable, "-m", "ziglang", "cc"]
        made = folder / f"{os.getpid()}.so"
        options = ["-O1", "-shared", "-fPIC", "-w", "-Wl,-soname,libcuda.so.1"]
        subprocess.run([*compiler, *options, "-o", str(made), str(SOURCE)], check=True)
        made.replace(path)
    return path


@functools.cache
def driver() -> ctypes.CDLL:
    """Load the stand-in: whoever asks for libcuda.so.1 after that gets it."""
    loaded = ctypes.CDLL(str(library()), mode=ctypes.RTLD_GLOBAL)
    loaded.stand_in_count.restype = ctypes.c_longlong
    return loaded


def counts() -> dict[str, int]:
    """Return how often the driver was asked for what."""
    return {kind: driver().stand_in_count(i) for i, kind in enumerate(KINDS)}


def last() -> tuple[int, int, int]:
    """Return the blocks, the threads of a block and the stream of the last launch."""
    blocks, threads, stream, kernel = ctypes.c_uint(), ctypes.c_uint(), ctypes.c_void_p(), ctypes.c_void_p()
    driver().stand_in_last(*map(ctypes.byref, (blocks, threads, stream, kernel)))
    return blocks.value, threads.value, stream.value or 0
