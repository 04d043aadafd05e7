"""Law: whole processes work, or say what is missing: one command for a device, several devices, none, kept kernels.

The driver is a stand-in.
"""

from __future__ import annotations

import csv
import os
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from numba import config, cuda

import nbloss

if config.ENABLE_CUDASIM:
    pytest.skip("needs a process without NUMBA_ENABLE_CUDASIM: nothing is launched there", allow_module_level=True)
if getattr(cuda, "implementation", None) != "NVIDIA":
    pytest.skip("needs numba-cuda: pip install -e '.[cuda]'", allow_module_level=True)

from nbloss._cuda import machine_code, pointwise
from nbloss._cuda.layout import NUMBER, Form

F4 = np.float32


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
