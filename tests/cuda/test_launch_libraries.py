"""Law: arrays of other libraries go in without copies, and come out as their own. No device is needed.

The driver is a stand-in, and so are the libraries.
"""

from __future__ import annotations

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

from tests.cuda import fakes, standin
from tests.cuda.fakes import Array, JaxArray, Tensor, Version2
from tests.cuda.launching import F4, HUBER, there
from tests.cuda.launching import launches as launches  # fixtures
from tests.cuda.launching import nothing_compiled as nothing_compiled


@pytest.fixture
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"cupy": fakes.cupy(), "torch": fakes.torch(), **fakes.jax()}
    for name, module in found.items():
        monkeypatch.setitem(sys.modules, name, module)


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
