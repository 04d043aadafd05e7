"""Focal loss of a probability p, with a factor for each class: value, gradient and Hessian of

``-positive * (1 - p) ** gamma * log(p) - negative * p ** gamma * log(1 - p)``

If gamma is an integer from 0 to 3, that integer is also the *exponent*, known while this is compiled; else it is None.
"""

from nbloss._math import exp, exp_minus, exp_sum, fma, log1m_unit, log1p_unit, log_unit, power
from nbloss.losses.binary._logit import power_of_1_plus, pull, times_distance, with_sign

SCALE = 2.0**52


def from_logit(
    z: float, label: float, weight: float, negative: float, gamma: float, exponent: int | None
) -> tuple[float, float, float]:
    """Return the loss and its derivatives by the logit *z* of p, where *positive* is ``weight * label``.

    The class ahead, the positive one where z > 0, has the probability ``1 / (1 + e)`` with ``e = exp(-abs(z))``, the
    class behind has ``e / (1 + e)``. Everything is brought over a power of 1 + e.
    """
    real = type(z)
    one = real(1)
    positive = weight * label
    ahead, behind = (positive, negative) if z > real(0) else (negative, positive)
    a = abs(z)
    x, shrink = pull(z)
    pulled = exp_minus(x)
    e = pulled * shrink
    rest = log1p_unit(pulled) * shrink  # the cross-entropy of the class ahead; a + rest is that of the class behind
    if exponent is None:
        order, shared = 0, exp(-gamma * rest)  # not exp_minus: it is multiplied by gamma
        ahead = ahead * exp_of_product(gamma, a)
    else:
        order, shared = exponent, one
        ahead = ahead * product(e, exponent)
    value = fma(ahead, rest, times_distance(z, a + rest, label, weight, negative))
    ahead_slope = gamma * rest
    behind_slope = gamma * (min(a, real(1e4)) + rest)  # beyond, times e it is 0: also where a is infinite
    gradient = behind * fma(behind_slope, e, one) - ahead * (ahead_slope + e)
    steep = real(2) * gamma + one
    ahead_bend = fma(ahead_slope, gamma - e, steep * e)
    behind_bend = fma(behind_slope, fma(gamma, e, -one), steep)
    hessian = fma(behind * shrink, pulled * behind_bend, ahead * ahead_bend)
    by_power = shared / power_of_1_plus(e, order + 2)
    return (
        shared * value / power_of_1_plus(e, order),
        with_sign(gradient * (one + e) * by_power, z),
        hessian * by_power,
    )


def exp_of_product(gamma: float, a: float) -> float:
    """Return ``exp(-gamma * a)``, as if the product were not rounded."""
    product = gamma * a
    return exp_sum(-product, -fma(gamma, a, -product))


def from_probability(
    p: float, positive: float, negative: float, gamma: float, exponent: int | None
) -> tuple[float, float, float]:
    """Return the loss and its derivatives by *p* itself."""
    real = type(p)
    one = real(1)
    q = one - p
    by_p, by_q = one / (p * real(SCALE)), one / (q * real(SCALE))
    value, gradient, hessian = one_class(positive, p, q, by_p, by_q, -log_unit(p), gamma, exponent)
    other_value, other_gradient, other_hessian = one_class(negative, q, p, by_q, by_p, -log1m_unit(p), gamma, exponent)
    return value + other_value, gradient - other_gradient, hessian + other_hessian


def one_class(
    factor: float, p: float, q: float, by_p: float, by_q: float, loss: float, gamma: float, exponent: int | None
) -> tuple[float, float, float]:
    """Return ``factor * q ** gamma * loss`` and its derivatives by *p*, where q is 1 - p and *loss* is -log(p)."""
    real = type(p)
    zero, one = real(0), real(1)
    # neither 1 / p nor 1 / q may overflow where the result does not: the factor comes first where p is small
    early, late = (factor, one) if p < real(0.5) else (one, factor)
    ratio = min(times_scaled(loss, by_q), real(1e4)) if q > zero else one  # 1e4: only p = 0 is cut, where 1 / p is inf
    slope = times_scaled(early, by_p)
    bend = fma(gamma * (gamma - one) * ratio, early, times_scaled(fma(real(2) * gamma, early, q * slope), by_p))
    if exponent is None:
        # of q ** gamma and q ** (gamma - 1), the one that cannot overflow makes the other
        is_steep = gamma < one
        least = power(q, gamma if is_steep else gamma - one)
        outer = least if is_steep else least * q
        hessian = (times_scaled(least * bend, by_q) if q > zero else bend / q) if is_steep else least * bend
    else:
        outer = product(q, exponent)
        hessian = product(q, exponent - 1) * bend
    gradient = -outer * fma(gamma * ratio, early, slope)
    is_absent = factor == zero  # else 0 times infinity, where p is 0
    return (
        zero if is_absent else factor * (outer * loss),
        zero if is_absent else late * gradient,
        zero if is_absent else late * hessian,
    )


def times_scaled(x: float, by: float) -> float:
    """Return ``x / p`` for ``by = 1 / (SCALE * p)``, which does not overflow where p is subnormal."""
    return (x * type(x)(SCALE)) * by


def product(q: float, exponent: int) -> float:
    """Return ``q ** exponent`` for an exponent of 0, 1, 2 or 3."""
    square = q * q
    return type(q)(1) if exponent < 1 else q if exponent == 1 else square if exponent == 2 else square * q
