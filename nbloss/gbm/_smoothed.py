r"""Absolute and quantile errors as XGBoost has them from 3.4 on: smoothed, on the scale of the residuals of all rows.

The scale is :math:`S = (\sum w \sqrt{|r|} / \sum w)^2`, anew in each round, for each level of quantiles by itself. The
absolute error has the gradient :math:`c r` and the Hessian :math:`c = S / \sqrt{S^2 + r^2}`: that of the pseudo-Huber
loss, with the curvature of the parabola above it. A quantile error has, with :math:`x = r / (0.04\,S)`, the gradient
:math:`S\,(\tanh x + 1 - 2 \alpha) / 2` and the Hessian :math:`12.5\,\max(\tanh(x) / x, 0.0003)`. (XGBoost 3.4.1:
src/objective/regression_obj.cu and quantile_obj.cu.)
"""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np

from nbloss._math import hypot, sqrt, tanh
from nbloss._place import on_device
from nbloss.families.pointwise import Pointwise

LOSSES = ("AbsoluteError", "MultiQuantile", "Quantile")


@functools.cache
def is_built_in() -> bool:
    """Whether the XGBoost that is installed has them; also where none is."""
    try:
        import xgboost
    except ImportError:
        return True
    major, minor = xgboost.__version__.split(".")[:2]
    return (int(major), int(minor)) >= (3, 4)


def derivatives(loss: Any, y: Any, z: Any, w: Any, out: Any) -> tuple[Any, Any]:
    """Return gradient and Hessian of all rows, in the pair *out* if it is given."""
    if type(loss).__name__ == "AbsoluteError":
        found: tuple[Any, Any] = _AbsoluteError(_scale(y, z, w)).gradient_and_hessian(y, z, w, out=out)
        return found
    if type(loss).__name__ == "Quantile":
        found = _Quantile(loss.alpha, _scale(y, z, w)).gradient_and_hessian(y, z, w, out=out)
        return found
    gradient, hessian = loss.gradient_and_hessian(y, z, w) if out is None else out  # room, and checks of shapes
    for k, alpha in enumerate(loss.alphas):
        of_level = z[:, k]
        into = gradient[:, k], hessian[:, k]
        _Quantile(alpha, _scale(y, of_level, w)).gradient_and_hessian(y, of_level, w, out=into)
    return gradient, hessian


def _scale(y: Any, z: Any, w: Any) -> float:
    """Return the square of the weighted mean of the roots of residuals, of all workers if there are several."""
    xgboost = sys.modules.get("xgboost")
    if xgboost is None or not xgboost.collective.is_distributed():
        mean = float(_brought_back(_ROOT.value(y, z, w)))
    else:
        total = float(_brought_back(_ROOT.value(y, z, w, reduction="sum")))
        weight = float(len(z) if w is None else _brought_back(w).sum(dtype=np.float64))
        total, weight = xgboost.collective.allreduce(np.array([total, weight]), xgboost.collective.Op.SUM).tolist()
        mean = total / weight if weight else 0.0
    return float(np.float32(mean * mean))  # as XGBoost keeps it


def _brought_back(x: Any) -> Any:
    """Return a number, or an array, in host memory."""
    if not on_device(x):
        return x
    from nbloss._cuda import staging

    return staging.brought_back(x)


class _Scaled(Pointwise):
    """No loss: derivatives that depend on the scale of all residuals."""

    def __init__(self, *numbers: float) -> None:
        self.__dict__["given"] = numbers

    @classmethod
    def _fields(cls) -> tuple[Any, ...]:
        return ()

    @property
    def numbers(self) -> tuple[Any, ...]:
        found: tuple[Any, ...] = self.__dict__["given"]
        return found


class _Root(_Scaled):
    @staticmethod
    def formula(y: Any, z: Any) -> tuple[Any, Any, Any]:
        zero = type(z)(0)
        return sqrt(abs(z - y)), zero, zero


class _AbsoluteError(_Scaled):
    @staticmethod
    def formula(y: Any, z: Any, scale: Any) -> tuple[Any, Any, Any]:
        real = type(z)
        r = z - y
        norm = hypot(scale, r)
        curvature = scale / norm if norm > real(0) else real(1)
        return real(0), r * curvature, curvature + (r - r)


class _Quantile(_Scaled):
    @staticmethod
    def formula(y: Any, z: Any, alpha: Any, scale: Any) -> tuple[Any, Any, Any]:
        real = type(z)
        zero, one = real(0), real(1)
        r = z - y
        x = r / (real(0.04) * scale)
        t = tanh(x)
        ratio = one if x == zero else t / x
        least = real(3e-4)
        bad = r - r
        gradient = real(0.5) * scale * (t + one - real(2) * alpha) + bad
        hessian = real(12.5) * (least if ratio < least else ratio) + bad
        return zero, gradient if scale > zero else bad, hessian if scale > zero else bad


_ROOT = _Root()
