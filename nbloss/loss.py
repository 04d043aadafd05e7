"""What every loss is: a frozen record of parameters with a value, a gradient and a Hessian."""

from __future__ import annotations

import abc
import dataclasses
import math
import numbers
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple

Reduction = Literal["mean", "sum", "none"]
Number = float | tuple[float, ...] | None


@dataclasses.dataclass(frozen=True)
class Interval:
    """Real numbers between two ends, which belong to it unless they are said to be open."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = False

    def __contains__(self, x: float) -> bool:
        return (self.low < x if self.low_open else self.low <= x) and (
            x < self.high if self.high_open else x <= self.high
        )

    def __str__(self) -> str:
        return f"{'(' if self.low_open else '['}{self.low:g}, {self.high:g}{')' if self.high_open else ']'}"


REAL = Interval()
UNIT = Interval(0, 1)
NON_NEGATIVE = Interval(0)
POSITIVE = Interval(0, low_open=True)


class Domain(NamedTuple):
    """Where a loss is defined: outside, value, gradient and Hessian are nan, in that element only."""

    target: Interval
    prediction: Interval


def param(default: float | None, within: Interval = REAL, *, optional: bool = False) -> Any:
    """Declare a number that is handed to the compiled code when it runs: another value compiles nothing."""
    return dataclasses.field(default=default, metadata={"kind": "number", "within": within, "optional": optional})


def vector(default: float | tuple[float, ...] | None, within: Interval = REAL, *, optional: bool = False) -> Any:
    """Declare a number or a tuple of numbers, one a class along the last axis; if *optional*, None as well."""
    return dataclasses.field(default=default, metadata={"kind": "vector", "within": within, "optional": optional})


def label() -> Any:
    """Declare a whole number that stands for a label, or None, which is the default."""
    return dataclasses.field(default=None, metadata={"kind": "label"})


def count(default: int | None) -> Any:
    """Declare a whole number of at least 1, or None for no bound."""
    return dataclasses.field(default=default, metadata={"kind": "count"})


def gains() -> Any:
    """Declare a tuple of numbers, not negative, of which each label has one; or None, which is the default."""
    return dataclasses.field(default=None, metadata={"kind": "gains"})


def choice(default: Any, *options: Any) -> Any:
    """Declare one of a few options, which selects code: each option is compiled on its own."""
    return dataclasses.field(default=default, metadata={"kind": "choice", "options": options})


def classes(default: str, *options: str) -> Any:
    """Declare one of a few words, or a tuple of the numbers of classes."""
    return dataclasses.field(default=default, metadata={"kind": "classes", "options": options})


class Loss(abc.ABC):
    r"""A loss: frozen parameters, and its value, gradient and Hessian for arrays on any device.

    Subclasses are frozen dataclasses; their fields are declared with :func:`param`, :func:`vector` and
    :func:`choice` and are checked on construction.

    In every method, `y_true` comes before `y_pred`, and `sample_weight` is a number, an array with the shape
    of the losses, or one number for each entry of the first axis. An element of weight 0 contributes
    exactly 0, even where its loss is nan or infinite.
    """

    names: ClassVar[tuple[str, ...]] = ()
    """Further names by which :func:`nbloss.get` finds the loss."""

    reference: ClassVar[Callable[..., Any]]
    """The textbook line of the value, in any arithmetic: the oracle of the tests."""

    def __post_init__(self) -> None:
        for field in self._fields():
            object.__setattr__(self, field.name, _checked(type(self).__name__, field, getattr(self, field.name)))

    if not TYPE_CHECKING:  # a type checker would take it for the name of the class

        @property
        def __name__(self) -> str:
            """What scikit-learn and others that take functions call the loss: its repr."""
            return repr(self)

    def __getstate__(self) -> dict[str, Any]:
        return self.parameters  # what is compiled lies beside the fields and stays behind

    @classmethod
    def _fields(cls) -> tuple[dataclasses.Field[Any], ...]:
        return dataclasses.fields(cls)  # type: ignore[arg-type]  # every subclass is a dataclass

    @property
    def parameters(self) -> dict[str, Any]:
        """The fields by name."""
        return {field.name: getattr(self, field.name) for field in self._fields()}

    @property
    def numbers(self) -> tuple[Number, ...]:
        """What the formula takes after target and prediction: the fields that are not choices, in their order."""
        return tuple(getattr(self, f.name) for f in self._fields() if f.metadata["kind"] in ("number", "vector"))

    @property
    def choices(self) -> tuple[Any, ...]:
        """What the formula takes last: constants, known while it is compiled."""
        return tuple(getattr(self, f.name) for f in self._fields() if f.metadata["kind"] == "choice")

    @property
    def domain(self) -> Domain:
        """Where the loss is defined; elsewhere it is nan."""
        return Domain(REAL, REAL)

    def __call__(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, reduction: Reduction = "mean", out: Any = None
    ) -> Any:
        """Return the same as :meth:`value`."""
        return self._evaluate("value", y_true, y_pred, sample_weight, reduction, out)

    def value(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, reduction: Reduction = "mean", out: Any = None
    ) -> Any:
        """Return the loss.

        Parameters
        ----------
        y_true : array_like
            Targets.
        y_pred : array_like
            Predictions.
        sample_weight : float or array_like, optional
            Weights, which multiply the losses.
        reduction : {"mean", "sum", "none"}
            ``"mean"`` is the weighted mean, ``sum(w * l) / sum(w)``; ``"sum"`` is ``sum(w * l)``; ``"none"``
            is ``w * l``, one for each loss.
        out : array, optional
            Where to write the result: a 0-d float64 array for mean and sum, else any float array with the shape
            of the losses.

        Returns
        -------
        numpy.float64 or array
            Mean and sum are float64, accumulated in float64; on CUDA a 0-d array, which is not waited for.
            Losses have the dtype of `y_pred`. If `out` is given, it is returned.

        Raises
        ------
        ValueError
            If shapes do not agree, or `out` overlaps an input.
        TypeError
            If a dtype has no meaning here, or the arrays live on different devices.
        """
        return self._evaluate("value", y_true, y_pred, sample_weight, reduction, out)

    def gradient(self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, out: Any = None) -> Any:
        """Return the derivative of the *sum* of the losses by each prediction, ``w * dl/dy_pred``.

        Unlike in :meth:`value_and_gradient`, nothing is divided by the sum of the weights: this is what
        boosting libraries expect. Parameters and errors are those of :meth:`value`.
        """
        return self._evaluate("gradient", y_true, y_pred, sample_weight, "none", out)

    def hessian(self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, out: Any = None) -> Any:
        """Return the second derivative of the *sum* of the losses by each prediction: the Hessian's diagonal.

        Parameters and errors are those of :meth:`value`.
        """
        return self._evaluate("hessian", y_true, y_pred, sample_weight, "none", out)

    def gradient_and_hessian(
        self, y_true: Any, y_pred: Any, sample_weight: Any = None, *, out: tuple[Any, Any] | None = None
    ) -> tuple[Any, Any]:
        """Return :meth:`gradient` and :meth:`hessian`, made in one pass; `out` is a pair of arrays."""
        result: tuple[Any, Any] = self._evaluate("gradient_and_hessian", y_true, y_pred, sample_weight, "none", out)
        return result

    def value_and_gradient(
        self,
        y_true: Any,
        y_pred: Any,
        sample_weight: Any = None,
        *,
        reduction: Reduction = "mean",
        out: tuple[Any, Any] | None = None,
    ) -> tuple[Any, Any]:
        """Return :meth:`value` and the gradient of exactly that value, made in one pass.

        With ``reduction="mean"`` the gradient is therefore divided by the sum of the weights, as optimisers
        expect; :meth:`gradient` is not. `out` is a pair of arrays.
        """
        result: tuple[Any, Any] = self._evaluate("value_and_gradient", y_true, y_pred, sample_weight, reduction, out)
        return result

    def plot(self, *, axes: Any = None, over: tuple[float, float] | None = None, **values: Sequence[Any]) -> Any:
        """Draw value, gradient and Hessian while one prediction moves: a residual, a logit, a score among others.

        Requires matplotlib.

        >>> nbloss.Huber().plot(delta=[0.5, 1, 2])  # doctest: +SKIP

        Parameters
        ----------
        axes : sequence of three matplotlib axes, optional
            Where to draw; by default in a new figure.
        over : tuple of two floats, optional
            From where to where it moves.
        **values : sequence
            One parameter and the values of it to draw a curve for each.

        Returns
        -------
        sequence of three matplotlib axes

        Raises
        ------
        ValueError
            If there is no such parameter, or there are several.
        ModuleNotFoundError
            If matplotlib is not installed.
        """
        from nbloss import _plot

        return _plot.plot(self, values, axes, over)

    @abc.abstractmethod
    def _picture(self) -> Any:
        """Return what a picture of the loss shows, a :class:`nbloss._plot.Picture`; a family's choice."""

    @abc.abstractmethod
    def _example(self, size: int, target: Any, dtype: Any, classes: int) -> tuple[Any, Any, Any, dict[str, Any]]:
        """Return targets and predictions of about so many elements, the shape of weights or None, and other keywords.

        Of the types *target* and *dtype*; rows have *classes* numbers unless the loss says how many.
        """

    @abc.abstractmethod
    def _evaluate(self, want: str, y_true: Any, y_pred: Any, sample_weight: Any, reduction: str, out: Any) -> Any:
        """Return what the public method *want* returns; a family's way to do it."""


def _checked(owner: str, field: dataclasses.Field[Any], value: Any) -> Any:
    """Return *value* in the form in which a loss keeps it, or raise an error that says what is required."""
    kind, within = field.metadata["kind"], field.metadata.get("within", REAL)
    if hasattr(value, "tolist"):  # NumPy scalars and arrays
        value = value.tolist()
    if kind == "choice":
        for option in field.metadata["options"]:
            if type(value) is type(option) and value == option:
                return value
        wanted = " or ".join(map(repr, field.metadata["options"]))
        raise ValueError(f"{owner}: {field.name} must be {wanted}, got {value!r}")
    if kind == "label":
        return _checked_label(f"{owner}: {field.name}", value)
    if kind == "count":
        return _checked_count(f"{owner}: {field.name}", value)
    if kind == "gains":
        return _checked_gains(f"{owner}: {field.name}", value)
    if kind == "classes":
        return _checked_classes(f"{owner}: {field.name}", field.metadata["options"], value)
    if value is None and field.metadata.get("optional"):
        return None
    several = kind == "vector" and isinstance(value, Sequence) and not isinstance(value, str)
    wanted = f"a finite number in {within}" + (", or a tuple of such numbers" if kind == "vector" else "")
    for x in value if several else (value,):
        if isinstance(x, bool) or not isinstance(x, numbers.Real):
            raise TypeError(f"{owner}: {field.name} must be {wanted}, got {value!r}")
        if not math.isfinite(x) or x not in within:
            raise ValueError(f"{owner}: {field.name} must be {wanted}, got {value!r}")
    if several and not value:
        raise ValueError(f"{owner}: {field.name} must be {wanted}, got an empty tuple")
    return tuple(map(float, value)) if several else float(value)


def _checked_label(name: str, value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, numbers.Integral)):
        raise TypeError(f"{name} must be a whole number or None, got {value!r}")
    return None if value is None else int(value)


def _checked_count(name: str, value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, numbers.Integral)):
        raise TypeError(f"{name} must be a whole number of at least 1 or None, got {value!r}")
    if value is not None and value < 1:
        raise ValueError(f"{name} must be a whole number of at least 1 or None, got {value!r}")
    return None if value is None else int(value)


def _checked_gains(name: str, value: Any) -> tuple[float, ...] | None:
    wanted = f"{name} must be None or a tuple of finite numbers of at least 0, one for each label, got {value!r}"
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise TypeError(wanted)
    if any(isinstance(x, bool) or not isinstance(x, numbers.Real) for x in value):
        raise TypeError(wanted)
    if not value or not all(math.isfinite(x) and x >= 0 for x in value):
        raise ValueError(wanted)
    return tuple(map(float, value))


def _checked_classes(name: str, options: Sequence[str], value: Any) -> str | tuple[int, ...]:
    if isinstance(value, str) and value in options:
        return value
    wanted = f"{name} must be {', '.join(map(repr, options))} or a tuple of the numbers of classes, got {value!r}"
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise ValueError(wanted)
    if any(isinstance(k, bool) or not isinstance(k, numbers.Integral) for k in value):
        raise TypeError(wanted)
    if not value or len(set(value)) != len(value) or min(value) < 0:
        raise ValueError(wanted)
    return tuple(map(int, value))
