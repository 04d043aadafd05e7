"""Focal loss of a probability p, with a factor for each class: value, gradient and Hessian of

``-positive * (1 - p) ** gamma * log(p) - negative * p ** gamma * log(1 - p)``

With *exponent*, an integer known while this is compiled, powers are products.
"""

from nbloss._math import exp, exp_sum, fma, log, log1p, softplus
from nbloss.losses.binary._logit import probabilities, pull, times, with_sign


def from_logit(
    z: float, positive: float, negative: float, gamma: float, exponent: int | None
) -> tuple[float, float, float]:
    """Return the loss and its derivatives by the logit *z* of p."""
    real = type(z)
    ahead, behind = (positive, negative) if z > real(0) else (negative, positive)
    a = abs(z)
    x, shrink = pull(z)
    larger, pulled, error = probabilities(x)
    smaller = pulled * shrink
    rest = softplus(-x) * shrink  # the cross-entropy of the class ahead; a + rest is that of the class behind
    if exponent is None:
        ahead_power, behind_power = power(gamma, a, rest), exp(-gamma * rest)
    else:
        ahead_power, behind_power = product(smaller, exponent), product(larger, exponent)
    most = min(a, real(1e4)) + rest  # beyond, its product with smaller is 0: also where it is infinite
    gradient = behind * (behind_power * (gamma * (smaller * most) + larger)) - ahead * (
        ahead_power * (gamma * (larger * rest) + smaller)
    )
    steep = real(2) * gamma + real(1)
    hessian = ahead * (ahead_power * (larger * (gamma * rest * (gamma * larger - smaller) + steep * smaller))) + (
        behind * shrink * (behind_power * (pulled * (gamma * most * (gamma * smaller - larger) + steep * larger)))
    )
    value = ahead * (ahead_power * rest) + times(behind, behind_power * (a + rest))
    order = real(0 if exponent is None else exponent)
    return (
        fma(value, order * error, value),
        with_sign(fma(gradient, (order + real(1)) * error, gradient), z),
        fma(hessian, (order + real(2)) * error, hessian),
    )


def from_probability(
    p: float, positive: float, negative: float, gamma: float, exponent: int | None
) -> tuple[float, float, float]:
    """Return the loss and its derivatives by *p* itself."""
    q = type(p)(1) - p
    value, gradient, hessian = _by_probability(p, q, -log(p), gamma, exponent)
    value_, gradient_, hessian_ = _by_probability(q, p, -log1p(-p), gamma, exponent)
    return (
        times(positive, value) + times(negative, value_),
        times(positive, gradient) - times(negative, gradient_),
        times(positive, hessian) + times(negative, hessian_),
    )


def _by_probability(p: float, q: float, loss: float, gamma: float, exponent: int | None) -> tuple[float, float, float]:
    """Return ``q ** gamma * loss`` and its derivatives by *p*, where *loss* is -log(p)."""
    real = type(p)
    zero, one, two = real(0), real(1), real(2)
    if exponent is None:
        # Of q ** gamma and q ** (gamma - 1), the one that cannot overflow makes the other.
        high = log(q)
        least = power(gamma - one if gamma >= one else gamma, -high, (exp(high) - q) / q)
        factor = least * q if gamma >= one else least
        lower = least if gamma >= one else (least if q > zero else one) / q
    else:
        factor = product(q, exponent)
        lower = one / q if exponent == 0 else product(q, exponent - 1)
    ratio = min(loss / q, real(1e4)) if q > zero else one  # 1e4: beside it stands 1 / p, which is infinite where loss is
    slope = gamma * ratio + one / p
    bend = gamma * (gamma - one) * ratio + (two * gamma + q / p) / p
    return factor * loss, -factor * slope, one / p / p if exponent == 0 else lower * bend


def product(q: float, exponent: int) -> float:
    """Return ``q ** exponent`` for an exponent of 0, 1, 2 or 3."""
    square = q * q
    return type(q)(1) if exponent == 0 else q if exponent == 1 else square if exponent == 2 else square * q


def power(gamma: float, high: float, low: float) -> float:
    """Return ``exp(-gamma * (high + low))``, the logarithm of a power in two words."""
    head = gamma * high
    tail = fma(gamma, high, -head) + gamma * low
    total = head + tail
    tail = (head - total) + tail
    return exp_sum(-total, -tail) if total < type(high)(2000) else type(high)(0)
