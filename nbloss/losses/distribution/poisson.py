"""Poisson loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbloss import _statistics, links
from nbloss._math import exp, fma
from nbloss.families.pointwise import Pointwise
from nbloss.loss import NON_NEGATIVE, REAL, Domain

FAR = 80.0  # beyond, exp(z) may overflow beside a product that does, too
SHIFT = 16.0
POWER = 8886110.520507872  # exp(SHIFT)


@dataclass(frozen=True)
class Poisson(Pointwise):
    r"""Negative log-likelihood of a Poisson variable, for counts and rates.

    .. math:: \ell(y, z) = e^z - y z

    Targets are counts or rates, at least 0; predictions are the logarithm of the mean, any real numbers. There is no
    kink. The gradient is :math:`e^z - y`, the Hessian :math:`e^z`, and the link :math:`e^z`.

    The term :math:`\log y!`, which no prediction moves, is left out, as in scikit-learn and in PyTorch without `full`:
    the loss may be negative, and a perfect prediction costs :math:`y - y \log y`. The half deviance is the loss minus
    that. An exposure belongs into the prediction, as :math:`z + \log` of it, or into both: the rate as target and the
    exposure as weight give the same gradient.

    References
    ----------
    J. A. Nelder, R. W. M. Wedderburn, *Generalized Linear Models*, J. R. Stat. Soc. A 135 (1972), 370-384.
    """

    names = ("poisson_nll",)

    @property
    def domain(self) -> Domain:
        return Domain(NON_NEGATIVE, REAL)

    @property
    def link(self) -> Callable[..., Any]:
        return links.exp

    @staticmethod
    def formula(y: float, z: float) -> tuple[float, float, float]:
        real = type(z)
        zero, one = real(0), real(1)
        e = exp(z)
        is_far = z > real(FAR)
        shifted = exp(z - real(SHIFT) if is_far else z)  # the value's only power, and none of the derivatives'
        scale, back = (real(1 / POWER), real(POWER)) if is_far else (one, one)
        steps = min(z, real(1e4))  # beyond, the power is infinite and the product is not
        value = fma(-(y * scale), steps, shifted) if y > zero else shifted
        return value * back, e - y, e

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        return m.exp(z) - y * z

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        return _statistics.log_of_mean(y, w)
