"""Losses of vectors along the last axis: their lengths, angles and distances."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import numpy as np

from nbloss import _arrays, links
from nbloss._place import backend_of, replayed
from nbloss._plot import Picture, Scene
from nbloss._program import VectorProgram
from nbloss.families.pointwise import WANTED, mapped
from nbloss.loss import Loss
from nbloss.reference import Part

_kernels: dict[Any, dict[Any, Any]] = {}  # shared by the losses that differ in run-time numbers only


class Vectorwise(Loss):
    """A loss of some vectors along the last axis, one loss for each entry of the other axes.

    A subclass gives five formulas of plain float64 scalars, in which `x` is a tuple with an element of each array:
    the target, if it is a vector, and the predictions. They may be of any size: what formulas get of the vectors whose
    squares they sum is divided by a power of 2, near the largest element, and infinity is 1 beside zeros.
    """

    vectors: ClassVar[Callable[..., Any]]
    """``vectors(x, *choices)`` returns the tuple u of elements of the vectors that matter, such as differences."""

    terms: ClassVar[Callable[..., Any]]
    """``terms(u, *choices)`` returns the tuple of what is added up over the elements."""

    finish: ClassVar[Callable[..., Any]]
    """``finish(y, sums, sizes, *numbers, *choices)`` returns the loss and then the coefficients.

    `y` is the target, if there is one for each loss, and `sizes` are what the vectors were divided by.
    """

    slopes: ClassVar[Callable[..., Any]]
    """``slopes(u, coefficients, *choices)`` returns the tuple of the derivatives by the elements of predictions."""

    curvature: ClassVar[Callable[..., Any]]
    """``curvature(u, v, same, coefficients, *choices)`` returns the tuple of the second derivatives.

    They are by the elements at two places, of which `u` and `v` are the vectors; `same` is 1.0 if it is one, else 0.0.
    """

    counts: ClassVar[tuple[int, int]]
    """How many vectors and sums there are."""

    predictions: ClassVar[int] = 1
    """How many arrays `y_pred` is; a tuple if it is more than one."""

    target: ClassVar[Literal["vector", "number", None]] = "vector"
    """Whether `y_true` is a vector, like the predictions, one number for each loss, or None."""

    of_numbers: ClassVar[bool] = False
    """Whether there is a loss for each element: a vector is one number."""

    def inverse_link(self, y_pred: Any) -> Any:
        """Return `y_pred`, which is the response, as float32 or float64."""
        if self.predictions == 1:
            return mapped(links.identity, y_pred)
        _arrays.check_predictions(y_pred, self.predictions)
        return tuple(mapped(links.identity, z) for z in y_pred)

    def init_score(self, y_true: Any, sample_weight: Any = None) -> float:
        """Return the constant raw prediction with the least loss.

        Raises
        ------
        TypeError
            Always: a loss of vectors has no such constant.
        """
        raise TypeError(f"{type(self).__name__} has no constant prediction that is the best")

    def hessian_matrix(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Return the second derivatives of the *sum* of the losses by each two elements of one vector.

        Parameters and errors are those of :meth:`value`.

        Returns
        -------
        array or tuple of arrays
            Of shape (..., K, K) for predictions of shape (..., K); one for each prediction.
        """
        backend, y, zs, w, shape = self._taken(y_true, y_pred, sample_weight)
        size = 1 if self.of_numbers else zs[0].shape[-1]
        likes = y_pred if self.predictions > 1 else (y_pred,)
        shapes = [(*shape, size, size)] * len(zs)
        results, outs = _arrays.results_like(backend, shapes, False, zs, likes, None, ())
        backend.vectorwise.run(self._program, self.target == "vector", self.of_numbers, False, y, zs, w, {"m": outs})
        return results[0] if self.predictions == 1 else tuple(results)

    def parts(self, y_true: Any, y_pred: Any) -> tuple[tuple[int, ...], list[Part]]:
        """Return the shape of the losses, and target and predictions of each, for :mod:`nbloss.reference`."""
        _, y, zs, _, shape = self._taken(y_true, y_pred, None)
        size = 1 if self.of_numbers else zs[0].shape[-1]
        count = int(np.prod(shape, dtype=int))
        rows = [z.astype(float).reshape(count, size) for z in zs]
        targets = [None] * count if y is None else y.astype(float).reshape(count, -1)
        whole = self.target == "vector"
        parts = []
        for i, target in enumerate(targets):
            t = None if target is None else tuple(target) if whole else float(target[0])
            parts.append(Part(t, tuple(tuple(row[i]) for row in rows)))
        return shape, parts

    def holds(self, part: Part) -> bool:
        """Whether neither targets nor predictions of *part* are nan."""
        targets = part.target if isinstance(part.target, tuple) else () if part.target is None else (part.target,)
        return all(x == x for x in (*targets, *(x for row in part.predictions for x in row)))

    @functools.cached_property
    def _program(self) -> VectorProgram:
        return VectorProgram(
            self.vectors,
            self.terms,
            self.finish,
            self.slopes,
            self.curvature,
            self.counts,
            self.predictions,
            self.numbers,  # type: ignore[arg-type]  # no loss of vectors has one number a class
            self.choices,
            _kernels.setdefault((self.finish, self.choices), {}),
        )

    def _taken(self, y_true: Any, y_pred: Any, sample_weight: Any) -> tuple[Any, Any, list[Any], Any, tuple[int, ...]]:
        """Return the backend, targets, predictions and weights as it sees them, and the shape of the losses."""
        if self.predictions > 1:
            _arrays.check_predictions(y_pred, self.predictions)
        predictions = y_pred if self.predictions > 1 else (y_pred,)
        names = [f"y_pred[{i}]" for i in range(self.predictions)] if self.predictions > 1 else ["y_pred"]
        arrays = {"y_true": y_true, **dict(zip(names, predictions, strict=True)), "sample_weight": sample_weight}
        backend = backend_of(**arrays)
        if self.target is None and y_true is not None:
            raise TypeError(f"y_true must be None for {type(self).__name__}, got {type(y_true).__name__}")
        y = None if self.target is None else backend.as_array(y_true, "y_true")
        zs = [backend.as_array(z, name) for name, z in zip(names, predictions, strict=True)]
        w = None if sample_weight is None else backend.as_array(sample_weight, "sample_weight")
        _arrays.check_same_shapes(zs)
        if not self.of_numbers:
            _arrays.check_vectors(zs[0])
        shape = zs[0].shape if self.of_numbers else zs[0].shape[:-1]
        if self.target == "vector":
            _arrays.check_shapes(y, zs[0])
        elif self.target == "number":
            _arrays.check_targets(y, shape)
        if w is not None:
            _arrays.check_weight(w, shape)
        return backend, y, zs, w, shape

    def _picture(self) -> Picture:
        if self.target == "vector":
            scene = Scene("", np.array([[1.0, 0.0]]), lambda x: np.array([[x, 1.0]]), (0, 0))
            return Picture("x", (-4.0, 4.0), (scene,), "The target is (1, 0), the prediction (x, 1).")
        others = [np.zeros(1)] if self.of_numbers else [np.array([[1.0, 0.0]]), np.array([[-1.0, 0.0]])]
        others = others[: self.predictions - 1]
        targets = {"label 1": np.array([1]), "label 0": np.array([0])} if self.target else {"": None}

        def predictions(x: float) -> Any:
            return (np.array([x]) if self.of_numbers else np.array([[x, 1.0]]), *others)

        at = (0, 0) if self.of_numbers else (0, 0, 0)
        scenes = tuple(Scene(words, y, predictions, at) for words, y in targets.items())
        if self.of_numbers:
            return Picture("the first score", (-4.0, 4.0), scenes, "The other score is 0.")
        words = " and ".join(f"({z[0, 0]:g}, {z[0, 1]:g})" for z in others)
        return Picture("x", (-4.0, 4.0), scenes, f"The predictions are (x, 1) and then {words}.")

    def _example(self, size: int, target: Any, dtype: Any, classes: int) -> tuple[Any, Any, Any, dict[str, Any]]:
        shape = (size,) if self.of_numbers else (-(-size // classes), classes)
        zs = tuple(np.zeros(shape, dtype) for _ in range(self.predictions))
        y = None if self.target is None else np.zeros(shape if self.target == "vector" else shape[:1], target)
        return y, zs if self.predictions > 1 else zs[0], shape[:1], {}

    def _evaluate(self, want: str, y_true: Any, y_pred: Any, sample_weight: Any, reduction: str, out: Any) -> Any:
        result = replayed(self, want, y_true, y_pred, sample_weight, reduction, out)
        if result is not None:
            return result
        _arrays.check_reduction(reduction)
        letters, names = WANTED[want]
        backend, y, zs, w, shape = self._taken(y_true, y_pred, sample_weight)
        if reduction != "none":
            letters = letters.replace("v", "s")
        likes = y_pred if self.predictions > 1 else (y_pred,)
        widest = max(range(len(zs)), key=lambda i: _arrays.real_of(zs[i].dtype).itemsize)
        given = None if out is None else _arrays.listed(out, names)
        shapes, of, flat = [], [], []
        for i, letter in enumerate(letters):
            if letter in "sv":
                shapes.append(() if letter == "s" else shape)
                of.append(widest)
            else:
                shapes += [zs[0].shape] * len(zs)
                of += range(len(zs))
            if given is not None:
                several = letter in "gh" and self.predictions > 1
                flat += _arrays.listed(given[i], [names[i]] * self.predictions) if several else [given[i]]
        results, outs = _arrays.results_like(
            backend, shapes, letters[0] == "s", [zs[i] for i in of], [likes[i] for i in of],
            None if given is None else flat, (y, *zs, w),
        )  # fmt: skip
        remaining, placed = iter(outs), {}
        for letter in letters:
            placed[letter] = [next(remaining) for _ in range(1 if letter in "sv" else len(zs))]
        backend.vectorwise.run(
            self._program, self.target == "vector", self.of_numbers, reduction == "mean", y, zs, w, placed
        )
        if out is None and letters[0] == "s":
            results[0] = backend.number(results[0])
        left = iter(results)
        found = [next(left) if x in "sv" or self.predictions == 1 else tuple(next(left) for _ in zs) for x in letters]
        return found[0] if len(found) == 1 else tuple(found)
