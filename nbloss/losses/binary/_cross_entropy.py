"""Cross-entropy of a probability p, with a factor for each class: value, gradient and Hessian of

``-positive * log(p) - negative * log(1 - p)``
"""

from nbloss._math import exp_minus_fraction, fma, log1m_unit, log1p_fraction, log_unit
from nbloss.losses.binary._logit import times, times_distance, with_sign


def from_logit(z: float, label: float, weight: float, negative: float, both: float) -> tuple[float, float, float]:
    """Return the cross-entropy and its derivatives by the logit *z* of p.

    *positive* is ``weight * label``, and *both* is ``positive + negative``, which some losses know to be 1.
    """
    positive = weight * label
    ahead, behind = (positive, negative) if z > type(z)(0) else (negative, positive)
    e, unit, shrink = exp_minus_fraction(abs(z))
    both = both * shrink
    value = fma(both, log1p_fraction(e, unit), times_distance(z, abs(z), label, weight, negative))
    whole = e + unit
    gradient = fma(-(ahead * shrink), e, behind * unit) / whole
    return value, with_sign(gradient, z), both * (e * unit / (whole * whole))


def from_probability(p: float, positive: float, negative: float) -> tuple[float, float, float]:
    """Return the cross-entropy and its derivatives by *p* itself."""
    zero = type(p)(0)
    q = type(p)(1) - p
    value = times(positive, -log_unit(p)) + times(negative, -log1m_unit(p))
    # a class that does not occur has no slope, even where its probability is 0
    down = positive / p if positive != zero else zero
    up = negative / q if negative != zero else zero
    return value, up - down, (down / p if positive != zero else zero) + (up / q if negative != zero else zero)
