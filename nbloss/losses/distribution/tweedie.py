"""Tweedie loss."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbloss import _statistics, links
from nbloss.families.pointwise import Pointwise
from nbloss.loss import NON_NEGATIVE, REAL, Domain, Interval, param
from nbloss.losses.distribution._log_link import times_exp_of_product

BETWEEN_1_AND_2 = Interval(1, 2, low_open=True, high_open=True)


@dataclass(frozen=True)
class Tweedie(Pointwise):
    r"""Negative log-likelihood of a sum of gamma variables, a Poisson number of them: for claims, of which many are 0.

    .. math:: \ell(y, z) = \frac{y e^{(1 - p) z}}{p - 1} + \frac{e^{(2 - p) z}}{2 - p}

    Targets are amounts, at least 0; predictions are the logarithm of the mean, any real numbers. There is no kink. The
    gradient is :math:`e^{(2 - p) z} - y e^{(1 - p) z}`, the Hessian
    :math:`(p - 1) y e^{(1 - p) z} + (2 - p) e^{(2 - p) z}`, and the link :math:`e^z`.

    Terms that no prediction moves are left out, as in scikit-learn, so that a perfect prediction costs
    :math:`y^{2 - p} / ((p - 1) (2 - p))`; losses of different powers cannot be compared. Nor does the loss tend to
    `Poisson` or `Gamma` where p tends to 1 or 2, though its derivatives do: these are losses of their own.

    Parameters
    ----------
    power : float, default=1.5
        p, by which the variance grows with the mean, :math:`\mu^p`; between 1 and 2.

    References
    ----------
    M. C. K. Tweedie, *An Index which Distinguishes between Some Important Exponential Families*, in: Statistics:
    Applications and New Directions, Indian Statistical Institute 1984, 579-604.

    B. Jørgensen, *Exponential Dispersion Models*, J. R. Stat. Soc. B 49 (1987), 127-162.
    """

    power: float = param(1.5, BETWEEN_1_AND_2)

    @property
    def domain(self) -> Domain:
        return Domain(NON_NEGATIVE, REAL)

    @property
    def link(self) -> Callable[..., Any]:
        return links.exp

    @staticmethod
    def formula(y: float, z: float, power: float) -> tuple[float, float, float]:
        real = type(z)
        a, b = power - real(1), real(2) - power
        falling, rising = times_exp_of_product(y, -a, z), times_exp_of_product(real(1), b, z)
        return falling / a + rising / b, rising - falling, a * falling + b * rising

    @staticmethod
    def reference(m: Any, y: Any, z: Any, power: Any) -> Any:
        return y * m.exp((1 - power) * z) / (power - 1) + m.exp((2 - power) * z) / (2 - power)

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        return _statistics.log_of_mean(y, w)
