"""Law: a call given its outputs makes no arrays, memory does not grow with calls, and no array is too long."""

from __future__ import annotations

import gc
import pathlib
import resource
import tracemalloc
from typing import Any

import numpy as np
import pytest

import nbloss


@pytest.mark.parametrize("size", [1000, 200_000])
def test_nothing_is_allocated_for_outputs_that_are_given(size: int) -> None:
    y, z, w = np.zeros(size), np.linspace(-3, 3, size), np.ones(size)
    loss, out = nbloss.Huber(), (np.empty(size), np.empty(size))
    calls: list[Any] = [
        lambda: loss.gradient_and_hessian(y, z, out=out),
        lambda: loss.gradient_and_hessian(y, z, w, out=out),
        lambda: loss.value(y, z, w),
    ]
    for call in calls:
        call(), call()
        gc.collect()
        tracemalloc.start()
        try:
            call()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 8 * size, "some objects of Python's, but no array"


def grown_by(calls: int) -> int:
    """Return by how many bytes so many calls made the process grow."""
    loss, rng = nbloss.Huber(), np.random.default_rng(0)
    y, z = rng.normal(size=200), rng.normal(size=200)

    def many(count: int) -> None:
        for _ in range(count):
            loss.gradient_and_hessian(y, z)
            loss.value_and_gradient(y, z, 2.0)

    many(500)
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    many(calls)
    return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def test_memory_does_not_grow() -> None:
    assert grown_by(5000) < 2 << 20


@pytest.mark.slow
def test_memory_does_not_grow_over_many_calls() -> None:
    assert grown_by(100_000) < 2 << 20


@pytest.mark.slow
def test_more_elements_than_32_bits_count(tmp_path: pathlib.Path) -> None:
    """Files with holes: zeros that take no room, but for a few numbers at the ends."""
    n = (1 << 31) + 12_345
    y, z = (np.memmap(tmp_path / name, dtype, "w+", shape=(n,)) for name, dtype in (("y", "?"), ("z", "f2")))
    y[-1], y[1 << 31], z[-1], z[0], z[1 << 31] = True, True, 3, -2, 5
    loss = nbloss.SquaredError()
    assert loss(y, z, reduction="sum") == 4 + 4 + 16
    assert loss(y, z) == 24 / n
    labels = np.memmap(tmp_path / "labels", "i1", "w+", shape=(n,))
    labels[-1] = 7
    with pytest.raises(ValueError, match=rf"y_true must hold .* got 7 at index {n - 1}"):
        nbloss.CrossEntropy()(labels, np.broadcast_to(np.float32(0), (n, 2)))
