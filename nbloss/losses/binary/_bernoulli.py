"""The function x / (exp(x) - 1), which derivatives of log(1 - exp(-x)) are made of."""

from nbloss._math import exp_sum, fma

# B_2k / (2k)!, in powers of x * x
SERIES = (
    0.08333333333333333, -0.001388888888888889, 3.306878306878307e-05, -8.267195767195768e-07, 2.08767569878681e-08,
    -5.284190138687493e-10, 1.3382536530684679e-11, -3.3896802963225827e-13, 8.586062056277845e-15,
    -2.174868698558062e-16, 5.5090028283602295e-18,
)  # fmt: skip


def bernoulli(x: float, lost: float) -> tuple[float, float, float]:
    """Return B = x / (exp(x) - 1), then 1 - B and B - 1 + x, for x >= 0; none of them cancels.

    *lost* is what x lost when it was rounded, which matters where B is small.
    """
    return bernoulli_of(x, far_bernoulli(x, lost))


def far_bernoulli(x: float, lost: float) -> float:
    """Return B for x > 1."""
    real = type(x)
    zero, one = real(0), real(1)
    far = min(max(x, one), real(1e4))  # beyond, B is 0
    e = exp_sum(-far, -lost if far == x else zero)
    return far * e / (one - e)


def bernoulli_of(x: float, b: float) -> tuple[float, float, float]:
    """Return what :func:`bernoulli` does, given B for x > 1."""
    real = type(x)
    half, one = real(0.5), real(1)
    is_near = x <= one
    near = x if is_near else one
    s = near * near
    # in single precision, the first terms are enough: that is known while this is compiled
    t = real(SERIES[5])
    if one + real(2.0**-40) > one:
        t = fma(s, real(SERIES[10]), real(SERIES[9]))
        t = fma(s, t, real(SERIES[8]))
        t = fma(s, t, real(SERIES[7]))
        t = fma(s, t, real(SERIES[6]))
        t = fma(s, t, real(SERIES[5]))
    t = fma(s, t, real(SERIES[4]))
    t = fma(s, t, real(SERIES[3]))
    t = fma(s, t, real(SERIES[2]))
    t = fma(s, t, real(SERIES[1]))
    t = s * fma(s, t, real(SERIES[0]))
    if is_near:
        return fma(-half, near, one) + t, fma(half, near, -t), fma(half, near, t)
    return b, one - b, b + (x - one)
