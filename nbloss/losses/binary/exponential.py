"""Exponential loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbloss import _statistics, links
from nbloss._math import exp
from nbloss.families.pointwise import Pointwise


@dataclass(frozen=True)
class Exponential(Pointwise):
    r"""The loss of AdaBoost, which grows exponentially with the distance from the right side.

    .. math:: \ell(y, z) = e^{-m}, \qquad m = s z

    Labels are 0 and 1 or -1 and 1: s is 1 where y > 0, else -1. Predictions are any real numbers. There is no kink; the
    Hessian equals the loss. The best prediction is half the log-odds, so that the link is :math:`1 / (1 + e^{-2 z})`.

    References
    ----------
    Y. Freund, R. E. Schapire, *A Decision-Theoretic Generalization of On-Line Learning and an Application to Boosting*,
    J. Comput. Syst. Sci. 55 (1997), 119-139.
    """

    @property
    def link(self) -> Callable[..., Any]:
        return links.sigmoid_of_double

    @staticmethod
    def formula(y: float, z: float) -> tuple[float, float, float]:
        one = type(z)(1)
        s = one if y > type(z)(0) else -one
        e = exp(-s * z)
        return e, -s * e, e

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        return 1 / m.exp(z) if y > 0 else m.exp(z)

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        return _statistics.odds(*_statistics.weight_of_signs(y, w), True) / 2
