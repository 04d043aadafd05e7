"""What the kernels need of a loss."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from nbloss.loss import Domain


class Program(NamedTuple):
    """What the backends need of a pointwise loss, looked up once for each loss."""

    formula: Callable[..., Any]
    numbers: tuple[Any, ...]
    """What the formula takes after the prediction: numbers, tuples of one for each class, arrays."""
    choices: tuple[Any, ...]
    domain: Domain
    vectors: dict[str, tuple[float, ...]]
    """The parameters that are one number a class."""
    unbounded: bool
    """Whether every real number is a target."""
    kernels: dict[Any, Any]
    """What is compiled, by whatever keys the backends choose."""


class SetProgram(NamedTuple):
    """What the backends need of a loss of sets."""

    terms: Callable[..., Any]
    finish: Callable[..., Any]
    slopes: Callable[..., Any]
    of_class: tuple[Callable[..., Any], ...]
    sums: int
    """How many numbers are added up."""
    coefficients: int
    """How many numbers of the set the slopes of its elements take."""
    numbers: tuple[float, ...]
    choices: tuple[Any, ...]
    domain: Domain
    in_double: bool
    """Whether the formulas are evaluated in float64 whatever the predictions are."""
    kernels: dict[Any, Any]


class VectorProgram(NamedTuple):
    """What the backends need of a loss of vectors."""

    vectors: Callable[..., Any]
    terms: Callable[..., Any]
    finish: Callable[..., Any]
    slopes: Callable[..., Any]
    curvature: Callable[..., Any]
    counts: tuple[int, int]
    """How many vectors and sums there are."""
    predictions: int
    numbers: tuple[float, ...]
    choices: tuple[Any, ...]
    kernels: dict[Any, Any]


class GroupProgram(NamedTuple):
    """What the backends need of a loss of groups of rows."""

    formula: Callable[..., Any]
    further: Callable[..., Any] | None
    """A second formula, of those that have one."""
    numbers: tuple[float, ...]
    kernels: dict[Any, Any]
