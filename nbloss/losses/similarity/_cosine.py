"""The cosine of the angle between two vectors, and its derivatives by the elements of either."""

from typing import Any

from nbloss._math import sqrt

Pair = tuple[float, float]


def itself(x: Pair) -> Pair:
    """Return the elements of the two vectors, as they are."""
    return x


def products(u: Pair) -> tuple[float, float, float]:
    """Return what is added up: the elements' product and squares."""
    return u[0] * u[1], u[0] * u[0], u[1] * u[1]


def cosine(sums: tuple[float, float, float]) -> tuple[float, float, float]:
    """Return the cosine and the inverse lengths of the vectors, as they are scaled; 0 each if one of them is zero."""
    zero, one = 0.0, 1.0
    squares = sums[1] * sums[2]
    is_zero = squares == zero
    c = zero if is_zero else sums[0] / sqrt(squares)  # exactly 1 for equal vectors
    c = one if c > one else -one if c < -one else c
    return c, zero if is_zero else one / sqrt(sums[1]), zero if is_zero else one / sqrt(sums[2])


def slope(c: float, mine: float, others: float, inverse: float, unit: float) -> float:
    """Return the derivative of the cosine by one element.

    *mine* and *others* are the elements of the unit vectors there; the length is ``1 / (inverse * unit)``, which may
    be out of range.
    """
    return (others - c * mine) * inverse * unit


def bend(c: float, mine: Pair, others: Pair, same: float, inverse: float, unit: float) -> float:
    """Return the second derivative of the cosine by two elements of one vector."""
    x = 3.0 * c * (mine[0] * mine[1]) - c * same - (mine[0] * others[1] + mine[1] * others[0])
    return x * inverse * unit * inverse * unit


def times(sign: float, x: float) -> float:
    """Return the product, and 0 where *sign* is 0, even if x is infinite."""
    return sign * x if sign != 0.0 else 0.0


def reference(m: Any, a: Any, b: Any) -> Any:
    """Return the cosine as the textbook has it, and 0 where a vector is zero."""
    dot, x, y = (sum(s * t for s, t in zip(*pair, strict=True)) for pair in ((a, b), (a, a), (b, b)))
    return 0 * m.jet(0) if x == 0 or y == 0 else dot / (m.sqrt(x) * m.sqrt(y))
