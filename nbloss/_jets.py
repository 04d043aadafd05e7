"""Second-order jets: numbers that carry their first and second derivative by one variable through a formula.

What a jet is made of is the business of a number system, ``Floats`` or ``Intervals`` of :mod:`nbloss.reference`: it
converts (``number``), multiplies (``times``), divides (``over``), has ``power``, ``sign`` (1, 0, -1 or nan), ``exp``,
``log``, ``sqrt``, ``erfc``, ``pi`` and ``zero``, and knows by ``side`` whether the variable comes to a kink from above
(1) or below (-1).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any


class Kink(ArithmeticError):
    """A formula has met ``abs(0)``, which has one derivative from each side, and no side is known."""


def _of_jets(function: Callable[[Jet, Jet], Any]) -> Any:
    """Return a binary operator of jets that takes an int or float as its second operand as well."""

    def binary(self: Jet, other: Any) -> Any:
        if isinstance(other, (int, float)):
            other = self.constant(self.system.number(other))
        return function(self, other) if isinstance(other, Jet) else NotImplemented

    return binary


def _comparison(relation: Callable[[Any, Any], Any]) -> Any:
    return _of_jets(lambda self, other: bool(relation(self.system.sign(self.value - other.value), 0)))


class Jet:
    """A number of a system with its derivatives; None is a zero by construction, also where it meets infinity.

    The variable is ``Jet(system, x, one)``, and what does not vary is ``Jet(system, x)``.
    """

    __slots__ = ("first", "second", "system", "value")
    __array_ufunc__ = None  # so that a NumPy number leaves `number * jet` to the jet

    def __init__(self, system: Any, value: Any, first: Any = None, second: Any = None) -> None:
        self.system, self.value, self.first, self.second = system, value, first, second

    def __new__(cls, system: Any, *parts: Any) -> Any:
        """Return a jet; ``type(z)(0.5)`` in a formula is the number itself."""
        return super().__new__(cls) if parts else system

    @property
    def functions(self) -> Functions:
        """What a formula takes from :mod:`nbloss.math`, of jets."""
        return Functions(self.system)

    def __repr__(self) -> str:
        return f"Jet({self.value}, {self.first}, {self.second})"

    @property
    def varies(self) -> bool:
        return self.first is not None or self.second is not None

    def constant(self, value: Any) -> Jet:
        """Return a number of the same system, which does not vary."""
        return Jet(self.system, value)

    def through(self, f: Jet, f1: Jet, f2: Jet) -> Jet:
        """Return the jet of a function of this one, given its value and its derivatives here: the chain rule."""
        x1, x2, times = self.first, self.second, self._times
        second = _plus(times(f2.value, times(x1, x1)), times(f1.value, x2))
        return Jet(self.system, f.value, times(f1.value, x1), second)

    def _times(self, a: Any, b: Any) -> Any:
        return None if a is None or b is None else self.system.times(a, b)

    def _each(self, linear: Callable[..., Any]) -> Jet:
        parts = self.value, self.first, self.second
        return Jet(self.system, *(None if x is None else linear(x) for x in parts))

    def __neg__(self) -> Jet:
        return self._each(operator.neg)

    @_of_jets
    def __add__(self, other: Jet) -> Jet:
        first, second = _plus(self.first, other.first), _plus(self.second, other.second)
        return Jet(self.system, self.value + other.value, first, second)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return self + -other

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    @_of_jets
    def __mul__(self, other: Jet) -> Jet:
        if self._annuls(other) or other._annuls(self):
            return self.constant(self.system.zero)
        a, a1, a2, b, b1, b2 = self.value, self.first, self.second, other.value, other.first, other.second
        times, cross = self._times, self._times(a1, b1)
        second = _plus(_plus(times(a2, b), times(a, b2)), _plus(cross, cross))
        return Jet(self.system, times(a, b), _plus(times(a1, b), times(a, b1)), second)

    __rmul__ = __mul__

    def _annuls(self, other: Jet) -> bool:
        """Tell whether this is a constant 0, and its product with what varies so the zero function."""
        return bool(other.varies and not self.varies and self.value == self.system.zero)

    @_of_jets
    def __truediv__(self, other: Jet) -> Any:
        return self * other**-1 if other.varies else self._each(lambda x: self.system.over(x, other.value))

    @_of_jets
    def __rtruediv__(self, other: Jet) -> Any:
        return other / self

    def __pow__(self, n: Any) -> Any:
        if isinstance(n, float):
            n = self.constant(self.system.number(n))
        if not isinstance(n, (int, Jet)) or (isinstance(n, Jet) and n.varies):
            return NotImplemented
        if not self.varies or n == 0:
            return self.constant(self.system.power(self.value, n.value if isinstance(n, Jet) else n))
        if n == 1:
            return self
        x = self.constant(self.value)
        return self.through(x**n, n * x ** (n - 1), n * (n - 1) * x ** (n - 2))

    def __abs__(self) -> Jet:
        if not self.varies and self == 0:
            return self.constant(self.system.zero)
        direction = self.system.sign(self.value)
        if direction == 0 and self.first is not None:
            direction = self.system.sign(self.first) * self.system.side
            if direction == 0 and self.system.sign(self.first) != 0:
                raise Kink("abs(0) has two derivatives")
        if direction == 0 and self.second is not None:  # both sides have the sign of the second derivative
            direction = self.system.sign(self.second)
        return -self if direction < 0 else self

    __lt__, __le__, __eq__ = _comparison(operator.lt), _comparison(operator.le), _comparison(operator.eq)
    __gt__, __ge__ = _comparison(operator.gt), _comparison(operator.ge)

    def __bool__(self) -> bool:
        return self != 0


def _plus(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else a + b


class Functions:
    """The namespace `m` of a reference: functions of jets and of plain numbers."""

    def __init__(self, system: Any) -> None:
        self.system = system

    def jet(self, x: Any) -> Jet:
        """Return a jet as it is, and int or float as a constant."""
        return x if isinstance(x, Jet) else Jet(self.system, self.system.number(x))

    def held(self, x: Jet) -> Jet:
        """Return a number as it is, but as one that does not vary."""
        return x.constant(x.value)

    def _lift(self, function: Callable[..., Any], x: Any, derivatives: Callable[[Jet, Jet], tuple[Any, Any]]) -> Any:
        x = self.jet(x)
        here, y = x.constant(x.value), x.constant(function(x.value))
        return x.through(y, *derivatives(here, y)) if x.varies else y

    def exp(self, x: Any) -> Any:
        return self._lift(self.system.exp, x, lambda x, y: (y, y))

    def log(self, x: Any) -> Any:
        return self._lift(self.system.log, x, lambda x, y: (1 / x, -1 / x**2))

    def sqrt(self, x: Any) -> Any:
        return self._lift(self.system.sqrt, x, lambda x, y: (1 / (2 * y), -1 / (4 * x * y)))

    @property
    def pi(self) -> Jet:
        return self.jet(self.system.pi)

    def erfc(self, x: Any) -> Any:
        def derivatives(x: Jet, y: Jet) -> tuple[Any, Any]:
            density = 2 / self.sqrt(self.pi) * self.exp(-(x**2))
            return -density, 2 * x * density

        return self._lift(self.system.erfc, x, derivatives)

    def log1p(self, x: Any) -> Any:
        return self.log(1 + self.jet(x))

    def log2(self, x: Any) -> Any:
        return self.log(x) / self.log(2)

    def expm1(self, x: Any) -> Any:
        return self.exp(x) - 1

    def sinh(self, x: Any) -> Any:
        return (self.exp(x) - self.exp(-x)) / 2

    def cosh(self, x: Any) -> Any:
        return (self.exp(x) + self.exp(-x)) / 2

    def tanh(self, x: Any) -> Any:
        return 1 - 2 / (self.exp(2 * x) + 1)

    def sigmoids(self, x: Any) -> tuple[Any, Any]:
        return 1 / (1 + self.exp(-x)), 1 / (1 + self.exp(x))

    def softplus(self, x: Any) -> Any:
        return self.log(1 + self.exp(x))

    def hypot(self, a: Any, b: Any) -> Any:
        return self.sqrt(self.jet(a) ** 2 + self.jet(b) ** 2)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        return a * b + c
