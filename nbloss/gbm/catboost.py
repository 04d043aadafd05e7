"""CatBoost, started where the loss is least.

For a custom objective CatBoost starts at 0, and a `baseline` has to be given again at every prediction. Here it becomes
the bias of the model, as that of built-in losses does; so nobody has to remember it. Hence a function instead of a
recipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nbloss.gbm._start import start_of


def fit(model: Any, pool: Any, eval_set: Any = None, **options: Any) -> Any:
    """Fit as ``model.fit(pool)`` does, but start where the loss is least.

    Parameters
    ----------
    model : catboost.CatBoost
        A model whose loss_function is a :class:`nbloss.gbm.Objective`.
    pool : catboost.Pool
        The data to train on; it gets the start as its baseline.
    eval_set : catboost.Pool or list of catboost.Pool, optional
        The data to watch; likewise.
    **options
        As for ``model.fit``.

    Returns
    -------
    catboost.CatBoost
        The model, which includes its start.

    Raises
    ------
    ValueError
        If the labels lead to no finite start, or if the loss is none that CatBoost can train with on a GPU.
    ImportError
        If it is to train on a GPU, and the package numba-cuda is not there.
    """
    objective = model.get_param("loss_function")
    if model.get_param("task_type") == "GPU":
        _check_gpu(objective)
    start = start_of(objective, np.asarray(pool.get_label(), np.float64), np.asarray(pool.get_weight()))
    watched = [] if eval_set is None else list(eval_set) if isinstance(eval_set, Sequence) else [eval_set]
    for data in (pool, *watched):
        data.set_baseline(np.tile(start, (data.num_row(), 1)))
    model.fit(pool, eval_set=watched or None, **options)
    scale, bias = model.get_scale_and_bias()
    total = np.add(bias, start)
    model.set_scale_and_bias(scale, total.tolist())
    return model


def _check_gpu(objective: Any) -> None:
    """Raise what CatBoost would only print, and go on with derivatives that nobody has written."""
    _ = objective.calc_ders_range_gpu
    from nbloss import _cuda  # noqa: F401
