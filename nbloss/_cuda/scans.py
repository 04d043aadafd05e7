"""Sums of neighbours on a CUDA device, of whatever can be combined: those of each element with all before it.

A *state* is a tuple of 5 numbers, of which the first says whether what came before counts: 1 where it does not, since a
group begins, 0 where it does, -1 for a state of nothing. Elements are cut into tiles, a tile for each block, and a
thread has neighbours of its tile: tiles are combined first, then their states, then each is run through again.
"""

from __future__ import annotations

from typing import Any

from numba import cuda, float64
from numba.extending import register_jitable

from nbloss._cuda.blocks import BLOCK
from nbloss._cuda.launch import compiled
from nbloss._cuda.radix import ITEMS, TILE, grid_of, tiles_of

WIDTH = 5
ROOM = BLOCK * WIDTH
NOTHING = (-1.0, 0.0, 0.0, 0.0, 0.0)


class Scan:
    """The kernels of a scan.

    Parameters
    ----------
    name : str
    load : callable
        ``load(arrays, k)`` returns the state of element k alone.
    combine : callable
        ``combine(a, b)`` returns the state of two neighbours, both something, of which the second goes on.
    store : callable
        ``store(arrays, k, state)`` takes the state of element k and those before it.
    is_backward : bool
        Whether elements are run through from the last to the first.
    """

    def __init__(self, name: str, load: Any, combine: Any, store: Any, is_backward: bool) -> None:
        joined = register_jitable(_joined(combine))
        load, store = register_jitable(load), register_jitable(store)
        before = cuda.jit(device=True)(_before(joined))
        place = register_jitable(_place(is_backward))

        def reducing(size, arrays, tiles):  # type: ignore[no-untyped-def]
            first = cuda.blockIdx.x * TILE + cuda.threadIdx.x * ITEMS
            state = NOTHING
            for q in range(first, min(first + ITEMS, size)):
                state = joined(state, load(arrays, place(q, size)))
            _, whole = before(state)
            if cuda.threadIdx.x == 0 and cuda.blockIdx.x * WIDTH < tiles.size:
                for c in range(WIDTH):
                    tiles[cuda.blockIdx.x * WIDTH + c] = whole[c]

        def joining(tiles):  # type: ignore[no-untyped-def]
            """Replace the state of each tile by that of those before it; one block does it all."""
            count = tiles.size // WIDTH
            each = (count + BLOCK - 1) // BLOCK
            first = min(cuda.threadIdx.x * each, count)
            last = min(first + each, count)
            state = NOTHING
            for t in range(first, last):
                state = joined(state, _read(tiles, t))
            earlier, _ = before(state)
            for t in range(first, last):
                mine = _read(tiles, t)
                for c in range(WIDTH):
                    tiles[t * WIDTH + c] = earlier[c]
                earlier = joined(earlier, mine)

        def applying(size, arrays, tiles):  # type: ignore[no-untyped-def]
            first = cuda.blockIdx.x * TILE + cuda.threadIdx.x * ITEMS
            state = NOTHING
            for q in range(first, min(first + ITEMS, size)):
                state = joined(state, load(arrays, place(q, size)))
            earlier, _ = before(state)
            if cuda.blockIdx.x * WIDTH < tiles.size:
                state = joined(_read(tiles, cuda.blockIdx.x), earlier)
                for q in range(first, min(first + ITEMS, size)):
                    k = place(q, size)
                    state = joined(state, load(arrays, k))
                    store(arrays, k, state)

        self.reducing, self.joining, self.applying = (
            compiled(kernel, f"{name}_{kernel.__name__}") for kernel in (reducing, joining, applying)
        )

    def run(self, size: int, arrays: tuple[Any, ...], tiles: Any, stream: int) -> None:
        """Scan *size* elements, of which *arrays* hold what `load` reads; *tiles* has room for 5 numbers a tile."""
        grid = grid_of(tiles_of(size))
        self.reducing[grid, BLOCK, stream](size, arrays, tiles)
        self.joining[1, BLOCK, stream](tiles)
        self.applying[grid, BLOCK, stream](size, arrays, tiles)


def _place(is_backward: bool) -> Any:
    return (lambda q, size: size - 1 - q) if is_backward else (lambda q, size: q)


def _joined(combine: Any) -> Any:
    combine = register_jitable(combine)

    def joined(a: Any, b: Any) -> Any:
        """Return the state of two neighbours, either of which may be nothing."""
        if a[0] < 0 or b[0] > 0:
            return b
        if b[0] < 0:
            return a
        return combine(a, b)

    return joined


@register_jitable
def _read(states: Any, i: Any) -> Any:
    j = i * WIDTH
    return states[j], states[j + 1], states[j + 2], states[j + 3], states[j + 4]


def _before(joined: Any) -> Any:
    def before(state: Any) -> Any:
        """Return the state of the block's earlier threads, and that of all."""
        states = cuda.shared.array(ROOM, float64)
        me = cuda.threadIdx.x
        for c in range(WIDTH):
            states[me * WIDTH + c] = state[c]
        cuda.syncthreads()
        step = 1
        while step < BLOCK:
            other = _read(states, me - step) if me >= step else NOTHING
            mine = joined(other, _read(states, me))
            cuda.syncthreads()
            for c in range(WIDTH):
                states[me * WIDTH + c] = mine[c]
            cuda.syncthreads()
            step *= 2
        earlier = _read(states, me - 1) if me > 0 else NOTHING
        whole = _read(states, BLOCK - 1)
        cuda.syncthreads()  # before the next call writes to it
        return earlier, whole

    return before
