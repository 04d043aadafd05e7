"""Cross-entropy of a probability p, with a factor for each class: value, gradient and Hessian of

``-positive * log(p) - negative * log(1 - p)``
"""

from nbloss._math import exp_minus_fraction, exp_minus_quotient, fma, log1m_unit, log1p_fraction, log_unit
from nbloss.losses.binary._logit import times, times_distance, with_sign

SCALE = 2.0**52
SCALE_FIRST = 2.0**10  # the part of it that a slope may be multiplied by


def from_logit(
    z: float, label: float, weight: float, negative: float, both: float, is_heavy: bool
) -> tuple[float, float, float]:
    """Return the cross-entropy and its derivatives by the logit *z* of p.

    *positive* is ``weight * label``, and *both* is ``positive + negative``, which some losses know to be 1. Only where
    weights may be greater than 1, which *is_heavy* says while this is compiled, they bring back what underflows.
    """
    positive = weight * label
    ahead, behind = (positive, negative) if z > type(z)(0) else (negative, positive)
    if is_heavy:
        e, unit, shrink = exp_minus_fraction(abs(z))
        ahead, both = ahead * shrink, both * shrink
    else:
        e, unit = exp_minus_quotient(abs(z))
    value = fma(both, log1p_fraction(e, unit), times_distance(z, abs(z), label, weight, negative))
    whole = e + unit
    gradient = fma(-ahead, e, behind * unit) / whole
    return value, with_sign(gradient, z), both * (e * unit / (whole * whole))


def from_probability(p: float, positive: float, negative: float) -> tuple[float, float, float]:
    """Return the cross-entropy and its derivatives by *p* itself."""
    real = type(p)
    zero, one = real(0), real(1)
    q = one - p
    value = times(positive, -log_unit(p)) + times(negative, -log1m_unit(p))
    # one division a class; 1 / p overflows where p is subnormal, while its products need not
    by_p, by_q = one / (p * real(SCALE)), one / q
    # a class that does not occur has no slope, even where its probability is 0
    down = (positive * real(SCALE)) * by_p if positive != zero else zero
    up = negative * by_q if negative != zero else zero
    down_bend = (down * real(SCALE_FIRST)) * (by_p * real(SCALE / SCALE_FIRST)) if positive != zero else zero
    up_bend = up * by_q if negative != zero else zero
    return value, up - down, down_bend + up_bend
