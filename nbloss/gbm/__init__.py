"""Losses for gradient boosting: objectives and metrics of XGBoost, LightGBM, CatBoost and scikit-learn.

None of these libraries is imported before something of it is used.
"""

from typing import TYPE_CHECKING, Any

from nbloss.gbm.metric import Metric as Metric
from nbloss.gbm.objective import Objective as Objective

if TYPE_CHECKING:
    from nbloss.gbm.hist_gradient_boosting import HistGradientBoostingLoss as HistGradientBoostingLoss

__all__ = ["HistGradientBoostingLoss", "Metric", "Objective"]


def __getattr__(name: str) -> Any:
    if name == "HistGradientBoostingLoss":  # its base is a class of scikit-learn
        from nbloss.gbm.hist_gradient_boosting import HistGradientBoostingLoss

        return HistGradientBoostingLoss
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
