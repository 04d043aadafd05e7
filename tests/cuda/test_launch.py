"""Law: a call on CUDA arrays launches kernels on their stream, waits for nothing, and is short. No device is needed.

The driver is a stand-in, which counts what it is asked for; kernels are not compiled, since it runs none.
"""

from __future__ import annotations

import csv
import ctypes
import os
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numba import config, cuda

import nbloss
from tests.cases import (
    CASES,
    GROUP_CASES,
    LINE_CASES,
    ORDERED_CASES,
    PAIR_CASES,
    ROW_CASES,
    SET_CASES,
    image,
    of_groups,
    of_sets,
    ordinary,
    pairs,
    rows,
)  # fmt: skip

if config.ENABLE_CUDASIM:
    pytest.skip("needs a process without NUMBA_ENABLE_CUDASIM: nothing is launched there", allow_module_level=True)
if getattr(cuda, "implementation", None) != "NVIDIA":
    pytest.skip("needs numba-cuda: pip install -e '.[cuda]'", allow_module_level=True)

from nbloss._cuda import device, launch, machine_code, plans, pointwise
from nbloss._cuda.layout import NUMBER, Form
from tests.cuda import fakes, standin
from tests.cuda.fakes import Array, JaxArray, Tensor, Version2

F4 = np.float32
METHODS = ("gradient", "hessian", "gradient_and_hessian", "value_and_gradient")
REDUCTIONS = ("mean", "sum", "none")


@pytest.fixture(autouse=True)
def nothing_compiled(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Let every kernel be there at once; give the names of those that would have been compiled."""
    names: list[str] = []

    def build(function: Any, arguments: Any, capability: Any) -> machine_code.Built:
        names.append(function.__qualname__)
        return machine_code.Built(f"kernel_{len(names)}", b"machine code", "", "")

    monkeypatch.setattr(machine_code, "build", build)
    monkeypatch.setattr(machine_code, "_path", lambda *_: None)
    forget_plans()
    yield names
    forget_plans()
    for loss in ALL:
        for kernel in loss._program.kernels.values():
            if isinstance(kernel, launch.Kernel):
                kernel._loaded.clear()


def forget_plans() -> None:
    for loss in ALL:
        loss.__dict__.pop("_plans", None)
        loss.__dict__.pop("_latest", None)


@pytest.fixture
def launches(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """Return the list in which every launch is written down."""
    found: list[tuple[Any, ...]] = []
    usual = device.launcher()

    def note(kernel: Any, *how: Any) -> Any:
        blocks, _, _, threads, *_, stream, arguments, _ = how
        found.append((int(stream), blocks, threads, int(kernel), told(arguments)))
        return usual(kernel, *how)

    monkeypatch.setattr(device, "launcher", lambda: note)
    return found


def told(arguments: int) -> list[int]:
    """Return the arguments of a launch, in the form of whole numbers, from the list of their places."""
    found: list[int] = []
    while place := ctypes.c_void_p.from_address(arguments + 8 * len(found)).value:
        found.append(ctypes.c_uint64.from_address(place).value)
    return found


def arguments_of(loss: Any) -> tuple[Any, Any]:
    """Return targets and predictions of any loss."""
    if loss in CASES:
        return ordinary(loss, 50, F4)
    if loss in ORDERED_CASES:
        return image(loss, (4, 10), F4)
    if loss in SET_CASES:
        return of_sets(loss, F4)
    if loss in PAIR_CASES:
        return pairs(loss, 50, F4)
    if loss in GROUP_CASES:
        return of_groups(loss, GROUPS, F4)
    return rows(loss, 10, F4, labels=loss in LINE_CASES or "log_target" not in loss.parameters)


def there(x: Any, **more: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(there(part, **more) for part in x)
    return None if x is None else Array(x, **more)


def parts(x: Any) -> list[Any]:
    return [leaf for part in x for leaf in parts(part)] if isinstance(x, tuple) else [x]


ALL = [*CASES, *PAIR_CASES, *ROW_CASES, *SET_CASES, *LINE_CASES, *ORDERED_CASES, *GROUP_CASES]
GROUPS = [3, 0, 40, 7]
HUBER = nbloss.Huber(delta=0.25)


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


def test_arrays_of_other_libraries_are_told_apart(libraries: None) -> None:
    """Even if their interfaces are the same."""
    y, z = (np.zeros(8, F4) for _ in range(2))
    for _ in range(3):
        for kind in (Array, fakes.CupyArray, Version2, JaxArray, Tensor):
            result = HUBER.gradient(kind(y), kind(z))
            assert (type(result) is kind) == (kind not in (Array, Version2))
    pair = nbloss.CosineEmbedding()
    for _ in range(3):
        for kind in (Array, fakes.CupyArray):
            results = pair.gradient(kind(np.ones(4)), (kind(np.ones((4, 3), F4)), kind(np.ones((4, 3), F4))))
            assert all((type(result) is kind) == (kind is not Array) for result in results)


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


# Libraries


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"cupy": fakes.cupy(), "torch": fakes.torch(), **fakes.jax()}
    for name, module in found.items():
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.parametrize("kind", [fakes.CupyArray, Tensor, JaxArray], ids=lambda kind: kind.__name__)
def test_results_of_the_same_library(kind: Any, libraries: None) -> None:
    y, z = np.zeros((4, 6), F4), np.ones((4, 6), F4)
    for _ in range(3):
        for result in (HUBER.gradient(kind(y), kind(z)), *HUBER.value_and_gradient(kind(y), kind(z))):
            assert type(result) is kind
    assert HUBER.value(kind(y), kind(z)).shape == ()


def test_pytorch(libraries: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors say on which stream they are used; those that require a gradient are refused by PyTorch itself."""
    y, z, out = (Tensor(np.zeros(8, F4)) for _ in range(3))
    for stream in (0, 0, 11, 11, 12):
        monkeypatch.setattr(Tensor, "current_stream", stream)
        HUBER.gradient(y, z, out=out)
        assert standin.last()[2] == stream
    for _ in range(2):
        with pytest.raises(RuntimeError, match="detach"):
            HUBER.gradient(y, Tensor(np.zeros(8, F4), requires_grad=True))
    with pytest.raises(TypeError, match="host memory"):
        HUBER.gradient(Tensor(np.zeros(8, F4), is_cuda=False), z)


def test_jax(libraries: None) -> None:
    """Its arrays are waited for, before and after, since it tells nobody its streams; none of them is written to."""
    y, z = JaxArray(np.zeros(8, F4)), JaxArray(np.zeros(8, F4))
    for _ in range(2):
        waits, before = JaxArray.waits, standin.counts()["waits of the host"]
        HUBER.gradient(y, z)
        assert JaxArray.waits > waits and standin.counts()["waits of the host"] == before + 1
        with pytest.raises(ValueError, match="read-only"):
            HUBER.gradient(y, z, out=JaxArray(np.zeros(8, F4)))


def test_interfaces_of_version_2_and_readonly_inputs() -> None:
    out = Version2(np.zeros(8, F4))
    for _ in range(2):
        assert HUBER.gradient(Version2(np.zeros(8, F4), True), Version2(np.zeros(8, F4), True), out=out) is out


def test_numbas_own_arrays() -> None:
    y, z = (cuda.to_device(np.zeros(8, F4)) for _ in range(2))
    for _ in range(2):
        assert type(HUBER.gradient(y, z)) is type(z)


def test_half_precision() -> None:
    """Computed in float32, in kernels of their own."""
    for _ in range(2):
        z = there(np.zeros(8, np.float16))
        assert HUBER.gradient(there(np.zeros(8, np.float16)), z).dtype == F4


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


def test_the_command_for_a_device(tmp_path: pathlib.Path) -> None:
    """bench/gpu.py goes through to its end, past what breaks, and finds that nothing is right where nothing runs."""

    def run(*options: str) -> tuple[str, list[dict[str, str]], list[dict[str, str]]]:
        script = pathlib.Path(__file__).with_name("command.py")
        small = ["--elements", "40", "--size", "4096", "--rounds", "1", "--processes", "2", "--into", str(tmp_path)]
        done = subprocess.run([sys.executable, str(script), *options, *small], capture_output=True, text=True)
        assert done.returncode == 1, done.stderr
        files = (tmp_path / "gpu-checks.csv", tmp_path / "gpu.csv")
        return done.stdout, *(list(csv.DictReader(f.read_text().splitlines())) if f.exists() else [] for f in files)

    output, checks, measured = run("--all", "--only", "Perceptron")
    assert "0 of 4 checks passed" in output  # of each precision one, and what broke with it
    assert checks and all(row["ok"] == "NO" and "CUDA_ERROR" in row["error"] for row in checks)
    assert [row["job"] for row in measured if row["error"]][-1] == "Perceptron float32"
    _, _, measured = run("--measure", "--only", "CrossEntropy")
    assert {"rows", "few classes", "pointwise", "sums", "call"} <= {row["kind"] for row in measured}
    assert [row["case"] for row in measured if row["error"]] == ["value and gradient, captured"]  # it gave nothing
    assert all(row["gpu"] == "stand-in" for row in measured)
    assert (tmp_path / "gpu.svg").read_text().count("<rect") > 10
    output, checks, _ = run("--check", "--only", "ZeroOne", "--minutes", "0")
    assert "0 of 4 checks passed" in output and {row["error"] for row in checks} == {"not done: out of time"}
    output, checks, _ = run("--check", "--only", "ZeroOne", "--resume")  # of each, three kinds of arrays
    assert "0 of 12 checks passed" in output and {row["error"] for row in checks} == {""}
    output, again, _ = run("--check", "--only", "ZeroOne", "--resume")
    assert "0 of 12 checks passed in 0 s" in output and again == checks


def test_machine_code_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    """By all that a kernel is made of; a damaged file is as none, and formulas from elsewhere are not kept."""
    monkeypatch.undo()
    built: list[str] = []
    monkeypatch.setattr(machine_code, "cache_folder", lambda: tmp_path)

    def build(function: Any, arguments: Any, capability: Any) -> machine_code.Built:
        built.append(function.__qualname__)
        return machine_code.Built("name", b"machine\ncode", "", "")

    monkeypatch.setattr(machine_code, "build", build)

    def kernel(y: Any, z: Any) -> Any:
        return pointwise.kernel_for(y, pointwise.filling, z, (form, form, None, form, None, None, NUMBER), False)

    form, single, double = Form(0, np.dtype(F4)), np.dtype(F4), np.dtype(float)
    for real, count in ((single, 1), (single, 1), (double, 2)):
        loss = nbloss.Huber()
        loss._program.kernels.clear()
        machine_code.load(kernel(loss._program, real).py_func, [], (9, 0))
        assert len(built) == count
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:-1])
    machine_code.load(kernel(nbloss.Huber()._program, single).py_func, [], (9, 0))
    machine_code.load(kernel(nbloss.Huber()._program, single).py_func, [], (8, 0))
    assert len(built) == 4 and len(list(tmp_path.iterdir())) == 3
    machine_code.load(lambda y: y, [], (9, 0))
    assert len(built) == 5 and len(list(tmp_path.iterdir())) == 3


ALONE = """
import numpy, nbloss
class Array:
    def __init__(self, address):
        self.__cuda_array_interface__ = {"shape": (4,), "typestr": "<f4", "data": (address, False), "version": 3}
try:
    nbloss.Huber().gradient(Array(4096), Array(5120), out=Array(6144))
except Exception as error:
    print(type(error).__name__, error)
"""


def test_no_driver() -> None:
    """A clear error, in a process without the stand-in."""
    found = subprocess.run([sys.executable, "-c", ALONE], capture_output=True, text=True, check=True).stdout
    assert found.startswith("RuntimeError a CUDA array came, but no CUDA device can be used: ")


SEVERAL = """
from tests.cuda import standin
standin.driver()
import numpy as np, nbloss
from cuda.core import Device
from nbloss._cuda import device, machine_code
from tests.cuda.fakes import Array
machine_code.build = lambda *_: machine_code.Built("name", b"code", "", "")
machine_code._path = lambda *_: None
Device(1).set_current()
there = [Array(np.zeros(8, np.float32)) for _ in range(3)]
Device(0).set_current()
here = [Array(np.zeros(8, np.float32)) for _ in range(3)]
for arrays in (here, there, here, there, here):
    nbloss.Huber().gradient(*arrays[:2], out=arrays[2])
    assert device.ordinal() == 0
try:
    nbloss.Huber().gradient(here[0], there[1], out=here[2])
except ValueError as error:
    print(error, standin.counts()["launches"])
"""


def test_several_devices() -> None:
    """Kernels run on the device of the arrays, whichever is the current one, and not on two."""
    environment = {**os.environ, "STAND_IN_DEVICES": "2"}
    root = pathlib.Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", SEVERAL], capture_output=True, text=True, env=environment, cwd=root, check=False
    )
    assert done.stdout == "all arrays must lie on one CUDA device, got arrays on devices [0, 1] 5\n", done.stderr
