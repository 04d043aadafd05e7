"""Losses of sets whose errors are put in order: sort, then scan.

The errors of a set are sorted from the largest to the smallest. The k-th adds itself times the growth of a set function
when element k joins those before it: the Lovász extension. Among equal errors, the first in the array comes first.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn

import numpy as np

from nbloss import _arrays, links
from nbloss._place import backend_of, replayed
from nbloss._plot import Picture, moving
from nbloss._program import Program
from nbloss.families.pointwise import WANTED, mapped
from nbloss.loss import Loss
from nbloss.reference import Part

_kernels: dict[Any, dict[Any, Any]] = {}


class Ordered(Loss):
    """A loss of a set function, extended to errors that are real numbers.

    The set is the whole array or, with `per_image`, each entry of the first axis, and there is one loss for each set.
    A subclass gives :attr:`increment` and :attr:`reference`.
    """

    per_image: bool
    ignore_index: int | None

    increment: ClassVar[Callable[..., float]]
    """``increment(is_positive, intersection, union)``: how much the set function grows by one more element.

    Before, these many positive elements are not in the set; and these many are positive, in the set or both.
    """

    @abc.abstractmethod
    def inverse_link(self, y_pred: Any) -> Any:
        """Return the response that belongs to the raw prediction `y_pred`, of its shape, as float32 or float64."""

    def init_score(self, y_true: Any, sample_weight: Any = None) -> NoReturn:
        """Raise TypeError: no constant prediction has the least loss."""
        raise TypeError(f"{type(self).__name__} has no constant prediction with the least loss to start from")

    def holds(self, part: Part) -> bool:
        """Whether all predictions of a set that count lie inside the domain."""
        (predictions,) = part.predictions
        many = len(predictions) // len(part.target) if part.target else 1
        rows = [predictions[i * many : (i + 1) * many] for i in range(len(part.target))]
        return all(
            label == self.ignore_index or (label == label and all(x in self.domain.prediction for x in row))
            for label, row in zip(part.target, rows, strict=True)
        )

    @functools.cached_property
    def _program(self) -> Program:
        kernels = _kernels.setdefault((type(self), self.increment), {})
        return Program(type(self).increment, (), (), self.domain, {}, False, kernels)

    def _evaluate(self, want: str, y_true: Any, y_pred: Any, sample_weight: Any, reduction: str, out: Any) -> Any:
        result = replayed(self, want, y_true, y_pred, sample_weight, reduction, out)
        if result is not None:
            return result
        _arrays.check_reduction(reduction)
        if sample_weight is not None:
            raise ValueError(
                f"sample_weight must be None for {type(self).__name__}, whose elements have no losses of their own, "
                f"got {type(sample_weight).__name__}"
            )
        letters, names = WANTED[want]
        if reduction != "none":
            letters = "s" + letters[1:] if letters[0] == "v" else letters
        reduced = letters[0] == "s"
        backend = backend_of(y_true=y_true, y_pred=y_pred)
        y, z = backend.as_array(y_true, "y_true"), backend.as_array(y_pred, "y_pred")
        self._check(y, z)
        if self.per_image and not y.shape:
            raise ValueError("y_true must have an axis of images for per_image=True, got shape ()")
        losses = y.shape[:1] if self.per_image else ()
        shapes = [() if letter == "s" else losses if letter == "v" else z.shape for letter in letters]
        results, outs = _arrays.results_for(backend, names, shapes, reduced, z, y_pred, out, (y, z))
        self._check_labels(backend, y, z)
        self._run(backend, letters, reduction == "mean", y, z, losses[0] if losses else 1, outs)
        if out is None and reduced:
            results[0] = backend.number(results[0])
        return results[0] if len(names) == 1 else tuple(results)

    def _example(self, size: int, target: Any, dtype: Any, classes: int) -> tuple[Any, Any, Any, dict[str, Any]]:
        shape = 2, size // 2
        return np.zeros(shape, target), np.zeros(shape, dtype), None, {}

    @abc.abstractmethod
    def _check(self, y: Any, z: Any) -> None:
        """Raise unless the shapes of targets and predictions fit."""

    def _check_labels(self, backend: Any, y: Any, z: Any) -> None:
        """Raise if a target has no meaning."""

    @abc.abstractmethod
    def _run(self, backend: Any, want: str, mean: bool, y: Any, z: Any, sets: int, outs: Any) -> None:
        """Let the backend write the results."""

    def _sets(self, y: Any) -> tuple[tuple[int, ...], list[Any]]:
        """Return the shape of the losses and, for each, its place in the targets."""
        return (y.shape[:1], list(range(len(y)))) if self.per_image else ((), [...])


class Margins(Ordered):
    """An ordered loss of labels of two classes, a score for each, whose errors are 1 - margin, or 0 beyond margin 1."""

    def inverse_link(self, y_pred: Any) -> Any:
        return mapped(links.identity, y_pred)

    def parts(self, y_true: Any, y_pred: Any) -> tuple[tuple[int, ...], list[Part]]:
        """Return the shape of the losses, and for each the numbers that it is made of."""
        y, z = np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64)
        shape, sets = self._sets(y)
        return shape, [Part(tuple(y[s].ravel().tolist()), (tuple(z[s].ravel().tolist()),)) for s in sets]

    def _picture(self) -> Picture:
        y, z = np.array([[1, 1, 0, 0]]), [[1.0, 0.5, -0.5, -1.0]]  # one image
        scenes = moving("of a pixel inside", y, z, (0, 0)), moving("of one outside", y, z, (0, 3))
        note = "Four pixels, two of them inside; the others score 1 or 0.5 inside, -0.5 or -1 outside."
        return Picture("score", (-4.0, 4.0), scenes, note)

    def _check(self, y: Any, z: Any) -> None:
        _arrays.check_shapes(y, z)

    def _run(self, backend: Any, want: str, mean: bool, y: Any, z: Any, sets: int, outs: Any) -> None:
        backend.ordered.run_margins(self._program, want, mean, y, z, sets, self.ignore_index, outs)


class Classes(Ordered):
    """An ordered loss of rows of classes, one label a row: for each class, of its probabilities' distances from it."""

    classes: str | tuple[int, ...]
    from_logits: bool

    def inverse_link(self, y_pred: Any) -> Any:
        if not self.from_logits:
            return mapped(links.identity, y_pred)
        backend = backend_of(y_pred=y_pred)
        z = backend.as_array(y_pred, "y_pred")
        _arrays.check_rows(z)
        out = backend.empty(z.shape, _arrays.real_of(z.dtype), z, y_pred)
        backend.ordered.probabilities(z, backend.as_output(out))
        return out

    def parts(self, y_true: Any, y_pred: Any) -> tuple[tuple[int, ...], list[Part]]:
        """Return the shape of the losses, and for each the numbers that it is made of."""
        y, z = np.asarray(y_true), np.asarray(y_pred, np.float64)
        shape, sets = self._sets(y)
        return shape, [Part(tuple(map(int, y[s].ravel())), (tuple(z[s].ravel().tolist()),)) for s in sets]

    def _picture(self) -> Picture:
        classes = max(3, 1 + max(self.classes)) if isinstance(self.classes, tuple) else 3
        y = np.array([[0, 1, 2, 0]])
        z = np.eye(classes)[y]
        axis, over, note = "logit of class 0", (-4.0, 4.0), "1 for the class that is right, 0 for the others"
        if not self.from_logits:
            z = 0.2 + 0.4 * z
            axis, over, note = "probability of class 0", (0.02, 0.98), "0.6 for the class that is right, 0.2 elsewhere"
        scenes = moving("in a pixel of class 0", y, z, (0, 0, 0)), moving("in one of class 1", y, z, (0, 1, 0))
        return Picture(axis, over, scenes, f"Four pixels of the classes 0, 1, 2 and 0: {note}.")

    def _check(self, y: Any, z: Any) -> None:
        _arrays.check_rows(z)
        _arrays.check_labelled(y, z)
        if isinstance(self.classes, tuple):
            _arrays.check_classes(self.classes, z.shape[-1])

    def _example(self, size: int, target: Any, dtype: Any, classes: int) -> tuple[Any, Any, Any, dict[str, Any]]:
        classes = 1 + max(self.classes) if isinstance(self.classes, tuple) else classes
        z = np.zeros((2, -(-size // (2 * classes)), classes), dtype)
        return np.zeros(z.shape[:2], np.int64), z, None, {}

    def _check_labels(self, backend: Any, y: Any, z: Any) -> None:
        backend.check_labels(y, z.shape[-1], self.ignore_index)

    def _run(self, backend: Any, want: str, mean: bool, y: Any, z: Any, sets: int, outs: Any) -> None:
        options = self.ignore_index, self.classes, self.from_logits
        backend.ordered.run_classes(self._program, want, mean, y, z, sets, *options, outs)
