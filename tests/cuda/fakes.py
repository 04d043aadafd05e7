"""Arrays in the memory of the stand-in, such as libraries would make: their interfaces, and how they make others."""

from __future__ import annotations

import types
from typing import Any

import numpy as np


class Array:
    """An array with the CUDA Array Interface, as CuPy's has it."""

    version: int = 3

    def __init__(self, a: Any, stream: int | None = 1, is_readonly: bool = False) -> None:
        from numba import cuda

        self.host = np.asarray(a)
        room = cuda.device_array(max(1, _extent(self.host)), np.uint8)
        self.memory, self.stream, self.is_readonly = room, stream, is_readonly
        below = sum((n - 1) * min(0, s) for n, s in zip(self.host.shape, self.host.strides, strict=True))
        self.address = int(room.__cuda_array_interface__["data"][0]) - below
        strides = None if self.host.flags.c_contiguous else self.host.strides
        self._interface: dict[str, Any] = {
            "shape": self.host.shape, "typestr": self.host.dtype.str, "strides": strides, "version": self.version,
        }  # fmt: skip
        if stream is not None:
            self._interface["stream"] = stream

    @property
    def dtype(self) -> Any:
        return self.host.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return self.host.shape

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {**self._interface, "data": (self.address, self.is_readonly)}


def _extent(a: np.ndarray[Any, Any]) -> int:
    return a.itemsize + sum((n - 1) * abs(s) for n, s in zip(a.shape, a.strides, strict=True)) if a.size else 0


class Version2(Array):
    """An array of a library that says nothing of streams."""

    version = 2

    def __init__(self, a: Any, is_readonly: bool = False) -> None:
        super().__init__(a, None, is_readonly)


class CupyArray(Array):
    """cupy.ndarray, made as the kernels make it: with memory of another."""

    def __init__(
        self, shape: Any, dtype: Any = float, memptr: Any = None, strides: Any = None, stream: int = 1
    ) -> None:
        a = shape if isinstance(shape, np.ndarray) else np.lib.stride_tricks.as_strided(
            np.zeros(1, dtype), shape, strides or np.zeros(shape, dtype).strides
        )  # fmt: skip
        super().__init__(a, stream)

    @property
    def data(self) -> Any:
        return types.SimpleNamespace(ptr=self.address)


def cupy() -> Any:
    """Return what is used of the module."""
    return types.SimpleNamespace(ndarray=CupyArray, empty=lambda size, dtype: CupyArray((size,), dtype))


class Tensor:
    """torch.Tensor: its interface is of version 2, and none where it requires a gradient."""

    current_stream = 0

    def __init__(self, a: Any, is_cuda: bool = True, requires_grad: bool = False) -> None:
        self._array = Version2(a)
        self.is_cuda, self.requires_grad, self.device = is_cuda, requires_grad, "cuda:0"

    @property
    def dtype(self) -> str:
        return f"torch.{self._array.dtype}"

    @property
    def shape(self) -> tuple[int, ...]:
        return self._array.shape

    def stride(self) -> tuple[int, ...]:
        return tuple(s // self._array.dtype.itemsize for s in self._array.host.strides)

    def data_ptr(self) -> int:
        return self._array.address

    def is_conj(self) -> bool:
        return False

    is_neg = is_conj

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if not self.is_cuda:
            raise AttributeError("not on a device")
        if self.requires_grad:
            raise RuntimeError("requires a gradient: use detach()")
        return self._array.__cuda_array_interface__

    def new_empty_strided(self, shape: Any, steps: Any, dtype: str) -> Tensor:
        real = np.dtype(dtype.removeprefix("torch."))
        strides = [step * real.itemsize for step in steps]
        return Tensor(np.lib.stride_tricks.as_strided(np.zeros(1, real), shape, strides))


def torch() -> Any:
    """Return what is used of the module."""

    def current_stream(device: str) -> Any:
        return types.SimpleNamespace(cuda_stream=Tensor.current_stream)

    streams = types.SimpleNamespace(current_stream=current_stream)
    return types.SimpleNamespace(Tensor=Tensor, cuda=streams, float32="torch.float32", float64="torch.float64")


class JaxArray(Version2):
    """jax.Array: read-only, and not there before it is waited for."""

    waits = 0

    def __init__(self, a: Any) -> None:
        super().__init__(a, is_readonly=True)

    def block_until_ready(self) -> JaxArray:
        JaxArray.waits += 1
        return self

    def devices(self) -> set[str]:
        return {"cuda:0"}


def jax() -> dict[str, Any]:
    """Return what is used of the modules, by their names."""
    zeros = lambda shape, dtype, device: JaxArray(np.zeros(shape, dtype))  # noqa: E731
    return {"jax": types.SimpleNamespace(Array=JaxArray), "jax.numpy": types.SimpleNamespace(zeros=zeros)}
