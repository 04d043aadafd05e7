"""What boosting libraries hand over, as targets, predictions and weights for a loss; and the checks of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from nbloss._place import on_device


def unpacked(loss: Any, y_pred: Any, data: Any) -> tuple[Any, Any, Any, Any]:
    """Return targets, predictions, weights and groups from predictions and the data set of XGBoost or LightGBM.

    XGBoost takes long to say that there is nothing, so it is only asked for what *loss* takes.
    """
    from nbloss.families.grouped import Grouped
    from nbloss.families.paired import Paired

    y, w = data.get_label(), data.get_weight()
    if y.shape != y_pred.shape and y.size == y_pred.size:  # XGBoost before 3.2 has several targets flat
        y = y.reshape(y_pred.shape)
    is_xgboost, groups = hasattr(data, "get_uint_info"), None
    if is_xgboost and isinstance(loss, Paired):
        lower = data.get_float_info("label_lower_bound")
        if lower.size:
            y = lower, data.get_float_info("label_upper_bound")
    if isinstance(loss, Grouped):
        groups = np.diff(data.get_uint_info("group_ptr").astype(np.int64)) if is_xgboost else data.get_group()
    return y, y_pred, none_if_empty(w), none_if_empty(groups)


def targets_for(loss: Any, y: Any, w: Any) -> tuple[Any, Any]:
    """Return the targets of *loss* and the weights of rows, from the labels and weights of a data set.

    Times below 0 are of events that had not come by then. The weights of `CrossEntropyLambda` are its exposures, as
    for LightGBM's objective of that name: they are part of the loss, and multiply nothing.
    """
    name = type(loss).__name__
    if isinstance(y, tuple) or name not in ("AFT", "Cox", "CrossEntropyLambda"):
        return y, w
    if name == "CrossEntropyLambda":
        return (y, None) if w is None else ((y, w), None)
    if on_device(y):
        raise TypeError(f"y_true must be a tuple of two arrays for {loss!r} on a CUDA device, got {type(y).__name__}")
    y = np.asarray(y)
    return ((np.abs(y), y > 0) if name == "Cox" else (np.abs(y), np.where(y > 0, y, np.inf))), w


def in_groups(loss: Any, groups: Any) -> dict[str, Any]:
    """Return what a loss of groups is told of them, and other losses nothing."""
    from nbloss.families.grouped import Grouped

    return {"groups": groups} if isinstance(loss, Grouped) else {}


def none_if_empty(w: Any) -> Any:
    """Return the weights, or None for XGBoost's vector of no weights."""
    return None if w is None or np.size(w) == 0 else w


def raise_first(loss: Any, y: Any, z: Any, w: Any, gradient: Any) -> None:
    """Raise for the first row with a weight other than 0 and a number that is not finite, if there is one."""
    targets = () if isinstance(y, tuple) else (("y_true", np.asarray(y)),)  # an upper end of a time may be infinite
    for name, x in (("y_pred", z), *targets, ("gradient", gradient)):
        bad = ~np.isfinite(x).reshape(len(x), -1).all(1)
        if w is not None and w.shape in ((), bad.shape):
            bad &= w != 0  # which is a mask
        if not bad.any():
            continue
        row = int(bad.argmax())
        if name != "gradient":
            raise ValueError(f"{name} must be finite, got {x[row]} in row {row} (check_finite=False lets it pass)")
        target = tuple(a[row] for a in y) if isinstance(y, tuple) else y[row]
        raise ValueError(
            f"the gradient of {loss!r} must be finite, got {x[row]} in row {row}, for the target {target} and the "
            f"prediction {z[row]}; targets must lie in {loss.domain.target} (check_finite=False lets it pass)"
        )
