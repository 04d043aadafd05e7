"""Room for what is between the inputs and the results of a call, kept for the next one.

What is given back to the system comes back from it page by page, which takes as long as half of the work of a loss that
sorts.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

MOST = 1 << 27
"""Bytes that are kept, at most."""

_kept: list[Any] = []  # whoever takes it out has it alone, be it another thread or a signal's handler


@contextlib.contextmanager
def room_of(*wanted: tuple[tuple[int, ...], Any]) -> Iterator[list[Any]]:
    """Give arrays of shapes and dtypes, whose bytes are anything; they are not to outlive the block."""
    sizes = [int(np.prod(shape)) * np.dtype(dtype).itemsize for shape, dtype in wanted]
    starts = np.cumsum([0, *(-(-size // 64) * 64 for size in sizes)])
    try:
        room = _kept.pop()
    except IndexError:
        room = np.empty(0, np.uint8)
    if room.size < starts[-1]:
        del room  # before there is another one
        room = np.empty(starts[-1], np.uint8)
    try:
        yield [
            room[start : start + size].view(dtype).reshape(shape)
            for start, size, (shape, dtype) in zip(starts, sizes, wanted, strict=False)
        ]
    finally:
        if not _kept and room.size <= MOST:
            _kept.append(room)
