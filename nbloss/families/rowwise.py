"""Losses of rows: K predictions, one a class, on the last axis, and one loss."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np

from nbloss import _arrays, _statistics
from nbloss._math import exp
from nbloss._place import backend_of
from nbloss._row_program import RowProgram
from nbloss.families.pointwise import WANTED
from nbloss.loss import REAL, UNIT, Domain, Loss
from nbloss.reference import Part

_kernels: dict[Any, dict[Any, Any]] = {}  # shared by the losses that differ in run-time numbers only

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
            Rows of targets, or labels, of which the greatest is that of the last class unless there are class weights;
            in host memory.
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
        share = self.minimiser(self._masses(y_true, sample_weight))
        with np.errstate(divide="ignore"):
            return share if self.link is AS_IT_IS else np.log(share)

    def minimiser(self, masses: Any) -> Any:
        """Return the constant probabilities with the least loss, where *masses* are the summed targets of the classes.

        By default, those of losses like the cross-entropy.
        """
        return masses / masses.sum()

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
        _arrays.check_rows(y, z)
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
            _kernels.setdefault(shared, {}),
        )

    def _prepared(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, Any, Any]:
        """Return the backend and the arrays, after all checks of them."""
        backend = backend_of(y_true=y_true, y_pred=y_pred, sample_weight=sample_weight)
        y = backend.as_array(y_true, "y_true")
        z = backend.as_array(y_pred, "y_pred")
        w = None if sample_weight is None else backend.as_array(sample_weight, "sample_weight")
        _arrays.check_rows(y, z)
        if w is not None:
            _arrays.check_weight(w, z.shape[:-1])
        for name, x in self.parameters.items():
            if isinstance(x, tuple):
                _arrays.check_vector(x, z.shape, name)
        ignored = self.parameters.get("ignore_index")
        if len(y.shape) < len(z.shape):
            getattr(backend, self.engine).check_labels(y, z.shape[-1], ignored)
        elif ignored is not None:
            raise ValueError("y_true must hold labels where ignore_index is given, got rows of targets")
        return backend, y, z, w

    def _evaluate(self, want: str, y_true: Any, y_pred: Any, sample_weight: Any, reduction: str, out: Any) -> Any:
        _arrays.check_reduction(reduction)
        letters, names = WANTED[want]
        backend, y, z, w = self._prepared(y_true, y_pred, sample_weight)
        reduced = reduction != "none"
        if reduced:
            letters = "s" + letters[1:]
        shape_of = {"s": (), "v": z.shape[:-1], "g": z.shape, "h": z.shape}
        results, outs = _arrays.results_for(
            backend, names, [shape_of[letter] for letter in letters], reduced, z, y_pred, out, (y, z, w)
        )
        kernels = getattr(backend, self.engine)
        kernels.run(self._program, letters, reduction == "mean", y, z, w, outs, _arrays.real_of(z.dtype))
        if out is None and reduced:
            results[0] = backend.number(results[0])
        return results[0] if len(names) == 1 else tuple(results)

    def _masses(self, y_true: Any, sample_weight: Any) -> Any:
        """Return for each class the weighted sum of its targets, as the formula takes them."""
        backend = backend_of(y_true=y_true, sample_weight=sample_weight)
        y = backend.as_host(y_true, "y_true")
        w = backend.as_host(1.0 if sample_weight is None else sample_weight, "sample_weight")
        classes = len(self.factors) if isinstance(self.factors, tuple) else None
        return _statistics.masses(y, w, classes, self.parameters)


# Maps of rows


def row_map(program: RowProgram, x: Any, want: str = "g", out: Any = None) -> Any:
    """Return what the formula of *program* gives as its first ("g") or second ("h") derivative, for each element."""
    backend = backend_of(x=x)
    z = backend.as_array(x, "x")
    _arrays.check_rows(z, z)
    results, outs = _arrays.results_for(backend, ["out"], [z.shape], False, z, x, out, (z,))
    backend.rowwise.run(program, want, False, z, z, None, outs, _arrays.real_of(z.dtype))
    return results[0]


def _mapping(formula: Callable[..., Any], softmax: bool) -> RowProgram:
    return RowProgram(
        formula, (), (), Domain(REAL, REAL), softmax, False, False, None, False, 0.0, None, 1.0, {}
    )


def _probability_and_logarithm(t: float, x: float, p: float, q: float) -> tuple[float, float, float]:
    return type(x)(0), p, x


def _exp(t: float, x: float, p: float, q: float) -> tuple[float, float, float]:
    return type(x)(0), exp(x), x


def _as_it_is(t: float, x: float, p: float, q: float) -> tuple[float, float, float]:
    return type(x)(0), x, x


SOFTMAX = _mapping(_probability_and_logarithm, True)
EXP = _mapping(_exp, False)
AS_IT_IS = _mapping(_as_it_is, False)
