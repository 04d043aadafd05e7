"""Weighted statistics, by which losses find their best constant prediction."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from nbloss import _arrays


def mean(y: Any, w: Any) -> float:
    """Return the weighted mean."""
    return float((w * y).sum() / w.sum())


def log_of_mean(y: Any, w: Any) -> float:
    """Return the logarithm of the weighted mean, minus infinity if that is 0."""
    return _log(mean(y, w))


def mean_by_log1p(y: Any, w: Any) -> float:
    """Return the weighted mean taken on the scale of ``log(1 + y)``."""
    return math.expm1(mean(np.log1p(y), w))


def quantile(y: Any, w: Any, alpha: float) -> float:
    """Return the least *y* up to which (it included) the weights reach the share *alpha* of their sum.

    If they reach it exactly, all numbers from there to the next *y* have the same loss: return their middle.
    """
    order = np.argsort(y, kind="stable")
    y, reached = y[order], np.cumsum(w[order])
    wanted = alpha * reached[-1]
    i = int(np.searchsorted(reached, wanted))
    is_tie = reached[i] == wanted and i + 1 < y.size
    return float(0.5 * y[i] + 0.5 * y[i + 1]) if is_tie else float(y[i])


def quantile_by_size(y: Any, w: Any, alpha: float) -> float:
    """Return the quantile with the weights ``w / abs(y)``, which is 0 where any *y* is 0."""
    size = np.abs(y)
    least = size.min()
    return quantile(y, w * (least / size), alpha) if least > 0 else 0.0


def weight_of_signs(y: Any, w: Any) -> tuple[float, float]:
    """Return the sums of the weights of y > 0 and of the rest."""
    positive = y > 0
    return float(w[positive].sum()), float(w[~positive].sum())


def odds(positive: float, negative: float, as_logit: bool) -> float:
    """Return the logit, or the probability, for which two classes of these weights speak."""
    if as_logit:
        return _log(positive) - _log(negative) if positive > 0 or negative > 0 else 0.0
    return float(positive / (positive + negative)) if positive > 0 or negative > 0 else 0.5


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf


def probability(logit: float) -> float:
    """Return the sigmoid of *logit*."""
    e = math.exp(-abs(logit))
    return 1 / (1 + e) if logit >= 0 else e / (1 + e)


def masses(
    y: Any, w: Any, labels: bool, factors: float | tuple[float, ...] | None, smoothing: float, ignored: int | None
) -> tuple[Any, float]:
    """Return for each class the weighted sum of its targets, and the sum of the weights of all rows.

    Targets are rows, or labels, of which the greatest is that of the last class unless there is a tuple of factors.
    """
    lead = y.shape if labels else y.shape[:-1]
    w = np.broadcast_to(w.reshape(w.shape + (1,) * (len(lead) - w.ndim) if w.ndim else ()), lead).astype(np.float64)
    kept = w != 0 if ignored is None or not labels else (w != 0) & (y != ignored)
    y, w = y[kept], w[kept]
    if not w.size or not y.size:
        raise ValueError(f"y_true must have a row with a weight other than 0, got shape {lead}")
    if labels:
        classes = len(factors) if isinstance(factors, tuple) else int(y.max()) + 1
        found = np.bincount(y.astype(np.int64), w, classes)
    else:
        found = w @ y.astype(np.float64)
    total = float(w.sum())
    found = found * (1 - smoothing) + found.sum() * smoothing / found.size
    return found * (1.0 if factors is None else np.asarray(factors)), total


def shares(found: Any) -> Any:
    """Return the part that each class has of what was found of all."""
    if not found.any():
        raise ValueError("y_true must have a class with a weight other than 0, got rows without one")
    return found / found.sum()


def simplex(found: Any, slope: Callable[[float], float]) -> Any:
    """Return the probabilities p, which sum to 1, for which ``found * slope(p)`` is the same in all classes.

    *slope* falls; a class of which nothing was found has the probability 0.
    """
    share = shares(found).tolist()

    def probabilities(level: float) -> list[float]:
        return [
            math.exp(root(lambda s, m=m: level - m * slope(math.exp(s)), -740.0, 0.0)) if m > 0 else 0.0  # type: ignore[misc]
            for m in share
        ]

    most = max(m * slope(1 / len(share)) for m in share)
    p = np.array(probabilities(root(lambda level: 1 - sum(probabilities(level)), 0.0, most)))
    return p / p.sum()


def share_of_negatives(y: Any) -> float:
    """Return the mean of 1 - y over labels or probabilities, or raise if they are none."""
    y = np.asarray(y)
    _arrays.check_dtype(y.dtype, "y")
    if y.size == 0:
        raise ValueError(f"y must have at least one label, got shape {y.shape}")
    y = y.astype(np.float64)
    if not ((y >= 0) & (y <= 1)).all():
        raise ValueError(f"y must lie in [0, 1], got values from {y.min():g} to {y.max():g}")
    return float((1 - y).sum() / y.size)


def root(f: Callable[[float], float], low: float, high: float) -> float:
    """Return the zero of a function that is negative before it and positive after, or the end beyond which it lies.

    Regula falsi in the form known as Illinois, with every third step a bisection, until no double is left between the
    ends: 10 to 30 calls of *f* for smooth functions, at most three times those of bisection for any.
    """
    f_low, f_high = f(low), f(high)
    if not f_low < 0:
        return low
    if not f_high > 0:
        return high
    moved, step = 0, 0
    while True:
        middle = 0.5 * low + 0.5 * high
        if not low < middle < high:
            return low if abs(f_low) < abs(f_high) else high
        step += 1
        x = low - f_low * ((high - low) / (f_high - f_low)) if step % 3 else middle
        x = x if low < x < high else middle
        fx = f(x)
        if fx == 0:
            return x
        # an end that stays twice in a row counts half, so that it moves soon
        if fx < 0:
            low, f_low, f_high = x, fx, f_high / 2 if moved < 0 else f_high
        else:
            high, f_high, f_low = x, fx, f_low / 2 if moved > 0 else f_low
        moved = -1 if fx < 0 else 1
