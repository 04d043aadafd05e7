"""XGBoost, started where the loss is least.

For a custom objective XGBoost starts at 0.5, whatever the labels are. A start belongs to a model, and here it gets into
the model: as `base_score`, together with the built-in objective that has the same link, so that ``predict`` gives
responses and built-in metrics are right. These two are easily forgotten, or given on the wrong scale; hence a function
instead of a recipe.
"""

from __future__ import annotations

from typing import Any

from nbloss import links
from nbloss.gbm import _data
from nbloss.gbm._start import start_of
from nbloss.gbm.objective import Objective

WITH_LINK = {links.identity: "reg:squarederror", links.sigmoid: "binary:logistic", links.exp: "reg:gamma"}
"""By link: the built-in objective that leaves all settings of trees as they are."""


def train(params: dict[str, Any], dtrain: Any, num_boost_round: int = 10, *, obj: Objective, **options: Any) -> Any:
    """Train as ``xgboost.train`` does, but start where the loss is least.

    Parameters
    ----------
    params, dtrain, num_boost_round, **options
        As for ``xgboost.train``; `params` without objective and base_score, which are found here.
    obj : Objective
        The objective.

    Returns
    -------
    xgboost.Booster
        It predicts responses: means, or probabilities; margins with ``output_margin=True``.

    Raises
    ------
    ValueError
        If `params` has an objective or a base_score, or if the labels lead to no finite start.
    """
    import xgboost

    for name in ("objective", "base_score"):
        if name in params:
            raise ValueError(f"params must not hold {name!r}, which is found from obj, got {params[name]!r}")
    found = parameters(obj, dtrain.get_label(), _data.none_if_empty(dtrain.get_weight()))
    return xgboost.train(params | found, dtrain, num_boost_round, obj=obj, **options)


def parameters(obj: Objective, y_true: Any, sample_weight: Any = None) -> dict[str, Any]:
    """Return the parameters by which XGBoost starts where the loss is least: objective, base_score, num_class.

    They are for ``xgboost.train(..., obj=obj)`` and its like. Estimators take a custom objective in the place of a
    built-in one, and only the base_score.
    """
    loss: Any = obj.loss
    start = start_of(obj, y_true, sample_weight)
    if isinstance(start, float):
        if loss.link not in WITH_LINK:
            raise ValueError(f"obj must have a link that XGBoost has: identity, sigmoid or exp, got {loss!r}")
        return {"objective": WITH_LINK[loss.link], "base_score": float(loss.inverse_link(start))}
    centred = (start - start.mean()).tolist()  # the same probabilities, and margins as XGBoost has them
    return {"objective": "multi:softprob", "base_score": centred, "num_class": len(centred)}
