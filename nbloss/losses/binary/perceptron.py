"""Perceptron loss."""

from dataclasses import dataclass
from typing import Any

from nbloss.families.pointwise import Pointwise


@dataclass(frozen=True)
class Perceptron(Pointwise):
    r"""Hinge loss without a margin: a score costs as much as it lies on the wrong side of 0.

    .. math:: \ell(y, z) = \max(0, -m), \qquad m = s z

    Labels are 0 and 1 or -1 and 1: s is 1 where y > 0, else -1. Predictions are scores, any real numbers, for which the
    link is the identity. At the kink, m = 0, the gradient is 0; the Hessian is 0 everywhere.

    References
    ----------
    F. Rosenblatt, *The Perceptron: A Probabilistic Model for Information Storage and Organization in the Brain*,
    Psychol. Rev. 65 (1958), 386-408.
    """

    @staticmethod
    def formula(y: float, z: float) -> tuple[float, float, float]:
        zero, one = type(z)(0), type(z)(1)
        s = one if y > zero else -one
        m = s * z
        return max(-m, zero), -s if m < zero else zero, zero

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        return max(0, -z if y > 0 else z)

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        return 0.0
