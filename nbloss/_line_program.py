"""What the kernels need of a loss that is a formula of a whole row."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from nbloss.loss import Domain


class LineProgram(NamedTuple):
    """What the backends need of a loss that is a formula of a whole row, looked up once for each loss."""

    formula: Callable[..., Any]
    """``formula(t, z, gradient, hessian, classes, *numbers, *choices)``: the value, beside what it writes."""
    mixed: Callable[..., Any]
    """``mixed(t, hessian, i, j)``: the second derivative by two classes, from the diagonal."""
    numbers: tuple[float, ...]
    choices: tuple[Any, ...]
    domain: Domain
    kernels: dict[Any, Any]
    """What is compiled, by whatever keys the backends choose."""
