"""Law: the radix sort is a stable sort of any numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import hypothesis.extra.numpy as arrays_of
import hypothesis.strategies as st
import numba
import numpy as np
import pytest
from hypothesis import example, given, settings
from numba import njit

from nbloss._cpu import ordered
from nbloss._cpu.radix import DIGITS, key_of, number_of_key, sort


@njit
def keys_of(x: Any, keys: Any) -> None:
    for i in range(x.size):
        keys[i] = key_of(x[i])


@njit
def numbers_of(keys: Any, x: Any) -> None:
    for i in range(x.size):
        x[i] = number_of_key(keys[i])


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    most = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(most)


def order(x: Any, chunks: int, item: Any = np.uint32) -> Any:
    """Return the order in which numbers are sorted, by the kernel with threads."""
    keys, items = np.empty(x.size, ordered.KEYS[x.dtype]), np.arange(x.size, dtype=item)
    keys_of(x, keys)
    kernel = ordered._step(sort, x.dtype, np.dtype(item))
    sorted_keys, of_keys = kernel(keys, items, np.empty_like(keys), np.empty_like(items), chunks)
    numbers_of(sorted_keys, values := np.empty_like(x))
    np.testing.assert_array_equal(values, x[of_keys])
    return of_keys


def check(x: Any) -> None:
    wanted = np.argsort(x, kind="stable")
    for chunks in (1, 3, 16):
        np.testing.assert_array_equal(order(x, chunks), wanted)


anything = st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0, 5e-324, -5e-324, np.inf, -np.inf])
narrow = st.floats(allow_nan=False, width=32) | st.sampled_from([0.0, -0.0, 1.0, 2.0**-149, -(2.0**-149), np.inf])


@given(arrays_of.arrays(np.float64, st.integers(0, 200), elements=anything))
@example(np.array([0.0, -0.0, 0.0, -0.0, np.inf, -np.inf, 5e-324, -5e-324]))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_float64(x: Any) -> None:
    check(x)


@given(arrays_of.arrays(np.float32, st.integers(0, 200), elements=narrow))
@settings(max_examples=100, deadline=None, derandomize=True)
def test_float32(x: Any) -> None:
    check(x)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("n", [0, 1, 2, 15, 16, 17, DIGITS - 1, DIGITS, DIGITS + 1, 100_003])
def test_sizes_and_ties(n: int, dtype: type) -> None:
    rng = np.random.default_rng(n)
    for x in (rng.normal(size=n), rng.integers(-2, 3, n), np.zeros(n), np.sort(rng.normal(size=n))[::-1]):
        check(x.astype(dtype))


def test_one_bit_each() -> None:
    """Every digit decides somewhere: numbers with one bit that is not 0."""
    check(np.random.default_rng(0).permutation(1 << np.arange(63, dtype=np.uint64)).view(np.float64))
    check(np.random.default_rng(0).permutation(1 << np.arange(31, dtype=np.uint32)).view(np.float32))


def test_wide_items_and_any_number_of_threads() -> None:
    x = np.random.default_rng(0).integers(-9, 9, 50_000).astype(np.float64)
    wanted = np.argsort(x, kind="stable")
    for threads in range(1, numba.config.NUMBA_NUM_THREADS + 1):
        numba.set_num_threads(threads)
        np.testing.assert_array_equal(order(x, 4 * threads, np.uint64), wanted)
