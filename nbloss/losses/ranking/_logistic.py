"""The logistic loss of a pair, which losses of ranking share."""

from nbloss._math import exp_sum, fma, log1p_unit


def logistic(d: float, lost: float, sigma: float) -> tuple[float, float, float]:
    """Return log(1 + exp(-sigma * d)) and its derivatives by d; *lost* is what d lost when it was rounded."""
    real = type(d)
    zero, one = real(0), real(1)
    t = sigma * d
    off = fma(sigma, d, -t) + sigma * lost
    e = exp_sum(-abs(t), -off if d > zero else off)
    larger = one / (one + e)
    smaller = e * larger
    value = log1p_unit(e) + (-t if d < zero else zero)
    slope = -sigma * (larger if d < zero else smaller)
    return value, slope, sigma * (sigma * larger * smaller)
