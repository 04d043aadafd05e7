"""Brings arrays of any dtype and layout before kernels that take contiguous vectors.

What is contiguous already is handed over as it is. The rest passes through buffers of a fixed size, piece by piece,
which :class:`numpy.nditer` fills and empties: no array is ever copied as a whole.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

PIECE = 1 << 17  # elements: enough for two threads, little enough for the caches


def as_vectors(arrays: Sequence[Any]) -> list[Any] | None:
    """Return *arrays*, or None in their place, as contiguous vectors in one order; None where they are not."""
    present = [a for a in arrays if a is not None]
    shape = present[0].shape
    if any(a.shape != shape or not a.flags.aligned for a in present):
        return None
    if all(a.flags.c_contiguous for a in present):
        return [None if a is None else a.reshape(-1) for a in arrays]
    if all(a.flags.f_contiguous for a in present):
        return [None if a is None else a.T.reshape(-1) for a in arrays]
    return None


def pieces(
    like: Any, inputs: Sequence[tuple[Any, Any]], last: Sequence[Any], outputs: Sequence[Any], dtype: Any
) -> Iterator[list[Any]]:
    """Run through arrays piece by piece, in the order of the memory of *like*.

    Parameters
    ----------
    like : array
        The array whose shape and order the others follow.
    inputs : sequence of (array, dtype)
        Arrays with the axes of *like*, or the first of them or none, and the types in which they are wanted.
    last : sequence of array
        Arrays with the last axis of *like*, wanted as *dtype*.
    outputs : sequence of array
        Arrays with the shape of *like*, to be written as *dtype*.

    Yields
    ------
    list of array
        Contiguous vectors of at most `PIECE` elements: *like* as *dtype*, inputs, last, outputs.
    """
    axes = [[*range(a.ndim), *[-1] * (like.ndim - a.ndim)] for a, _ in inputs]
    axes += [[*[-1] * (like.ndim - 1), 0] for _ in last]
    whole = list(range(like.ndim))
    read, write = ["readonly", "nbo", "aligned", "contig"], ["writeonly", "nbo", "aligned", "contig"]
    with np.nditer(  # type: ignore[call-overload]  # its stubs want literal flags
        [like, *(a for a, _ in inputs), *last, *outputs],
        flags=["external_loop", "buffered", "zerosize_ok"],
        op_flags=[read] * (1 + len(inputs) + len(last)) + [write] * len(outputs),
        op_dtypes=[dtype, *(t for _, t in inputs), *[dtype] * (len(last) + len(outputs))],
        op_axes=[whole, *axes, *[whole] * len(outputs)],
        order="K",
        casting="unsafe",
        buffersize=PIECE,
    ) as iterator:
        for piece in iterator:
            yield list(piece)


def slabs(shape: Sequence[int], most: int) -> Iterator[tuple[slice | int, ...]]:
    """Yield indices that cut the axes of *shape* into slabs of at most *most* entries, in C order."""
    if not shape:
        yield ()
        return
    inner = math.prod(shape[1:])
    if inner <= most:
        step = max(1, most // max(inner, 1))
        for first in range(0, shape[0], step):
            yield (slice(first, first + step),)
    else:
        for i in range(shape[0]):
            for index in slabs(shape[1:], most):
                yield (i, *index)
