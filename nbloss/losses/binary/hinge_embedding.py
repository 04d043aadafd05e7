"""Hinge embedding loss."""

from dataclasses import dataclass
from typing import Any

from nbloss import _statistics
from nbloss.families.pointwise import Pointwise
from nbloss.loss import param


@dataclass(frozen=True)
class HingeEmbedding(Pointwise):
    r"""For distances: small ones between similar pairs, at least a margin between dissimilar ones.

    .. math::

        \ell(y, z) = \begin{cases}
            z & s = 1 \\
            \max(0, \tau - z) & s = -1
        \end{cases}

    Labels are 0 and 1 or -1 and 1: s is 1 where y > 0, else -1. Predictions are any real numbers, though meant to be
    distances; a negative one of a similar pair makes the loss negative. At the kink, :math:`z = \tau` with s = -1, the
    gradient is 0; the Hessian is 0 everywhere. The link is the identity.

    Parameters
    ----------
    margin : float, default=1.0
        The distance :math:`\tau` from which on dissimilar pairs cost nothing.

    References
    ----------
    R. Hadsell, S. Chopra, Y. LeCun, *Dimensionality Reduction by Learning an Invariant Mapping*, CVPR 2006, 1735-1742.
    """

    margin: float = param(1.0)

    @staticmethod
    def formula(y: float, z: float, margin: float) -> tuple[float, float, float]:
        zero, one = type(z)(0), type(z)(1)
        similar = y > zero
        value = z if similar else max(margin - z, zero)
        return value, one if similar else -one if z < margin else zero, zero

    @staticmethod
    def reference(m: Any, y: Any, z: Any, margin: Any) -> Any:
        return z if y > 0 else max(0, margin - z)

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        similar, dissimilar = _statistics.weight_of_signs(y, w)
        return -float("inf") if similar > dissimilar else self.margin
