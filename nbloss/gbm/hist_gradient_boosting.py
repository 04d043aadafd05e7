"""Losses for scikit-learn's histogram-based gradient boosting."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn._loss.link import HalfLogitLink, IdentityLink, Interval, LogitLink, LogLink, MultinomialLogit
from sklearn._loss.loss import AbsoluteError, BaseLoss, PinballLoss

from nbloss import links
from nbloss.gbm.objective import Objective

LINKS = {
    links.identity: IdentityLink,
    links.sigmoid: LogitLink,
    links.sigmoid_of_double: HalfLogitLink,
    links.exp: LogLink,
}
LEAST = float(np.log(np.finfo(np.float64).eps))
"""The logarithm of the least probability to start from."""


class HistGradientBoostingLoss(BaseLoss):
    """A loss for the `loss=` of ``HistGradientBoostingRegressor`` and ``HistGradientBoostingClassifier``.

    It starts at ``loss.init_score``, and regressors predict, and classifiers give probabilities, by the link of the
    loss. Trees of `AbsoluteError` and `Quantile`, whose Hessians are 0, get the weighted quantiles of the residuals as
    their leaves, by scikit-learn's own definition of a quantile.

    scikit-learn takes such objects since 0.24, but does not document them.

    Parameters
    ----------
    loss : Loss
        A loss of elements; or of rows, with labels, for classifiers of any number of classes.
    n_classes : int or None, default=None
        The number of classes for a loss of rows.
    hessian, hessian_floor
        As for :class:`nbloss.gbm.Objective`.

    Raises
    ------
    ValueError
        If a loss of rows has no number of classes.
    """

    def __init__(
        self, loss: Any, n_classes: int | None = None, hessian: str = "exact", hessian_floor: float | None = None
    ) -> None:
        self.objective = Objective(loss, hessian, hessian_floor, check_finite=False)
        link = getattr(loss, "link", None)  # that of rows is no function
        make_link = LINKS.get(link) if callable(link) else None
        self.is_multiclass = make_link is None
        if self.is_multiclass and (n_classes is None or n_classes < 2):
            raise ValueError(f"n_classes must be the number of classes, at least 2, for {loss!r}, got {n_classes}")
        super().__init__(_Kernels(self.objective), (make_link or MultinomialLogit)(), n_classes)
        target = loss.domain.target
        if not self.is_multiclass:
            self.interval_y_true = Interval(
                target.low, target.high, not target.low_open, bool(np.isfinite(target.high))
            )
            self.n_classes = 2
        self.differentiable = type(loss).__name__ not in ("AbsoluteError", "Quantile")

    def fit_intercept_only(self, y_true: Any, sample_weight: Any = None) -> Any:
        """Return the constant raw prediction with the least loss."""
        loss: Any = self.objective.loss
        if not self.differentiable:
            alpha = loss.parameters.get("alpha")
            twin = AbsoluteError(sample_weight) if alpha is None else PinballLoss(sample_weight, quantile=alpha)
            return twin.fit_intercept_only(y_true, sample_weight)
        start = loss.init_score(y_true, sample_weight)
        if not self.is_multiclass:
            return np.float64(start)
        # a class that does not occur would start at minus infinity, and never come back
        known = np.maximum(np.pad(start, (0, self.n_classes - len(start)), constant_values=-np.inf), LEAST)
        return known - known.mean()  # the same probabilities, in scikit-learn's form

    def predict_proba(self, raw_prediction: Any) -> Any:
        """Return the probabilities of the classes."""
        if self.is_multiclass:
            loss: Any = self.objective.loss
            return loss.inverse_link(raw_prediction)
        positive = self.link.inverse(raw_prediction.reshape(len(raw_prediction)))
        return np.stack([1 - positive, positive], -1)


class _Kernels:
    """What scikit-learn has in C, under the same names."""

    def __init__(self, objective: Objective) -> None:
        self.objective = objective

    def loss(self, y_true: Any, raw_prediction: Any, sample_weight: Any, loss_out: Any, n_threads: int = 1) -> Any:
        return self.objective.loss(y_true, raw_prediction, sample_weight, reduction="none", out=loss_out)

    def loss_gradient(
        self, y_true: Any, raw_prediction: Any, sample_weight: Any, loss_out: Any, gradient_out: Any, n_threads: int = 1
    ) -> Any:
        out = (loss_out, gradient_out)
        return self.objective.loss.value_and_gradient(y_true, raw_prediction, sample_weight, reduction="none", out=out)

    def gradient(
        self, y_true: Any, raw_prediction: Any, sample_weight: Any, gradient_out: Any, n_threads: int = 1
    ) -> Any:
        return self.objective.loss.gradient(y_true, raw_prediction, sample_weight, out=gradient_out)

    def gradient_hessian(
        self,
        y_true: Any,
        raw_prediction: Any,
        sample_weight: Any,
        gradient_out: Any,
        hessian_out: Any,
        n_threads: int = 1,
    ) -> Any:
        return self.objective.derivatives(y_true, raw_prediction, sample_weight, (gradient_out, hessian_out))
