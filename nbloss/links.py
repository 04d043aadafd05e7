"""From a raw prediction to the response it stands for: plain scalar functions, compiled like formulas."""

from nbloss import _math
from nbloss._math import sigmoids


def identity(z: float) -> float:
    """Return *z*: the prediction is the response."""
    return z


def sigmoid(z: float) -> float:
    """Return the probability whose log-odds is *z*."""
    return sigmoids(z)[0]


def sigmoid_of_double(z: float) -> float:
    """Return the probability of which *z* is half the log-odds."""
    return sigmoids(z + z)[0]


def exp(z: float) -> float:
    """Return the number whose logarithm is *z*."""
    return _math.exp(z)
