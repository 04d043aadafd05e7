"""First and second derivatives by z, carried forward through the steps of a formula.

A derivative is a sum of steps, each times the signs of some others: ``{frozenset(): a, frozenset({x}): b}`` is
``a + sign(x) * b``. Signs come from ``abs`` and are kept apart, since the square of one is 1 also where it is 0: so the
derivatives where ``abs`` meets 0 are the mean of those from both sides, and the Hessian of ``abs(r)**2`` is 2 there. An
empty sum is 0 by construction, also where it meets infinity.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from nbloss._graph import Graph

Sum = dict[frozenset[int], int]
NONE: Sum = {}
PLAIN: frozenset[int] = frozenset()


def derive(graph: Graph, value: int) -> tuple[int, int, int]:
    """Return the steps of the value, the gradient and the Hessian."""
    jets = _Jets(graph)
    first, second = jets.of(value)
    return value, jets.step(first), jets.step(second)


class _Jets:
    """The derivatives of every step that was asked for."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._known: dict[int, tuple[Sum, Sum]] = {}

    def of(self, a: int) -> tuple[Sum, Sum]:
        """Return the first and the second derivative of step *a*."""
        if a not in self._known:
            operation, *operands = self.graph.steps[a]
            if operation == "z":
                self._known[a] = {PLAIN: self.graph.constant(1)}, NONE
            elif operation in ("y", "number", "constant"):
                self._known[a] = NONE, NONE
            else:
                self._known[a] = getattr(self, f"_{operation}")(a, *operands)
        return self._known[a]

    def step(self, x: Sum) -> int:
        """Return the step that computes a sum."""
        total = None
        for signs, term in sorted(x.items(), key=lambda item: sorted(item[0])):
            for sign in sorted(signs):
                term = self.graph.add("sign", sign, term)
            total = term if total is None else self._added(total, term)
        return self.graph.constant(0) if total is None else total

    def _plus(self, x: Sum, y: Sum) -> Sum:
        both = {signs: self._added(x[signs], y[signs]) for signs in x if signs in y}
        return {**x, **y, **both}

    def _added(self, a: int, b: int) -> int:
        """Return a + b; where one is a product, rounded once, which is one instruction as well."""
        for product, other in ((b, a), (a, b)):
            operation, *factors = self.graph.steps[product]
            if operation == "mul" and self.graph.constant_of(other) != 0:
                return self.graph.add("call", "fma", None, *factors, other)
        return self.graph.add("add", a, b)

    def _subtracted(self, a: int, b: int) -> int:
        """Return a - b, in the same way."""
        for step in (b, a):
            operation, *factors = self.graph.steps[step]
            if operation == "mul":
                if step == b:
                    return self.graph.add("call", "fma", None, self.graph.add("neg", factors[0]), factors[1], a)
                return self.graph.add("call", "fma", None, *factors, self.graph.add("neg", b))
        return self.graph.add("sub", a, b)

    def _times(self, x: Sum, y: Sum) -> Sum:
        product: Sum = {}
        for signs, a in x.items():
            for others, b in y.items():
                product = self._plus(product, {signs ^ others: self.graph.add("mul", a, b)})
        return product

    def _scaled(self, a: int, x: Sum) -> Sum:
        return {signs: self.graph.add("mul", a, term) for signs, term in x.items()}

    def _over(self, x: Sum, a: int) -> Sum:
        return {signs: self.graph.add("div", term, a) for signs, term in x.items()}

    def _minus(self, x: Sum) -> Sum:
        return {signs: self.graph.add("neg", term) for signs, term in x.items()}

    def _less(self, x: Sum, y: Sum) -> Sum:
        both = {signs: self._subtracted(x[signs], y[signs]) for signs in x if signs in y}
        return {**x, **self._minus(y), **both}

    def _add(self, _: int, a: int, b: int) -> tuple[Sum, Sum]:
        (a1, a2), (b1, b2) = self.of(a), self.of(b)
        return self._plus(a1, b1), self._plus(a2, b2)

    def _sub(self, _: int, a: int, b: int) -> tuple[Sum, Sum]:
        (a1, a2), (b1, b2) = self.of(a), self.of(b)
        return self._less(a1, b1), self._less(a2, b2)

    def _neg(self, _: int, a: int) -> tuple[Sum, Sum]:
        a1, a2 = self.of(a)
        return self._minus(a1), self._minus(a2)

    def _mul(self, _: int, a: int, b: int) -> tuple[Sum, Sum]:
        (a1, a2), (b1, b2) = self.of(a), self.of(b)
        if a == b:
            half = self._plus(self._times(a1, a1), self._scaled(a, a2))
            return self._doubled(self._scaled(a, a1)), self._doubled(half)
        cross = self._doubled(self._times(a1, b1))
        second = self._plus(self._plus(self._scaled(b, a2), cross), self._scaled(a, b2))
        return self._plus(self._scaled(b, a1), self._scaled(a, b1)), second

    def _doubled(self, x: Sum) -> Sum:
        return {signs: self.graph.add("add", term, term) for signs, term in x.items()}

    def _div(self, q: int, a: int, b: int) -> tuple[Sum, Sum]:
        (a1, a2), (b1, b2) = self.of(a), self.of(b)
        if not b1:  # b does not vary
            return self._over(a1, b), self._over(a2, b)
        first = self._over(self._less(a1, self._scaled(q, b1)), b)
        rest = self._plus(self._doubled(self._times(first, b1)), self._scaled(q, b2))
        return first, self._over(self._less(a2, rest), b)

    def _abs(self, _: int, a: int) -> tuple[Sum, Sum]:
        a1, a2 = self.of(a)
        sign: Sum = {frozenset({a}): self.graph.constant(1)}
        return self._times(sign, a1), self._times(sign, a2)

    def _select(self, _: int, condition: int, a: int, b: int) -> tuple[Sum, Sum]:
        (a1, a2), (b1, b2) = self.of(a), self.of(b)
        return self._chosen(condition, a1, b1), self._chosen(condition, a2, b2)

    def _chosen(self, condition: int, x: Sum, y: Sum) -> Sum:
        zero = self.graph.constant(0)
        signs = [*x, *(s for s in y if s not in x)]
        return {s: self.graph.select(condition, x.get(s, zero), y.get(s, zero)) for s in signs}

    def _call(self, y: int, name: str, part: int | None, *operands: int) -> tuple[Sum, Sum]:
        jets = [self.of(a) for a in operands]
        if not any(first or second for first, second in jets):
            return NONE, NONE
        if name == "fma":
            a, b, _ = operands
            product = self._mul(-1, a, b)
            return self._plus(product[0], jets[2][0]), self._plus(product[1], jets[2][1])
        if name == "powers":
            return self._power(*operands)
        if name == "hypot":
            return self._hypot(y, *operands)
        if name not in SLOPES:
            raise TypeError(f"a formula of the value alone cannot use {name}, whose derivatives are not known")
        first, second = SLOPES[name](self.graph, operands[0], y, part)
        return self._through(first, second, *jets[0])

    def _pow(self, _: int, n: int, a: int) -> tuple[Sum, Sum]:
        constant, power = self.graph.constant, self.graph.power
        first = self.graph.add("mul", constant(n), power(a, n - 1))
        second = self.graph.add("mul", constant(n * (n - 1)), power(a, n - 2))
        return self._through(first, second, *self.of(a))

    def _power(self, x: int, n: int) -> tuple[Sum, Sum]:
        add, one = self.graph.add, self.graph.constant(1)
        if self.of(n)[0]:
            raise TypeError("a formula of the value alone cannot use a power whose exponent depends on the prediction")
        less = add("sub", n, one)
        first = add("mul", n, add("call", "powers", 1, x, n))
        second = add("mul", add("mul", n, less), add("call", "powers", 2, x, n))
        return self._through(first, second, *self.of(x))

    def _hypot(self, y: int, a: int, b: int) -> tuple[Sum, Sum]:
        """The difference that a square root would leave is that of a vector product: 0 for what does not turn."""
        (a1, a2), (b1, b2) = self.of(a), self.of(b)
        first = self._over(self._plus(self._scaled(a, a1), self._scaled(b, b1)), y)
        turn = self._over(self._less(self._scaled(b, a1), self._scaled(a, b1)), y)
        rest = self._plus(self._scaled(a, a2), self._scaled(b, b2))
        return first, self._over(self._plus(self._times(turn, turn), rest), y)

    def _through(self, slope: int, bend: int, x1: Sum, x2: Sum) -> tuple[Sum, Sum]:
        """Return the derivatives of a function that has these ones by its argument."""
        second = self._plus(self._scaled(bend, self._times(x1, x1)), self._scaled(slope, x2))
        return self._scaled(slope, x1), second


def _exp(graph: Graph, x: int, y: int, part: int | None) -> tuple[int, int]:
    return y, y


def _exp_minus(graph: Graph, x: int, y: int, part: int | None) -> tuple[int, int]:
    return graph.add("neg", y), y


def _expm1(graph: Graph, x: int, y: int, part: int | None) -> tuple[int, int]:
    e = graph.add("call", "exp", None, x)
    return e, e


def _log(graph: Graph, x: int, y: int, part: int | None) -> tuple[int, int]:
    slope = graph.add("div", graph.constant(1), x)
    return slope, graph.add("neg", graph.add("mul", slope, slope))


def _log2(graph: Graph, x: int, y: int, part: int | None) -> tuple[int, int]:
    slope = graph.add("div", graph.constant(1 / math.log(2)), x)
    return slope, graph.add("neg", graph.add("div", slope, x))


def _log1p(graph: Graph, x: int, y: int, part: int | None) -> tuple[int, int]:
    return _log(graph, graph.add("add", graph.constant(1), x), y, part)


def _sqrt(graph: Graph, x: int, y: int, part: int | None) -> tuple[int, int]:
    slope = graph.add("div", graph.constant(0.5), y)
    return slope, graph.add("div", graph.add("neg", graph.add("mul", slope, slope)), y)


def _sigmoids(graph: Graph, x: int, y: int, part: int | None) -> tuple[int, int]:
    p, q = (graph.add("call", "lean_sigmoids", k, x) for k in (0, 1))
    p, q = (q, p) if part else (p, q)
    slope = graph.add("mul", p, q)
    bend = graph.add("mul", slope, graph.add("sub", q, p))
    return (graph.add("neg", slope), bend) if part else (slope, bend)


def _softplus(graph: Graph, x: int, y: int, part: int | None) -> tuple[int, int]:
    p, q = (graph.add("call", "lean_sigmoids", k, x) for k in (0, 1))
    return p, graph.add("mul", p, q)


def _tanh(graph: Graph, x: int, y: int, part: int | None) -> tuple[int, int]:
    """1 - tanh(x)**2, but without the difference."""
    p, q = (graph.add("call", "lean_sigmoids", k, graph.add("add", x, x)) for k in (0, 1))
    slope = graph.add("mul", graph.constant(4), graph.add("mul", p, q))
    return slope, graph.add("mul", graph.constant(-2), graph.add("mul", y, slope))


SLOPES: dict[str, Callable[[Graph, int, int, int | None], tuple[int, int]]] = {
    "exp": _exp, "exp_minus": _exp_minus, "expm1": _expm1, "log": _log, "log1p": _log1p, "log1p_unit": _log1p,
    "log2": _log2, "log_unit": _log, "sqrt": _sqrt, "lean_sigmoids": _sigmoids, "lean_softplus": _softplus,
    "tanh": _tanh,
}  # fmt: skip
"""First and second derivative of y = f(x) by x, for a step x and the step y."""
