"""Where boosting starts."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbloss.gbm import _data
from nbloss.gbm.objective import Objective


def start_of(objective: Any, y: Any, w: Any) -> Any:
    """Return the constant raw prediction with the least loss: a number, or one for each class.

    Raises
    ------
    TypeError
        If *objective* is none of ours.
    ValueError
        If there is no finite one, as for labels of one class.
    """
    if not isinstance(objective, Objective):
        raise TypeError(f"objective must be a nbloss.gbm.Objective, got {objective!r}")
    loss: Any = objective.loss
    start = loss.init_score(*_data.targets_for(loss, np.asarray(y), w))
    if not np.isfinite(start).all():
        raise ValueError(f"y_true must hold what {loss!r} has a finite start for, got labels that lead to {start}")
    return start
