"""A product with a power, without overflow on the way."""

from nbloss._math import exp_sum, fma


def times_exp_of_product(y: float, a: float, z: float) -> float:
    """Return ``y * exp(a * z)`` for y >= 0, as if the product of a and z were not rounded.

    It is 0 for y = 0, and right where the power alone is out of range.
    """
    half = type(z)(0.5) * a
    product = half * z
    root = exp_sum(product, fma(half, z, -product))
    return (y * root) * root if y > type(y)(0) else type(z)(0)
