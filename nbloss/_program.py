"""What the kernels need of a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from nbloss.loss import Domain, Number


class Program(NamedTuple):
    """What the backends need of a loss, looked up once for each loss."""

    formula: Callable[..., Any]
    numbers: tuple[Number, ...]
    choices: tuple[Any, ...]
    domain: Domain
    vectors: dict[str, tuple[float, ...]]
    """The parameters that are one number a class."""
    unbounded: bool
    """Whether every real number is a target."""
    kernels: dict[Any, Any]
    """What is compiled, by whatever keys the backends choose."""
