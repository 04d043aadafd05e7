"""Law: an array of any library is read where it lies, and used on its library's stream. No device is needed to tell.

Arrays here are objects that say where arrays would lie; stand-ins take the place of libraries that are not here.
"""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest
from numba import config, cuda

import nbloss

if config.ENABLE_CUDASIM:
    pytest.skip(
        "needs a process without NUMBA_ENABLE_CUDASIM: simulated arrays have no address", allow_module_level=True
    )
if getattr(cuda, "implementation", None) != "NVIDIA":
    pytest.skip("needs numba-cuda: pip install -e '.[cuda]'", allow_module_level=True)

from nbloss._arrays import real_of
from nbloss._cuda import arrays

F4, F8 = np.dtype(np.float32), np.dtype(np.float64)


class Array:
    """An object with the CUDA Array Interface."""

    def __init__(self, shape: tuple[int, ...] = (4,), typestr: str = "<f4", dtype: str = "", **more: Any) -> None:
        self.__cuda_array_interface__ = {
            "shape": shape,
            "typestr": typestr,
            "data": (4096, False),
            "version": 3,
            **more,
        }
        self.dtype = dtype or typestr
        self.device = "a device"


def view(*arguments: Any, **keywords: Any) -> arrays.View:
    return arrays.as_array(Array(*arguments, **keywords), "y_pred")


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the function that puts a stand-in for a library in its place."""

    def stand_in(name: str, **contents: Any) -> Any:
        module = types.SimpleNamespace(**contents)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return stand_in


def test_where_elements_lie() -> None:
    a = view((2, 3))
    assert (a.address, a.shape, a.strides, a.dtype, a.size) == (4096, (2, 3), (12, 4), F4, 6)
    assert (a.start, a.extent) == (0, 6)
    a = view((2, 3), "<f8", strides=(-8, 32))
    assert (a.strides, a.start, a.extent) == ((-8, 32), 1, 10)
    a = view((5, 3), strides=(0, 4))
    assert (a.start, a.extent) == (0, 3)
    assert view(()).strides == () and view(()).extent == 1
    assert view((3, 0, 2), data=(0, False)).extent == view((0,), data=(None, False)).extent == 0


def test_versions_and_readonly_arrays() -> None:
    for version in (1, 2, 3):
        assert view(version=version).shape == (4,)
    out = Array(data=(4096, True))
    assert arrays.as_array(out, "y_pred").is_readonly
    with pytest.raises(ValueError, match="read-only"):
        nbloss.Huber().gradient(Array(data=(0, False)), Array(data=(512, False)), out=out)


def test_what_cannot_be_read() -> None:
    with pytest.raises(TypeError, match="y_pred must not be a masked array"):
        view(mask=Array())
    with pytest.raises(ValueError, match="multiples of their size, 4 bytes"):
        view(data=(4098, False))
    with pytest.raises(ValueError, match="multiples of their size, 8 bytes"):
        view(typestr="<f8", strides=(12,))
    with pytest.raises(TypeError, match="byte order"):
        view(typestr=">f4")
    with pytest.raises(TypeError, match="y_pred must hold bool, integer or float"):
        view(typestr="<c8")


@pytest.mark.parametrize(
    ("typestr", "dtype"), [("<V2", "torch.bfloat16"), ("<f2", "torch.bfloat16"), ("<V2", "bfloat16")]
)
def test_bfloat16(typestr: str, dtype: str) -> None:
    assert view(typestr=typestr, dtype=dtype).dtype is arrays.BFLOAT16
    assert real_of(arrays.BFLOAT16) == F4  # type: ignore[arg-type]


def test_streams(library: Any) -> None:
    for given, handle in ((None, 0), (1, 0), (2, 2), (12345, 12345)):
        assert view(stream=given).stream == handle
    assert view(version=2).stream == 0
    library(
        "torch",
        Tensor=Array,
        cuda=types.SimpleNamespace(current_stream=lambda _: types.SimpleNamespace(cuda_stream=77)),
    )
    assert view(version=2).stream == 77


def test_jax_has_finished_before_and_may_go_on_after(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    events = []

    class Traced(Array):
        def block_until_ready(self) -> None:
            events.append("before")

    library("jax", Array=Traced)
    monkeypatch.setattr(arrays.device, "wait_for", lambda handle: events.append("after"))
    with arrays.in_order(arrays.as_array(Traced(version=2), "y_pred")):
        events.append("within")
    assert events == ["before", "within", "after"]


def test_streams_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[Any] = []
    monkeypatch.setattr(arrays, "_stream", lambda handle: handle)
    monkeypatch.setattr(arrays, "_wait", lambda waiting, stream: waits.append((waiting, stream)))
    with arrays.in_order(view(stream=5), view(stream=5), None, np.array(2.0), view(stream=5)) as stream:
        assert stream == 5
    assert waits == []
    with arrays.in_order(view(stream=5), view(stream=6), view(stream=None)) as stream:
        assert stream == 5 and sorted(waits) == [(5, 0), (5, 6)]
    assert sorted(waits) == [(0, 5), (5, 0), (5, 6), (6, 5)]


def test_overlap() -> None:
    def check(a: Any, b: Any) -> None:
        arrays.check_free([a], None, np.array(1.0), b)

    check(view((4,)), view((4,), data=(4112, False)))
    check(view((4,), strides=(8,)), view((4,), data=(4100, False), strides=(8,)))
    check(view((0,)), view((4,)))
    for other in (
        view((4,)),
        view((4,), data=(4108, False)),
        view((2,), "<f8", strides=(16,)),
        view((4,), strides=(0,)),
    ):
        with pytest.raises(ValueError, match="share memory"):
            check(view((4,)), other)


def test_results_of_the_same_library(library: Any) -> None:
    """They lie in memory as the predictions do."""
    fortran, c = view((3, 4), strides=(4, 12)), view((3, 4), strides=(-32, 8))
    made: list[Any] = []

    class Tensor(Array):
        def new_empty_strided(self, *arguments: Any, **keywords: Any) -> Any:
            made.append((*arguments, *keywords.values()))

    library("torch", Tensor=Tensor, float32="torch.float32", float64="torch.float64")
    arrays.empty((3, 4), F4, fortran, Tensor())
    arrays.empty((3, 4), F8, c, Tensor())
    arrays.empty((), F8, c, Tensor())
    expected = [((3, 4), [1, 3], "torch.float32"), ((3, 4), [4, 1], "torch.float64"), ((), [], "torch.float64")]
    assert made == expected

    class OfCupy(Array):
        def __init__(self, shape: Any = (), dtype: Any = F4, memptr: Any = None, strides: Any = None) -> None:
            self.made = (shape, dtype, memptr, strides)

    library("cupy", ndarray=OfCupy, empty=lambda size, dtype: types.SimpleNamespace(data=f"{size} {dtype}"))
    assert arrays.empty((3, 4), F4, fortran, OfCupy()).made == ((3, 4), F4, "12 float32", (4, 12))
    assert arrays.empty((3, 0), F8, c, OfCupy()).made == ((3, 0), F8, "0 float64", (8, 8))


def test_host_memory() -> None:
    with pytest.raises(TypeError, match="y_true must be in host memory, got Array on a CUDA device"):
        nbloss.Huber().init_score(Array())
    with pytest.raises(TypeError, match="out must be an array on the CUDA device"):
        nbloss.Huber().gradient(Array(), Array(), out=np.zeros(4, np.float32))
    with pytest.raises(TypeError, match="y_pred must be an array on the CUDA device"):
        nbloss.Huber().gradient(Array(()), 1.0)
