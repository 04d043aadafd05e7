"""Pseudo-Huber loss."""

import math
from dataclasses import dataclass
from typing import Any

from nbloss._math import fma, sqrt
from nbloss.families.pointwise import Pointwise
from nbloss.loss import POSITIVE, param
from nbloss.losses.regression._residual import residual


@dataclass(frozen=True)
class PseudoHuber(Pointwise):
    r"""Smooth everywhere, like half the squared error near the target and like the absolute error far from it.

    .. math:: \ell(y, z) = \delta^2 \left( \sqrt{1 + (r / \delta)^2} - 1 \right), \qquad r = z - y

    Defined for all real targets and predictions, with no kink. The gradient lies in :math:`[-\delta, \delta]`; the
    Hessian is positive, and vanishes like :math:`|\delta / r|^3` far from the target. The link is the identity. Also
    known as Charbonnier's loss.

    Parameters
    ----------
    delta : float, default=1.0
        The slope far from the target, and the scale of the residuals at which it is reached; positive.

    References
    ----------
    P. Charbonnier, L. Blanc-Féraud, G. Aubert, M. Barlaud, *Deterministic Edge-Preserving Regularization in Computed
    Imaging*, IEEE Trans. Image Process. 6 (1997), 298-311.
    """

    delta: float = param(1.0, POSITIVE)

    @staticmethod
    def formula(y: float, z: float, delta: float) -> tuple[float, float, float]:
        real = type(z)
        zero, one, two, infinity = real(0), real(1), real(2), real(math.inf)
        r, lost = residual(y, z)
        # so that 1 / unit is a normal number, and no remainder subnormal
        scale = real(2.0**64) if delta < real(1e-30) else real(2.0**-64) if delta > real(1e30) else one
        unit = delta * scale
        by_unit = one / unit
        t = (r * scale) * by_unit
        s = fma(t, t, one)
        q = sqrt(s)
        by_q, by_s = one / q, one / s
        w = r / (one + q)
        is_linear = abs(t) > real(2.0**60)  # where t * t may overflow, and 1 is nothing beside it
        near = fma(r, w, (lost + lost) * w)
        value = delta * abs(r) if is_linear else near if near >= zero else infinity  # else its second term is -infinity
        gradient = r * by_q if not is_linear else delta if r > zero else -delta
        # The Hessian is s ** -1.5, which triples the relative errors of r and t and feels that of s: they are put back.
        t_lost = (fma(-t, unit, r * scale) + lost * scale) * by_unit
        error = (fma(t, t, one - s) + two * (t * t_lost)) * by_s
        hessian = by_s * by_q
        return value, gradient, fma(real(-1.5) * error, hessian, hessian) if hessian > zero else zero

    @staticmethod
    def reference(m: Any, y: Any, z: Any, delta: Any) -> Any:
        return delta**2 * (m.sqrt(1 + ((z - y) / delta) ** 2) - 1)
