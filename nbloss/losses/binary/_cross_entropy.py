"""Cross-entropy of a probability p, with a factor for each class: value, gradient and Hessian of

``-positive * log(p) - negative * log(1 - p)``
"""

from nbloss._math import exp_minus, fma, log1m_unit, log1p_unit, log_unit
from nbloss.losses.binary._logit import power_of_1_plus, pull, times, times_distance, with_sign


def from_logit(z: float, label: float, weight: float, negative: float) -> tuple[float, float, float]:
    """Return the cross-entropy and its derivatives by the logit *z* of p, where *positive* is ``weight * label``."""
    zero, one = type(z)(0), type(z)(1)
    positive = weight * label
    ahead, behind = (positive, negative) if z > zero else (negative, positive)
    x, shrink = pull(z)
    e = exp_minus(x)
    both = (positive + negative) * shrink
    value = fma(both, log1p_unit(e), times_distance(z, abs(z), label, weight, negative))
    gradient = fma(-(ahead * shrink), e, behind) / (one + e)
    return value, with_sign(gradient, z), both * (e / power_of_1_plus(e, 2))


def from_probability(p: float, positive: float, negative: float) -> tuple[float, float, float]:
    """Return the cross-entropy and its derivatives by *p* itself."""
    zero = type(p)(0)
    q = type(p)(1) - p
    value = times(positive, -log_unit(p)) + times(negative, -log1m_unit(p))
    # a class that does not occur has no slope, even where its probability is 0
    down = positive / p if positive != zero else zero
    up = negative / q if negative != zero else zero
    return value, up - down, (down / p if positive != zero else zero) + (up / q if negative != zero else zero)
