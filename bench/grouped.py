"""Losses of groups: Cox's partial likelihood of a million rows, ranking of 10 000 lists of 100 rows, renewed leaves.

Against NumPy, written as one writes it there: argsort and cumulative sums, and matrices of pairs, some lists at a time.
XGBoost's own Cox objective cannot be called by itself: its time is that of a round of training with it, less that of a
round with derivatives that are there already. All in one run, taken in turn. Writes ``results/grouped.csv``.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Callable
from typing import Any

import _common
import numpy as np

import nbloss

ROWS, LISTS, LENGTH = 1_000_000, 10_000, 100
AT_ONCE = 100  # lists whose pairs NumPy has in memory together


def cox(t: Any, e: Any, z: Any) -> tuple[Any, Any]:
    """Return gradient and Hessian of Cox's partial likelihood with ties."""
    order = np.argsort(t)
    t, e = t[order], e[order]
    p = np.exp(z[order] - z.max())
    first, last = np.searchsorted(t, t, "left"), np.searchsorted(t, t, "right") - 1
    at_risk = np.cumsum(p[::-1])[::-1][first]
    rate, bend = np.cumsum(e / at_risk)[last], np.cumsum(e / at_risk**2)[last]
    gradient, hessian = np.empty_like(z), np.empty_like(z)
    gradient[order], hessian[order] = p * rate - e, p * rate - p * p * bend
    return gradient, hessian


def lambdarank(y: Any, z: Any) -> tuple[Any, Any]:
    """Return gradient and Hessian of lists of one length, a row each."""
    gradient, hessian = np.empty_like(z), np.empty_like(z)
    discounts = 1 / np.log2(2 + np.arange(z.shape[1]))
    for first in range(0, len(z), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        gain, scores = 2.0 ** y[some] - 1, z[some]
        best = (np.sort(gain)[:, ::-1] * discounts)[:, :30].sum(1)
        place = np.argsort(np.argsort(-scores, 1, kind="stable"), 1)
        discount = discounts[place]
        d = scores[:, :, None] - scores[:, None]
        gap = gain[:, :, None] - gain[:, None]
        weight = np.abs(gap * (discount[:, :, None] - discount[:, None])) / best[:, None, None] / (0.01 + np.abs(d))
        weight[(gap <= 0) | (np.minimum(place[:, :, None], place[:, None]) >= 30)] = 0
        rho = 1 / (1 + np.exp(d))
        slope = weight * rho
        bend = slope * (1 - rho)
        steep = 2 * slope.sum((1, 2))
        factor = np.log2(1 + steep) / steep
        gradient[some] = (slope.sum(1) - slope.sum(2)) * factor[:, None]
        hessian[some] = (bend.sum(1) + bend.sum(2)) * factor[:, None]
    return gradient, hessian


def ranknet(y: Any, z: Any) -> tuple[Any, Any]:
    """Return gradient and Hessian of lists of one length, a row each."""
    gradient, hessian = np.empty_like(z), np.empty_like(z)
    for first in range(0, len(z), AT_ONCE):
        some = slice(first, first + AT_ONCE)
        rho = 1 / (1 + np.exp(z[some, :, None] - z[some, None]))
        rho[y[some, :, None] <= y[some, None]] = 0
        bend = rho * (1 - rho)
        gradient[some], hessian[some] = rho.sum(1) - rho.sum(2), bend.sum(1) + bend.sum(2)
    return gradient, hessian


def xe_ndcg(y: Any, z: Any) -> tuple[Any, Any]:
    """Return gradient and Hessian of lists of one length, a row each."""
    gain = 2.0**y - 0.5
    p = np.exp(z - z.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    return p - gain / gain.sum(1, keepdims=True), p * (1 - p)


def quantiles(x: Any, leaf: Any, leaves: int, alpha: float) -> Any:
    """Return a quantile of the numbers of each leaf."""
    return np.array([np.quantile(x[leaf == k], alpha) for k in range(leaves)])


def weighted_quantiles(x: Any, leaf: Any, leaves: int, alpha: float, w: Any) -> Any:
    """Return a number of each leaf below which its share of the weight lies."""
    found = np.empty(leaves)
    for k in range(leaves):
        some, weight = x[leaf == k], w[leaf == k]
        order = np.argsort(some)
        total = np.cumsum(weight[order], dtype=np.float64)
        found[k] = some[order[np.searchsorted(total, alpha * total[-1], "right")]]
    return found


def of_leaves(n: int, rounds: int) -> list[_common.Row]:
    """Return the rows of the quantiles of the residuals in leaves."""
    from nbloss._cpu.quantiles import grouped_quantiles

    rng = np.random.default_rng(0)
    x, w = rng.standard_normal(n), rng.uniform(0.2, 3, n).astype(np.float32)
    rows = []
    for leaves in (8, 31):
        leaf = rng.integers(0, leaves, n).astype(np.int32)
        for name, by_hand, more in (("", quantiles, ()), (", weighted", weighted_quantiles, (w,))):
            arguments = x, leaf, leaves, 0.7, *more
            ways: dict[str, Callable[[], Any]] = {
                "nbloss": functools.partial(grouped_quantiles, *arguments),
                "NumPy": functools.partial(by_hand, *arguments),
            }
            between = 0.05 if more else 1e-12  # of weighted numbers, LightGBM's quantile lies between two neighbours
            np.testing.assert_allclose(ways["nbloss"](), ways["NumPy"](), atol=between)
            seconds = _common.interleaved(ways, rounds)
            groups = f"{leaves} leaves{name}"
            row = _row(nbloss.Quantile(alpha=0.7), x, groups, seconds["nbloss"], "NumPy", seconds["NumPy"])
            rows.append(row | {"work": "quantiles"})
    return rows


def of_cox(dtype: type, n: int, rounds: int) -> list[_common.Row]:
    """Return the rows of Cox's partial likelihood, one stratum."""
    rng = np.random.default_rng(0)
    t: Any = rng.exponential(size=n).astype(dtype)
    e: Any = (rng.random(n) < 0.4).astype(dtype)
    z: Any = rng.standard_normal(n).astype(dtype)
    loss, out = nbloss.Cox(), (np.empty_like(z), np.empty_like(z))
    ways: dict[str, Callable[[], Any]] = {
        "NumPy": lambda: cox(t, e, z),
        "nbloss": lambda: loss.gradient_and_hessian((t, e), z, out=out),
    }
    ways["nbloss"]()
    for a, b in zip(ways["NumPy"](), out, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-2 if dtype == np.float32 else 1e-9, atol=1e-2 * np.abs(b).max())
    seconds = _common.interleaved(ways, rounds)
    return [_row(loss, z, "one stratum", seconds["nbloss"], "NumPy", seconds["NumPy"])]


def beside_xgboost(n: int, rounds: int) -> list[_common.Row]:
    """Return the row of Cox's partial likelihood against XGBoost's, in a process in which that has its threads."""
    import xgboost  # not before: a second OpenMP slows the other measurements

    rng = np.random.default_rng(0)
    t, e = rng.exponential(size=n).astype(np.float32), rng.random(n) < 0.4
    z: Any = rng.standard_normal(n).astype(np.float32)
    loss, out = nbloss.Cox(), (np.empty_like(z), np.empty_like(z))
    loss.gradient_and_hessian((t, e), z, out=out)
    data = xgboost.DMatrix(np.zeros((n, 1), np.float32), np.where(e, t, -t))
    settings = {"objective": "survival:cox", "max_depth": 1, "nthread": _common.THREADS, "base_score": 0.5}
    boosters = [xgboost.Booster(settings, [data]) for _ in range(2)]
    ways: dict[str, Callable[[], Any]] = {
        "round": lambda: boosters[0].update(data, 0),
        "round without": lambda: boosters[1].update(data, 0, fobj=lambda z, d: out),
        "nbloss": lambda: loss.gradient_and_hessian((t, e), z, out=out),
    }
    seconds = _common.interleaved(ways, rounds)
    theirs = seconds["round"] - seconds["round without"]
    return [_row(loss, z, "one stratum", seconds["nbloss"], "XGBoost, beside it", theirs)]


def of_lists(dtype: type, lists: int, rounds: int) -> list[_common.Row]:
    """Return the rows of the losses that rank."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 5, (lists, LENGTH))
    z: Any = rng.standard_normal((lists, LENGTH)).astype(dtype)
    out, sizes = (np.empty(z.size, dtype), np.empty(z.size, dtype)), np.full(lists, LENGTH)
    labels, scores = y.ravel(), z.ravel()
    rows = []
    for loss, by_hand in ((nbloss.LambdaRank(), lambdarank), (nbloss.RankNet(), ranknet), (nbloss.XeNDCG(), xe_ndcg)):
        ways: dict[str, Callable[[], Any]] = {
            "nbloss": functools.partial(loss.gradient_and_hessian, labels, scores, groups=sizes, out=out),
            "NumPy": functools.partial(by_hand, y, z),
        }
        ways["nbloss"]()
        for a, b in zip(ways["NumPy"](), out, strict=True):
            np.testing.assert_allclose(a.ravel(), b, rtol=1e-3, atol=1e-4)
        seconds = _common.interleaved(ways, rounds)
        rows.append(_row(loss, z, f"lists of {LENGTH}", seconds["nbloss"], "NumPy", seconds["NumPy"]))
    return rows


def _row(loss: nbloss.Loss, z: Any, groups: str, ours: float, against: str, theirs: float) -> _common.Row:
    return {
        "work": "gradient and Hessian",
        "loss": _common.brief(loss),
        "dtype": str(z.dtype),
        "rows": z.size,
        "groups": groups,
        "ms": 1e3 * ours,
        "against": against,
        "ms of it": 1e3 * theirs,
        "ratio": theirs / ours,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer rows; print instead of writing")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    nbloss.set_num_threads(_common.THREADS)
    few = 50 if arguments.quick else 1
    rows = []
    for dtype in (np.float64, np.float32):
        rows += of_cox(dtype, ROWS // few, 5 * arguments.rounds)
        rows += of_lists(dtype, LISTS // few, arguments.rounds)
    rows += of_leaves(ROWS // few, arguments.rounds)
    rows += beside_xgboost(ROWS // few, 5 * arguments.rounds)
    if arguments.quick:
        print(_common.table(list(rows[0]), [list(_common.rounded(row).values()) for row in rows]))
    else:
        _common.write("grouped", rows)


if __name__ == "__main__":
    main()
