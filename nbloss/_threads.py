"""How many threads a call may use: what the user says, then where the process runs. Loads neither numba nor NumPy."""

from __future__ import annotations

import contextvars
import functools
import math
import numbers
import os
import sys
from types import TracebackType

_everywhere: int | None = None
_here: contextvars.ContextVar[int | None] = contextvars.ContextVar("nbloss threads", default=None)


class set_num_threads:  # used like a function
    """Say how many threads a call may use: for the whole process, or in a `with` block for this thread alone.

    Results have the same bits for any number. Small arrays are evaluated by the calling thread whatever is said here.
    Without it, the number is the first that is there of: the threads of the dask worker that runs the call;
    ``NUMBA_NUM_THREADS``; ``OMP_NUM_THREADS``; the cores that this process may use. `numba.set_num_threads` lowers it.

    Parameters
    ----------
    n : int or None
        At most so many threads; numba has as many as ``NUMBA_NUM_THREADS`` says, or one for each core. 1 is to start
        none. None is to go back to the number above.

    Raises
    ------
    TypeError
        If `n` is neither a whole number nor None.
    ValueError
        If `n` is less than 1.

    Examples
    --------
    >>> import nbloss
    >>> with nbloss.set_num_threads(2):
    ...     nbloss.get_num_threads()
    2
    """

    def __init__(self, n: int | None) -> None:
        global _everywhere
        if n is not None and (isinstance(n, bool) or not isinstance(n, numbers.Integral)):
            raise TypeError(f"n must be a whole number of threads or None, got {n!r}")
        if n is not None and n < 1:
            raise ValueError(f"n must be at least 1 thread, got {n}")
        self._n = None if n is None else int(n)
        self._before, _everywhere = _everywhere, self._n

    def __enter__(self) -> None:
        global _everywhere
        _everywhere = self._before  # the block is of this thread; no other one is to see it
        self._token = _here.set(0 if self._n is None else self._n)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _here.reset(self._token)


def get_num_threads() -> int:
    """Return how many threads a call of this thread may use, as :class:`set_num_threads` tells."""
    return said() or _of_worker() or available()


def said() -> int | None:
    """Return what :class:`set_num_threads` was told, or None."""
    here = _here.get()
    return _everywhere if here is None else here or None


def _of_worker() -> int | None:
    """Return the number of threads of the dask worker that runs this thread, if one does."""
    module = sys.modules.get("distributed.worker")
    if module is None:
        return None
    try:
        n: int = module.get_worker().state.nthreads
    except (AttributeError, ValueError):  # it is no worker's thread, or the module is being imported
        return None
    return n


@functools.cache
def available() -> int:
    """Return the number of threads that suits this process: what its environment says, else its cores."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        first = os.environ.get(name, "").split(",")[0].strip()  # OpenMP has a list: one for each level of nesting
        if first.isdecimal() and int(first) > 0:
            return int(first)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    from nbloss import _cgroups  # only here: its pathlib would be a tenth of the time of the import

    return math.ceil(min(cores, _cgroups.quota()))
