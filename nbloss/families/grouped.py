"""Losses of groups of rows, such as the documents of a query or the patients of a clinic: one loss for each group.

Rows of a group stand together, and the keyword `groups` says how many each group has.
"""

from __future__ import annotations

import abc
import functools
import itertools
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, NoReturn

import numpy as np

from nbloss import _arrays, links
from nbloss._hash import mixed
from nbloss._place import backend_of, replayed
from nbloss._plot import Picture, moving
from nbloss._program import GroupProgram
from nbloss.families.pointwise import WANTED, mapped
from nbloss.loss import Loss, Reduction
from nbloss.reference import Part

_kernels: dict[Any, dict[Any, Any]] = {}  # shared by the losses with the same formula


class Grouped(Loss):
    """A loss of groups of rows, with one prediction a row.

    Every method takes the keyword `groups`: whole numbers in host memory, how many rows each group has, in the order of
    the rows, which sum to the number of rows. By default all rows are one group. A group may be empty.

    A row of weight 0 is as if it were not there. nan in a row that counts makes all results of its group nan.
    """

    formula: ClassVar[Callable[..., Any]]
    """A formula of plain scalars, evaluated in float64 whatever the predictions are."""

    @property
    def link(self) -> Callable[..., Any]:
        """The function, one of :mod:`nbloss.links`, that makes a response of a raw prediction."""
        return links.identity

    def inverse_link(self, y_pred: Any) -> Any:
        """Return the response that belongs to the raw prediction `y_pred`, with its shape, float32 or float64."""
        return mapped(self.link, y_pred)

    def init_score(self, y_true: Any, sample_weight: Any = None, *, groups: Any = None) -> NoReturn:
        """Raise TypeError: every constant prediction has the same loss."""
        raise TypeError(
            f"{type(self).__name__} has no constant prediction to start from: its loss depends on differences alone, "
            "and a number added to all predictions of a group changes nothing"
        )

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, groups: Any = None,
        reduction: Reduction = "mean", out: Any = None,
    ) -> Any:  # fmt: skip
        """Return the same as :meth:`value`."""
        return self._evaluate("value", y_true, y_pred, sample_weight, reduction, out, groups)

    def value(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, groups: Any = None,
        reduction: Reduction = "mean", out: Any = None,
    ) -> Any:  # fmt: skip
        """Return the loss, as :meth:`Loss.value` does: one for each group, or their sum or weighted mean.

        Parameters
        ----------
        y_true, y_pred, sample_weight, reduction, out
            As in :meth:`Loss.value`; the loss says what targets and weights are.
        groups : array_like of int, optional
            How many rows each group has, which sum to the number of rows; by default all rows are one group.

        Raises
        ------
        ValueError
            If sizes are negative or do not sum to the number of rows, shapes do not agree, or `out` overlaps an input.
        TypeError
            If sizes are not whole numbers, a dtype has no meaning, or the arrays live on different devices.
        """
        return self._evaluate("value", y_true, y_pred, sample_weight, reduction, out, groups)

    def gradient(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, groups: Any = None, out: Any = None
    ) -> Any:
        """Return the derivative of the *sum* of the losses by each prediction, as :meth:`Loss.gradient` does."""
        return self._evaluate("gradient", y_true, y_pred, sample_weight, "none", out, groups)

    def hessian(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, groups: Any = None, out: Any = None
    ) -> Any:
        """Return the diagonal of the Hessian of the *sum* of the losses, as :meth:`Loss.hessian` does."""
        return self._evaluate("hessian", y_true, y_pred, sample_weight, "none", out, groups)

    def gradient_and_hessian(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, groups: Any = None,
        out: tuple[Any, Any] | None = None,
    ) -> tuple[Any, Any]:  # fmt: skip
        """Return :meth:`gradient` and :meth:`hessian`, made in one pass; `out` is a pair of arrays."""
        wanted = "gradient_and_hessian"
        result: tuple[Any, Any] = self._evaluate(wanted, y_true, y_pred, sample_weight, "none", out, groups)
        return result

    def value_and_gradient(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, groups: Any = None,
        reduction: Reduction = "mean", out: tuple[Any, Any] | None = None,
    ) -> tuple[Any, Any]:  # fmt: skip
        """Return :meth:`value` and the gradient, scaled as that value is, made in one pass; `out` is a pair."""
        wanted = "value_and_gradient"
        result: tuple[Any, Any] = self._evaluate(wanted, y_true, y_pred, sample_weight, reduction, out, groups)
        return result

    @functools.cached_property
    def _program(self) -> GroupProgram:
        kernels = _kernels.setdefault((type(self).formula, self._further()), {})
        numbers = tuple(getattr(self, f.name) for f in self._fields() if f.metadata["kind"] == "number")
        return GroupProgram(type(self).formula, self._further(), numbers, kernels)

    def _further(self) -> Any:
        """Return a second formula, if there is one."""
        return None

    def _picture(self) -> Picture:
        y, z = np.array([1, 0, 0]), [0.0, 1.0, -1.0]
        scenes = moving("of the row with label 1", y, z, (0,)), moving("of a row with label 0", y, z, (1,))
        note = "A list of three rows with the labels 1, 0 and 0; the others score 0, 1 and -1."
        return Picture("score", (-4.0, 4.0), scenes, note)

    def _example(self, size: int, target: Any, dtype: Any, classes: int) -> tuple[Any, Any, Any, dict[str, Any]]:
        return np.zeros(size, target), np.zeros(size, dtype), (size,), {"groups": [8] * (size // 8)}

    def _evaluate(
        self, want: str, y_true: Any, y_pred: Any, sample_weight: Any, reduction: str, out: Any, groups: Any = None
    ) -> Any:
        result = replayed(self, want, y_true, y_pred, sample_weight, reduction, out, (groups,))
        if result is not None:
            return result
        _arrays.check_reduction(reduction)
        letters, names = WANTED[want]
        if reduction != "none":
            letters = letters.replace("v", "s")
        reduced = letters[0] == "s"
        given = self._targets(y_true)
        backend = backend_of(**given, y_pred=y_pred, sample_weight=sample_weight)
        ys = [backend.as_array(a, name) for name, a in given.items()]
        z = backend.as_array(y_pred, "y_pred")
        w = None if sample_weight is None else backend.as_array(sample_weight, "sample_weight")
        starts = _arrays.starts_of(None if groups is None else backend.as_host(groups, "groups"), _rows(z))
        for y in ys:
            _arrays.check_shapes(y, z)
        if w is not None:
            _arrays.check_weight_of_groups(w, self._shapes_of_weights(z.shape, (len(starts) - 1,)))
        of_groups = (len(starts) - 1,)
        shapes = [() if letter == "s" else of_groups if letter == "v" else z.shape for letter in letters]
        results, outs = _arrays.results_for(backend, names, shapes, reduced, z, y_pred, out, (*ys, z, w))
        self._check(backend, ys, w, starts)
        self._run(backend, letters, reduction == "mean", ys, z, w, starts, outs)
        if out is None and reduced:
            results[0] = backend.number(results[0])
        return results[0] if len(names) == 1 else tuple(results)

    def _targets(self, y_true: Any) -> dict[str, Any]:
        """Return the arrays of targets by name."""
        return {"y_true": y_true}

    def _shapes_of_weights(self, rows: tuple[int, ...], groups: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Return the shapes that weights may have, but for that of a scalar."""
        return [rows, groups]

    def _check(self, backend: Any, ys: Sequence[Any], w: Any, starts: Any) -> None:
        """Raise if a target has no meaning."""

    @abc.abstractmethod
    def _run(
        self, backend: Any, want: str, mean: bool, ys: Sequence[Any], z: Any, w: Any, starts: Any, outs: Any
    ) -> None:
        """Let the backend write the results."""

    def parts(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, groups: Any = None
    ) -> tuple[tuple[int, ...], list[Part]]:
        """Return the shape of the losses, and for each the numbers that it is made of."""
        ys = [np.asarray(a, np.float64) for a in self._targets(y_true).values()]
        z = np.asarray(y_pred, np.float64)
        w = np.broadcast_to(np.asarray(1.0 if sample_weight is None else sample_weight, np.float64), z.shape)
        starts = _arrays.starts_of(None if groups is None else np.asarray(groups), z.size).tolist()
        found = []
        for first, last in itertools.pairwise(starts):
            rows = zip(range(first, last), *(y[first:last].tolist() for y in (*ys, w)), strict=True)
            found.append(Part(tuple(self._row(*row) for row in rows), (tuple(z[first:last].tolist()),)))
        return (len(found),), found

    def _row(self, index: int, *numbers: float) -> Any:
        """Return what the textbook line is given as the target of a row, from its targets and weight."""
        return numbers[0]

    def holds(self, part: Part) -> bool:
        """Whether no number of *part* is nan, and targets lie in the domain."""
        rows = [row if isinstance(row, tuple) else (row,) for row in part.target]
        inside = all(row[0] in self.domain.target and all(x == x for x in row) for row in rows)
        return inside and all(x == x for x in part.predictions[0])


def _rows(z: Any) -> int:
    _arrays.check_scores(z)
    return int(z.shape[0])


class Pairs(Grouped):
    """A loss of the pairs of rows of a group of which one has the higher label.

    ``formula(d, lost, *numbers)`` returns value, first and second derivative of the loss of a pair by d, the prediction
    of the row with the higher label minus that of the other; *lost* is what d lost when it was rounded.
    """

    def _run(
        self, backend: Any, want: str, mean: bool, ys: Sequence[Any], z: Any, w: Any, starts: Any, outs: Any
    ) -> None:
        backend.lists.run_pairs(self._program, want, mean, ys[0], z, w, starts, outs)


class Places(Pairs):
    """A loss of pairs that count as much as their places in the order of predictions make them.

    :attr:`importance` says how much; it is held constant in derivatives. Beside the fields of the loss it has those of
    this class.
    """

    truncation_level: int | None
    norm: bool
    label_gain: tuple[float, ...] | None

    importance: ClassVar[Callable[..., float]]
    """``importance(gap, discount, distance, norm)`` returns how much a pair counts.

    These are the sizes of the differences of gains, of the discounts of DCG at the two places, and of predictions. The
    result is divided by the largest DCG that the labels allow.
    """

    def _further(self) -> Any:
        return type(self).importance

    def _check(self, backend: Any, ys: Sequence[Any], w: Any, starts: Any) -> None:
        if self.label_gain is not None:
            if isinstance(w, np.ndarray) and w.shape == (len(starts) - 1,):
                w = np.repeat(w, np.diff(starts))
            backend.check_labels(ys[0], len(self.label_gain), w=w)

    def _run(
        self, backend: Any, want: str, mean: bool, ys: Sequence[Any], z: Any, w: Any, starts: Any, outs: Any
    ) -> None:
        options = self.domain.target.high, self.label_gain, self.truncation_level, self.norm
        backend.lists.run_places(self._program, want, mean, ys[0], z, w, starts, *options, outs)


class Shares(Grouped):
    """A loss of shares: those of the labels in the gain of a group, against a softmax of the predictions.

    ``formula(t, x, p, q)`` returns what a row adds, and its derivatives: t is the share of its label, p and x are the
    probability and its logarithm, and q = 1 - p.
    """

    seed: int | None

    def _row(self, index: int, *numbers: float) -> Any:
        return numbers[0], index

    def _run(
        self, backend: Any, want: str, mean: bool, ys: Sequence[Any], z: Any, w: Any, starts: Any, outs: Any
    ) -> None:
        first = None if self.seed is None else mixed(self.seed)
        backend.lists.run_shares(self._program, want, mean, ys[0], z, w, starts, self.domain.target.high, first, outs)


class Hazards(Grouped):
    """A loss of events at times, each among the rows that are at risk then: targets are (time, event).

    ``formula(own, whole, lost, far)`` returns the loss of an event: *own* is the exponential of its prediction, *whole*
    plus *lost* the weighted sum of those of all rows at risk, both times exp(-top), and *far* is top - prediction.
    """

    def _targets(self, y_true: Any) -> dict[str, Any]:
        if not isinstance(y_true, tuple | list) or len(y_true) != 2:
            found = f"{len(y_true)} of them" if isinstance(y_true, tuple | list) else type(y_true).__name__
            raise TypeError(f"y_true must be a tuple of 2 arrays, times and events, got {found}")
        return {"y_true[0]": y_true[0], "y_true[1]": y_true[1]}

    def _example(self, size: int, target: Any, dtype: Any, classes: int) -> tuple[Any, Any, Any, dict[str, Any]]:
        y, z, shape, options = super()._example(size, target, dtype, classes)
        return (y, y), z, shape, options

    def _picture(self) -> Picture:
        y, z = (np.array([1.0, 2.0, 3.0]), np.array([1, 1, 0])), [0.0, 0.0, 0.0]
        words = "of the first event", "of the second", "of the one without an event"
        scenes = tuple(moving(text, y, z, (k,)) for k, text in enumerate(words))
        note = "Events at the times 1 and 2, and a row without one until 3; the other scores are 0."
        return Picture("score", (-4.0, 4.0), scenes, note)

    def _shapes_of_weights(self, rows: tuple[int, ...], groups: tuple[int, ...]) -> list[tuple[int, ...]]:
        return [rows]

    def _check(self, backend: Any, ys: Sequence[Any], w: Any, starts: Any) -> None:
        backend.check_labels(ys[1], 2, w=w)

    def _row(self, index: int, *numbers: float) -> Any:
        return numbers

    def _run(
        self, backend: Any, want: str, mean: bool, ys: Sequence[Any], z: Any, w: Any, starts: Any, outs: Any
    ) -> None:
        backend.hazards.run(self._program, want, mean, ys[0], ys[1], z, w, starts, outs)
