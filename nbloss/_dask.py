"""Losses of dask arrays: lazily, chunk by chunk, each by the kernels of the place where its chunk lives."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import dask.array
import numpy as np

from nbloss import _arrays

Block = Callable[..., Any]

da: Any = dask.array  # which has no types

PAIR = -1
"""The index of an axis for two results that are made in one pass."""


def evaluate(
    loss: Any, want: str, y_true: Any, y_pred: Any, sample_weight: Any, reduction: str, out: Any, by_rows: bool
) -> Any:
    """Return what the method *want* of a loss of elements, or *by_rows*, returns: dask arrays."""
    _arrays.check_reduction(reduction)
    if out is not None:
        raise TypeError("out must be None for dask arrays, which hold what is yet to be computed")
    z = da.asarray(y_pred)
    if by_rows or any(type(x) is tuple for x in loss.parameters.values()):
        z = z.rechunk({-1: -1})  # the last axis is of classes
    y = da.asarray(y_true)
    w = None if sample_weight is None else da.asarray(sample_weight)
    (_arrays.check_row_targets if by_rows else _arrays.check_shapes)(y, z)
    axes = tuple(range(z.ndim))
    of_losses = axes[:-1] if by_rows else axes
    if w is not None:
        _arrays.check_weight(w, tuple(z.shape[i] for i in of_losses))
    call = _Call(loss, y, z, w, axes, of_losses)
    if want in ("gradient", "hessian"):
        return call.elements(functools.partial(_one, loss, want), axes)
    if want == "gradient_and_hessian":
        both = call.elements(functools.partial(_two, loss), (PAIR, *axes), new_axes={PAIR: 2})
        return both[0], both[1]
    if reduction == "none":
        value = call.elements(functools.partial(_losses, loss), of_losses)
        return value if want == "value" else (value, call.elements(functools.partial(_one, loss, "gradient"), axes))
    total, divisor = call.sums()
    value = total if reduction == "sum" else da.map_blocks(_divided, total, divisor, dtype=np.float64)
    if want == "value":
        return value
    gradient = call.elements(functools.partial(_one, loss, "gradient"), axes)
    return value, gradient if reduction == "sum" else (gradient / divisor).astype(gradient.dtype)


@dataclasses.dataclass
class _Call:
    loss: Any
    y: Any
    z: Any
    w: Any
    axes: tuple[int, ...]
    of_losses: tuple[int, ...]

    def elements(self, block: Block, out: tuple[Any, ...], dtype: Any = None, **options: Any) -> Any:
        """Return the array of what *block* makes of each chunk of targets, predictions and weights."""
        dtype = dtype or _arrays.real_of(self.z.dtype)
        weight = (None, None) if self.w is None else (self.w, self.axes[: self.w.ndim])
        return da.blockwise(
            block, out, self.y, self.axes[: self.y.ndim], self.z, self.axes, *weight, concatenate=True,
            meta=np.empty((0,) * len(out), dtype), **options,
        )  # fmt: skip

    def sums(self) -> Any:
        """Return the sum of the losses, and what divides it for the mean."""
        block = functools.partial(_sums, self.loss, self.of_losses != self.axes)
        found = self.elements(
            block, (PAIR, *self.axes), np.dtype(np.float64), new_axes={PAIR: 2},
            adjust_chunks=dict.fromkeys(self.axes, 1),
        )  # fmt: skip
        pair = found.sum(axis=tuple(range(1, found.ndim)))
        return pair[0], pair[1]


# What is done to a chunk


def _one(loss: Any, want: str, y: Any, z: Any, w: Any) -> Any:
    return getattr(loss, want)(y, z, w)


def _two(loss: Any, y: Any, z: Any, w: Any) -> Any:
    return np.stack(loss.gradient_and_hessian(y, z, w))


def _losses(loss: Any, y: Any, z: Any, w: Any) -> Any:
    return loss.value(y, z, w, reduction="none")


def _sums(loss: Any, by_rows: bool, y: Any, z: Any, w: Any) -> Any:
    found = np.array([loss.value(y, z, w, reduction="sum"), _divisor(loss, by_rows, y, z, w)])
    return found.reshape(2, *[1] * z.ndim)


def _divisor(loss: Any, by_rows: bool, y: Any, z: Any, w: Any) -> float:
    """Return the sum of the weights of the losses, each times that of its class."""
    shape = z.shape[:-1] if by_rows else z.shape
    weight = np.asarray(1.0 if w is None else w, np.float64)
    weight = np.broadcast_to(weight.reshape(weight.shape + (1,) * (len(shape) - weight.ndim)), shape)
    if not by_rows:
        return float(weight.sum())
    factors, ignored = loss.parameters.get("class_weight"), loss.parameters.get("ignore_index")
    has_labels = y.ndim < z.ndim
    if has_labels and ignored is not None:
        weight = np.where(y == ignored, 0, weight)
        y = np.where(y == ignored, 0, y)
    if isinstance(factors, tuple):
        each = np.asarray(factors)[y.astype(np.int64)] if has_labels else y.astype(np.float64) @ np.asarray(factors)
    else:
        each = 1.0 if factors is None else factors
    return float(np.where(weight == 0, 0, weight * each).sum())


def _divided(total: Any, divisor: Any) -> Any:
    return np.float64(_arrays.divide(float(total), float(divisor)))
