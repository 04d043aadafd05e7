"""What the losses of a logit z share: the sigmoid S of z, seen from its sign.

The two probabilities S(z) and S(-z) are the larger one, S(abs(z)), and the smaller one. One class is ahead, the
positive one where z > 0; the other is behind.
"""

from nbloss._math import fma

FAR = 87.0  # beyond, exp(-abs(z)) is subnormal in single precision
SHIFT = 48.0  # 1 + exp(SHIFT - FAR) is 1 in both precisions
SHRINK = 1.4251640827409352e-21  # exp(-SHIFT)


def pull(z: float) -> tuple[float, float]:
    """Return x <= abs(z) and a factor with ``exp(-abs(z)) == factor * exp(-x)``.

    exp(-abs(z)) underflows where its product with a class weight or with the logit does not: take exp(-x) and multiply
    by the factor together with them.
    """
    real = type(z)
    a = abs(z)
    is_far = a > real(FAR)
    return a - real(SHIFT) if is_far else a, real(SHRINK) if is_far else real(1)


def power_of_1_plus(e: float, exponent: int) -> float:
    """Return ``(1 + e) ** exponent`` for 0 <= e <= 1 and an exponent from 0 to 5, known while this is compiled.

    By Horner's rule, hardly more than the last addition is rounded; a product would add up the errors of its factors.
    """
    real = type(e)
    one = real(1)
    if exponent < 2:
        return one if exponent == 0 else one + e
    if exponent == 2:
        return fma(e, e + real(2), one)
    if exponent == 3:
        return fma(e, fma(e, e + real(3), real(3)), one)
    if exponent == 4:
        return fma(e, fma(e, fma(e, e + real(4), real(6)), real(4)), one)
    return fma(e, fma(e, fma(e, fma(e, e + real(5), real(10)), real(10)), real(5)), one)


def with_sign(x: float, z: float) -> float:
    """Return *x* where *z* > 0, else -x."""
    return x if z > type(z)(0) else -x


def times_distance(z: float, distance: float, label: float, weight: float, negative: float) -> float:
    """Return *distance* times the factor of the class behind: *negative* where z > 0, else ``weight * label``.

    The label comes first: its product with the weight may underflow where the result does not.
    """
    one = type(z)(1)
    share, factor = (negative, one) if z > type(z)(0) else (label, weight)
    return not_nan(factor * (share * distance))


def times(factor: float, x: float) -> float:
    """Return ``factor * x`` for numbers that are not negative, and 0 where one is 0, even if the other is infinite."""
    return not_nan(factor * x)


def not_nan(product: float) -> float:
    """Return *product*, which is not negative, and 0 where it is nan, from 0 times infinity."""
    zero = type(product)(0)
    return product if product > zero else zero
