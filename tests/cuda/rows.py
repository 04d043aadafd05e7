"""What the tests of rows on numba's simulated device have in common: losses, and what the CPU gives."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

import nbloss
from nbloss import _cpu
from nbloss._arrays import real_of
from tests.cases import ROW_CASES
from tests.cuda.test_simulator import assert_close, device, host

ENTROPY = nbloss.CrossEntropy()
SMOOTHED = nbloss.CrossEntropy(label_smoothing=0.1)
CLASS_WEIGHTS = (0.5, 2.0, 0.0, 1.0, 3.0)
CASES = [loss for loss in ROW_CASES if loss.takes_labels]
WEIGHTED = nbloss.CrossEntropy(class_weight=CLASS_WEIGHTS)
METHODS: list[tuple[str, dict[str, str]]] = [
    ("value", {"reduction": "none"}),
    ("value", {"reduction": "mean"}),
    ("value", {"reduction": "sum"}),
    ("gradient", {}),
    ("hessian", {}),
    ("gradient_and_hessian", {}),
    ("value_and_gradient", {"reduction": "none"}),
    ("value_and_gradient", {"reduction": "mean"}),
    ("value_and_gradient", {"reduction": "sum"}),
]
FILLING = METHODS[5:7]


def on_cpu(loss: Any, y: Any, z: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return values, gradients and Hessians without weights, by few kernels.

    Rows of 4 classes are computed in double precision, by those that the tests of the CPU compile, too.
    """
    real = np.dtype(np.float64) if z.shape[-1] == 4 else real_of(z.dtype)
    x = np.array(z, real, order="C")
    y = np.array(y, np.int64 if np.ndim(y) < z.ndim else real, order="C")
    outs = [np.empty(z.shape[:-1], real), np.empty(z.shape, real), np.empty(z.shape, real)]
    wants = {"v": outs[:1], "gh": outs[1:]} if z.shape[-1] == 4 else {"vgh": outs}
    for want, some in wants.items():
        _cpu.rowwise.run(loss._program, want, False, y, x, None, some, real)
    with np.errstate(over="ignore"):
        return tuple(a.astype(real_of(z.dtype)) for a in outs)


def expected(loss: nbloss.Loss, y: Any, z: np.ndarray, w: Any = None) -> dict[tuple[str, str], tuple[np.ndarray, ...]]:
    """Return what each method gives on the CPU, with weights and sums as NumPy makes them."""
    y, real, rows = np.asarray(y), real_of(z.dtype), z.shape[:-1]
    if loss.parameters.get("ignore_index") is not None:
        left_out = y == loss.ignore_index  # type: ignore[attr-defined]
        y, loss = np.where(left_out, 0, y), dataclasses.replace(loss, ignore_index=None)
    else:
        left_out = np.zeros(rows, bool)
    weight = np.asarray(1.0 if w is None else w, np.float64)
    weight = np.broadcast_to(
        weight.reshape(weight.shape + (1,) * (len(rows) - weight.ndim) if weight.ndim else ()), rows
    )
    weight = np.where(left_out, 0, weight)
    values, *derivatives = on_cpu(loss, y, z)
    with np.errstate(all="ignore"):
        v = np.where(weight == 0, 0, weight * values)
        g, h = (np.where(weight[..., None] == 0, 0, weight[..., None] * a) for a in derivatives)
        counted = weight
        factors = loss.parameters.get("class_weight")
        if isinstance(factors, tuple):
            of_rows = np.array(factors)[y.astype(np.int64)] if y.ndim < z.ndim else y.astype(np.float64) @ factors
            counted = np.where(weight == 0, 0, weight * of_rows)
        elif factors is not None:
            counted = weight * factors
        total, divisor = np.float64(v.sum()), counted.sum()
        mean, pulled = total / divisor, np.where(weight[..., None] == 0, 0, g / divisor).astype(real)
    v, g, h = (a.astype(real) for a in (v, g, h))
    return {
        ("value", "none"): (v,),
        ("value", "mean"): (mean,),
        ("value", "sum"): (total,),
        ("gradient", ""): (g,),
        ("hessian", ""): (h,),
        ("gradient_and_hessian", ""): (g, h),
        ("value_and_gradient", "none"): (v, g),
        ("value_and_gradient", "mean"): (mean, pulled),
        ("value_and_gradient", "sum"): (total, g),
    }


def assert_same(loss: nbloss.Loss, *arrays: Any, methods: Any = METHODS, ulps: float = 16, least: float = 1.0) -> None:
    """Compare what methods give for arrays on the device and in host memory."""
    wanted, placed = expected(loss, *arrays), device(*arrays)
    eps = 2.0**-23 if arrays[1].dtype in (np.float16, np.float32) else 0.0
    for method, how in methods:
        got = getattr(loss, method)(*placed, **how)
        for a, b in zip(host(got), wanted[method, how.get("reduction", "")], strict=True):
            assert_close(a, b, ulps, least, eps)


def extreme_rows(dtype: type) -> np.ndarray:
    """Return rows of logits of which most differ by all that there is."""
    big = np.finfo(dtype).max
    tiny = np.finfo(dtype).smallest_subnormal
    inf = np.inf
    return np.array(
        [
            [big, big, big],
            [-big, -big, -big],
            [big, -big, 0],
            [big / 2, -big / 2, big / 4],
            [big, np.nextafter(dtype(big), dtype(0)), 1],
            [0, 0, 0],
            [tiny, -tiny, 0],
            [700, -700, 0.5],
            [80, -80, 40],
            [1, 1 + np.finfo(dtype).eps, 1 - np.finfo(dtype).epsneg],
            [30, -5, -10],
            [1e-30, 40, 0],
            [inf, 0, 1],
            [inf, inf, 1],
            [inf, big, -inf],
            [-inf, 0, 1],
            [-inf, -inf, 1],
            [-inf, -inf, -inf],
            [-inf, big, -big],
            [np.nan, 0, 1],
            [0, np.nan, inf],
        ],
        dtype,
    )
