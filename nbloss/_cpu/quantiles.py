"""Weighted quantiles of groups, by LightGBM's definition."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
from numba import float64, int32, prange, types
from numba.extending import register_jitable

from nbloss._compile import compiled


def grouped_quantiles(x: Any, group: Any, groups: int, alpha: float, w: Any = None) -> Any:
    """Return for each group the quantile of the numbers that belong to it; nan for a group of none.

    Without weights, it lies between two neighbours in their order, in proportion. With weights, LightGBM takes the
    last number with which the sum of weights does not exceed the share *alpha*, and goes from there towards the next
    only if that has a weight of at least 1.

    Parameters
    ----------
    x : array, shape (n,)
        Numbers.
    group : array of int32, shape (n,)
        To which group each belongs, from 0 on.
    groups : int
        How many groups there are.
    alpha : float
        The level, in [0, 1].
    w : array, shape (n,), optional
        Weights.
    """
    x = np.ascontiguousarray(x, np.float64)
    weights = np.empty(0) if w is None else np.ascontiguousarray(w, np.float64)
    out = np.empty(groups)
    _kernel()(x, np.ascontiguousarray(group, np.int32), weights, alpha, out)
    return out


@register_jitable
def _of_plain(x: Any, alpha: float) -> float:
    n = x.size
    if n == 0:
        return math.nan
    steps = (n - 1) * (1.0 - alpha)  # from the greatest downwards
    whole = int(steps)
    low = n - 2 - whole
    if low < 0:
        return x.min()
    x = np.partition(x, low)
    above = x[low + 1 :].min()
    return above - (above - x[low]) * (steps - whole)


@register_jitable
def _of_weighted(x: Any, w: Any, alpha: float) -> float:
    n = x.size
    if n == 0:
        return math.nan
    order = np.argsort(x, kind="mergesort")
    reached = np.cumsum(w[order])
    wanted = reached[n - 1] * alpha
    i = min(int(np.searchsorted(reached, wanted, side="right")), n - 1)
    if i == 0 or i == n - 1:
        return x[order[i]]
    below, here = x[order[i - 1]], x[order[i]]
    weight = reached[i] - reached[i - 1]
    return (wanted - reached[i - 1]) / weight * (here - below) + below if weight >= 1.0 else below


@functools.cache
def _kernel() -> Any:
    def kernel(x, group, w, alpha, out):  # type: ignore[no-untyped-def]
        n, groups, is_weighted = x.size, out.size, w.size > 0
        first = np.zeros(groups + 1, np.int64)
        for i in range(n):
            first[group[i] + 1] += 1
        for k in range(groups):
            first[k + 1] += first[k]
        place, values, weights = first.copy(), np.empty(n), np.empty(w.size)
        for i in range(n):
            k = group[i]
            values[place[k]] = x[i]
            if is_weighted:
                weights[place[k]] = w[i]
            place[k] += 1
        for k in prange(groups):
            a, b = first[k], first[k + 1]
            if is_weighted:
                out[k] = _of_weighted(values[a:b], weights[a:b], alpha)
            else:
                out[k] = _of_plain(values[a:b], alpha)

    inputs = [types.Array(t, 1, "C", readonly=True) for t in (float64, int32, float64)]
    return compiled(kernel, (*inputs, float64, float64[::1]), grouped_quantiles, parallel=True)
