"""Law: machine code is kept on disk, never served stale, and does not pile up."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
from typing import Any

import pytest

import nbloss
from nbloss import _compile

PACKAGE = pathlib.Path(nbloss.__file__).parent

COUNT = """
import numba.core.codegen
compiled = []
finalize = numba.core.codegen.CPUCodeLibrary.finalize
def counting(self):
    if self.name != "nrt":  # numba's own run-time, which every process compiles
        compiled.append(self.name)
    return finalize(self)
numba.core.codegen.CPUCodeLibrary.finalize = counting
"""

USE = """
import nbloss
print(nbloss.Huber(delta=1.5).gradient([0.0], [9.0])[0], nbloss.BinaryFocal()([1.0], [0.5]), len(compiled))
"""


@pytest.fixture
def copy(tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of the package in a folder of its own."""
    shutil.copytree(PACKAGE, tmp_path / "nbloss", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[pathlib.Path, list[str]]:
    """A copy of the package after one process has used it, and what that one printed."""
    folder = tmp_path_factory.mktemp("first")
    shutil.copytree(PACKAGE, folder / "nbloss", ignore=shutil.ignore_patterns("__pycache__"))
    return folder, run(folder)


@pytest.fixture
def warm(first: Any, tmp_path: pathlib.Path) -> pathlib.Path:
    """A copy of that, with what it has compiled."""
    shutil.copytree(first[0] / "nbloss", tmp_path / "nbloss")
    return tmp_path


def run(folder: pathlib.Path, code: str = COUNT + USE, **environment: str) -> list[str]:
    """Run *code* in a new process that finds the package in *folder*; return the words that it prints."""
    settings = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA")}
    settings |= {"PYTHONPATH": str(folder), "XDG_CACHE_HOME": str(folder / "user")} | environment
    done = subprocess.run([sys.executable, "-c", code], env=settings, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def kept(folder: pathlib.Path) -> set[str]:
    return {p.name for p in folder.rglob("*.nb?")}


def test_a_second_process_compiles_nothing(first: Any, warm: pathlib.Path) -> None:
    _, printed = first
    files = kept(warm)
    assert int(printed[2]) > 0 and files
    for _ in range(2):
        assert run(warm) == [printed[0], printed[1], "0"]
        assert kept(warm) == files


FAMILIES = """
import numpy as np
import nbloss
rng = np.random.default_rng(0)
z, y = rng.normal(size=(8, 4)), np.arange(8) % 4
nbloss.CrossEntropy().gradient_and_hessian(y, z)
nbloss.MultiMargin().value_and_gradient(y, z)
nbloss.Dice().gradient(y, z)
nbloss.CosineSimilarity().gradient(z, z)
nbloss.LovaszSoftmax().gradient(y, z)
nbloss.LambdaRank().gradient(y, z[:, 0])
nbloss.Cox().gradient((z[:, 1], y > 1), z[:, 0])
print(len(compiled))
"""


def test_kernels_of_every_family_are_found_again() -> None:
    """Of rows, lines, sets, vectors, sorted errors, lists and risks; those with vectors are closed over intrinsics."""
    settings = {"NUMBA_CACHE_DIR": os.environ["NUMBA_CACHE_DIR"]} if "NUMBA_CACHE_DIR" in os.environ else {}
    run(PACKAGE.parent, COUNT + FAMILIES, **settings)
    assert run(PACKAGE.parent, COUNT + FAMILIES, **settings) == ["0"]


def test_another_parameter_value_compiles_nothing(warm: pathlib.Path) -> None:
    assert run(warm, (COUNT + USE).replace("delta=1.5", "delta=2.5"))[::2] == ["2.5", "0"]
    in_one_process = (
        COUNT
        + USE
        + "before = len(compiled)\n"
        + USE.replace("1.5", "0.5").replace("len(compiled)", "before - len(compiled)")
    )
    assert run(warm, in_one_process)[3::2] == ["0.5", "0"]


def test_an_edited_formula_is_never_served_stale(warm: pathlib.Path) -> None:
    assert run(warm)[0] == "1.5"
    file = warm / "nbloss/losses/regression/huber.py"
    text = file.read_text()
    assert "min(max(r, -delta), delta)" in text
    stamp = file.stat().st_mtime_ns
    file.write_text(text.replace("min(max(r, -delta), delta)", "min(max(r, -delta), delta + delta)"))
    os.utime(file, ns=(stamp, stamp))
    shutil.rmtree(file.parent / "__pycache__", ignore_errors=True)  # Python's own cache trusts the time
    assert run(warm)[0] == "3.0"
    assert len(list(warm.rglob("kernels-*"))) == 1, "the folder of the old sources is dropped"


def test_helpers_of_formulas_count_as_sources(first: Any, warm: pathlib.Path) -> None:
    file = warm / "nbloss/_math.py"
    file.write_text(file.read_text() + "\n# another version\n")
    assert int(run(warm)[2]) == int(first[1][2])


def test_a_damaged_file_is_compiled_anew(first: Any, warm: pathlib.Path) -> None:
    """One that ends early, one of which an end never came to the disk, and one that holds another kernel."""
    files = sorted(warm.rglob("*.nbc"))
    contents = [file.read_bytes() for file in files]
    assert len(files) > 1
    for file, content in zip(files, [*contents[1:], contents[0]], strict=True):
        file.write_bytes(content)
    assert run(warm)[:2] == first[1][:2]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content[: len(content) // 2] + bytes(len(content) - len(content) // 2))
    assert run(warm)[:2] == first[1][:2]
    for file in warm.rglob("*.nb?"):
        file.write_bytes(file.read_bytes()[:50])
    assert run(warm)[:2] == first[1][:2]


def test_without_a_folder_to_write_to(copy: pathlib.Path) -> None:
    blocked = copy / "blocked"
    blocked.write_text("a file, where folders cannot be made")
    code = "import pathlib, nbloss._compile as c\nc.PACKAGE = pathlib.Path('blocked')\n" + COUNT + USE
    assert run(copy, code, XDG_CACHE_HOME=str(blocked))[0] == "1.5"
    assert not kept(copy)


def test_a_user_without_a_home(monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path) -> None:
    def expanduser(path: pathlib.Path) -> None:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(pathlib.Path, "expanduser", expanduser)
    monkeypatch.setattr(_compile, "PACKAGE", tmp_path)
    monkeypatch.setattr(_compile.config, "CACHE_DIR", "")
    assert _compile.cache_folder.__wrapped__() == tmp_path / "__pycache__" / f"kernels-{_compile.fingerprint()}"
    (tmp_path / "file").write_text("where no folder can be made")
    monkeypatch.setattr(_compile, "PACKAGE", tmp_path / "file")
    assert _compile.cache_folder.__wrapped__() is None


def test_read_only_package_uses_the_folder_of_the_user(copy: pathlib.Path) -> None:
    (copy / "nbloss/__pycache__").unlink(missing_ok=True) if (copy / "nbloss/__pycache__").is_file() else None
    (copy / "nbloss/__pycache__").write_text("a file, where a folder cannot be made")
    assert run(copy, PYTHONDONTWRITEBYTECODE="1")[0] == "1.5"
    assert kept(copy / "user")
    assert run(copy, PYTHONDONTWRITEBYTECODE="1")[2] == "0"


def test_cold_processes_at_once(copy: pathlib.Path) -> None:
    settings: dict[str, Any] = {"PYTHONPATH": str(copy), "PATH": os.environ["PATH"], "HOME": str(copy)}
    command = [sys.executable, "-c", COUNT + USE]
    processes = [
        subprocess.Popen(command, env=settings, cwd=copy, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    outputs = [process.communicate() for process in processes]
    assert all(process.returncode == 0 for process in processes), outputs
    assert len({tuple(out.split()[:2]) for out, _ in outputs}) == 1
    assert run(copy)[2] == "0"
