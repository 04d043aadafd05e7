"""A stable sort of items by keys on a CUDA device: a least-significant-digit radix sort.

Every pass orders by one digit of a key, from the lowest to the highest. The items are cut into tiles, a tile for each
block, and a thread has neighbouring items of its tile; so counting by digits and threads, and then by digits and tiles,
says where each item goes, after all of its digit that stand before it. No atomics: one result, on every run.
"""

from __future__ import annotations

from typing import Any

from numba import config, cuda, int64

from nbloss._cuda.blocks import BLOCK
from nbloss._cuda.launch import compiled

DIGIT = 8 if config.ENABLE_CUDASIM else 4
"""Bits of a digit. A block of a device has shared memory for 16 counts a thread; the simulator is faster for fewer."""
DIGITS = 1 << DIGIT
ITEMS = 4 if config.ENABLE_CUDASIM else 16
"""Items of a thread."""
TILE = BLOCK * ITEMS


def tiles_of(size: int) -> int:
    """Return how many tiles *size* items are cut into."""
    return -(-size // TILE)


def grid_of(blocks: int) -> int:
    """Return how many blocks to launch for so many that have work."""
    return max(1, blocks)


@cuda.jit(device=True)
def before(x: Any) -> Any:
    """Return the sum of the x of the block's earlier threads, and of all."""
    sums = cuda.shared.array(BLOCK, int64)
    me = cuda.threadIdx.x
    sums[me] = x
    cuda.syncthreads()
    step = 1
    while step < BLOCK:
        earlier = sums[me - step] if me >= step else int64(0)
        cuda.syncthreads()
        sums[me] += earlier
        cuda.syncthreads()
        step *= 2
    mine, total = sums[me] - x, sums[BLOCK - 1]
    cuda.syncthreads()  # before the next call writes to it
    return mine, total


@cuda.jit(device=True)
def _digit(keys: Any, items: Any, i: Any, shift: Any, length: Any) -> Any:
    """Return the digit of item i: of its key or, if *length* is not 0, of the set of that length that it is in."""
    if length:
        return ((items[i] >> 1) // length >> shift) & (DIGITS - 1)
    return (keys[i] >> shift) & (DIGITS - 1)


@cuda.jit(device=True)
def _count(keys: Any, items: Any, shift: Any, length: Any, counts: Any) -> Any:
    """Count the digits of the items of each thread; return the first and the last of this thread."""
    me = cuda.threadIdx.x
    for digit in range(DIGITS):
        counts[digit, me] = 0
    first = min(cuda.blockIdx.x * TILE + me * ITEMS, items.size)
    last = min(first + ITEMS, items.size)
    for i in range(first, last):
        counts[_digit(keys, items, i, shift, length), me] += 1
    cuda.syncthreads()
    return first, last


def _counting(keys, items, shift, length, counts):  # type: ignore[no-untyped-def]
    """Count the digits of each tile."""
    mine = cuda.shared.array((DIGITS, BLOCK), int64)
    _count(keys, items, shift, length, mine)
    tiles = counts.size // DIGITS
    if cuda.blockIdx.x < tiles:
        for digit in range(cuda.threadIdx.x, DIGITS, BLOCK):
            total = int64(0)
            for thread in range(BLOCK):
                total += mine[digit, thread]
            counts[digit * tiles + cuda.blockIdx.x] = total


def _prefixing(counts):  # type: ignore[no-untyped-def]
    """Replace counts by the sums of those before; one block does it all."""
    size = counts.size if cuda.blockIdx.x == 0 else 0
    each = (size + BLOCK - 1) // BLOCK
    first = min(cuda.threadIdx.x * each, size)
    last = min(first + each, size)
    total = int64(0)
    for i in range(first, last):
        total += counts[i]
    place, _ = before(total)
    for i in range(first, last):
        count = counts[i]
        counts[i] = place
        place += count


def _moving(keys, items, shift, length, places, to_keys, to_items):  # type: ignore[no-untyped-def]
    """Move the items of each tile to their places."""
    mine = cuda.shared.array((DIGITS, BLOCK), int64)
    first, last = _count(keys, items, shift, length, mine)
    me, tiles = cuda.threadIdx.x, places.size // DIGITS
    if cuda.blockIdx.x < tiles:
        for digit in range(me, DIGITS, BLOCK):
            place = places[digit * tiles + cuda.blockIdx.x]
            for thread in range(BLOCK):
                count = mine[digit, thread]
                mine[digit, thread] = place
                place += count
    cuda.syncthreads()
    for i in range(first, last):
        digit = _digit(keys, items, i, shift, length)
        place = mine[digit, me]
        mine[digit, me] = place + 1
        to_keys[place] = keys[i]
        to_items[place] = items[i]


counting, prefixing, moving = (
    compiled(kernel, kernel.__name__.strip("_")) for kernel in (_counting, _prefixing, _moving)
)


def sort(
    keys: Any, items: Any, spare_keys: Any, spare_items: Any, counts: Any, length: int, stream: Any,
    bits: int | None = None,
) -> Any:  # fmt: skip
    """Sort items by keys within sets of this *length*; return the arrays that hold keys and items in the end.

    An item is twice an index, plus 0 or 1; anything if there is one set. *counts* is room for `DIGITS` numbers a tile.
    Keys have so many *bits*, by default all of their type.
    """
    grid, sets = grid_of(tiles_of(items.size)), items.size // length
    passes = [(shift, 0) for shift in range(0, 8 * keys.dtype.itemsize if bits is None else bits, DIGIT)]
    passes += [(shift, length) for shift in range(0, (sets - 1).bit_length(), DIGIT)]
    for shift, of_set in passes:
        counting[grid, BLOCK, stream](keys, items, shift, of_set, counts)
        prefixing[grid_of(1), BLOCK, stream](counts)
        moving[grid, BLOCK, stream](keys, items, shift, of_set, counts, spare_keys, spare_items)
        keys, spare_keys = spare_keys, keys
        items, spare_items = spare_items, items
    return keys, items
