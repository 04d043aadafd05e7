"""What losses of a logit share."""

from nbloss._math import sigmoids

FAR = 87.0  # beyond it, the sigmoid is subnormal in single precision
SHIFT = 48.0  # 1 + exp(SHIFT - FAR) is 1 in both precisions
SHRINK = 1.4251640827409352e-21  # exp(-SHIFT)


def tails(z: float) -> tuple[float, float, float, float]:
    """Return S(z) and S(-z), S being the sigmoid, each in two factors: ``p, q, p_shrink, q_shrink``.

    Far out, the smaller of the two underflows where a class weight or a logit times it need not; its first factor does not,
    and is to be multiplied last. The other factors are 1.
    """
    real = type(z)
    one, shift, shrink = real(1), real(SHIFT), real(SHRINK)
    p, q = sigmoids(z + shift if z < -real(FAR) else z - shift if z > real(FAR) else z)
    return p, q, shrink if z < -real(FAR) else one, shrink if z > real(FAR) else one


def times(factor: float, x: float) -> float:
    """Return ``factor * x``, and 0 where the factor is 0, even if x is infinite."""
    return factor * x if factor != type(factor)(0) else type(factor)(0)
