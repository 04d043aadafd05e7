"""Losses of a set of elements as a whole: a few sums over the set, and what follows from them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from nbloss import _arrays, links
from nbloss._place import backend_of, replayed
from nbloss._plot import Picture, Scene, moving
from nbloss._program import SetProgram
from nbloss.families.pointwise import WANTED, mapped
from nbloss.loss import REAL, Loss
from nbloss.reference import Part

_kernels: dict[Any, dict[Any, Any]] = {}  # shared by the losses with the same formulas


class Setwise(Loss):
    """A loss of all elements of an array together, or of those of each image.

    A subclass gives three formulas of plain scalars, in which numbers are those of :attr:`numbers`:

    * :attr:`terms`, what an element adds to the sums;
    * :attr:`finish`, which makes the loss of the sums, and coefficients for the third;
    * :attr:`slopes`, which makes of them the derivatives by one prediction.

    Sample weights multiply the terms, and are no factor of the loss: in its second derivative by a prediction the
    weight is squared where it is that of a sum, and not where it is that of the prediction's own term.
    """

    terms: ClassVar[Callable[..., Any]]
    """``terms(y, z, *choices)`` returns the numbers that are added up over a set."""

    finish: ClassVar[Callable[..., Any]]
    """``finish(*sums, *numbers, *choices)`` returns the loss, and the coefficients. It is evaluated in float64."""

    slopes: ClassVar[Callable[..., Any]]
    """``slopes(y, z, *coefficients, *choices)`` returns (g, a, b).

    With the weight w of the element, the gradient is w * g, and the Hessian w * a + w**2 * b.
    """

    sums: ClassVar[int]
    """How many numbers :attr:`terms` returns."""

    coefficients: ClassVar[int]
    """How many numbers :attr:`finish` returns beside the loss."""

    in_double: ClassVar[bool] = False
    """Whether float32 does not hold what the formulas compute."""

    of_class: ClassVar[tuple[Callable[..., Any], ...]] = ()
    """Two formulas by which it is a mean over classes too, for labels of shape (...) and predictions of (..., K).

    They are what :attr:`terms` and :attr:`slopes` are for one class: the first takes the target, 0 or 1, its
    probability and that of the rest; the second takes the target, the slope of the probability and the coefficients,
    and returns the first derivative and the part of the second derivative that comes of the sums.
    """

    per_image: bool = False
    """Whether each entry of the first axis is a set, else the whole array is."""

    @property
    def link(self) -> Callable[..., Any]:
        """The function, one of :mod:`nbloss.links`, that makes a response of a raw prediction."""
        return links.identity

    def inverse_link(self, y_pred: Any) -> Any:
        """Return the response that belongs to the raw prediction `y_pred`, with its shape, float32 or float64."""
        return mapped(self.link, y_pred)

    def init_score(self, y_true: Any, sample_weight: Any = None) -> float:
        """Return the constant raw prediction with the least loss.

        Raises
        ------
        TypeError
            If the loss has no such constant.
        """
        raise TypeError(f"{type(self).__name__} has no constant prediction that is the best")

    def parts(self, y_true: Any, y_pred: Any) -> tuple[tuple[int, ...], list[Part]]:
        """Return the shape of the losses, and target and predictions of each, for :mod:`nbloss.reference`."""
        y, z = np.asarray(y_true, float), np.asarray(y_pred, float)
        self._are_labels(y, z)
        shape = y.shape[:1] if self.per_image else ()
        pairs = zip(y, z, strict=True) if self.per_image else [(y, z)]
        return shape, [Part(tuple(a.flat), (tuple(b.flat),)) for a, b in pairs]

    def holds(self, part: Part) -> bool:
        """Whether targets and predictions of *part* all lie in the domain."""
        target, (prediction,) = part.target, part.predictions
        if len(target) == len(prediction):
            inside = all(y in self.domain.target for y in target)
        else:
            inside = all(y in range(len(prediction) // len(target)) for y in target)
        return inside and all(z in self.domain.prediction for z in prediction)

    @functools.cached_property
    def _program(self) -> SetProgram:
        shared = (self.terms, self.finish, self.slopes, self.choices, self.domain, self.in_double)
        return SetProgram(
            self.terms,
            self.finish,
            self.slopes,
            self.of_class,
            self.sums,
            self.coefficients,
            self.numbers,  # type: ignore[arg-type]  # no family of sets has one number a class
            self.choices,
            self.domain,
            self.in_double,
            _kernels.setdefault(shared, {}),
        )

    def _are_labels(self, y: Any, z: Any) -> bool:
        """Whether *y* holds a label for each row of *z*, instead of a target for each prediction; or raise."""
        if self.of_class and y.shape != z.shape:
            _arrays.check_shape_of_labels(y, z)
            return True
        _arrays.check_shapes(y, z)
        return False

    def _picture(self) -> Picture:
        if self.domain.target == REAL:
            words = {"beside a residual of 0": 0.0, "beside one of 1": 1.0, "beside one of 3": 3.0}
            scenes = [self._scene(text, [0.0, 0.0], [0.0, z], 0) for text, z in words.items()]
            return Picture("residual", (-4.0, 4.0), tuple(scenes), "A set of two elements.")
        of_logits = self.domain.prediction == REAL
        axis, over = ("logit", (-4.0, 4.0)) if of_logits else ("probability", (0.02, 0.98))
        high, low = (1.0, -1.0) if of_logits else (0.8, 0.2)
        y, z = [1.0, 1.0, 0.0, 0.0], [high, high, low, low]
        scenes = [self._scene("of a pixel inside", y, z, 0), self._scene("of one outside", y, z, 3)]
        note = f"Four pixels, two of them inside; the others have {high:g} inside and {low:g} outside."
        return Picture(axis, over, tuple(scenes), note)

    def _scene(self, words: str, y: list[float], z: list[float], place: int) -> Scene:
        if self.per_image:
            return moving(words, np.array([y]), [z], (0, place))
        return moving(words, np.array(y), z, (place,))

    def _example(self, size: int, target: Any, dtype: Any, classes: int) -> tuple[Any, Any, Any, dict[str, Any]]:
        shape = 2, size // 2
        return np.zeros(shape, target), np.zeros(shape, dtype), shape, {}

    def _evaluate(self, want: str, y_true: Any, y_pred: Any, sample_weight: Any, reduction: str, out: Any) -> Any:
        result = replayed(self, want, y_true, y_pred, sample_weight, reduction, out)
        if result is not None:
            return result
        _arrays.check_reduction(reduction)
        letters, names = WANTED[want]
        backend = backend_of(y_true=y_true, y_pred=y_pred, sample_weight=sample_weight)
        y = backend.as_array(y_true, "y_true")
        z = backend.as_array(y_pred, "y_pred")
        w = None if sample_weight is None else backend.as_array(sample_weight, "sample_weight")
        are_labels = self._are_labels(y, z)
        if w is not None:
            _arrays.check_weight(w, y.shape)
        if self.per_image and not y.shape:
            raise ValueError("y_true must have images along its first axis for per_image=True, got shape ()")
        if are_labels:
            backend.check_labels(y, z.shape[-1], w=w)
        reduced = reduction != "none"
        if reduced:
            letters = letters.replace("v", "s")
        of_sets = y.shape[:1] if self.per_image else ()
        shapes = [() if letter == "s" else of_sets if letter == "v" else z.shape for letter in letters]
        reduced = reduced and letters[0] == "s"
        results, outs = _arrays.results_for(backend, names, shapes, reduced, z, y_pred, out, (y, z, w))
        family = backend.classwise if are_labels else backend.setwise
        family.run(self._program, letters, reduction == "mean", self.per_image, y, z, w, outs)
        if out is None and reduced:
            results[0] = backend.number(results[0])
        return results[0] if len(names) == 1 else tuple(results)
