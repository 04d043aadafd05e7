"""The gate of every parallel kernel: one at a time, with as many of numba's threads as the call may use.

numba runs `prange` by one of three layers, each with a trap of its own: workqueue aborts the process if two Python
threads are in it; GNU OpenMP kills, or waits for ever in, a forked child whose parent had used it, and its idle threads
hold cores for milliseconds that a second OpenMP, such as XGBoost's, waits for, unless numba is led to share it
(:mod:`nbloss._openmp`). tbb has none of these. So that nothing depends on the layer, whoever finds the gate taken, or
is such a child, runs the serial twin of the kernel: the bits are the same.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import pathlib
import sys
import threading
from collections.abc import Callable
from typing import Any

import numba
from numba.np.ufunc import parallel as _layers

from nbloss import _openmp, _threads

BESIDE_OPENMP = 1 << 24
"""Elements from which threads pay beside an OpenMP that is not numba's, which holds the cores for milliseconds."""

WORKQUEUE_FROM = 1 << 18
"""Elements from which threads pay with workqueue, which takes a tenth of a millisecond to wake them."""

undivided = threading.RLock()
"""Held by whoever must not be cut by a fork: numba compiles, and starts its threads, under locks that a child would
wait for in vain."""

_turn = threading.Lock()
_is_barred = False  # whether this process must not use threads: a fork of one that had started them


def _forked() -> None:
    global _turn, _is_barred
    _turn = threading.Lock()  # the thread that held it is not in this process
    _is_barred = _is_barred or _layers._is_initialized
    _threads.available.cache_clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=undivided.acquire, after_in_parent=undivided.release, after_in_child=undivided.release)
    os.register_at_fork(after_in_child=_forked)


def is_allowed(size: int) -> bool:
    """Whether a call on so many elements, enough to be worth threads, may use more than one."""
    if _is_barred or _threads.get_num_threads() == 1:
        return False
    layer = _layer()
    if layer == "workqueue":
        return size >= WORKQUEUE_FROM
    if layer == "omp":
        return not _is_barred and (size >= BESIDE_OPENMP or not _openmp.is_beside_another())
    return True


def run(kernel: Callable[..., Any], twin: Callable[[], Callable[..., Any]], arguments: tuple[Any, ...]) -> Any:
    """Call a parallel kernel, or what *twin* returns if threads are taken or not for this process."""
    turn = _turn
    if _is_barred or not turn.acquire(blocking=False):
        return twin()(*arguments)
    try:
        n, before = _threads.get_num_threads(), _layers._get_num_threads()
        n = min(n, before if _threads.said() is None else _layers.NUM_THREADS)
        if n != before:
            _layers._set_num_threads(n)  # the public function takes a lock that all forks share
        try:
            return kernel(*arguments)
        except SystemError as error:  # what numba calls in Python on the way out may be interrupted, by Ctrl-C, say
            cause: BaseException = error
            while cause.__cause__ is not None:
                cause = cause.__cause__
            raise cause from None
        finally:
            if n != before:
                _layers._set_num_threads(before)
            if _layer() == "omp" and _openmp.is_beside_another():
                _openmp.end_threads()
    finally:
        turn.release()


@functools.cache
def _layer() -> str:
    """Start numba's threads, unless they are; return the name of the layer."""
    global _is_barred
    with undivided:
        had_openmp = _openmp.is_forked() and any("/libgomp.so" in name for name in _openmp.loaded())
        wanted = str(numba.config.THREADING_LAYER).lower()
        if not _layers._is_initialized:
            has_tbb = wanted not in ("omp", "workqueue") and _find_tbb()
            with contextlib.nullcontext() if has_tbb or wanted == "workqueue" else _openmp.shared():
                numba.get_num_threads()
        layer: str = numba.threading_layer()
    if layer == "omp" and had_openmp:  # the parent may have used it, and its threads are not in this process
        _is_barred = True
    return layer


def _find_tbb() -> bool:
    """Load tbb, also from this environment's folder of libraries, where pip puts it and the linker does not look."""
    for path in (str(pathlib.Path(sys.prefix) / "lib" / "libtbb.so.12"), "libtbb.so.12"):
        with contextlib.suppress(OSError):
            ctypes.CDLL(path, ctypes.RTLD_GLOBAL)
            return True
    return False
