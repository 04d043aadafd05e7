"""A pointwise loss with another Hessian, written by the kernel that computes the loss."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

from nbloss.families.paired import Paired
from nbloss.families.pointwise import Pointwise
from nbloss.families.rowwise import Rowwise
from nbloss.loss import Domain

Rule = Callable[..., Any]
"""``rule(y, z, gradient, hessian, *numbers, *choices)``: another Hessian, from what the formula gives and takes."""


class Curved(Pointwise):
    """The loss *loss*, whose Hessian is what *rule* says, but nowhere less than *floor*.

    If it is *guarded*, its gradient is nan where target or prediction is not finite: that costs nothing in a kernel
    that waits for memory, and only gradients have to be looked at. Of two targets, none is looked at: the end of a time
    may be infinite. If it *ascends*, value and gradient have the other sign.
    """

    loss: Pointwise
    rule: Rule
    floor: float
    guarded: bool
    ascends: bool

    def __init__(self, loss: Pointwise, rule: Rule, floor: float, guarded: bool, ascends: bool = False) -> None:
        # beside the fields, of which there are none: what the engine wants to know is taken from the loss
        self.__dict__.update(loss=loss, rule=rule, floor=floor, guarded=guarded, ascends=ascends)

    def __getstate__(self) -> dict[str, Any]:
        return {name: self.__dict__[name] for name in ("loss", "rule", "floor", "guarded", "ascends")}

    @classmethod
    def _fields(cls) -> tuple[Any, ...]:
        return ()

    @property
    def formula(self) -> Callable[..., Any]:  # type: ignore[override]
        return _formula(self.loss.formula, self.rule, self._pairs, self.guarded, self.ascends)

    @property
    def parameters(self) -> dict[str, Any]:
        return self.loss.parameters

    @property
    def numbers(self) -> tuple[Any, ...]:
        numbers = self.loss.numbers
        return (*numbers[: self._pairs], self.floor, *numbers[self._pairs :])

    @property
    def choices(self) -> tuple[Any, ...]:
        return self.loss.choices

    @property
    def domain(self) -> Domain:
        return self.loss.domain

    @property
    def in_double(self) -> bool:  # type: ignore[override]
        return self.loss.in_double

    @property
    def _pairs(self) -> int:
        """How many targets come after the prediction."""
        return 1 if isinstance(self.loss, Paired) else 0

    def _targets(self, y_true: Any) -> tuple[Any, ...]:
        return self.loss._targets(y_true)


@functools.cache
def _formula(formula: Callable[..., Any], rule: Rule, pairs: int, guarded: bool, ascends: bool) -> Callable[..., Any]:
    def finished(y: Any, z: Any, found: Any, curvature: Any, floor: Any) -> tuple[Any, Any, Any]:
        value, gradient, _ = found
        if guarded:
            gradient += z - z if pairs else (z - z) + (y - y)
        if ascends:
            value, gradient = -value, -gradient
        return value, gradient, floor if curvature < floor else curvature  # nan stays nan

    def of_one(y: Any, z: Any, floor: Any, *rest: Any) -> tuple[Any, Any, Any]:
        found = formula(y, z, *rest)
        return finished(y, z, found, rule(y, z, found[1], found[2], *rest), floor)

    def of_two(y: Any, z: Any, second: Any, floor: Any, *rest: Any) -> tuple[Any, Any, Any]:
        found = formula(y, z, second, *rest)
        return finished(y, z, found, rule(y, z, found[1], found[2], second, *rest), floor)

    curved: Callable[..., Any] = of_two if pairs else of_one
    # the names of the kernel and of its file in the cache, where only formulas of the package are kept
    curved.__module__ = formula.__module__
    curved.__qualname__ = f"{formula.__qualname__}.{rule.__name__}.{guarded}{'.ascends' if ascends else ''}"
    return curved


def curved_rows(loss: Rowwise, factor: float, floor: float | None = None) -> Rowwise:
    """Return a loss of rows of which kernels multiply the Hessian by *factor*.

    On a CUDA device, where *floor* may be given, they also write nothing less than that times the weight of a row.
    """
    curved = dataclasses.replace(loss)  # type: ignore[type-var]  # every loss is a dataclass
    curved.__dict__["_program"] = loss._program._replace(curve=factor, floor=floor)
    return curved
