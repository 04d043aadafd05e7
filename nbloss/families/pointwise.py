"""Losses in which every element stands alone: one prediction, one target, one loss."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from nbloss import _arrays, _statistics, links
from nbloss._place import backend_of, is_lazy, replayed
from nbloss._plot import Picture, Scene
from nbloss._program import Program
from nbloss.loss import REAL, UNIT, Domain, Loss

# what each method wants, and the names of the arrays that it writes
WANTED = {
    "value": ("v", ("value",)),
    "gradient": ("g", ("gradient",)),
    "hessian": ("h", ("hessian",)),
    "gradient_and_hessian": ("gh", ("gradient", "hessian")),
    "value_and_gradient": ("vg", ("value", "gradient")),
}

_kernels: dict[Any, dict[Any, Any]] = {}  # shared by the losses that differ in run-time numbers only


class Pointwise(Loss):
    """A loss of one prediction and one target, taken element by element.

    A subclass gives :attr:`formula`, :attr:`reference` and, where they are not the defaults, :attr:`domain`,
    :attr:`link` and :meth:`minimiser`.
    """

    formula: ClassVar[Callable[..., Any]]
    """``formula(y, z, *numbers, *choices)`` returns value, gradient and Hessian for a target and a prediction."""

    in_double: ClassVar[bool] = False
    """Whether the formula is evaluated in float64 whatever the predictions are."""

    @property
    def link(self) -> Callable[..., Any]:
        """The function, one of :mod:`nbloss.links`, that makes a response of a raw prediction."""
        return links.identity

    def inverse_link(self, y_pred: Any) -> Any:
        """Return the response (a mean, a probability) that belongs to the raw prediction `y_pred`.

        Parameters
        ----------
        y_pred : array_like
            Raw predictions.

        Returns
        -------
        array
            Of the shape of `y_pred`, float32 or float64 as :meth:`gradient` would be.
        """
        return mapped(self.link, y_pred)

    def _picture(self) -> Picture:
        target, prediction = self.domain
        low, high = max(prediction.low, -4.0), min(prediction.high, 4.0)
        targets: tuple[float, ...]
        if prediction == UNIT:
            axis, targets, low, high = "probability", (1.0, 0.0), 0.02, 0.98
        elif target == UNIT:
            axis, targets = "logit", (1.0, 0.0)
        elif self.__module__.startswith("nbloss.losses.binary"):
            axis, targets = "score", (1.0, 0.0)
        elif target == REAL:
            alone = self._is_of_residual()
            axis, targets = ("residual", (0.0,)) if alone else ("prediction of target 1", (1.0,))
        else:
            axis, targets = "prediction", ((0.0, 2.0) if 0 in target else (2.0,))
            low, high = max(prediction.low, -3.0), min(prediction.high, 3.0)
        if low == prediction.low:
            low += 0.3
        words = [f"target {y:g}" if len(targets) > 1 else "" for y in targets]
        return Picture(axis, (low, high), tuple(map(_scene, words, targets)))

    def _is_of_residual(self) -> bool:
        both = [self.value(np.array([y]), np.array([y + 0.5]), reduction="sum") for y in (0.0, 1.0)]
        return math.isclose(*map(float, both), rel_tol=1e-9)

    def init_score(self, y_true: Any, sample_weight: Any = None) -> float:
        """Return the constant raw prediction with the least loss: where boosting starts.

        Parameters
        ----------
        y_true : array_like
            Targets, in host memory.
        sample_weight : float or array_like, optional
            As in :meth:`value`.

        Returns
        -------
        float
            Infinite where the loss only falls towards an end, as for labels of one class.

        Raises
        ------
        ValueError
            If no element has a weight other than 0, or a target lies outside the domain.
        TypeError
            If the loss has no such constant, or the arrays are not in host memory.
        """
        targets = self._targets(y_true)
        backend = backend_of(**_named(targets), sample_weight=sample_weight)
        y, *more = (backend.as_host(t, name) for name, t in _named(targets).items())
        for other in more:
            _arrays.check_same_targets(y, other)
        w = backend.as_host(1.0 if sample_weight is None else sample_weight, "sample_weight")
        _arrays.check_weight(w, y.shape)
        for name, x in self._program.vectors.items():
            _arrays.check_vector(x, y.shape, name)
        w = np.broadcast_to(w.reshape(w.shape + (1,) * (y.ndim - w.ndim) if w.ndim else w.shape), y.shape)
        kept = w != 0
        if not kept.any():
            raise ValueError(f"y_true must have an element with a weight other than 0, got shape {y.shape}")
        first, *others = (a[kept].astype(np.float64) for a in (y, *more))
        low, high = float(first.min()), float(first.max())
        if low not in self.domain.target or high not in self.domain.target:
            raise ValueError(f"y_true must lie in {self.domain.target}, got values from {low:g} to {high:g}")
        numbers = [np.broadcast_to(x, y.shape)[kept] if type(x) is tuple else x for x in self._program.numbers]
        numbers[: len(others)] = others
        return float(self.minimiser(first, w[kept].astype(np.float64), *numbers))

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        """Return the constant prediction with the least loss for vectors of targets and weights.

        By default, the zero of the summed gradient between the least and the greatest target, for losses of the
        residual that are convex.
        """

        def slope(z: float) -> float:
            return float(self.gradient(y, np.broadcast_to(z, y.shape), w).sum())

        return _statistics.root(slope, float(y.min()), float(y.max()))

    def _targets(self, y_true: Any) -> tuple[Any, ...]:
        """Return the arrays of targets, of which all but the first take the places of the first of the numbers."""
        return (y_true,)

    @functools.cached_property
    def _program(self) -> Program:
        return self._program_for(())

    def _program_for(self, more: tuple[Any, ...]) -> Program:
        """Return what the kernels need, with arrays of *more* targets among the numbers."""
        numbers, choices, domain = (*more, *self.numbers[len(more) :]), self.choices, self.domain
        shared = (self.formula, choices, domain, len(more), *(type(x) for x in numbers[len(more) :]))
        return Program(
            self.formula,
            numbers,
            choices,
            domain,
            {name: x for name, x in self.parameters.items() if type(x) is tuple},
            domain.target == REAL,
            _kernels.setdefault(shared, {}),
        )

    @functools.cached_property
    def _shortcuts(self) -> dict[Any, Any]:
        """Functions that do the whole of :meth:`_evaluate` for small vectors, by what they depend on."""
        return {}

    def _example(self, size: int, target: Any, dtype: Any, classes: int) -> tuple[Any, Any, Any, dict[str, Any]]:
        last = [len(x) for x in self._program.vectors.values()][:1]
        shape = (-(-size // (last[0] if last else 1)), *last)
        return np.zeros(shape, target), np.zeros(shape, dtype), shape, {}

    def _evaluate(self, want: str, y_true: Any, y_pred: Any, sample_weight: Any, reduction: str, out: Any) -> Any:
        are_numpy = type(y_true) is np.ndarray and type(y_pred) is np.ndarray and not self.in_double
        if not are_numpy:
            result = replayed(self, want, y_true, y_pred, sample_weight, reduction, out)
            if result is not None:
                return result
        _arrays.check_reduction(reduction)
        key = None
        if are_numpy and (sample_weight is None or type(sample_weight) is np.ndarray):
            key = (want, reduction, y_true.dtype, y_pred.dtype, None if sample_weight is None else sample_weight.dtype)
            shortcut = self._shortcuts.get(key)
            if shortcut is not None:
                result = shortcut(y_true, y_pred, sample_weight, out)
                if result is not None:
                    return result
        if is_lazy(y_true, y_pred, sample_weight):
            from nbloss import _dask

            return _dask.evaluate(self, want, y_true, y_pred, sample_weight, reduction, out, by_rows=False)
        letters, names = WANTED[want]
        targets = self._targets(y_true)
        backend = backend_of(**_named(targets), y_pred=y_pred, sample_weight=sample_weight)
        y, *more = (backend.as_array(t, name) for name, t in _named(targets).items())
        program = self._program_for(tuple(more)) if more else self._program
        z = backend.as_array(y_pred, "y_pred")
        w = None if sample_weight is None else backend.as_array(sample_weight, "sample_weight")
        for t in (y, *more):
            _arrays.check_shapes(t, z)
        if w is not None:
            _arrays.check_weight(w, z.shape)
        for name, x in program.vectors.items():
            _arrays.check_vector(x, z.shape, name)
        if reduction != "none":
            letters = "s" + letters[1:]
        reduced = letters[0] == "s"
        shapes = [() if letter == "s" else z.shape for letter in letters]
        results, outs = _arrays.results_for(backend, names, shapes, reduced, z, y_pred, out, (y, z, w, *more))
        compute = _arrays.DOUBLE if self.in_double else _arrays.computed_in(y.dtype, z.dtype, program.unbounded)
        backend.pointwise.run(program, letters, reduction == "mean", y, z, w, outs, compute)
        if key is not None and key not in self._shortcuts:
            shortcut = backend.shortcut(program, letters, reduction == "mean", *key[2:])
            if shortcut is not None:
                self._shortcuts[key] = shortcut
        if out is None and reduced:
            results[0] = backend.number(results[0])
        return results[0] if len(names) == 1 else tuple(results)


def _scene(words: str, target: Any) -> Scene:
    """Return a scene of one element; *target* is a number, or a tuple of several."""
    y = tuple(np.array([t]) for t in target) if isinstance(target, tuple) else np.array([target])
    return Scene(words, y, lambda x: np.array([x]), (0,))


def _named(targets: tuple[Any, ...]) -> dict[str, Any]:
    """Return the targets by the names that messages give them."""
    return {"y_true" if len(targets) == 1 else f"y_true[{i}]": t for i, t in enumerate(targets)}


def mapped(function: Callable[..., Any], x: Any, out: Any = None) -> Any:
    """Return ``function(x)`` for each element of *x*; *function* is one of :mod:`nbloss.links`."""
    backend = backend_of(x=x)
    z = backend.as_array(x, "x")
    real = _arrays.real_of(z.dtype)
    results, outs = _arrays.results_for(backend, ["out"], [z.shape], False, z, x, out, (z,))
    backend.pointwise.run(_mapping(function), "v", False, z, z, None, outs, real)
    return results[0]


@functools.cache
def _mapping(function: Callable[..., Any]) -> Program:
    return Program(function, (), (), Domain(REAL, REAL), {}, False, {})
