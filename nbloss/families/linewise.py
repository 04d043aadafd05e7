"""Losses of rows that compare the classes with each other: one formula of the whole row."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from nbloss._line_program import LineProgram
from nbloss.families.rowwise import Rowwise
from nbloss.loss import REAL, UNIT, Domain
from nbloss.reference import Part

_kernels: dict[Any, dict[Any, Any]] = {}  # shared by the losses that differ in run-time numbers only


class Linewise(Rowwise):
    """A loss of a row of K predictions on the last axis that is no sum of a function of each class.

    Shapes, labels, weights and reductions are those of :class:`nbloss.families.rowwise.Rowwise`. A subclass gives
    :attr:`formula`, :attr:`reference` and what differs from the defaults below.
    """

    formula: ClassVar[Callable[..., Any]]
    """``formula(t, z, gradient, hessian, classes, *numbers, *choices)`` returns the value of a row.

    It reads targets and predictions by ``at(t, k)`` and ``at(z, k)``, and writes both derivatives by every class with
    ``put(gradient, k, x)`` and ``put(hessian, k, x)``, which it may read back. A line of derivatives that nobody wants
    is None. t, where it comes from a label, has that as ``t.label``. All numbers are doubles, and there are no others
    than those of the domain, though infinite ones. Where it returns nan, all results of the row are.
    """

    engine: ClassVar[str] = "linewise"

    labels_only: ClassVar[bool] = False
    """Whether rows of targets have no meaning."""

    @staticmethod
    def mixed(t: Any, hessian: Any, i: int, j: int) -> float:
        """Return the second derivative by the classes i and j, which differ, from the diagonal of the Hessian."""
        return 0.0

    @property
    def domain(self) -> Domain:
        return Domain(UNIT, REAL)

    def init_score(self, y_true: Any, sample_weight: Any = None) -> Any:
        """Raise: of the constant rows, a whole region may have the least loss, and none is known in closed form.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(f"{type(self).__name__} has no init_score: no formula gives the constant row of least loss")

    def parts(self, y_true: Any, y_pred: Any) -> tuple[tuple[int, ...], list[Part]]:
        self._check(np.asarray(y_true), np.asarray(y_pred))
        return super().parts(y_true, y_pred)

    def _prepared(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any, Any]:
        backend, y, z, w = super()._prepared(y_true, y_pred, sample_weight)
        self._check(y, z)
        return backend, y, z, w

    def _check(self, y: Any, z: Any) -> None:
        if self.labels_only and len(y.shape) == len(z.shape):
            raise ValueError(f"y_true must hold labels, of shape {z.shape[:-1]}, got rows of targets, {y.shape}")

    @functools.cached_property
    def _program(self) -> LineProgram:  # type: ignore[override]  # which only this family's kernels take
        kernels = _kernels.setdefault((self.formula, self.choices, self.domain), {})
        return LineProgram(self.formula, self.mixed, self.numbers, self.choices, self.domain, kernels)
