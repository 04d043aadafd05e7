"""Categorical cross-entropy."""

from dataclasses import dataclass
from typing import Any

from nbloss._math import log
from nbloss.families.rowwise import Rowwise
from nbloss.loss import NON_NEGATIVE, UNIT, Interval, choice, label, param, vector
from nbloss.losses.multiclass._reference import log_of, log_softmax, of_classes, targets

BASE = Interval(1, low_open=True)


@dataclass(frozen=True)
class CrossEntropy(Rowwise):
    r"""Negative log-likelihood of the class, also known as softmax loss, categorical cross-entropy or log loss.

    .. math:: \ell(t, z) = -\sum_k c_k \, \bigl( (1 - \varepsilon) \, t_k + \varepsilon / K \bigr) \log p_k,
              \qquad p_k = \frac{e^{z_k}}{\sum_j e^{z_j}}

    with the class weights :math:`c` and the label smoothing :math:`\varepsilon`. Targets are labels, 0 to K - 1, or
    rows of probabilities in [0, 1], which are used as they are, also if they do not sum to 1. There is no kink; with
    soft targets the least loss is their entropy, not 0.

    From logits, the gradient by :math:`z_k` is :math:`p_k - t_k` without weights and smoothing, and the diagonal of the
    Hessian :math:`p_k (1 - p_k)`. The link is the softmax. From probabilities, y_pred is p itself, in [0, 1], which is
    not divided by its sum; the gradient is :math:`-t_k / p_k`. Both are exact to the ends: infinite where a class of
    probability 0 occurs, and without a contribution of a class that does not occur.

    With ``reduction="mean"`` the sum is divided by that of the rows' weights, each times the weight of its class
    (:math:`\sum_k c_k t_k` for a row of probabilities).

    Parameters
    ----------
    from_logits : bool, default=True
        Whether predictions are logits z or probabilities p.
    label_smoothing : float, default=0.0
        The share of the target that is spread over all classes, in [0, 1].
    class_weight : tuple of float or None, default=None
        A weight for each class; at least 0. A number is the weight of every class.
    ignore_index : int or None, default=None
        The label of rows that are left out: their loss and derivatives are 0, and they count in no mean.
    base : float or None, default=None
        The base of the logarithm, above 1; None: natural.

    References
    ----------
    I. J. Good, *Rational Decisions*, J. R. Stat. Soc. B 14 (1952), 107-114. Label smoothing: C. Szegedy, V. Vanhoucke,
    S. Ioffe, J. Shlens, Z. Wojna, *Rethinking the Inception Architecture for Computer Vision*, CVPR 2016, 2818-2826.
    """

    from_logits: bool = choice(True, True, False)
    label_smoothing: float = param(0.0, UNIT)
    class_weight: float | tuple[float, ...] | None = vector(None, NON_NEGATIVE, optional=True)
    ignore_index: int | None = label()
    base: float | None = param(None, BASE, optional=True)

    names = ("categorical_crossentropy", "ce", "sparse_categorical_crossentropy")

    @staticmethod
    def formula(t: float, x: float, p: float, q: float, from_logits: bool) -> tuple[float, float, float]:
        zero = type(x)(0)
        if from_logits:
            return -t * x if t != zero else zero, -t, zero
        slope = t / p if t != zero else zero
        return -t * log(p) if t != zero else zero, -slope, slope / p if t != zero else zero

    @staticmethod
    def reference(
        m: Any, y: Any, z: Any, from_logits: Any, label_smoothing: Any, class_weight: Any, ignore_index: Any, base: Any
    ) -> Any:
        if y == ignore_index:
            return 0
        logs = log_softmax(m, z) if from_logits else [m.log(p) for p in z]
        weights = of_classes(class_weight, z)
        smooth = [t * (1 - label_smoothing) + label_smoothing / len(z) for t in targets(y, z)]
        terms = zip(weights, smooth, logs, strict=True)
        return -sum(c * t * x for c, t, x in terms if c * t != 0) / log_of(m, base)
