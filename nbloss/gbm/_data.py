"""What boosting libraries hand over, as targets, predictions and weights for a loss; and the checks of them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nbloss.loss import Loss


def unpacked(y_pred: Any, data: Any) -> tuple[Any, Any, Any]:
    """Return targets, predictions and weights from what XGBoost and LightGBM give: predictions, then a data set."""
    y, w = data.get_label(), data.get_weight()
    if y.shape != y_pred.shape and y.size == y_pred.size:  # XGBoost before 3.2 has several targets flat
        y = y.reshape(y_pred.shape)
    return y, y_pred, none_if_empty(w)


def none_if_empty(w: Any) -> Any:
    """Return the weights, or None for XGBoost's vector of no weights."""
    return None if w is None or np.size(w) == 0 else w


def is_finite(x: Any) -> bool:
    """Whether all of *x*, an array in host memory, is finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        # a finite sum is enough, and quick; of huge numbers it may be infinite all the same
        return bool(math.isfinite(x.sum()) or np.isfinite(x).all())


def check_finite(x: Any, w: Any, name: str) -> None:
    """Raise for the first row of *x* with a number that is not finite, and a weight other than 0."""
    if is_finite(x):
        return
    row = _first_row(~np.isfinite(x), w)
    if row is not None:
        raise ValueError(f"{name} must be finite, got {x[row]} in row {row} (check_finite=False lets it pass)")


def check_results(loss: Loss, y: Any, z: Any, w: Any, gradient: Any) -> None:
    """Raise for the first row with a gradient that is not finite, such as one whose target is not in the domain."""
    if is_finite(gradient):
        return
    row = _first_row(~np.isfinite(gradient), w)
    if row is not None:
        raise ValueError(
            f"the gradient of {loss!r} must be finite, got {gradient[row]} in row {row}, for the target {y[row]} and "
            f"the prediction {z[row]}; targets must lie in {loss.domain.target} (check_finite=False lets it pass)"
        )


def _first_row(bad: Any, w: Any) -> int | None:
    rows = bad.reshape(len(bad), -1).any(1)
    if w is not None:
        rows &= np.broadcast_to(w, rows.shape) != 0  # which is a mask
    return int(rows.argmax()) if rows.any() else None
