"""What the losses of a logit z share: the sigmoid S of z, seen from its sign.

The two probabilities S(z) and S(-z) are the larger one, S(abs(z)), and the smaller one. One class is ahead, the positive
one where z > 0; the other is behind.
"""

from nbloss._math import exp, fma

FAR = 87.0  # beyond, exp(-abs(z)) is subnormal in single precision
SHIFT = 48.0  # 1 + exp(SHIFT - FAR) is 1 in both precisions
SHRINK = 1.4251640827409352e-21  # exp(-SHIFT)


def pull(z: float) -> tuple[float, float]:
    """Return x <= abs(z) and a factor with ``exp(-abs(z)) == factor * exp(-x)``.

    exp(-abs(z)) underflows where its product with a class weight or with the logit does not: take exp(-x) and multiply by
    the factor together with them.
    """
    real = type(z)
    a = abs(z)
    is_far = a > real(FAR)
    return a - real(SHIFT) if is_far else a, real(SHRINK) if is_far else real(1)


def probabilities(x: float) -> tuple[float, float, float]:
    """Return S(x), S(-x) for x >= 0, and the relative error that both have from rounding 1 + exp(-x) and its reciprocal."""
    one = type(x)(1)
    e = exp(-x)
    total = one + e
    larger = one / total
    lost = e - (total - one)
    return larger, e * larger, fma(-larger, total, one) - larger * lost


def with_sign(x: float, z: float) -> float:
    """Return *x* where *z* > 0, else -x."""
    return x if z > type(z)(0) else -x


def times(factor: float, x: float) -> float:
    """Return ``factor * x``, and 0 where the factor is 0, even if x is infinite."""
    zero = type(factor)(0)
    return factor * x if factor != zero else zero
