"""Negative log-likelihood of log-probabilities."""

from dataclasses import dataclass
from typing import Any

from nbloss.families.rowwise import EXP, Rowwise
from nbloss.loss import NON_NEGATIVE, REAL, UNIT, Domain, label, vector
from nbloss.losses.multiclass._reference import of_classes, targets


@dataclass(frozen=True)
class NLL(Rowwise):
    r"""Negative log-likelihood of the class, from logarithms of probabilities.

    .. math:: \ell(t, x) = -\sum_k c_k \, t_k \, x_k

    with the class weights :math:`c`. Targets are labels, 0 to K - 1, or rows of probabilities in [0, 1]. Predictions
    are logarithms of probabilities, which are used as they are. The loss is linear: the gradient is
    :math:`-c_k t_k`, the Hessian 0. The link is the exponential. Of the logarithms that a softmax gives, it is
    :class:`CrossEntropy`.

    Parameters
    ----------
    class_weight : tuple of float or None, default=None
        A weight for each class; at least 0. A number is the weight of every class. It counts in the divisor of a mean.
    ignore_index : int or None, default=None
        The label of rows that are left out: their loss and derivatives are 0, and they count in no mean.

    References
    ----------
    R. A. Fisher, *On the Mathematical Foundations of Theoretical Statistics*, Phil. Trans. R. Soc. A 222 (1922),
    309-368.
    """

    class_weight: float | tuple[float, ...] | None = vector(None, NON_NEGATIVE, optional=True)
    ignore_index: int | None = label()

    link = EXP

    @property
    def domain(self) -> Domain:
        return Domain(UNIT, REAL)

    @staticmethod
    def formula(t: float, x: float, p: float, q: float) -> tuple[float, float, float]:
        zero = type(x)(0)
        return -t * x if t != zero else zero, -t, zero

    @staticmethod
    def reference(m: Any, y: Any, z: Any, class_weight: Any, ignore_index: Any) -> Any:
        if y == ignore_index:
            return 0
        weights = of_classes(class_weight, z)
        terms = zip(weights, targets(y, z), z, strict=True)
        return -sum(c * t * x for c, t, x in terms if c * t != 0)
