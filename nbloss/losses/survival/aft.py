"""Accelerated failure time loss."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbloss import _statistics, links
from nbloss._math import exp, expm1, log, log1m_unit, log1p, sigmoids, softplus
from nbloss.families.paired import Paired
from nbloss.loss import NON_NEGATIVE, POSITIVE, REAL, Domain, choice, param
from nbloss.losses.binary._bernoulli import bernoulli
from nbloss.losses.survival._normal import Triple, normal


@dataclass(frozen=True)
class AFT(Paired):
    r"""Negative log-likelihood of a time, or of an interval that holds it: the accelerated failure time model.

    .. math::

        \ell(t, \bar t, z) = \begin{cases}
            -\log f(u(t)) + \log (\sigma t) & t = \bar t \\
            -\log \bigl( F(u(\bar t)) - F(u(t)) \bigr) & t < \bar t
        \end{cases}, \qquad u(t) = \frac{\log t - z}{\sigma}

    F and f are the distribution function and the density of the error of the logarithm: normal, logistic, or the
    extreme value distribution of least values, :math:`F(u) = 1 - \exp(-e^u)`, for which times have Weibull's.

    `y_true` is a tuple of two arrays, the least and the greatest time possible, (lower, upper): equal where the time is
    known, which is then positive; upper infinite where it is censored on the right, lower 0 where on the left; both
    so, the loss is 0. An upper one below the lower one, or an exact time of 0 or infinity, makes the element nan.
    Predictions are the location of the logarithm of the time, any real numbers; the link is :math:`e^z`. Losses are
    full likelihoods, with all constants, and may be negative where times are known.

    There is no kink. Gradients and Hessians are those of the formula, however far out: XGBoost and CatBoost cut the
    former to [-15, 15], the latter to at most 15, and probabilities to at least 1e-12. All is computed in double
    precision, whatever the dtype of the predictions. Weights multiply the loss of a row as everywhere, and
    ``reduction="none"`` gives one loss for each pair of times.

    Parameters
    ----------
    distribution : {"normal", "logistic", "extreme"}, default="normal"
        That of the error.
    scale : float, default=1.0
        The scale of the error, :math:`\sigma`; positive.

    References
    ----------
    L. J. Wei, *The Accelerated Failure Time Model: a Useful Alternative to the Cox Regression Model in Survival
    Analysis*, Stat. Med. 11 (1992), 1871-1879.

    A. Barnwal, H. Cho, T. Hocking, *Survival Regression with Accelerated Failure Time Model in XGBoost*, J. Comput.
    Graph. Stat. 31 (2022), 1292-1302.
    """

    distribution: str = choice("normal", "normal", "logistic", "extreme")
    scale: float = param(1.0, POSITIVE)

    pair = "(lower, upper)"
    in_double = True

    @property
    def domain(self) -> Domain:
        return Domain(NON_NEGATIVE, REAL)

    @property
    def link(self) -> Callable[..., Any]:
        return links.exp

    @property
    def numbers(self) -> tuple[Any, ...]:
        return math.inf, self.scale

    @staticmethod
    def formula(y: float, z: float, upper: float, scale: float, distribution: str) -> Triple:
        least, most, s = y, upper, scale
        a = (log(least) - z) / s if least > 0.0 else -math.inf
        b = (log(most) - z) / s if most < math.inf else math.inf
        is_closed = (least > 0.0) & (most < math.inf)
        # the distance of the ends, which cancels where they are close
        d = log1p((most - least) / least) / s if is_closed else math.inf
        is_exact = least == most
        b = a if is_exact else b
        value, first, second = (
            normal(a, b, d) if distribution == "normal"
            else _logistic(a, b, d) if distribution == "logistic"
            else _extreme(a, b, d)
        )  # fmt: skip
        value = value + log(s) + log(least) if is_exact else value
        knows_nothing = (least == 0.0) & (most == math.inf)
        is_interval = (least <= most) & (least < math.inf) & (most > 0.0)
        value = 0.0 if knows_nothing else value if is_interval else math.nan
        first = 0.0 if knows_nothing else -first / s if is_interval else math.nan
        second = 0.0 if knows_nothing else second / s / s if is_interval else math.nan
        return value, first, second

    def holds(self, part: Any) -> bool:
        least, most = part.target
        return super().holds(part) and least <= most and most > 0 and least < math.inf

    @staticmethod
    def reference(m: Any, y: Any, z: Any, distribution: Any, scale: Any) -> Any:
        (least, most), (f,) = y, z
        infinite = most.system.inf if hasattr(most.system, "inf") else math.inf
        if least == 0 and most.value == infinite:
            return 0 * f
        distributions = {"normal": _textbook_normal, "logistic": _textbook_logistic, "extreme": _textbook_extreme}
        density, below, above = distributions[distribution]
        if least == most:
            u = (m.log(least) - f) / scale
            return -density(m, u) + m.log(scale * least)
        if most.value == infinite:
            return -m.log(above(m, (m.log(least) - f) / scale))
        b = (m.log(most) - f) / scale
        if least == 0:
            return -m.log(below(m, b))
        a = (m.log(least) - f) / scale
        if a + b > 0:
            return -m.log(above(m, a) - above(m, b))
        return -m.log(below(m, b) - below(m, a))

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        upper = numbers[0]
        if not (((y <= upper) & (upper > 0)).all() and (y < math.inf).all()):
            raise ValueError(
                "y_true must have times of which the lower is at most the upper one, and exact ones positive"
            )
        known = [t[(t > 0) & (t < math.inf)] for t in (y, upper)]
        if not (upper < math.inf).any() or not (y > 0).any():  # nothing ends the fall of the loss
            return (
                0.0 if not (y > 0).any() and not (upper < math.inf).any() else math.inf if (y > 0).any() else -math.inf
            )
        low, high = min(t.min() for t in known if t.size), max(t.max() for t in known if t.size)

        def slope(z: float) -> float:
            return float(self.gradient((y, upper), y * 0 + z, w).sum())

        return _statistics.root(slope, math.log(low) - 50 * self.scale, math.log(high) + 50 * self.scale)


def _logistic(a: float, b: float, d: float) -> Triple:
    """Return -log(S(b) - S(a)) for the sigmoid S, and its derivatives, as :func:`normal` does for its distribution."""
    above, below = sigmoids(a)
    high, beyond = sigmoids(b)
    t = a + b
    # S(a) - S(-b), which would cancel
    first = -expm1(-abs(t)) * (above * high if t >= 0.0 else -(below * beyond))
    first = first if d < math.inf else above - beyond
    gap = 0.0 if d == 0.0 else _log_of_rest(d)
    return softplus(a) + softplus(-b) - gap, first, above * below + high * beyond


def _extreme(a: float, b: float, d: float) -> Triple:
    """Return -log(F(b) - F(a)) for F(u) = 1 - exp(-exp(u)), and its derivatives, likewise."""
    hazard = exp(a)
    share = expm1(d) if d < math.inf else math.inf
    is_left = a == -math.inf
    step = exp(b) if is_left else hazard * share if share > 0.0 else 0.0
    step = math.inf if (d == math.inf) & (b == math.inf) else step
    ratio, _, rest = bernoulli(step, 0.0)
    tiny = -(min(b, 1e4) + (0.0 if is_left | (d == 0.0) else _log_of_rest(d)))
    value = hazard + (tiny if step < 1e-280 else -_log_of_rest(step))
    first = expm1(a) if d == 0.0 else hazard - ratio
    return value, first, hazard + (ratio * rest if ratio > 0.0 else 0.0)


def _log_of_rest(x: float) -> float:
    """Return ``log(1 - exp(-x))`` for x > 0."""
    e = exp(-x)
    return log1m_unit(e) if e < 0.5 else log(-expm1(-x))


# What textbooks write: the logarithm of the density, the distribution function and 1 minus it

_Textbook = tuple[Callable[[Any, Any], Any], Callable[[Any, Any], Any], Callable[[Any, Any], Any]]

_textbook_normal: _Textbook = (
    lambda m, u: -(u**2) / 2 - m.log(2 * m.pi) / 2,
    lambda m, u: m.erfc(-u / m.sqrt(2)) / 2,
    lambda m, u: m.erfc(u / m.sqrt(2)) / 2,
)
_textbook_logistic: _Textbook = (
    lambda m, u: -u - 2 * m.log1p(m.exp(-u)),
    lambda m, u: 1 / (1 + m.exp(-u)),
    lambda m, u: 1 / (1 + m.exp(u)),
)
_textbook_extreme: _Textbook = (
    lambda m, u: u - m.exp(u),
    lambda m, u: -m.expm1(-m.exp(u)),
    lambda m, u: m.exp(-m.exp(u)),
)
