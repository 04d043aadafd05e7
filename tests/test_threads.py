"""Law: any number of threads, in any process, gives the same bits; nothing crashes, and nothing waits for ever."""

from __future__ import annotations

import contextvars
import os
import pathlib
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest

import nbloss
from nbloss import _cgroups, _parallel, _threads

ROOT = pathlib.Path(__file__).parents[1]
LAYERS = ("omp", "tbb", "workqueue")
SCENES = (
    "threads_of_all_kinds", "joblib_threads_and_forks", "forked_after_use", "forked_before_use", "forked_during_a_call",
    "other_families",
)  # fmt: skip


def play(scene: str, **environment: str) -> None:
    """Play a scene of tests/threads_in_process.py with four threads, on however many cores."""
    settings = {k: v for k, v in os.environ.items() if not k.startswith(("NUMBA", "OMP"))}
    settings |= {name: os.environ[name] for name in ("NUMBA_CACHE_DIR",) if name in os.environ}
    settings |= {"NUMBA_NUM_THREADS": "4", "PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run(
        [sys.executable, "-m", "tests.threads_in_process", scene],
        env=settings, cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.returncode}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize("scene", SCENES)
@pytest.mark.parametrize("layer", LAYERS)
def test_layers(layer: str, scene: str) -> None:
    play(scene, NUMBA_THREADING_LAYER=layer)


@pytest.mark.parametrize("scene", ["joblib_processes", "spawned"])
def test_processes_that_start_afresh(scene: str) -> None:
    play(scene)


def test_a_fork_while_compiling(tmp_path: pathlib.Path) -> None:
    play("forked_while_compiling", NUMBA_CACHE_DIR=str(tmp_path))


def test_tbb_is_found_in_the_environment() -> None:
    play("forked_before_use")


def test_a_fork_of_a_process_that_used_the_same_openmp() -> None:
    play("forked_from_lightgbm", NUMBA_THREADING_LAYER="omp")


@pytest.mark.parametrize(
    "scene",
    ["beside_another_openmp", "sharing_openmp", "sharing_openmp_beside_lightgbm", "forked_from_scikit_learn"],
)
def test_a_second_openmp(scene: str) -> None:
    play(scene, NUMBA_THREADING_LAYER="omp")


def test_a_worker_of_dask_says_how_many() -> None:
    play("dask_worker")


@pytest.fixture
def unset(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Let the number of threads be found anew, now and after the test."""
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    _threads.available.cache_clear()
    yield monkeypatch
    _threads.available.cache_clear()


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"NUMBA_NUM_THREADS": "3", "OMP_NUM_THREADS": "5"}, 3),
        ({"OMP_NUM_THREADS": "5"}, 5),
        ({"OMP_NUM_THREADS": " 6,2"}, 6),
        ({"OMP_NUM_THREADS": "many"}, 7),
        ({"OMP_NUM_THREADS": "0"}, 7),
        ({}, 7),
    ],
)
def test_the_environment_says_how_many(unset: Any, settings: dict[str, str], expected: int) -> None:
    unset.setattr(os, "sched_getaffinity", lambda pid: set(range(7)))
    unset.setattr(_cgroups, "quota", lambda *_: 100.0)
    for name, text in settings.items():
        unset.setenv(name, text)
    assert nbloss.get_num_threads() == expected


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/", {"cpu.max": "250000 100000"}, 3),
        ("0::/a/b", {"cpu.max": "400000 100000", "a/cpu.max": "max 100000", "a/b/cpu.max": "50000 100000"}, 1),
        ("0::/a/b", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "max 100000"}, 2),
        ("0::/not/mounted/here", {"cpu.max": "200000 100000"}, 2),
        ("4:cpu,cpuacct:/a\n0::/", {"cpu/a/cpu.cfs_quota_us": "150000", "cpu/a/cpu.cfs_period_us": "50000"}, 3),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 7),
        ("2:cpuset:/", {"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "100000"}, 7),
        ("0::/", {}, 7),
        ("0::/", {"cpu.max": "what?"}, 7),
    ],
)
def test_the_limits_of_a_container(
    unset: Any, tmp_path: pathlib.Path, membership: str, files: dict[str, str], expected: int
) -> None:
    (tmp_path / "cgroup").write_text(membership)
    for name, text in files.items():
        file = tmp_path / "fs" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    quota = _cgroups.quota(tmp_path / "cgroup", tmp_path / "fs")
    unset.setattr(os, "sched_getaffinity", lambda pid: set(range(7)))
    unset.setattr(_cgroups, "quota", lambda *_: quota)
    assert nbloss.get_num_threads() == expected


def test_a_block_is_of_its_thread_and_a_call_of_the_process(unset: Any) -> None:
    unset.setenv("NUMBA_NUM_THREADS", "7")

    def elsewhere() -> int:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(nbloss.get_num_threads()))
        thread.start()
        thread.join()
        return found[0]

    try:
        with nbloss.set_num_threads(2):
            assert (nbloss.get_num_threads(), elsewhere()) == (2, 7)
            with nbloss.set_num_threads(None):
                assert nbloss.get_num_threads() == 7
            assert contextvars.copy_context().run(nbloss.get_num_threads) == 2
        assert nbloss.get_num_threads() == 7
        nbloss.set_num_threads(np.int64(3))
        assert (nbloss.get_num_threads(), elsewhere()) == (3, 3)
        with nbloss.set_num_threads(5):
            assert (nbloss.get_num_threads(), elsewhere()) == (5, 3)
        with pytest.raises(ZeroDivisionError), nbloss.set_num_threads(4):
            raise ZeroDivisionError
        assert nbloss.get_num_threads() == 3
    finally:
        nbloss.set_num_threads(None)
    assert nbloss.get_num_threads() == 7


@pytest.mark.parametrize(
    ("n", "error"), [(0, ValueError), (-2, ValueError), (2.0, TypeError), (True, TypeError), ("2", TypeError)]
)
def test_nonsense_changes_nothing(n: Any, error: type[Exception]) -> None:
    before = nbloss.get_num_threads()
    with pytest.raises(error, match=r"^n must be .* got"):
        nbloss.set_num_threads(n)
    assert nbloss.get_num_threads() == before


def test_whoever_finds_the_gate_taken_goes_alone() -> None:
    y, z = np.zeros(100_000), np.linspace(-3, 3, 100_000)
    loss = nbloss.Huber()
    with nbloss.set_num_threads(2):
        expected = loss.gradient_and_hessian(y, z)
        with _parallel._turn:
            np.testing.assert_array_equal(loss.gradient_and_hessian(y, z), expected)
    assert not _parallel._turn.locked()


def test_an_interrupt_at_the_end_of_a_kernel_is_one() -> None:
    """numba calls Python for the arrays that a kernel returns, and wraps what a signal's handler raises there."""

    def kernel() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise SystemError("returned a result with an exception set") from error

    with pytest.raises(KeyboardInterrupt):
        _parallel.run(kernel, lambda: kernel, ())
    assert not _parallel._turn.locked()
