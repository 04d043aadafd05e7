"""A pointwise loss with another Hessian, written by the kernel that computes the loss."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from nbloss.families.pointwise import Pointwise
from nbloss.families.rowwise import Rowwise
from nbloss.loss import Domain

Rule = Callable[..., Any]
"""``rule(y, z, gradient, hessian, *numbers, *choices)``: another Hessian, from what the formula gives and takes."""


class Curved(Pointwise):
    """The loss *loss*, whose Hessian is what *rule* says, but nowhere less than *floor*.

    If it is *guarded*, its gradient is nan where target or prediction is not finite: that costs nothing in a kernel
    that waits for memory, and only gradients have to be looked at.
    """

    loss: Pointwise
    rule: Rule
    floor: float
    guarded: bool

    def __init__(self, loss: Pointwise, rule: Rule, floor: float, guarded: bool) -> None:
        # beside the fields, of which there are none: what the engine wants to know is taken from the loss
        self.__dict__.update(loss=loss, rule=rule, floor=floor, guarded=guarded)

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("loss", "rule", "floor", "guarded")}

    @classmethod
    def _fields(cls) -> tuple[Any, ...]:
        return ()

    @property
    def formula(self) -> Callable[..., Any]:  # type: ignore[override]
        return _formula(self.loss.formula, self.rule, self.guarded)

    @property
    def parameters(self) -> dict[str, Any]:
        return self.loss.parameters

    @property
    def numbers(self) -> tuple[Any, ...]:
        return (self.floor, *self.loss.numbers)

    @property
    def choices(self) -> tuple[Any, ...]:
        return self.loss.choices

    @property
    def domain(self) -> Domain:
        return self.loss.domain


@functools.cache
def _formula(formula: Callable[..., Any], rule: Rule, guarded: bool) -> Callable[..., Any]:
    def curved(y: Any, z: Any, floor: Any, *rest: Any) -> tuple[Any, Any, Any]:
        value, gradient, hessian = formula(y, z, *rest)
        curvature = rule(y, z, gradient, hessian, *rest)
        if guarded:
            gradient += (z - z) + (y - y)
        return value, gradient, curvature if curvature > floor else floor

    # the names of the kernel and of its file in the cache, where only formulas of the package are kept
    curved.__module__, curved.__qualname__ = formula.__module__, f"{formula.__qualname__}.{rule.__name__}.{guarded}"
    return curved


def curved_rows(loss: Rowwise, factor: float) -> Rowwise:
    """Return a loss of rows of which kernels multiply the Hessian by *factor*."""
    curved = dataclasses.replace(loss)  # type: ignore[type-var]  # every loss is a dataclass
    curved.__dict__["_program"] = loss._program._replace(curve=factor)
    return curved
