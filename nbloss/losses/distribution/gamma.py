"""Gamma loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbloss import _statistics, links
from nbloss._math import exp, fma
from nbloss.families.pointwise import Pointwise
from nbloss.loss import POSITIVE, REAL, Domain


@dataclass(frozen=True)
class Gamma(Pointwise):
    r"""Negative log-likelihood of a gamma variable, for positive amounts whose spread grows with their mean.

    .. math:: \ell(y, z) = z + y e^{-z}

    Targets are positive; predictions are the logarithm of the mean, any real numbers. There is no kink. The gradient is
    :math:`1 - y e^{-z}`, the Hessian :math:`y e^{-z}`, which vanishes where the prediction is far too high; the link is
    :math:`e^z`.

    The loss is that of shape 1, the exponential distribution; another shape multiplies it. Terms that no prediction
    moves are left out, as in scikit-learn: a perfect prediction costs :math:`1 + \log y`, and the half deviance is the
    loss minus that.

    References
    ----------
    P. McCullagh, J. A. Nelder, *Generalized Linear Models*, 2nd edition, Chapman and Hall 1989, chapter 8.
    """

    @property
    def domain(self) -> Domain:
        return Domain(POSITIVE, REAL)

    @property
    def link(self) -> Callable[..., Any]:
        return links.exp

    @staticmethod
    def formula(y: float, z: float) -> tuple[float, float, float]:
        real = type(z)
        root = exp(real(-0.5) * z)  # whose square may be out of range where its product with y is not
        part = y * root
        ratio = part * root
        return fma(part, root, max(z, real(-1e5))), fma(-part, root, real(1)), ratio

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        return z + y * m.exp(-z)

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        return _statistics.log_of_mean(y, w)
