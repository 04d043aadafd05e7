"""Law: large results, which are poured out past the caches, are those of small ones, wherever they lie."""

from __future__ import annotations

import numpy as np
import pytest

import nbloss
from nbloss._cpu.pointwise import PARALLEL_FROM
from nbloss._cpu.streams import LINE, STREAM_FROM


def large(dtype: str, rest: int, offset: int) -> np.ndarray:
    """Return room for a large result, *offset* elements behind the beginning of a line."""
    size = STREAM_FROM // np.dtype(dtype).itemsize + rest
    room = np.zeros(size + 2 * LINE, dtype)
    first = -room.ctypes.data % LINE // room.itemsize + offset
    return room[first : first + size]


def in_pieces(method: object, y: np.ndarray, z: np.ndarray, dtype: str, outputs: int) -> list[np.ndarray]:
    """Return the results of calls so small that nothing is poured out."""
    found = [np.empty(z.size, dtype) for _ in range(outputs)]
    for first in range(0, z.size, PARALLEL_FROM - 1):
        few = slice(first, first + PARALLEL_FROM - 1)
        results = method(y[few], z[few])  # type: ignore[operator]
        for out, result in zip(found, results if outputs > 1 else [results], strict=True):
            out[few] = result
    return found


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("rest", "offsets"), [(0, (0, 0)), (1, (1, 1)), (777, (3, 3)), (513, (0, 5)), (2, (7, 2))])
def test_two_results(dtype: str, rest: int, offsets: tuple[int, int]) -> None:
    """Whether lines of both begin together or not, every element is written, and nothing beside them."""
    loss = nbloss.Huber()
    outs = tuple(large(dtype, rest, offset) for offset in offsets)
    rng = np.random.default_rng(0)
    y, z = rng.standard_normal((2, outs[0].size)).astype(dtype)
    expected = in_pieces(loss.gradient_and_hessian, y, z, dtype, 2)
    loss.gradient_and_hessian(y, z, out=outs)
    for out, right in zip(outs, expected, strict=True):
        np.testing.assert_array_equal(out, right)
        beside = out.base
        assert isinstance(beside, np.ndarray)
        assert np.count_nonzero(beside) == np.count_nonzero(out)


def test_one_result_of_each_kind() -> None:
    loss = nbloss.Huber()
    rng = np.random.default_rng(0)
    y, z = rng.standard_normal((2, STREAM_FROM // 8 + 5))
    for method in (loss.gradient, loss.hessian):
        np.testing.assert_array_equal(method(y, z), in_pieces(method, y, z, "float64", 1)[0])
    values = loss.value(y, z, reduction="none")
    expected = in_pieces(lambda a, b: loss.value(a, b, reduction="none"), y, z, "float64", 1)[0]
    np.testing.assert_array_equal(values, expected)
