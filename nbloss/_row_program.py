"""What the kernels need of a loss of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from nbloss.loss import Domain


class RowProgram(NamedTuple):
    """What the backends need of a loss that is a sum over the classes of a row, looked up once for each loss."""

    formula: Callable[..., Any]
    """``formula(t, x, p, q, *numbers, *choices)``: what a class adds, and its derivatives by *x*."""
    numbers: tuple[float, ...]
    choices: tuple[Any, ...]
    domain: Domain
    softmax: bool
    """Whether x is the logarithm of the softmax of the predictions; else it is the prediction."""
    pulled: bool
    """Whether the derivatives by x are pulled back through the softmax; else they are results as they are."""
    sparse: bool
    """Whether a class of target 0 adds nothing, so that with labels one class tells all."""
    factors: tuple[float, ...] | None
    """What multiplies the target of each class."""
    weighs: bool
    """Whether these count in the divisor of a mean."""
    smoothing: float
    """The share of a target that is spread over all classes."""
    ignored: int | None
    """The label of rows that are left out."""
    scale: float
    """What multiplies every result, but no divisor."""
    averaged: bool
    """Whether results are divided by the number of classes."""
    kernels: dict[Any, Any]
    """What is compiled, by whatever keys the backends choose."""
    curve: float = 1.0
    """What multiplies Hessians besides."""
    floor: float | None = None
    """The least Hessian, before it is multiplied by a weight, on CUDA: the CPU's kernels know none."""
