"""Losses of rows: K predictions, one a class, on the last axis, and one loss."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from nbloss import _arrays, _statistics
from nbloss._math import exp, sigmoids
from nbloss._place import backend_of, is_lazy, replayed
from nbloss._plot import Picture, Scene
from nbloss._row_program import RowProgram
from nbloss.families.pointwise import WANTED
from nbloss.loss import REAL, UNIT, Domain, Loss
from nbloss.reference import Part

_kernels: dict[Any, dict[Any, Any]] = {}  # shared by the losses that differ in run-time numbers only

SHARE = "the others share what is left of 1"
OPTIONS = ("class_weight", "label_smoothing", "ignore_index", "base")


class Rowwise(Loss):
    r"""A loss of a row of K predictions on the last axis: :math:`\sum_k f(t_k, x_k)`.

    x is the prediction of a class, or the logarithm of its probability, the softmax of the predictions. Targets are
    labels, a whole number for each row, or rows of K numbers: the shape decides.

    A subclass gives :attr:`formula`, :attr:`reference` and what differs from the defaults below. Fields named
    `class_weight`, `label_smoothing`, `ignore_index` and `base` mean the same in every loss and reach no formula.
    """

    formula: ClassVar[Callable[..., Any]]
    """``formula(t, x, p, q, *numbers, *choices)`` returns what a class adds, and its two derivatives by *x*.

    Where :attr:`softmax`, x is the logarithm of the probability p; else x is the prediction, and so is p. q is 1 - p,
    without its cancellation.
    """

    sparse: ClassVar[bool] = True
    """Whether a class whose target is 0 adds nothing."""

    averaged: ClassVar[bool] = False
    """Whether the sum is divided by K."""

    labels_only: ClassVar[bool] = False
    """Whether rows of targets have no meaning."""

    engine: ClassVar[str] = "rowwise"
    """The module of kernels, which each backend has."""

    @property
    def softmax(self) -> bool:
        """Whether the loss is of the softmax of the predictions."""
        return bool(self.parameters.get("from_logits", False))

    @property
    def domain(self) -> Domain:
        """Where the loss is defined; a row with an element that lies elsewhere is nan."""
        return Domain(UNIT, REAL if self.softmax else UNIT)

    @property
    def numbers(self) -> tuple[Any, ...]:
        """What the formula takes after q."""
        kinds = {f.name: f.metadata["kind"] for f in self._fields()}
        return tuple(getattr(self, name) for name, kind in kinds.items() if kind == "number" and name not in OPTIONS)

    @property
    def factors(self) -> float | tuple[float, ...] | None:
        """What multiplies the target of each class; only that of `class_weight` counts in the divisor of a mean."""
        return self.parameters.get("class_weight")

    @property
    def takes_labels(self) -> bool:
        """Whether targets can be labels."""
        return True

    @property
    def link(self) -> RowProgram:
        """What makes probabilities of raw predictions."""
        return SOFTMAX if self.softmax else AS_IT_IS

    def inverse_link(self, y_pred: Any) -> Any:
        """Return the probabilities that belong to the raw predictions `y_pred`, such as the softmax of logits.

        Parameters
        ----------
        y_pred : array_like
            Raw predictions, classes on the last axis.

        Returns
        -------
        array
            Of the shape of `y_pred`, float32 or float64 as :meth:`gradient` would be.
        """
        return row_map(self.link, y_pred)

    def init_score(self, y_true: Any, sample_weight: Any = None) -> Any:
        """Return the constant row of raw predictions with the least loss: where boosting starts.

        Parameters
        ----------
        y_true : array_like
            A vector of labels, of which the greatest is that of the last class unless the loss has a number for each
            class, or rows of targets, (..., K); in host memory.
        sample_weight : float or array_like, optional
            As in :meth:`value`.

        Returns
        -------
        numpy.ndarray
            K numbers: probabilities, or their logarithms if predictions are logits, minus infinity for a class that
            does not occur.

        Raises
        ------
        ValueError
            If no row has a weight other than 0, or a target is not in the domain.
        TypeError
            If the loss has no such constant, or the arrays are not in host memory.
        """
        backend = backend_of(y_true=y_true, sample_weight=sample_weight)
        y = backend.as_host(y_true, "y_true")
        w = backend.as_host(1.0 if sample_weight is None else sample_weight, "sample_weight")
        labels = y.ndim == 1
        if not y.ndim:
            raise ValueError("y_true must be a vector of labels or rows of targets, got a single number")
        _arrays.check_weight(w, y.shape if labels else y.shape[:-1])
        options, factors = self.parameters, self.factors
        if isinstance(factors, tuple) and not labels:
            _arrays.check_vector(factors, y.shape, "y_true's weights")
        ignored = options.get("ignore_index")
        if labels:
            most = len(factors) if isinstance(factors, tuple) else max(1, int(y.max(initial=0)) + 1)
            backend.check_labels(y, most, ignored)
        elif not ((y >= self.domain.target.low) & (y <= self.domain.target.high)).all():
            raise ValueError(f"y_true must lie in {self.domain.target}, got rows with other numbers")
        masses, total = _statistics.masses(y, w, labels, factors, options.get("label_smoothing", 0.0), ignored)
        p = self.minimiser(masses, total)
        if self.link is AS_IT_IS:
            return p
        with np.errstate(divide="ignore"):
            return np.log(p) - np.log1p(-p) if self.link is SIGMOID else np.log(p)

    def minimiser(self, masses: Any, total: float) -> Any:
        """Return the constant probabilities with the least loss.

        *masses* are the weighted sums of the targets of each class, *total* that of the weights. By default, what
        losses like the cross-entropy have.
        """
        return _statistics.shares(masses)

    def hessian_matrix(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the second derivatives of the *sum* of the losses by each two predictions of a row.

        Parameters and errors are those of :meth:`value`.

        Returns
        -------
        array
            Of shape (..., K, K); :meth:`hessian` is its diagonal.
        """
        backend, y, z, w = self._prepared(y_true, y_pred, sample_weight)
        out = backend.empty((*z.shape, z.shape[-1]), _arrays.real_of(z.dtype), z, y_pred)
        kernels = getattr(backend, self.engine)
        kernels.run_matrix(self._program, y, z, w, backend.as_output(out), _arrays.real_of(z.dtype))
        return out

    def parts(self, y_true: Any, y_pred: Any) -> tuple[tuple[int, ...], list[Part]]:
        """Return the shape of the losses and the rows, for the oracle."""
        y, z = np.asarray(y_true), np.asarray(y_pred, np.float64)
        _arrays.check_row_targets(y, z)
        rows = z.reshape(-1, z.shape[-1]).tolist()
        if y.ndim == z.ndim:
            found: Iterable[Any] = map(tuple, y.astype(np.float64).reshape(len(rows), -1).tolist())
        else:
            found = map(int, y.reshape(-1).tolist())
        return z.shape[:-1], [Part(t, (tuple(row),)) for t, row in zip(found, rows, strict=True)]

    def holds(self, part: Part) -> bool:
        """Whether a row lies in the domain, for the oracle."""
        rows = all(x in self.domain.prediction for row in part.predictions for x in row)
        return rows and (not isinstance(part.target, tuple) or all(t in self.domain.target for t in part.target))

    @functools.cached_property
    def _program(self) -> RowProgram:
        parameters, base = self.parameters, self.parameters.get("base")
        scale = 1.0 if base is None else 1 / math.log(base)
        if isinstance(self.factors, float):
            scale *= self.factors
        shared = (self.formula, self.choices, self.domain, self.softmax, self.sparse)
        return RowProgram(
            self.formula,
            self.numbers,
            self.choices,
            self.domain,
            self.softmax,
            True,
            self.sparse,
            self.factors if isinstance(self.factors, tuple) else None,
            "class_weight" in parameters,
            parameters.get("label_smoothing", 0.0),
            parameters.get("ignore_index"),
            scale,
            self.averaged,
            _kernels.setdefault(shared, {}),
        )

    @functools.cached_property
    def _of_classes(self) -> tuple[tuple[str, Any], ...]:
        """The parameters that have a number for each class, by name."""
        return tuple((name, x) for name, x in self.parameters.items() if isinstance(x, tuple))

    def _prepared(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any, Any]:
        """Return the backend and the arrays, after all checks of them."""
        backend = backend_of(y_true=y_true, y_pred=y_pred, sample_weight=sample_weight)
        y = backend.as_array(y_true, "y_true")
        z = backend.as_array(y_pred, "y_pred")
        w = None if sample_weight is None else backend.as_array(sample_weight, "sample_weight")
        _arrays.check_row_targets(y, z)
        if w is not None:
            _arrays.check_weight(w, z.shape[:-1])
        for name, x in self._of_classes:
            _arrays.check_vector(x, z.shape, name)
        ignored = getattr(self, "ignore_index", None)
        if len(y.shape) < len(z.shape):
            if not self.takes_labels:
                raise ValueError("y_true must hold rows where log_target is True, got labels")
            backend.check_labels(y, z.shape[-1], ignored)
        elif ignored is not None:
            raise ValueError("y_true must hold labels where ignore_index is given, got rows of targets")
        return backend, y, z, w

    def _computed_in(self, y: Any, z: Any) -> Any:
        """Return the type of the arrays that kernels are given."""
        return _arrays.real_of(z.dtype)

    def _picture(self) -> Picture:
        classes = next((len(x) for x in self.parameters.values() if isinstance(x, tuple)), 3)
        others, axis, over, note = classes - 1, "logit of class 0", (-4.0, 4.0), "the other logits are 0"
        if self.link is EXP:
            axis, over = "log-probability of class 0", (-4.0, -0.05)
            return self._scenes(axis, over, classes, lambda x: [math.log(-math.expm1(x) / others)] * others, SHARE)
        if self.domain.prediction == UNIT:
            axis, over = "probability of class 0", (0.05, 0.95)
            return self._scenes(axis, over, classes, lambda x: [(1 - x) / others] * others, SHARE)
        return self._scenes(axis, over, classes, lambda x: [0.0] * others, note)

    def _scenes(
        self, axis: str, over: tuple[float, float], classes: int, others: Callable[[float], list[float]], note: str
    ) -> Picture:
        """Return a picture of a row of *classes*, in which *others* says what those but class 0 are."""
        hot, ignored = np.eye(classes), self.parameters.get("ignore_index")
        targets: dict[str, Any] = {"class 0 is right": hot[:1], "class 1 is right": hot[1:2]}
        if self.labels_only or ignored is not None:
            targets = {f"class {k} is right": np.array([k]) for k in range(classes) if k != ignored}
        else:
            targets["half each"] = (hot[:1] + hot[1:2]) / 2
        if not self.takes_labels:
            with np.errstate(divide="ignore"):
                targets = {words: np.log(t) for words, t in targets.items()}
        scenes = [Scene(words, t, lambda x: np.array([[x, *others(x)]]), (0, 0)) for words, t in targets.items()]
        return Picture(axis, over, tuple(scenes[:3]), f"A row of {classes} classes: {note}.")

    def _example(self, size: int, target: Any, dtype: Any, classes: int) -> tuple[Any, Any, Any, dict[str, Any]]:
        classes = next((len(x) for x in self.parameters.values() if isinstance(x, tuple)), classes)
        z = np.zeros((-(-size // classes), classes), dtype)
        return np.zeros(z.shape[:1], np.int64) if self.takes_labels else np.zeros(z.shape, target), z, z.shape[:1], {}

    def _evaluate(self, want: str, y_true: Any, y_pred: Any, sample_weight: Any, reduction: str, out: Any) -> Any:
        result = replayed(self, want, y_true, y_pred, sample_weight, reduction, out)
        if result is not None:
            return result
        _arrays.check_reduction(reduction)
        if is_lazy(y_true, y_pred, sample_weight):
            from nbloss import _dask

            return _dask.evaluate(self, want, y_true, y_pred, sample_weight, reduction, out, by_rows=True)
        letters, names = WANTED[want]
        backend, y, z, w = self._prepared(y_true, y_pred, sample_weight)
        reduced = reduction != "none"
        if reduced:
            letters = "s" + letters[1:]
        shape_of = {"s": (), "v": z.shape[:-1], "g": z.shape, "h": z.shape}
        results, outs = _arrays.results_for(
            backend, names, [shape_of[letter] for letter in letters], reduced, z, y_pred, out, (y, z, w)
        )
        program, weight = self._program, getattr(self, "class_weight", None)
        if reduction == "mean" and isinstance(weight, float):  # which multiplies the sum and its divisor alike
            program = program._replace(scale=_arrays.divide(program.scale, weight))
        kernels = getattr(backend, self.engine)
        kernels.run(program, letters, reduction == "mean", y, z, w, outs, self._computed_in(y, z))
        if out is None and reduced:
            results[0] = backend.number(results[0])
        return results[0] if len(names) == 1 else tuple(results)


# Maps of rows


def row_map(program: RowProgram, x: Any, want: str = "g") -> Any:
    """Return what the formula of *program* gives as its first ("g") or second ("h") derivative, for each element."""
    backend = backend_of(x=x)
    z = backend.as_array(x, "x")
    _arrays.check_rows(z)
    result = backend.empty(z.shape, _arrays.real_of(z.dtype), z, x)
    backend.rowwise.run(program, want, False, z, z, None, [backend.as_output(result)], _arrays.real_of(z.dtype))
    return result


def _mapping(formula: Callable[..., Any], softmax: bool) -> RowProgram:
    return RowProgram(
        formula, (), (), Domain(REAL, REAL), softmax, False, False, None, False, 0.0, None, 1.0, False, {}
    )


def _probability_and_logarithm(t: float, x: float, p: float, q: float) -> tuple[float, float, float]:
    return type(x)(0), p, x


def _sigmoid(t: float, x: float, p: float, q: float) -> tuple[float, float, float]:
    return type(x)(0), sigmoids(x)[0], x


def _exp(t: float, x: float, p: float, q: float) -> tuple[float, float, float]:
    return type(x)(0), exp(x), x


def _as_it_is(t: float, x: float, p: float, q: float) -> tuple[float, float, float]:
    return type(x)(0), x, x


SOFTMAX = _mapping(_probability_and_logarithm, True)
SIGMOID = _mapping(_sigmoid, False)
EXP = _mapping(_exp, False)
AS_IT_IS = _mapping(_as_it_is, False)
