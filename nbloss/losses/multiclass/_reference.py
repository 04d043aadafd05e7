"""What the textbook lines of the losses of rows share."""

from typing import Any


def targets(y: Any, z: Any) -> Any:
    """Return the targets of the classes, from a row of them or from a label."""
    return y if isinstance(y, tuple) else tuple(int(k == y) for k in range(len(z)))


def log_softmax(m: Any, z: Any) -> list[Any]:
    """Return the logarithms of the probabilities that belong to logits."""
    top = max(z)
    total = sum(m.exp(x - top) for x in z)
    return [x - top - m.log(total) for x in z]


def softmax(m: Any, z: Any) -> list[Any]:
    """Return the probabilities that belong to logits."""
    top = max(z)
    total = sum(m.exp(x - top) for x in z)
    return [m.exp(x - top) / total for x in z]


def log_of(m: Any, base: Any) -> Any:
    """Return the natural logarithm of a base, 1 for None."""
    return 1 if base is None else m.log(base)


def of_classes(x: Any, z: Any) -> Any:
    """Return the number that each class has of a parameter that is a number for all, one for each, or None for 1."""
    return x if isinstance(x, tuple) else (1 if x is None else x,) * len(z)
