"""Losses of rows that compare the classes with each other: one formula of the whole row."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from nbloss import _arrays
from nbloss._line_program import LineProgram
from nbloss._place import backend_of
from nbloss._plot import Picture, moving
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

    real_targets: ClassVar[bool] = False
    """Whether a target is a real number for each row; the formula finds it in every class."""

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
            Always, unless targets are real numbers: then the result is a vector.
        """
        if not self.real_targets:
            raise TypeError(f"{type(self).__name__} has no init_score: no formula gives the constant row of least loss")
        backend = backend_of(y_true=y_true, sample_weight=sample_weight)
        y = backend.as_host(y_true, "y_true")
        w = backend.as_host(1.0 if sample_weight is None else sample_weight, "sample_weight")
        _arrays.check_weight(w, y.shape)
        w = np.broadcast_to(w.reshape(w.shape + (1,) * (y.ndim - w.ndim) if w.ndim else w.shape), y.shape)
        y, w = y[w != 0].astype(np.float64), w[w != 0].astype(np.float64)
        if not y.size:
            raise ValueError(f"y_true must have an element with a weight other than 0, got shape {y.shape}")
        if np.isnan(y).any():
            raise ValueError("y_true must hold numbers, got nan")
        return np.array(self.minimiser(y, w))

    def inverse_link(self, y_pred: Any) -> Any:
        if not isinstance(self.link, LineProgram):
            return super().inverse_link(y_pred)
        backend = backend_of(y_pred=y_pred)
        z = backend.as_array(y_pred, "y_pred")
        _arrays.check_rows(z)
        real = _arrays.real_of(z.dtype)
        result = backend.empty(z.shape, real, z, y_pred)
        backend.linewise.run(self.link, "g", False, z, z, None, [backend.as_output(result)], real)
        return result

    def _picture(self) -> Picture:
        if not self.real_targets:
            note = "the others score 0 and -1"
            picture = self._scenes("score of class 0", (-4.0, 4.0), 3, lambda x: [0.0, -1.0], note)
            return picture._replace(scenes=picture.scenes[:2])  # half a label has a meaning for few of them
        levels = enumerate(self.numbers)
        scenes = [moving(f"level {x:g}", np.zeros(1), np.zeros((1, len(self.numbers))), (0, k)) for k, x in levels]
        return Picture("residual of one level", (-4.0, 4.0), tuple(scenes), "The residuals of the other levels are 0.")

    def holds(self, part: Part) -> bool:
        return super().holds(part) and (not self.real_targets or part.target in self.domain.target)

    def parts(self, y_true: Any, y_pred: Any) -> tuple[tuple[int, ...], list[Part]]:
        if self.real_targets:
            y, z = np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64)
            _arrays.check_rows(z)
            _arrays.check_targets(y, z.shape[:-1])
            rows = zip(y.reshape(-1).tolist(), z.reshape(-1, z.shape[-1]).tolist(), strict=True)
            return y.shape, [Part(t, (tuple(row),)) for t, row in rows]
        self._check(np.asarray(y_true), np.asarray(y_pred))
        return super().parts(y_true, y_pred)

    def _prepared(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any, Any]:
        if not self.real_targets:
            backend, y, z, w = super()._prepared(y_true, y_pred, sample_weight)
            self._check(y, z)
            return backend, y, z, w
        backend = backend_of(y_true=y_true, y_pred=y_pred, sample_weight=sample_weight)
        y, z = backend.as_array(y_true, "y_true"), backend.as_array(y_pred, "y_pred")
        w = None if sample_weight is None else backend.as_array(sample_weight, "sample_weight")
        _arrays.check_rows(z)
        _arrays.check_targets(y, z.shape[:-1])
        if w is not None:
            _arrays.check_weight(w, z.shape[:-1])
        for name, x in self.parameters.items():
            if isinstance(x, tuple):
                _arrays.check_vector(x, z.shape, name)
        return backend, backend.along_last(y, z.shape), z, w

    def _computed_in(self, y: Any, z: Any) -> Any:
        return _arrays.computed_in(y.dtype, z.dtype, self.real_targets)

    def _check(self, y: Any, z: Any) -> None:
        if self.labels_only and len(y.shape) == len(z.shape):
            raise ValueError(f"y_true must hold labels, of shape {z.shape[:-1]}, got rows of targets, {y.shape}")

    @functools.cached_property
    def _program(self) -> LineProgram:  # type: ignore[override]  # which only this family's kernels take
        kernels = _kernels.setdefault((self.formula, self.choices, self.domain, len(self.numbers)), {})
        return LineProgram(self.formula, self.mixed, self.numbers, self.choices, self.domain, kernels)


def line_map(formula: Callable[..., Any]) -> LineProgram:
    """Return what the kernels need to write what *formula* writes as gradient."""
    return LineProgram(formula, Linewise.mixed, (), (), Domain(REAL, REAL), {})
