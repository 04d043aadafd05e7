"""LightGBM, started where the loss is least, and with leaves that are renewed.

For a custom objective LightGBM starts at 0, and what is given as `init_score` does not get into the model: predictions
lack it. Here the start ends up in the leaves of the first tree, where LightGBM keeps that of its built-in objectives;
so nobody has to remember it when predicting. Hence functions instead of a recipe.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nbloss.gbm._start import start_of
from nbloss.gbm.objective import Objective


def train(
    params: dict[str, Any], train_set: Any, num_boost_round: int = 100, valid_sets: list[Any] | None = None,
    **options: Any,
) -> Any:  # fmt: skip
    """Train as ``lightgbm.train`` does, but start where the loss is least.

    Parameters
    ----------
    params : dict
        As for ``lightgbm.train``; its objective is a :class:`nbloss.gbm.Objective`.
    train_set, num_boost_round, valid_sets, **options
        As for ``lightgbm.train``. The data sets get the start as their init_score.

    Returns
    -------
    lightgbm.Booster
        It predicts raw scores, of which ``loss.inverse_link`` makes responses.

    Raises
    ------
    ValueError
        If a data set has an init_score already, if trees are to be linear, or if the labels lead to no finite start.
    """
    import lightgbm

    if params.get("linear_tree"):
        raise ValueError("params must not ask for linear_tree, whose leaves cannot hold the start")
    if options.get("init_model") is not None:  # which has its start
        return lightgbm.train(params, train_set, num_boost_round, valid_sets, **options)
    _construct(train_set, params)
    start = start_of(params.get("objective"), train_set.get_label(), train_set.get_weight())
    for data in (train_set, *(data for data in valid_sets or () if data is not train_set)):
        _construct(data, params)
        if data.get_init_score() is not None:
            raise ValueError("data sets must not have an init_score, which is found from the objective")
        rows = data.num_data()
        data.set_init_score(np.tile(start, (rows, 1)) if np.ndim(start) else np.full(rows, start))
    model = lightgbm.train(params, train_set, num_boost_round, valid_sets, **options)
    add_to_first_trees(model, start)
    return model


def add_to_first_trees(model: Any, start: Any) -> None:
    """Put what a model was trained on top of into its leaves, in place.

    Parameters
    ----------
    model : lightgbm.Booster
        A trained model, such as the ``booster_`` of an estimator that was fitted with ``init_score=``.
    start : float or array
        The init_score of all rows, a number or one for each class.
    """
    trees = model.dump_model(num_iteration=1)["tree_info"]
    for tree, more in zip(trees, np.atleast_1d(start), strict=True):
        k = tree["tree_index"]
        for leaf in range(tree["num_leaves"]):
            model.set_leaf_output(k, leaf, model.get_leaf_output(k, leaf) + float(more))


def train_with_leaf_renewal(
    params: dict[str, Any], train_set: Any, num_boost_round: int = 100, *, data: Any = None
) -> Any:
    """Train on absolute errors or quantiles with leaves that hold the quantiles of their residuals.

    Gradients of these losses say little: the built-in objectives of LightGBM replace each leaf's value by the weighted
    quantile of the residuals in it, with which trees fit far better; a custom objective cannot. This does, by
    LightGBM's own definition of a quantile, and trains the models that its built-in objectives train.

    Metrics, callbacks and bagging are not for this function: LightGBM does not know the scores of renewed trees.

    Parameters
    ----------
    params : dict
        As for ``lightgbm.train``; its objective is ``Objective(AbsoluteError())`` or ``Objective(Quantile(...))``.
    train_set : lightgbm.Dataset
        The data, which may not be constructed before with other parameters.
    num_boost_round : int, default=100
        The number of trees.
    data : array_like, optional
        The features, if `train_set` does not keep them (``free_raw_data=False`` makes it).

    Returns
    -------
    lightgbm.Booster
        A model that includes its start.

    Raises
    ------
    ValueError
        If the loss is another, if the features are not there, or if `params` ask for bagging.
    """
    import lightgbm

    from nbloss._cpu.quantiles import grouped_quantiles

    objective = params.get("objective")
    alphas = {"AbsoluteError": 0.5, "Quantile": None}
    if not isinstance(objective, Objective) or type(objective.loss).__name__ not in alphas:
        raise ValueError(f"params must have the objective of an AbsoluteError or a Quantile, got {objective!r}")
    if params.get("bagging_freq", params.get("subsample_freq", 0)) or params.get("boosting", "gbdt") != "gbdt":
        raise ValueError(
            "params must ask for neither bagging nor another boosting than gbdt, whose leaves are of a part"
        )
    loss: Any = objective.loss
    alpha = float(np.float32(alphas[type(loss).__name__] or loss.alpha))  # LightGBM keeps it so
    features = train_set.data if data is None else data
    _construct(train_set, params)  # a Booster alone would not give its parameters to the data
    if features is None or isinstance(features, str):
        raise ValueError("data must be the features, since train_set does not keep them")
    booster = lightgbm.Booster(_without_objective(params) | {"objective": "none"}, train_set)
    y, w = train_set.get_label(), train_set.get_weight()
    rate = float(booster.params.get("learning_rate", 0.1))
    everywhere = np.zeros(len(y), np.int32)
    start = float(np.float32(grouped_quantiles(y, everywhere, 1, alpha, w)[0]))  # float32, as labels are
    scores = np.full(len(y), start)
    threads = {name: value for name, value in params.items() if name in ("num_threads", "n_jobs", "nthread")}

    def derivatives(*_: Any) -> Any:  # of our scores; LightGBM's are of leaves before they are renewed
        return objective.derivatives(y, scores, w)

    for i in range(num_boost_round):
        if booster.update(fobj=derivatives):
            break  # no leaf can be split any more
        found = booster.predict(features, pred_leaf=True, start_iteration=i, num_iteration=1, **threads)
        leaves = np.asarray(found, np.int32).reshape(-1)
        values = rate * grouped_quantiles(y - scores, leaves, int(leaves.max()) + 1, alpha, w)
        for leaf, value in enumerate(values.tolist()):
            booster.set_leaf_output(i, leaf, value)
        scores += values[leaves]
    if booster.num_trees():
        add_to_first_trees(booster, start)
    return booster


def _construct(data: Any, params: dict[str, Any]) -> None:
    """Make LightGBM's form of the data, with the parameters of the training."""
    data.params = _without_objective(params) | (data.params or {})
    data.construct()


def _without_objective(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name not in ("objective", "num_class")}
