"""What the tests of launches have in common: nothing is compiled, and what is launched is written down."""

from __future__ import annotations

import ctypes
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

from nbloss._cuda import device, launch, machine_code
from tests.cuda.fakes import Array

F4 = np.float32
GROUPS = [3, 0, 40, 7]
ALL = [*CASES, *PAIR_CASES, *ROW_CASES, *SET_CASES, *LINE_CASES, *ORDERED_CASES, *GROUP_CASES]
HUBER = nbloss.Huber(delta=0.25)


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
