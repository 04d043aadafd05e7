"""Law: a call on CUDA arrays launches kernels on their stream, waits for nothing, and is short. No device is needed.

The driver is a stand-in, which counts what it is asked for; kernels are not compiled, since it runs none.
"""

from __future__ import annotations

import csv
import pathlib
import threading
import time
from typing import Any

import numpy as np
import pytest
from numba import config, cuda

import nbloss
from tests.cases import (
    GROUP_CASES,
    ORDERED_CASES,
    SET_CASES,
    of_groups,
)  # fmt: skip

if config.ENABLE_CUDASIM:
    pytest.skip("needs a process without NUMBA_ENABLE_CUDASIM: nothing is launched there", allow_module_level=True)
if getattr(cuda, "implementation", None) != "NVIDIA":
    pytest.skip("needs numba-cuda: pip install -e '.[cuda]'", allow_module_level=True)

from nbloss._cuda import device, plans
from tests.cuda import standin
from tests.cuda.launching import ALL, F4, GROUPS, HUBER, arguments_of, parts, there
from tests.cuda.launching import launches as launches  # fixtures
from tests.cuda.launching import nothing_compiled as nothing_compiled

METHODS = ("gradient", "hessian", "gradient_and_hessian", "value_and_gradient")
REDUCTIONS = ("mean", "sum", "none")


@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_the_second_call_launches_what_the_first_does(loss: Any, launches: Any) -> None:
    """The kernels, grids and arguments are equal but for the addresses of what is made; results are laid out alike."""
    y, z = there(arguments_of(loss))
    given = {a.address for a in (*parts(y), *parts(z)) if a is not None}
    more = {"groups": GROUPS} if loss in GROUP_CASES else {}
    calls = [(method, {}) for method in METHODS] + [("value", {"reduction": how}) for how in REDUCTIONS]
    for method, options in calls:
        if loss in (*ORDERED_CASES, *SET_CASES) and options.get("reduction") == "none":
            continue
        launches.clear()
        first = getattr(loss, method)(y, z, **options, **more)
        usual = list(launches)
        launches.clear()
        before = standin.counts()
        second = getattr(loss, method)(y, z, **options, **more)
        assert [known for known in loss._plans.values() if known.plan is not plans.UNPLANNED], method
        after = standin.counts()
        assert {kind for kind in after if after[kind] != before[kind]} <= {"launches", "allocations"}
        assert [run[:4] for run in launches] == [run[:4] for run in usual]
        stands_for: dict[int, int] = {}
        for run, as_usual in zip(launches, usual, strict=True):
            for a, b in zip(run[4], as_usual[4], strict=True):
                if a != b:
                    assert a > 2**32 and a not in given and b not in given
                    assert b == 0 or (b > 2**32 and stands_for.setdefault(a, b) == b)  # 0 if there is nothing in it
        for a, b in zip(parts(second), parts(first), strict=True):
            at, like = (x.__cuda_array_interface__["data"][0] for x in (a, b))
            assert stands_for.get(at, like) == like
        for a, b in zip(parts(first), parts(second), strict=True):
            assert a is not b and a.shape == b.shape and a.dtype == b.dtype


@pytest.mark.parametrize("loss", [HUBER, nbloss.CrossEntropy(), nbloss.RootMeanSquaredError()], ids=repr)
def test_given_arrays(loss: Any, launches: Any) -> None:
    """A call into given arrays allocates, copies and waits for nothing, and launches with the addresses that it got."""
    y, z = arguments_of(nbloss.Huber() if loss is HUBER else loss)
    first = there((y, z)), (there(np.zeros(())), there(np.zeros_like(z)))
    other = there((y, z)), (there(np.zeros(())), there(np.zeros_like(z)))
    assert loss.value_and_gradient(*first[0], out=first[1]) == first[1]
    launches.clear()
    before = standin.counts()
    assert loss.value_and_gradient(*other[0], out=other[1]) == other[1]
    after = standin.counts()
    assert {kind for kind in after if after[kind] != before[kind]} == {"launches"}
    told = [x for run in launches for x in run[4]]
    assert {a.address for a in (*other[0], *other[1])} <= set(told)
    assert not {a.address for a in (*first[0], *first[1])} & set(told)


def test_results_have_the_layout_of_the_predictions() -> None:
    y, z = np.zeros((4, 6), F4), np.zeros((6, 4), F4).T
    for _ in range(2):
        result = HUBER.gradient(there(y), there(z))
        assert result.strides == z.strides and result.dtype == F4


def test_streams() -> None:
    """Of the producer; where there are several, they wait for each other, and the host for none."""
    y, z, out = (there(np.zeros(10, F4), stream=stream) for stream in (5, 5, 5))
    for _ in range(2):
        HUBER.gradient(y, z, out=out)
        assert standin.last()[2] == 5
    for stream in (7, None, 1, 2):
        for _ in range(2):
            HUBER.gradient(*(there(np.zeros(10, F4), stream=stream) for _ in range(2)), out=None)
            assert standin.last()[2] == {7: 7, 2: 2}.get(stream or 1, 0)
    for _ in range(3):
        before = standin.counts()
        HUBER.gradient(there(np.zeros(10, F4), stream=5), there(np.zeros(10, F4), stream=6))
        after = standin.counts()
        assert after["waits of streams"] - before["waits of streams"] == 2
        assert after["waits of the host"] == before["waits of the host"]


def test_what_is_wrong_is_seen_each_time() -> None:
    y, z, out = there((np.zeros(10, F4),) * 3)
    for _ in range(2):
        HUBER.gradient(y, z, out=out)
    for _ in range(2):
        with pytest.raises(ValueError, match="overlap"):
            HUBER.gradient(y, z, out=z)
        near = there(np.zeros(10, F4))
        near.address = z.address + 4
        with pytest.raises(ValueError, match="overlap"):
            HUBER.gradient(y, z, out=near)
        with pytest.raises(ValueError, match="writeable"):
            HUBER.gradient(y, z, out=there(np.zeros(10, F4), is_readonly=True))
        with pytest.raises(ValueError, match="y_true must have the shape"):
            HUBER.gradient(there(np.zeros(9, F4)), z, out=out)
        with pytest.raises(TypeError, match="host memory"):
            HUBER.gradient(y, z, np.zeros(10, F4), out=out)
    number = there(np.zeros(()))
    for words in (["mean", "sum"], ["mean"], "mean"):
        for _ in range(2):
            assert HUBER.value(y, z, out=number) is number
            with pytest.raises(ValueError, match="reduction must be 'mean', 'sum' or 'none', got "):
                HUBER.value(y, z, reduction=np.array(words), out=number)
    far = there(np.zeros(10, F4))
    far.address = z.address + 40
    HUBER.gradient(y, z, out=far)


@pytest.mark.parametrize("loss", GROUP_CASES, ids=repr)
def test_groups_are_told_apart_and_waited_for_by_none(loss: Any, launches: Any) -> None:
    """Other sizes are another plan, also where they lie in the same array; the host waits for nothing at any time."""
    before = standin.counts()["waits of the host"]
    sizes = np.array(GROUPS)
    y, z = there(of_groups(loss, sizes, F4))
    told = []
    for _ in range(2):
        loss.gradient(y, z, groups=sizes)
    for change in (0, -1, 1):
        sizes[:2] += (change, -change)
        launches.clear()
        loss.gradient(y, z, groups=sizes)
        loss.gradient(y, z, groups=sizes.tolist())
        told.append([run[4] for run in launches])
    assert told[0] != told[1]
    assert len(loss._plans) == 2  # the third are the first ones again
    with pytest.raises(ValueError, match="sum to 50"):
        loss.gradient(y, z, groups=sizes[1:])
    with pytest.raises(ValueError, match="groups must be an array or lists of one length, got a ragged list"):
        loss.gradient(y, z, groups=[[25, 25], [0]])
    loss.gradient(y, z)
    assert standin.counts()["waits of the host"] == before


def test_a_tuple_of_one_is_no_array() -> None:
    y, z, out = there((np.zeros(10, F4),) * 3)
    for _ in range(3):
        assert HUBER.gradient(y, z, out=out) is out
        with pytest.raises(TypeError):
            HUBER.gradient(y, z, out=(out,))


def test_kernels_are_kept(nothing_compiled: list[str]) -> None:
    """A kernel for each kind of arrays, whatever their sizes; another number in a loss is no other kernel."""
    for delta, n in ((1.0, 64), (1.0, 128), (1.0, 4096), (2.0, 64), (2.0, 64)):
        nbloss.Huber(delta=delta).gradient(*there((np.zeros(n, F4),) * 2))
    assert len(nothing_compiled) == 1
    nbloss.Huber().gradient(*there((np.zeros(64),) * 2))
    assert len(nothing_compiled) == 2


def test_a_thread_has_a_device_of_its_own() -> None:
    y, z, out = there((np.zeros(10, F4),) * 3)
    HUBER.gradient(y, z, out=out)
    before, errors = standin.counts()["launches"], []

    def call() -> None:
        try:
            HUBER.gradient(y, z, out=out)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    assert not errors and standin.counts()["launches"] == before + 1


def test_a_call_can_be_captured(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a capture the stand-in, like the driver, refuses to allocate and to wait."""
    from cuda.core import Device

    device.make_ready()
    Device().set_current()
    stream = Device().create_stream()
    handle = int(stream.handle)
    some = (HUBER, (5000,)), (nbloss.CrossEntropy(), (500, 10)), (nbloss.Dice(), (50,))
    for loss, shape in some:
        z = np.zeros(shape, F4)
        arrays = there((np.zeros(500, np.int64) if z.ndim == 2 else z, z, np.zeros(()), z), stream=handle)
        for _ in range(2):
            loss.value_and_gradient(*arrays[:2], out=arrays[2:])
        builder = stream.create_graph_builder().begin_building()
        before = standin.counts()
        loss.value_and_gradient(*arrays[:2], out=arrays[2:])
        after = standin.counts()
        builder.end_building()
        assert {kind for kind in after if after[kind] != before[kind]} == {"launches"}


def test_times_in_the_documentation_are_those_measured() -> None:
    root = pathlib.Path(__file__).parents[2]
    page = (root / "docs/gpu.md").read_text().replace("`", "")
    for row in csv.DictReader((root / "bench/results/launch.csv").read_text().splitlines()):
        assert f"| {row['call']} | {row['us']} |" in page


def test_time_of_a_call() -> None:
    """numba's own way takes 50 us and more with three such arrays; bench/launch.py measures what this test bounds."""
    y, z, out = there((np.zeros(1000, F4),) * 3)
    best = min(_seconds(lambda: HUBER.gradient(y, z, out=out)) for _ in range(20))
    assert best < 40e-6


def _seconds(call: Any, times: int = 200) -> float:
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times
