"""Cross-entropy of one probability with a factor for each class: value, gradient and Hessian."""

from nbloss._math import log, log1p, softplus
from nbloss.losses.binary._logit import tails, times


def from_logit(z: float, positive: float, negative: float) -> tuple[float, float, float]:
    """Return ``-positive * log(p) - negative * log(1 - p)`` and its derivatives by z, where p = S(z)."""
    p, q, p_shrink, q_shrink = tails(z)
    both = (positive + negative) * (p_shrink * q_shrink)
    # softplus(z) = max(z, 0) + softplus(-abs(z)); the larger of p and q times the shrunk smaller is softplus(-abs(z)).
    value = times(negative if z > type(z)(0) else positive, abs(z)) + both * softplus(-abs(z))
    gradient = (negative * p_shrink) * p - (positive * q_shrink) * q
    return value, gradient, both * (p * q)


def from_probability(p: float, positive: float, negative: float) -> tuple[float, float, float]:
    """Return ``-positive * log(p) - negative * log(1 - p)`` and its derivatives by p."""
    q = type(p)(1) - p
    value = times(positive, -log(p)) + times(negative, -log1p(-p))
    zero = type(p)(0)
    up = negative / q if negative != zero else zero
    down = positive / p if positive != zero else zero
    return value, up - down, (up / q if negative != zero else zero) + (down / p if positive != zero else zero)
