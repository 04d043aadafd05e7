"""A formula as data: what is computed from what, each step once.

A step is a tuple of an operation and its operands, which are numbers of other steps. The operations:

* ``("y",)``, ``("z",)``, ``("number", i)``, ``("constant", x)``;
* ``("add", a, b)``, ``sub``, ``mul``, ``div``; ``("neg", a)``, ``("abs", a)``;
* ``("pow", n, a)``: a product of *n* factors *a*, at least 2;
* ``("sign", x, a)``: *a* where x > 0, ``-a`` where x < 0, and 0 where x is 0;
* ``("call", name, part, a, ...)``: a function of :mod:`nbloss._math`, or of several results the one numbered *part*;
* ``("lt", a, b)``, ``le``, ``eq``, ``ne``, which are conditions, and ``("select", condition, a, b)``.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

from nbloss import _math

Step = tuple[Any, ...]
Program = tuple[tuple[Step, ...], tuple[int, ...]]
"""Steps, each after its operands, and the numbers of those that are the results."""

ARITHMETIC: dict[str, Callable[..., Any]] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "neg": operator.neg,
    "abs": abs,
}  # fmt: skip
CONDITIONS: dict[str, Callable[..., Any]] = {
    "lt": operator.lt, "le": operator.le, "eq": operator.eq, "ne": operator.ne,
}  # fmt: skip


def first_operand(step: Step) -> int:
    """Return the index in *step* from which on there are operands."""
    return {"constant": 2, "number": 2, "pow": 2, "call": 3}.get(step[0], 1)


class Graph:
    """Steps that are built up; equal ones are one."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._known: dict[Any, int] = {}

    def add(self, *step: Any) -> int:
        """Return the number of a step, after the simplifications that change no bit of any result."""
        operation, *operands = step
        if operation in ARITHMETIC or operation in CONDITIONS:
            values = [self.constant_of(a) for a in operands]
            if None not in values:
                found = _folded(operation, values)
                if found is not None:
                    return self.constant(found)
            if operation == "mul" and 1 in values:
                return operands[1 - values.index(1)]
            if operation == "mul" and -1 in values:
                return self.add("neg", operands[1 - values.index(-1)])
            if operation == "div" and values[1] == 1:
                return operands[0]
            if operation == "neg" and self.steps[operands[0]][0] == "neg":
                return self.steps[operands[0]][1]
        return self._at(step, step)

    def constant(self, x: float) -> int:
        """Return the number of a constant step."""
        return self._at(("constant", float(x)), ("constant", float(x), math.copysign(1.0, x)))  # -0 is not 0

    def constant_of(self, a: int) -> float | None:
        """Return the constant that step *a* is, or None."""
        step = self.steps[a]
        return step[1] if step[0] == "constant" else None

    def _at(self, step: Step, key: Any) -> int:
        if key not in self._known:
            self._known[key] = len(self.steps)
            self.steps.append(step)
        return self._known[key]

    def power(self, a: int, n: int) -> int:
        """Return the number of the step that is a product of *n* factors *a*, at least 1."""
        return a if n == 1 else self.add("mul", a, a) if n == 2 else self._at(("pow", n, a), ("pow", n, a))

    def select(self, condition: int, a: int, b: int) -> int:
        """Return *a* where the condition holds, else *b*; what both would do alike is done once, after the choice."""
        known = self.constant_of(condition)
        if a == b or known is not None:
            return a if known or a == b else b
        first, second = self.steps[a], self.steps[b]
        skip = first_operand(first)
        if first[:skip] == second[:skip] and len(first) == len(second) and first[0] not in ("select", "constant"):
            differ = [i for i in range(skip, len(first)) if first[i] != second[i]]
            if len(differ) == 1 and first[0] not in CONDITIONS:
                i = differ[0]
                return self.add(*first[:i], self.select(condition, first[i], second[i]), *first[i + 1 :])
        return self.add("select", condition, a, b)

    def program(self, results: Sequence[int]) -> Program:
        """Return the steps that the *results* need, in an order that depends on nothing else."""
        order: dict[int, int] = {}
        steps: list[Step] = []

        def visit(a: int) -> int:
            if a not in order:
                step = self.steps[a]
                skip = first_operand(step)
                steps_before = tuple(visit(operand) for operand in step[skip:])
                order[a] = len(steps)
                steps.append((*step[:skip], *steps_before))
            return order[a]

        found = tuple(visit(a) for a in results)
        return tuple(steps), found


def product(x: Any, n: int, times: Callable[[Any, Any], Any] = operator.mul) -> Any:
    """Return the product of *n* factors x, at least 1, by squaring."""
    if n == 1:
        return x
    half = product(x, n // 2, times)
    square = times(half, half)
    return times(square, x) if n % 2 else square


def _folded(operation: str, values: Sequence[Any]) -> float | None:
    try:
        return float({**ARITHMETIC, **CONDITIONS}[operation](*values))
    except (ArithmeticError, ValueError):  # left for the kernel, which has infinity and nan
        return None


def called_by(program: Program) -> set[str]:
    """Return the names of the functions that *program* calls."""
    return {step[1] for step in program[0] if step[0] == "call"}


def results_of(name: str) -> int | None:
    """Return how many numbers a function of :mod:`nbloss._math` returns as a tuple, by its annotation; else None."""
    result: str = getattr(_math, name).__annotations__["return"]
    return result.count("Real") if result.startswith("tuple") else None


@functools.cache
def formula_of(program: Program, *circumstances: Any) -> Callable[..., Any]:
    """Return the formula that computes *program*, the same one each time.

    Its name tells the program and the circumstances, so that code made of it can be found again by its name.
    """

    import hashlib  # only here: it is slow to import, and losses of the library do without

    def formula(y: Any, z: Any, *numbers: Any) -> tuple[Any, ...]:
        return evaluated(program, y, z, numbers)

    formula.__qualname__ = hashlib.sha256(repr((program, circumstances)).encode()).hexdigest()[:24]
    formula.program = program  # type: ignore[attr-defined]
    return formula


def evaluated(program: Program, y: Any, z: Any, numbers: Sequence[Any]) -> tuple[Any, ...]:
    """Return the results of *program* for plain numbers of the type of *z*; only what is needed is computed."""
    steps, results = program
    real = type(z)
    known: dict[int, Any] = {}

    def value(a: int) -> Any:
        if a not in known:
            known[a] = compute(*steps[a])
        return known[a]

    def compute(operation: str, *rest: Any) -> Any:
        if operation in ("y", "z"):
            return y if operation == "y" else z
        if operation == "number":
            return numbers[rest[0]]
        if operation == "constant":
            return real(rest[0])
        if operation == "select":
            return value(rest[1] if value(rest[0]) else rest[2])
        if operation == "call":
            name, part, *operands = rest
            found = getattr(_math, name)(*map(value, operands))
            return found if part is None else found[part]
        if operation == "pow":
            return product(value(rest[1]), rest[0])
        if operation == "sign":
            x = value(rest[0])
            return value(rest[1]) if x > real(0) else -value(rest[1]) if x < real(0) else real(0)
        return (ARITHMETIC.get(operation) or CONDITIONS[operation])(*map(value, rest))

    return tuple(map(value, results))
