"""Cross-entropy of a rate and an exposure."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from nbloss import _statistics, links
from nbloss._math import exp, exp_expm1_minus, fma, log, log1p_unit, sigmoids_of
from nbloss.families.paired import Paired
from nbloss.loss import REAL, UNIT, Domain
from nbloss.losses.binary._bernoulli import bernoulli_of, far_bernoulli


@dataclass(frozen=True)
class CrossEntropyLambda(Paired):
    r"""Cross-entropy of the probability of an event during an exposure, to a rate that is predicted.

    .. math:: \ell(y, w, z) = -y \log p - (1 - y) \log (1 - p), \qquad p = 1 - e^{-w \lambda}, \quad
              \lambda = \log (1 + e^z)

    `y_true` is a tuple of two arrays, labels 0 and 1 or probabilities, and exposures w, at least 0; a negative one
    makes the element nan. One array means an exposure of 1, with which the loss is `BinaryCrossEntropy`. Predictions
    are any real numbers; the link gives the rate :math:`\lambda`. There is no kink.

    `sample_weight` multiplies the loss as everywhere, and the mean is divided by its sum; ``reduction="none"`` gives
    one loss for each label. In boosting, where a data set has but one target, the weights of its rows are the
    exposures, as for LightGBM's objective of this name. The Hessian is exact and never negative.

    References
    ----------
    G. Ke et al., *LightGBM: A Highly Efficient Gradient Boosting Decision Tree*, NeurIPS 2017, whose objective
    ``cross_entropy_lambda`` this is.

    P. McCullagh, J. A. Nelder, *Generalized Linear Models*, 2nd edition, Chapman and Hall 1989, chapter 4 (the
    complementary log-log model, whose rate is :math:`e^z` instead).
    """

    pair = "(labels, exposures)"
    may_be_alone = True

    @property
    def domain(self) -> Domain:
        return Domain(UNIT, REAL)

    @property
    def link(self) -> Callable[..., Any]:
        return links.softplus

    @property
    def numbers(self) -> tuple[Any, ...]:
        return (1.0,)

    @staticmethod
    def formula(y: float, z: float, exposure: float) -> tuple[float, float, float]:
        real = type(z)
        zero, one = real(0), real(1)
        w = exposure
        e = exp(-abs(z))
        base, more = max(z, zero), log1p_unit(e)
        rate = base + more
        rate_lost = more - (rate - base)
        x = w * rate
        lost = fma(w, rate, -x) + w * rate_lost
        share = rate * e if e > zero else zero  # rate / (exp(rate) - 1), which is rate / exp(z), where z is positive
        c, one_minus_c, _ = bernoulli_of(rate, share)
        b, _, b_rest = bernoulli_of(x, share if w == one else far_bernoulli(x, lost))  # the same errors cancel below
        p, q = sigmoids_of(z, e)
        # the derivative of log(rate), p / rate, whose own is slope * (one_minus_c * slope - slope), since q = c * slope
        slope = one / (c + rate)
        hit = b * slope
        hit_bend = hit * ((b_rest + one_minus_c) * slope) if hit > zero else zero
        value = y * _minus_log_of_rest(x, lost, w, z, rate) if y > zero else zero
        miss = one - y
        value = value + (miss * x if miss > zero else zero)
        gradient = fma(miss, w * p, -y * hit)
        hessian = fma(miss, w * p * q, y * hit_bend)
        nan = real(math.nan)
        is_exposure = w >= zero
        return value if is_exposure else nan, gradient if is_exposure else nan, hessian if is_exposure else nan

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        (t, w), (x,) = (y, z) if isinstance(y, tuple) else ((y, 1), (z,))
        if w == 1:
            return t * m.log1p(m.exp(-x)) + (1 - t) * m.log1p(m.exp(x))
        rate = m.log1p(m.exp(x))
        return (1 - t) * w * rate - t * m.log(1 - m.exp(-w * rate))

    def holds(self, part: Any) -> bool:
        t, w = part.target
        return t in self.domain.target and w >= 0 and part.predictions[0][0] in self.domain.prediction

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        exposures = numbers[0] + 0 * y
        if not (exposures >= 0).all():
            raise ValueError(f"y_true must have exposures of at least 0, got {exposures.min():g}")
        logit = _statistics.odds(float((w * y).sum()), float((w * exposures * (1 - y)).sum()), True)
        if abs(logit) == math.inf or (exposures == 1).all():
            return logit
        return _statistics.root(lambda z: float(self.gradient((y, exposures), 0 * y + z, w).sum()), -700.0, 700.0)


def _minus_log_of_rest(x: float, lost: float, w: float, z: float, rate: float) -> float:
    """Return ``-log(1 - exp(-x))`` for x = w * rate, also where that is subnormal."""
    real = type(x)
    zero, half, one = real(0), real(0.5), real(1)
    e, less = exp_expm1_minus(x)
    e = fma(-e, lost, e) if x < real(1e4) else zero
    is_tiny, is_far = x < real(1e-30), z < real(-30)  # where the rate is exp(z)
    part = w * (one if is_far else rate) if is_tiny else -less if e >= half else one - e
    rest = ((one - part) - e) / part if e < half else zero  # what the difference lost, over it
    return -(log(part) + (z if is_tiny & is_far else rest))
