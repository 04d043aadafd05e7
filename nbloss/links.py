"""From a raw prediction to the response that it stands for.

Each link has the form of a formula, so that it is compiled like one: it returns the response and its first and second
derivative by the raw prediction *z*, and leaves the target *y* alone.
"""

from __future__ import annotations

from nbloss._math import exp as _exp
from nbloss._math import sigmoids
from nbloss._math import softplus as _softplus

Triple = tuple[float, float, float]


def identity(y: float, z: float) -> Triple:
    """Return *z*: the prediction is the response."""
    return z, type(z)(1), type(z)(0)


def sigmoid(y: float, z: float) -> Triple:
    """Return the probability whose log-odds is *z*."""
    p, q = sigmoids(z)
    return p, p * q, p * q * (q - p)


def sigmoid_of_double(y: float, z: float) -> Triple:
    """Return the probability of which *z* is half the log-odds."""
    p, q = sigmoids(z + z)
    two = type(z)(2)
    return p, two * p * q, two * two * p * q * (q - p)


def exp(y: float, z: float) -> Triple:
    """Return the number whose logarithm is *z*."""
    e = _exp(z)
    return e, e, e


def softplus(y: float, z: float) -> Triple:
    """Return the number of which the logarithm of its exponential minus 1 is *z*."""
    p, q = sigmoids(z)
    return _softplus(z), p, p * q
