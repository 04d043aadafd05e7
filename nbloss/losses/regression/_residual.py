"""The residual without its rounding error, for what amplifies that error or jumps at a bound."""


def residual(y: float, z: float) -> tuple[float, float]:
    """Return ``z - y`` rounded, and what the rounding took away, which is nan if the residual is infinite.

    T. J. Dekker, *A Floating-Point Technique for Extending the Available Precision*, Numer. Math. 18 (1971); the form
    without a comparison is Knuth's.
    """
    r = z - y
    subtracted = z - r
    return r, (z - (r + subtracted)) + (subtracted - y)


def distance(y: float, z: float) -> tuple[float, float]:
    """Return ``abs(z - y)`` as :func:`residual` returns the residual."""
    r, lost = residual(y, z)
    return abs(r), lost if r > type(z)(0) else -lost


def is_finite(x: float) -> bool:
    """Return whether *x* is neither infinite nor nan."""
    return x - x == type(x)(0)


def excess(y: float, z: float, bound: float) -> float:
    """Return a number that has the sign of ``abs(z - y) - bound``, as if nothing had been rounded."""
    a, lost = distance(y, z)
    return a - bound if a != bound else lost
