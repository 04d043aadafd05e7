"""Cross-entropy of a probability p, with a factor for each class: value, gradient and Hessian of

``-positive * log(p) - negative * log(1 - p)``
"""

from nbloss._math import exp, fma, log, log1p, softplus
from nbloss.losses.binary._logit import power_of_1_plus, pull, times, with_sign


def from_logit(z: float, positive: float, negative: float) -> tuple[float, float, float]:
    """Return the cross-entropy and its derivatives by the logit *z* of p."""
    ahead, behind = (positive, negative) if z > type(z)(0) else (negative, positive)
    x, shrink = pull(z)
    one = type(z)(1)
    e = exp(-x)
    larger = one / (one + e)
    smaller = e * larger
    value = times(behind, abs(z)) + ((ahead + behind) * shrink) * softplus(-x)
    gradient = behind * larger - (ahead * shrink) * smaller
    return value, with_sign(gradient, z), ((ahead + behind) * shrink) * (e / power_of_1_plus(e, 2))


def from_probability(p: float, positive: float, negative: float) -> tuple[float, float, float]:
    """Return the cross-entropy and its derivatives by *p* itself."""
    zero = type(p)(0)
    q = type(p)(1) - p
    value = times(positive, -log(p)) + times(negative, -log1p(-p))
    # a class that does not occur has no slope, even where its probability is 0
    down = positive / p if positive != zero else zero
    up = negative / q if negative != zero else zero
    return value, up - down, (down / p if positive != zero else zero) + (up / q if negative != zero else zero)
