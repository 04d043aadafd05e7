"""Law: a call given its outputs makes no arrays, memory does not grow with calls, and no array is too long."""

from __future__ import annotations

import gc
import itertools
import pathlib
import resource
import tracemalloc
from typing import Any

import numpy as np
import pytest

import nbloss
from nbloss._cpu import rooms
from tests.cases import image, of_groups, of_sets, ordinary, pairs, rows


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


def test_room_is_kept_for_the_next_call_and_no_other() -> None:
    n = 100_000
    t, z, out = np.linspace(1, 2, n), np.linspace(-3, 3, n), (np.empty(n), np.empty(n))
    events = np.arange(n) % 2

    def call() -> None:
        nbloss.Cox().gradient_and_hessian((t, events), z, out=out)

    call()
    tracemalloc.start()
    try:
        call()
        assert tracemalloc.get_traced_memory()[1] < 24 * n, "of 64 bytes a row that it works with"
    finally:
        tracemalloc.stop()
    with rooms.room_of(((n, 2), "f8"), ((n,), "u4")) as first, rooms.room_of(((n,), "f8")) as second:
        assert [(a.shape, a.dtype) for a in first] == [((n, 2), np.float64), ((n,), np.uint32)]
        for a, b in itertools.combinations([*first, *second], 2):
            assert not np.shares_memory(a, b)
    with rooms.room_of(((n,), "f8")) as third, rooms.room_of(((rooms.MOST,), "u1"), ((1,), "u1")):
        assert third[0].ctypes.data == second[0].ctypes.data, "what was given back first"
    assert sum(room.size for room in rooms._kept) <= rooms.MOST


def rows_of(loss: Any) -> Any:
    return rows(loss, 100, labels=True)


FAMILIES: list[tuple[Any, Any, dict[str, Any]]] = [
    (nbloss.Huber(), lambda loss: ordinary(loss, 200), {}),
    (nbloss.AFT(), lambda loss: pairs(loss, 200), {}),
    (nbloss.CrossEntropy(), rows_of, {}),
    (nbloss.MultiMargin(), rows_of, {}),
    (nbloss.RootMeanSquaredError(), lambda loss: ordinary(nbloss.Huber(), 200), {}),
    (nbloss.CosineSimilarity(), lambda loss: of_sets(loss, n=40), {}),
    (nbloss.LovaszHinge(), lambda loss: image(loss, (200,)), {}),
    (nbloss.RankNet(), lambda loss: of_groups(loss, (100, 100)), {"groups": np.array([100, 100])}),
    (nbloss.Cox(), lambda loss: of_groups(loss, (100, 100)), {"groups": np.array([100, 100])}),
]


def grown_by(calls: int, loss: Any, numbers: Any, options: Any) -> int:
    """Return by how many bytes so many calls made the process grow."""
    y, z = numbers(loss)
    out, w = (np.empty_like(z), np.empty_like(z)), None if isinstance(loss, nbloss.LovaszHinge) else 2.0

    def many(count: int) -> None:
        for _ in range(count):
            loss.gradient_and_hessian(y, z, w, **options)
            loss.gradient_and_hessian(y, z, out=out, **options)
            loss.value_and_gradient(y, z, w, **options)

    many(300)
    gc.collect()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    many(calls)
    return 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)


def test_memory_does_not_grow() -> None:
    assert grown_by(5000, *FAMILIES[0]) < 2 << 20


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: repr(family[0]))
def test_memory_does_not_grow_over_many_calls(family: Any) -> None:
    assert grown_by(100_000 // 3, *family) < 2 << 20


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


@pytest.mark.slow
def test_more_weights_than_32_bits_count(tmp_path: pathlib.Path) -> None:
    n = (1 << 31) + 12_345
    w = np.memmap(tmp_path / "w", "i1", "w+", shape=(n,))
    w[0], w[1 << 31], w[-1] = 3, 5, 7
    y, z = np.broadcast_to(np.int8(1), n), np.broadcast_to(np.float16(3), n)
    loss = nbloss.SquaredError()
    assert loss(y, z, w, reduction="sum") == 4 * 15 and loss(y, z, w) == 4


@pytest.mark.slow
def test_more_rows_than_32_bits_count(tmp_path: pathlib.Path) -> None:
    n = (1 << 31) + 12_345
    y = np.memmap(tmp_path / "y", "i1", "w+", shape=(n,))
    y[0], y[1 << 31], y[-1] = 1, 1, 1
    loss = nbloss.CrossEntropy(class_weight=(0.0, 1.0))
    z = np.broadcast_to(np.float32(0), (n, 2))
    assert loss(y, z, reduction="sum") == pytest.approx(3 * np.log(2)) and loss(y, z) == pytest.approx(np.log(2))
