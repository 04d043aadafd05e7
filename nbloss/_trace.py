"""Finds out what a formula computes by calling it with numbers that record what is done with them.

Where the formula asks for the truth of a comparison, as ``if``, ``min`` and ``max`` do, it is called again for the
other answer, until every way through it is known. So a formula may use all of Python that does not depend on the
values of the arrays in another way: loops over constants, other functions, closures.
"""

from __future__ import annotations

import numbers
import os.path
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nbloss._graph import Graph, results_of

PACKAGE = os.path.dirname(__file__)
OTHERS = "a formula must take its functions from nbloss.math, not from math, NumPy or another library"
MOST_WAYS = 1000
LARGEST_PRODUCT = 16
"""The greatest power that is a product."""


class Tape:
    """What is recorded, and which way through the comparisons the formula goes at present."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.plan: list[bool] = []
        self.taken: list[tuple[int, bool]] = []

    def decide(self, condition: int) -> bool:
        """Return what the comparison is supposed to be this time."""
        constant = self.graph.constant_of(condition)
        if constant is not None:
            return bool(constant)
        for known, answer in self.taken:
            if known == condition:
                return answer
        answer = self.plan[len(self.taken)] if len(self.taken) < len(self.plan) else True
        self.taken.append((condition, answer))
        return answer


class Condition:
    """The result of a comparison."""

    def __init__(self, tape: Tape, step: int) -> None:
        self.tape, self.step = tape, step

    def __bool__(self) -> bool:
        return self.tape.decide(self.step)

    def __and__(self, other: Any) -> bool:
        return bool(self) and bool(other)

    def __or__(self, other: Any) -> bool:
        return bool(self) or bool(other)

    def __invert__(self) -> bool:
        return not self

    __rand__, __ror__ = __and__, __or__


class Traced:
    """A number that records what is done with it; ``type(z)(0.5)``, without a tape, is a plain number."""

    __array_ufunc__ = None  # so that NumPy's numbers and functions leave it alone

    def __new__(cls, x: Any, tape: Tape | None = None) -> Any:
        return x if tape is None else super().__new__(cls)

    def __init__(self, x: int, tape: Tape) -> None:
        self.step, self.tape = x, tape

    @property
    def functions(self) -> Any:
        """The functions of :mod:`nbloss._math`, recorded."""
        return Recorder(self.tape)

    def _with(self, operation: str, *operands: Any) -> Any:
        return self.tape and Traced(
            self.tape.graph.add(operation, *(step_of(x, self.tape) for x in operands)), self.tape
        )

    def _binary(self, operation: str, a: Any, b: Any) -> Any:
        known = all(isinstance(x, Traced) or is_number(x) for x in (a, b))
        return self._with(operation, a, b) if known else NotImplemented

    def __add__(self, other: Any) -> Any:
        return self._binary("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return self._binary("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return self._binary("sub", self, other)

    def __rsub__(self, other: Any) -> Any:
        return self._binary("sub", other, self)

    def __mul__(self, other: Any) -> Any:
        return self._binary("mul", self, other)

    def __rmul__(self, other: Any) -> Any:
        return self._binary("mul", other, self)

    def __truediv__(self, other: Any) -> Any:
        return self._binary("div", self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return self._binary("div", other, self)

    def __neg__(self) -> Any:
        return self._with("neg", self)

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self._with("abs", self)

    def __pow__(self, n: Any) -> Any:
        if is_number(n) and float(n).is_integer() and abs(n) <= LARGEST_PRODUCT:
            graph, n = self.tape.graph, int(n)
            return 1.0 if n == 0 else 1.0 / self**-n if n < 0 else Traced(graph.power(self.step, n), self.tape)
        if is_number(n) and n == 0.5:
            return self.functions.sqrt(self)
        return self.functions.powers(self, n)[0] if isinstance(n, Traced) or is_number(n) else NotImplemented

    def __rpow__(self, x: Any) -> Any:
        return self.functions.powers(x, self)[0] if is_number(x) else NotImplemented

    def _compared(self, relation: str, a: Any, b: Any) -> Any:
        found = self._binary(relation, a, b)
        return found if found is NotImplemented else Condition(self.tape, found.step)

    def __lt__(self, other: Any) -> Any:
        return self._compared("lt", self, other)

    def __le__(self, other: Any) -> Any:
        return self._compared("le", self, other)

    def __gt__(self, other: Any) -> Any:
        return self._compared("lt", other, self)

    def __ge__(self, other: Any) -> Any:
        return self._compared("le", other, self)

    def __eq__(self, other: Any) -> Any:
        return self._compared("eq", self, other)

    def __ne__(self, other: Any) -> Any:
        return self._compared("ne", self, other)

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return bool(self != 0)

    def __float__(self) -> float:
        raise TypeError(OTHERS)

    __int__ = __index__ = __float__


Traced.__name__ = "number of a formula"  # as Python's own errors call it


def is_number(x: Any) -> bool:
    """Whether *x* is a plain real number."""
    return isinstance(x, numbers.Real)


def step_of(x: Any, tape: Tape) -> int:
    """Return the number of the step that *x* is."""
    return x.step if isinstance(x, Traced) else tape.graph.constant(float(x))


LEAN = {"sigmoids": "lean_sigmoids", "softplus": "lean_softplus"}
"""Functions of which a formula has a cheaper form: its derivatives add more rounding than they save."""


class Recorder:
    """Has every function of :mod:`nbloss._math` under its name, as one that is recorded."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape

    def __getattr__(self, known_as: str) -> Callable[..., Any]:
        name = LEAN.get(known_as, known_as)

        def record(*operands: Any) -> Any:
            graph = self._tape.graph
            steps, add = [step_of(x, self._tape) for x in operands], graph.add
            if name == "lean_sigmoids" and graph.steps[steps[0]][0] == "neg":
                return record(Traced(graph.steps[steps[0]][1], self._tape))[::-1]
            many = results_of(name)
            if many is None:
                return Traced(add("call", name, None, *steps), self._tape)
            return tuple(Traced(add("call", name, part, *steps), self._tape) for part in range(many))

        return record


def trace(
    function: Callable[..., Any], parameters: Mapping[str, Any], traced: Mapping[str, int]
) -> tuple[Graph, list[int]]:
    """Return what *function* computes of y, z, parameters that are constant, and others, the numbers of a loss.

    The result is one step, the value, or the three that it returns.
    """
    tape = Tape()
    y, z = (Traced(tape.graph.add(name), tape) for name in ("y", "z"))
    numbers = {name: Traced(tape.graph.add("number", i), tape) for name, i in traced.items()}
    ways: list[tuple[list[tuple[int, bool]], list[int]]] = []
    plan: list[bool] = []
    while True:
        tape.plan, tape.taken = plan, []
        result = called(function, y, z, **{**parameters, **numbers})
        ways.append((tape.taken, _steps(function, result, tape)))
        if len({len(steps) for _, steps in ways}) > 1:
            raise TypeError(f"{place(function)}: the formula must always return the value, or always all three")
        if len(ways) > MOST_WAYS:
            raise ValueError(f"{place(function)}: the formula must branch in at most {MOST_WAYS} ways")
        plan = [answer for _, answer in tape.taken]
        while plan and not plan[-1]:
            plan.pop()
        if not plan:
            return tape.graph, _merged(tape.graph, ways, 0)
        plan[-1] = False


def _merged(graph: Graph, ways: Sequence[tuple[list[tuple[int, bool]], list[int]]], depth: int) -> list[int]:
    if len(ways) == 1:
        return ways[0][1]
    condition = ways[0][0][depth][0]
    yes, no = (_merged(graph, [way for way in ways if way[0][depth][1] is x], depth + 1) for x in (True, False))
    return [graph.select(condition, a, b) for a, b in zip(yes, no, strict=True)]


def _steps(function: Callable[..., Any], result: Any, tape: Tape) -> list[int]:
    results = result if isinstance(result, tuple) else (result,)
    if len(results) not in (1, 3) or not all(isinstance(x, Traced) or is_number(x) for x in results):
        raise TypeError(
            f"{place(function)}: the formula must return the value, or value, gradient and Hessian, "
            f"got {_words(result)}"
        )
    return [step_of(x, tape) for x in results]


def _words(result: Any) -> str:
    if hasattr(result, "dtype"):
        return "an array of NumPy: in place of np.where, a formula has `a if condition else b`"
    if isinstance(result, tuple):
        return f"a tuple of {len(result)}: ({', '.join(map(_words, result))})"
    return "a number" if isinstance(result, Traced) else repr(result)


def called(function: Callable[..., Any], *arguments: Any, **parameters: Any) -> Any:
    """Return what *function* returns; its errors begin with the line of it that they come from."""
    try:
        return function(*arguments, **parameters)
    except (TypeError, ValueError, AttributeError, ZeroDivisionError) as error:
        import traceback  # only here: where nothing is wrong, the import does without

        frames = traceback.extract_tb(sys.exc_info()[2])[1:]
        own = [frame for frame in frames if not frame.filename.startswith(PACKAGE)]
        if not own:  # its arguments do not fit
            raise type(error)(f"{place(function)}: {error}") from error
        words = OTHERS if "__array_ufunc__" in str(error) else error
        raise type(error)(f"{own[-1].filename}, line {own[-1].lineno}, in {own[-1].name}: {words}") from error


def place(function: Callable[..., Any]) -> str:
    """Return where *function* is defined."""
    code = function.__code__
    return f"{code.co_filename}, line {code.co_firstlineno}, in {function.__name__}"
