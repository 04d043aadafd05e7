"""One metric for XGBoost, LightGBM and CatBoost."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from nbloss.gbm import _data
from nbloss.loss import Loss

_ABSENT = object()


@dataclasses.dataclass(frozen=True)
class Metric:
    """A loss as the metric by which training is watched and stopped: its weighted mean, less is better.

    The same object goes to ``xgboost.train(custom_metric=)``, ``XGBRegressor(eval_metric=)`` and its like,
    ``lightgbm.train(feval=)``, ``LGBMRegressor.fit(eval_metric=)`` and its like, and to CatBoost's ``eval_metric=``.

    It takes raw predictions, margins, as libraries give them beside a custom objective. Beside a built-in objective,
    XGBoost and LightGBM give responses instead: a metric of probabilities, such as
    ``Metric(nbloss.BinaryCrossEntropy(from_logits=False))``, is for these. A built-in metric beside a custom objective
    is computed of margins as if they were responses; XGBoost's are switched off by ``disable_default_eval_metric``,
    LightGBM's by ``metric="None"``.

    Parameters
    ----------
    loss : Loss
        The loss. CatBoost calls with parts of the rows, so there it must be a loss of elements or rows.
    """

    loss: Loss

    no_jit = True  # or CatBoost would compile these methods with numba

    def __post_init__(self) -> None:
        if not isinstance(self.loss, Loss):
            raise TypeError(f"loss must be a loss, such as nbloss.Huber(), got {self.loss!r}")

    @property
    def __name__(self) -> str:
        return type(self.loss).__name__

    def __deepcopy__(self, memo: Any) -> Metric:
        return self  # it never changes

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = _ABSENT, group: Any = _ABSENT) -> Any:
        """Return the mean, in the form in which who asks wants it.

        Parameters
        ----------
        y_true, y_pred : array_like
            Labels and raw predictions; or predictions and a ``DMatrix`` or ``Dataset``, which holds the rest.
        sample_weight : array_like, optional
            Weights of the rows.
        group : array_like, optional
            Sizes of the groups that rows are ranked in, for losses that rank.

        Returns
        -------
        float or tuple
            XGBoost's estimators get the number, ``xgboost.train`` name and number, and LightGBM name, number, and
            False for that greater is not better.
        """
        if hasattr(y_pred, "get_label"):
            is_xgboost = hasattr(y_pred, "num_row")
            value = self._mean(*_data.unpacked(self.loss, y_true, y_pred))
            return (self.__name__, value) if is_xgboost else (self.__name__, value, False)
        weight = None if sample_weight is _ABSENT else _data.none_if_empty(sample_weight)
        value = self._mean(y_true, y_pred, weight, None if group is _ABSENT else group)
        return value if group is _ABSENT else (self.__name__, value, False)

    def _mean(self, y: Any, z: Any, w: Any, groups: Any) -> float:
        y, w = _data.targets_for(self.loss, y, w)
        return float(self.loss(y, z, w, **_data.in_groups(self.loss, groups)))

    def is_max_optimal(self) -> bool:
        """Return False: CatBoost asks whether greater is better."""
        return False

    def evaluate(self, approxes: Any, target: Any, weight: Any) -> tuple[float, float]:
        """Return the sums of losses and of weights, as CatBoost asks for them: one vector of predictions a class."""
        z = np.asarray(approxes[0]) if len(approxes) == 1 else np.stack(approxes, -1)
        y, w = _data.targets_for(self.loss, np.asarray(target), None if weight is None else np.asarray(weight))
        total = float(len(z)) if w is None else float(w.sum(dtype=np.float64))
        return float(self.loss(y, z, w, reduction="sum")), total

    def get_final_error(self, error: float, weight: float) -> float:
        """Return the mean, of the sums of all parts."""
        return error / weight if weight else float("nan")
