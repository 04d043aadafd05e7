"""Losses of your own, made of a function of plain scalars."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
from collections.abc import Callable
from typing import Any, ClassVar, Concatenate, ParamSpec, overload

from nbloss import _statistics, links
from nbloss._derive import derive
from nbloss._graph import formula_of
from nbloss._trace import is_number, place, trace
from nbloss.families.pointwise import Pointwise
from nbloss.loss import REAL, Domain, choice, param, vector

P = ParamSpec("P")
ANYWHERE = Domain(REAL, REAL)
TRIED = 50
FARTHEST = 1e6
"""How far from the targets the best constant is looked for."""


class Custom(Pointwise):
    """A loss of which the formula is a function given by a user."""

    function: ClassVar[Callable[..., Any]]
    inside: ClassVar[Domain]
    response: ClassVar[Callable[..., Any]]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={x!r}' for name, x in self.parameters.items())})"

    @property
    def domain(self) -> Domain:
        return self.inside

    @property
    def link(self) -> Callable[..., Any]:
        return type(self).response

    @property
    def choices(self) -> tuple[Any, ...]:
        return ()  # they are constants of the formula

    @functools.cached_property
    def formula(self) -> Any:  # type: ignore[override]
        numbers = [f.name for f in self._fields() if f.metadata["kind"] in ("number", "vector")]
        traced = tuple(name for name in numbers if getattr(self, name) is not None)
        constants = {f.name: getattr(self, f.name) for f in self._fields() if f.name not in traced}
        return _formula(type(self).function, tuple(numbers), traced, tuple(constants.items()), self.inside)

    @classmethod
    def reference(cls, m: Any, y: Any, z: Any, **parameters: Any) -> Any:
        result = cls.function(y, z, **parameters)
        return result[0] if isinstance(result, tuple) else result

    def minimiser(self, y: Any, w: Any, *numbers: Any) -> float:
        """Return the constant with the least loss: the best of several, from which the slope leads to a minimum."""
        low, high = self.domain.prediction.low, self.domain.prediction.high

        def slope(z: float) -> float:
            return math.fsum(self.gradient(y, y * 0 + z, w).tolist())

        start, end = max(low, float(y.min()) - 1), min(high, float(y.max()) + 1)
        reach = 1.0
        while reach <= FARTHEST and slope(start) > 0 and start > low:
            start, reach = max(low, start - reach), 2 * reach
        reach = 1.0
        while reach <= FARTHEST and slope(end) < 0 and end < high:
            end, reach = min(high, end + reach), 2 * reach
        if slope(start) > 0 and start > low:
            return -math.inf
        if slope(end) < 0 and end < high:
            return math.inf
        spread = [float(y[i]) for i in y.argsort()[:: max(1, y.size // TRIED)]]
        tried = sorted({start, end, *(x for x in spread if start < x < end)})
        for _ in range(2):  # a loss that is not convex may turn often
            values = [float(self.value(y, y * 0 + z, w)) for z in tried]
            best = values.index(min(values))
            start, end = tried[max(0, best - 1)], tried[min(len(tried) - 1, best + 1)]
            tried = [start + (end - start) * i / TRIED for i in range(TRIED + 1)]
        return _statistics.root(slope, start, end)


@overload
def pointwise(function: Callable[Concatenate[Any, Any, P], Any], /) -> Callable[P, Pointwise]: ...


@overload
def pointwise(
    *, domain: Domain = ..., link: Callable[..., Any] = ...
) -> Callable[[Callable[Concatenate[Any, Any, P], Any]], Callable[P, Pointwise]]: ...


def pointwise(function: Any = None, /, *, domain: Domain = ANYWHERE, link: Callable[..., Any] = links.identity) -> Any:
    """Make a loss of a function of a target, a prediction and parameters: a decorator.

    >>> @nbloss.pointwise
    ... def Cauchy(y, z, scale=1.0):
    ...     return nbloss.math.log1p(((z - y) / scale) ** 2) / 2
    >>> loss = Cauchy(scale=2.0)
    >>> loss.gradient_and_hessian([0.0, 0.0], [1.0, 2.0])
    (array([0.2 , 0.25]), array([0.12, 0.  ]))

    Parameters
    ----------
    function : callable
        ``function(y, z, *parameters)`` of plain scalars: the target, the prediction and the parameters of the loss.
        It returns the value, from which gradient and Hessian are derived exactly, or value, gradient and Hessian,
        which are taken as they are. It may use arithmetic, ``**``, ``abs``, ``min``, ``max``, comparisons, ``if``, the
        functions of :mod:`nbloss.math`, other functions, and loops that do not depend on its arguments.
    domain : Domain, optional
        Where the loss is defined; elsewhere it is nan. By default, for all real targets and predictions.
    link : callable, optional
        The function, one of :mod:`nbloss.links`, that makes a response of a raw prediction. By default the identity.

    Returns
    -------
    type
        A frozen dataclass under the name of the function, a loss as all others: with the methods of
        :class:`nbloss.Loss`, for NumPy and CUDA arrays. The parameters of the function are its fields: numbers, which
        compile nothing when they change; with a default of True or False, choices, each compiled on its own; with a
        tuple as default, one number for each entry of the last axis.

    Raises
    ------
    TypeError
        If the function cannot be compiled; the message begins with the line of the function that is to blame.

    Notes
    -----
    The function is called when it is defined, with numbers that record what is done with them, once for each way
    through its comparisons. Its derivatives are those of what it does: where it cancels or overflows, so do they.
    Where ``abs`` meets 0, they are the mean of those from both sides; elsewhere, a kink belongs to the side that the
    comparison takes. A product ``0 * log(0)`` is nan: write ``y * log(p) if y > 0 else 0``.

    Compiled code is kept on the disk under a hash of what the function computes, never of its name or file: an edited
    function is compiled anew, and a cell of a notebook that is run again is not.
    """
    if function is None:
        return functools.partial(_made, domain=domain, link=link)
    return _made(function, domain=domain, link=link)


def _made(function: Callable[..., Any], *, domain: Domain, link: Callable[..., Any]) -> Any:
    if not inspect.isfunction(function):
        raise TypeError(f"pointwise needs a function of (y, z, *parameters), got {function!r}")
    _, _, *parameters = _two_or_more(function)
    made: Any = dataclasses.make_dataclass(
        function.__name__,
        [_field(function, p) for p in parameters],
        bases=(Custom,),
        namespace={
            "function": staticmethod(function),
            "inside": domain,
            "response": staticmethod(link),
            "__doc__": function.__doc__,
            "__module__": function.__module__,
            "__qualname__": function.__qualname__,
        },
        frozen=True,
        repr=False,  # which would have the names of the functions around it
    )
    if all(f.default is not dataclasses.MISSING for f in dataclasses.fields(made)):
        made().formula  # noqa: B018  # so that errors come now
    return made


def _two_or_more(function: Callable[..., Any]) -> list[inspect.Parameter]:
    found = list(inspect.signature(function).parameters.values())
    positional = inspect.Parameter.POSITIONAL_OR_KEYWORD
    if len(found) < 2 or any(p.kind not in (positional, inspect.Parameter.KEYWORD_ONLY) for p in found):
        raise TypeError(f"{place(function)}: the formula must take (y, z, *parameters by name), got {found}")
    return found


def _field(function: Callable[..., Any], parameter: inspect.Parameter) -> tuple[str, Any, Any]:
    default: Any = parameter.default
    if default is inspect.Parameter.empty:
        made = dataclasses.field(metadata=param(0.0).metadata)
    elif isinstance(default, dataclasses.Field):
        made = default
    elif isinstance(default, bool):
        made = choice(default, True, False)
    elif is_number(default):
        made = param(float(default))
    elif isinstance(default, tuple):
        made = vector(default)
    else:
        raise TypeError(
            f"{place(function)}: the default of {parameter.name} must be a number, True, False or a tuple of numbers, "
            f"got {default!r}"
        )
    return parameter.name, Any, made


@functools.cache
def _formula(
    function: Callable[..., Any], numbers: tuple[str, ...], traced: tuple[str, ...], constants: Any, domain: Domain
) -> Callable[..., Any]:
    """Return the formula of the value, the gradient and the Hessian."""
    graph, results = trace(function, dict(constants), {name: numbers.index(name) for name in traced})
    if len(results) == 1:
        try:
            results = list(derive(graph, results[0]))
        except TypeError as error:
            raise TypeError(f"{place(function)}: {error}") from None
    return formula_of(graph.program(results), domain)
