"""Focal loss of a probability p, with a factor for each class: value, gradient and Hessian of

``-positive * (1 - p) ** gamma * log(p) - negative * p ** gamma * log(1 - p)``

With *exponent*, an integer known while this is compiled, powers are products.
"""

from nbloss._math import exp, exp_sum, fma, log, log1p, log1p_unit
from nbloss.losses.binary._logit import power_of_1_plus, pull, times, with_sign


def from_logit(
    z: float, positive: float, negative: float, gamma: float, exponent: int | None
) -> tuple[float, float, float]:
    """Return the loss and its derivatives by the logit *z* of p."""
    real = type(z)
    one, two = real(1), real(2)
    ahead, behind = (positive, negative) if z > real(0) else (negative, positive)
    a = abs(z)
    x, shrink = pull(z)
    pulled = exp(-x)
    e = pulled * shrink
    rest = log1p_unit(pulled) * shrink  # the cross-entropy of the class ahead; a + rest is that of the class behind
    most = min(a, real(1e4)) + rest  # beyond, times e it is 0: also where it is infinite
    if exponent is None:
        ahead, factor, order = ahead * power(gamma, a), exp(-gamma * rest), 0
    else:
        ahead, factor, order = ahead * small_power(e, gamma, a, exponent), one, exponent
    steep = two * gamma + one
    value = fma(ahead, rest, times(behind, a + rest))
    gradient = behind * fma(gamma * most, e, one) - ahead * fma(gamma, rest, e)
    hessian = fma(
        (behind * shrink) * pulled,
        fma(gamma * most, fma(gamma, e, -one), steep),
        ahead * fma(gamma * rest, gamma - e, steep * e),
    )
    return (
        factor * value / power_of_1_plus(e, order),
        with_sign(factor * gradient / power_of_1_plus(e, order + 1), z),
        factor * hessian / power_of_1_plus(e, order + 2),
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
        least = power2(gamma - one if gamma >= one else gamma, -high, (exp(high) - q) / q)
        factor = least * q if gamma >= one else least
        lower = least if gamma >= one else (least if q > zero else one) / q
    else:
        factor = product(q, q * q, exponent)
        lower = one / q if exponent == 0 else product(q, q * q, exponent - 1)
    ratio = min(loss / q, real(1e4)) if q > zero else one  # 1e4: beside it stands 1 / p, which is infinite where loss is
    slope = gamma * ratio + one / p
    bend = gamma * (gamma - one) * ratio + (two * gamma + q / p) / p
    return factor * loss, -factor * slope, one / p / p if exponent == 0 else lower * bend


def product(x: float, square: float, exponent: int) -> float:
    """Return ``x ** exponent`` for an exponent from 0 to 5."""
    if exponent < 2:
        return type(x)(1) if exponent == 0 else x
    power = square if exponent < 4 else square * square
    return power if exponent % 2 == 0 else power * x


def small_power(e: float, gamma: float, a: float, exponent: int) -> float:
    if exponent < 2:
        return type(e)(1) if exponent == 0 else e
    return power(gamma, a)


def power(gamma: float, x: float) -> float:
    """Return ``exp(-gamma * x)``, with the product in two words."""
    head = gamma * x
    return exp_sum(-head, -fma(gamma, x, -head))


def power2(gamma: float, high: float, low: float) -> float:
    """Return ``exp(-gamma * (high + low))``, the logarithm of a power in two words."""
    head = gamma * high
    tail = fma(gamma, high, -head) + gamma * low
    total = head + tail
    tail = (head - total) + tail
    return exp_sum(-total, -tail) if total < type(high)(2000) else type(high)(0)
