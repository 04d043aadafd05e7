"""The OpenMP libraries of this process: which there are, which are in use, and how numba comes to share one of them.

Wheels such as those of scikit-learn and XGBoost bring a GNU OpenMP of their own, under another name than that of the
system, which numba and LightGBM use. Two that are in use hold the cores against each other: idle threads of either wait
actively, for milliseconds. One that is used by all has no such trouble. So numba is led to the one that is there, if it
has not started its threads: the names that its layer looks up are found in the first library that is open to all.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import pathlib
import re
import sys
from collections.abc import Iterator
from typing import Any

NEEDED = ("GOMP_parallel", "omp_get_num_threads", "omp_get_thread_num", "omp_set_nested", "omp_set_num_threads")
"""What numba's layer looks up."""

USERS = ("xgboost", "sklearn._loss", "sklearn.cluster", "sklearn.neighbors", "sklearn.manifold")
"""Modules with loops for the OpenMP of scikit-learn's wheel; merely importing scikit-learn loads it, too.

XGBoost's is of the same name, and so the same library, whichever was first.
"""

_led_to: Any = None
"""The library that numba was led to, if it was."""

_left: frozenset[str] = frozenset()
"""The other ones that were in use then. What looks for the system's later finds the one that numba shares."""


def loaded() -> set[str]:
    """Return the files of the OpenMP libraries in this process."""
    try:
        maps = pathlib.Path("/proc/self/maps").read_text()
    except OSError:
        return set()
    return set(re.findall(r"/\S*/lib(?:g|i|)omp\d?[-.]\S*", maps))


def is_forked() -> bool:
    """Whether this process is a copy of another one, which started no program of its own since."""
    try:
        flags = int(pathlib.Path("/proc/self/stat").read_text().rpartition(")")[2].split()[6])
    except (OSError, ValueError, IndexError):
        return False
    return bool(flags & 0x40)  # PF_FORKNOEXEC


def is_beside_another() -> bool:
    """Whether another one than numba's is in use. They are looked for again whenever modules were imported."""
    return _is_another_among(len(sys.modules))


@functools.lru_cache(maxsize=1)
def _is_another_among(modules: int) -> bool:
    if _led_to is None:
        return any(not _is_of_system(path) for path in _in_use())
    return any(path in _left or not _is_of_system(path) for path in _in_use() - {_led_to._name})


def _is_of_system(path: str) -> bool:
    return "/libgomp.so" in path


def _in_use() -> set[str]:
    is_used = any(name in sys.modules for name in USERS)
    return {path for path in loaded() if is_used or "/scikit_learn.libs/" not in path}


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Lead numba, which starts its threads here, to the OpenMP that came with another package, if one is in use.

    Not in a forked process, whose parent may have its threads. What numba sets for the calling thread is set back.
    """
    global _led_to, _left
    library, before = None if is_forked() else _opened(), _in_use()
    if library is None:
        yield
        return
    count, is_nested = library.omp_get_max_threads(), library.omp_get_nested()
    try:
        yield
    finally:
        library.omp_set_num_threads(count)
        library.omp_set_nested(is_nested)
    _led_to, _left = library, frozenset(before)
    _is_another_among.cache_clear()


def _opened() -> Any:
    for path in sorted(path for path in _in_use() if "/libgomp-" in path):
        with contextlib.suppress(OSError):
            library = ctypes.CDLL(path, os.RTLD_NOLOAD)
            if all(hasattr(library, name) for name in NEEDED):
                return ctypes.CDLL(path, os.RTLD_NOLOAD | os.RTLD_GLOBAL)
    return None


def end_threads() -> None:
    """End the idle threads of the calling one in numba's OpenMP, which would hold their cores."""
    (_led_to or _of_system()).omp_pause_resource_all(1)


@functools.cache
def _of_system() -> Any:
    return ctypes.CDLL("libgomp.so.1")
