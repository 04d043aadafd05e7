"""The oracle: value, gradient and Hessian of any loss from its textbook line, slow, obvious and right.

``loss.reference(m, y, z, ...)`` is the value as a textbook writes it. Two kinds of number make the rest of it:

* :class:`Jet` carries the first and the second derivative by the prediction through the arithmetic, so that gradient
  and Hessian never come from the hand that wrote the kernel;
* :class:`Ball` is an mpmath number with a bound of its error, so that the digits can be raised until the answer is
  certain. That two precisions agree proves nothing: ``log(cosh(1e-300))`` is 0 at 50 and at 400 digits.

Without mpmath, plain float64 numbers take the place of balls, and results are as good as the textbook line is in
float64: no more than an illustration where it overflows or cancels.
"""

from __future__ import annotations

import functools
import importlib.util
import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from nbloss.loss import Loss

Arithmetic = Literal["mpmath", "float"]
Array = np.ndarray[Any, np.dtype[np.float64]]
Triple = tuple[Any, Any, Any]

DIGITS = (60, 700, 2000, 8000)
"""The precisions that are tried in turn. At 700 digits the difference of any two float64 numbers is exact."""

RELATIVE = -101
"""A result is certain when its error is below 2**RELATIVE of it: 30 digits."""

NEGLIGIBLE = -1100
"""A result is certain to be 0 in float64, whose least number is 2**-1074, when it and its error are below 2**this."""

REACHES = (2100, 3100)
"""An infinite input is replaced by two powers of 2, both beyond the square of any float64."""


def value(loss: Loss, y_true: Any, y_pred: Any, *, arithmetic: Arithmetic | None = None) -> Array:
    """Return the loss of each element, unweighted; see :func:`derivatives`."""
    return derivatives(loss, y_true, y_pred, arithmetic=arithmetic)[0]


def gradient(loss: Loss, y_true: Any, y_pred: Any, *, arithmetic: Arithmetic | None = None) -> Array:
    """Return the first derivative by the prediction of each element, unweighted; see :func:`derivatives`."""
    return derivatives(loss, y_true, y_pred, arithmetic=arithmetic)[1]


def hessian(loss: Loss, y_true: Any, y_pred: Any, *, arithmetic: Arithmetic | None = None) -> Array:
    """Return the second derivative by the prediction of each element, unweighted; see :func:`derivatives`."""
    return derivatives(loss, y_true, y_pred, arithmetic=arithmetic)[2]


def derivatives(
    loss: Loss, y_true: Any, y_pred: Any, *, arithmetic: Arithmetic | None = None
) -> tuple[Array, Array, Array]:
    """Return value, gradient and Hessian of each element, unweighted, from one evaluation.

    Parameters
    ----------
    loss : Loss
        A pointwise loss.
    y_true, y_pred : array_like
        Targets and predictions of one shape. Where one lies outside ``loss.domain`` or is nan, all results are nan.
        With mpmath, infinite ones give the limit of the formula (nan if both are infinite with one sign).
    arithmetic : {"mpmath", "float"}, optional
        What to compute with: mpmath, where results are the true ones, rounded once, or float64, where they are only
        as exact as the textbook line is. By default mpmath where it is installed.

    Returns
    -------
    tuple of three float64 arrays
        With the shape of `y_pred`.

    Raises
    ------
    ValueError
        If shapes do not agree.
    ArithmeticError
        If 8000 digits do not make an element certain: the textbook line must then be written in another form.

    Notes
    -----
    Where ``abs`` meets 0, derivatives are the mean of those from both sides: 0 for ``abs(r)``, and the Hessian of
    ``abs(r)**2`` is 2. Elsewhere a kink belongs to the side that the comparison, ``max`` or ``min`` takes: Python's
    ``max(a, b)`` takes `a` in a tie. A number 0 times a term that varies is 0, also where that term is infinite:
    ``0 * log(z)`` at 0.
    """
    y, z = np.asarray(y_true, np.float64), np.asarray(y_pred, np.float64)
    if y.shape != z.shape:
        raise ValueError(f"y_true must have the shape of y_pred, {z.shape}, got {y.shape}")
    if arithmetic is None:
        arithmetic = "mpmath" if importlib.util.find_spec("mpmath") else "float"
    if arithmetic not in ("mpmath", "float"):
        raise ValueError(f"arithmetic must be 'mpmath', 'float' or None, got {arithmetic!r}")
    evaluate = _limit_in_balls if arithmetic == "mpmath" else _in_floats
    triples = [evaluate(loss, *element, i) for i, element in enumerate(zip(y.flat, z.flat, strict=True))]
    v, g, h = (np.array([_rounded(t[k]) for t in triples], np.float64).reshape(z.shape) for k in range(3))
    return v, g, h


def exact(loss: Loss, y: float, z: float, index: int = 0) -> Triple:
    """Return value, gradient and Hessian of one element as mpmath numbers.

    They are right to 30 digits; those below 1e-331, which are 0 in float64, to that absolute error. A parameter that
    is a tuple gives the number of class ``index % K``. Requires mpmath; the rest is as in :func:`derivatives`.
    """
    from mpmath import mp

    v, g, h = (mp.make_mpf(x._mpf_) for x in _limit_in_balls(loss, y, z, index))
    return v, g, h


# Derivatives: what a number does to a formula


class Kink(ArithmeticError):
    """A formula has met ``abs(0)``, which has one derivative from each side."""


class Jet:
    """A number with its first and second derivative by one variable, over any kind of real number.

    Parameters
    ----------
    value : number
        Of float64 or a :class:`Ball`.
    first, second : number or None
        Derivatives; None is a zero by construction, which stays zero when it meets an infinite factor. The variable
        itself is ``Jet(x, 1)`` with a 1 of the kind of `x`.
    side : {0, 1, -1}
        From above (1) or below (-1): where the variable comes from when ``abs`` meets 0; 0 raises :class:`Kink` there.
    """

    __slots__ = ("first", "second", "side", "value")
    __array_ufunc__ = None  # so that a NumPy number leaves `number * jet` to the jet

    def __init__(self, value: Any, first: Any = None, second: Any = None, side: int = 0) -> None:
        self.value, self.first, self.second, self.side = value, first, second, side

    def __repr__(self) -> str:
        return f"Jet({self.value}, {self.first}, {self.second})"

    def through(self, f: Any, f1: Any, f2: Any) -> Jet:
        """Return the jet of a function of this one, given its value and its derivatives here: the chain rule."""
        x1, x2 = self.first, self.second
        return Jet(f, _times(f1, x1), _plus(_times(f2, _times(x1, x1)), _times(f1, x2)), self.side)

    def __neg__(self) -> Jet:
        return Jet(-self.value, _minus(self.first), _minus(self.second), self.side)

    def __add__(self, other: Any) -> Jet:
        if not isinstance(other, Jet):
            return Jet(self.value + other, self.first, self.second, self.side)
        first, second = _plus(self.first, other.first), _plus(self.second, other.second)
        return Jet(self.value + other.value, first, second, self.side)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Jet:
        return self.__add__(-other)

    def __rsub__(self, other: Any) -> Jet:
        return self.__neg__().__add__(other)

    def __mul__(self, other: Any) -> Jet:
        a, a1, a2 = self.value, self.first, self.second
        if isinstance(other, Jet):
            b, b1, b2 = other.value, other.first, other.second
            first = _plus(_times(a1, b), _times(a, b1))
            cross = _times(a1, b1)
            second = _plus(_plus(_times(a2, b), _times(a, b2)), _plus(cross, cross))
            return Jet(a * b, first, second, self.side)
        if _is_zero(other):  # the zero function, also where a is infinite
            return Jet(a.zero() if isinstance(a, Ball) else np.float64(0), side=self.side)
        return Jet(a * other, _times(a1, other), _times(a2, other), self.side)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Jet:
        if isinstance(other, Jet):
            return self.__mul__(other**-1)  # if both are 0: nan
        return Jet(self.value / other, _over(self.first, other), _over(self.second, other), self.side)

    def __rtruediv__(self, other: Any) -> Jet:
        reciprocal: Jet = self**-1
        return reciprocal.__mul__(other)

    def __pow__(self, n: Any) -> Jet:
        if isinstance(n, Jet):
            return NotImplemented
        x = self.value
        # x**(n - 1) is infinite at 0 where n is 0: the derivative of 1 is 0 by construction
        f1 = None if n == 0 else n * x ** (n - 1)
        f2 = None if n == 0 or n == 1 else n * (n - 1) * x ** (n - 2)
        return self.through(x**n, f1, f2)

    def __abs__(self) -> Jet:
        if self.value != 0:
            return -self if self.value < 0 else self
        if self.first is None or self.first == 0:  # both sides have the sign of the second derivative
            return -self if self.second is not None and self.second < 0 else self
        if self.side == 0:
            raise Kink("abs(0) has two derivatives")
        return self if (self.first > 0) == (self.side > 0) else -self

    def __lt__(self, other: Any) -> bool:
        return bool(self.value < _value(other))

    def __le__(self, other: Any) -> bool:
        return bool(self.value <= _value(other))

    def __gt__(self, other: Any) -> bool:
        return bool(self.value > _value(other))

    def __ge__(self, other: Any) -> bool:
        return bool(self.value >= _value(other))

    def __eq__(self, other: object) -> bool:
        return bool(self.value == _value(other))

    def __bool__(self) -> bool:
        return bool(self.value != 0)


def _value(x: Any) -> Any:
    return x.value if isinstance(x, Jet) else x


def _is_zero(x: Any) -> bool:
    return bool(x.mid == 0 and x.err is None) if isinstance(x, Ball) else bool(x == 0)


def _plus(a: Any, b: Any) -> Any:
    return b if a is None else a if b is None else a + b


def _minus(a: Any) -> Any:
    return None if a is None else -a


def _times(a: Any, b: Any) -> Any:
    return None if a is None or b is None else a * b


def _over(a: Any, b: Any) -> Any:
    return None if a is None else a / b


class Functions:
    """The namespace `m` of a reference: functions of jets and of plain numbers.

    `number` converts int and float to the kind of number that is computed with.
    """

    def __init__(self, number: Callable[[Any], Any]) -> None:
        self.number = number

    def _plain(self, name: str, x: Any) -> Any:
        x = self.number(x)
        return getattr(x, name)() if isinstance(x, Ball) else getattr(np, name)(x)

    def _lift(self, name: str, x: Any, derivatives: Callable[[Any, Any], tuple[Any, Any]]) -> Any:
        y = self._plain(name, _value(x))
        return x.through(y, *derivatives(x.value, y)) if isinstance(x, Jet) else y

    def exp(self, x: Any) -> Any:
        return self._lift("exp", x, lambda x, y: (y, y))

    def log(self, x: Any) -> Any:
        return self._lift("log", x, lambda x, y: (1 / x, -1 / x**2))

    def log1p(self, x: Any) -> Any:
        return self._lift("log1p", x, lambda x, y: (1 / (1 + x), -1 / (1 + x) ** 2))

    def expm1(self, x: Any) -> Any:
        return self._lift("expm1", x, lambda x, y: (self._plain("exp", x),) * 2)

    def sqrt(self, x: Any) -> Any:
        return self._lift("sqrt", x, lambda x, y: (1 / (2 * y), -1 / (4 * x * y)))

    def sinh(self, x: Any) -> Any:
        return self._lift("sinh", x, lambda x, y: (self._plain("cosh", x), y))

    def cosh(self, x: Any) -> Any:
        return self._lift("cosh", x, lambda x, y: (self._plain("sinh", x), y))

    def tanh(self, x: Any) -> Any:
        def derivatives(x: Any, y: Any) -> tuple[Any, Any]:
            slope = 1 / self._plain("cosh", x) ** 2  # 1 - y**2 would cancel
            return slope, -2 * y * slope

        return self._lift("tanh", x, derivatives)


# Certainty: what a number knows about its own error


class Undecided(ArithmeticError):
    """More digits are needed to tell where a number lies."""


class Ball:
    """An mpmath number and the size of its error: the truth is within ``2**err`` of `mid`; err None: it is `mid`.

    A comparison that the error leaves open, and a function whose pole or branch it reaches, raise :class:`Undecided`.
    Division by an exact 0 is the limit from above, since what textbooks divide by is never negative.
    """

    __slots__ = ("err", "mid")
    __array_ufunc__ = None

    def __init__(self, mid: Any, err: int | None = None) -> None:
        self.mid, self.err = mid, err

    def __repr__(self) -> str:
        return f"Ball({self.mid}{'' if self.err is None else f' +- 2**{self.err}'})"

    def zero(self) -> Ball:
        """Return an exact 0 of the same precision."""
        return Ball(self.mid.context.zero)

    def sign(self) -> int:
        """Return 1, -1 or 0, which is also the sign of nan."""
        if self.err is not None and _below(_size(self.mid), self.err + 2):
            raise Undecided
        return int(self.mid > 0) - int(self.mid < 0)

    def _like(self, other: Any) -> Ball | None:
        """Return `other` as a ball of this precision, or None if it is no number."""
        if isinstance(other, Ball):
            return other
        return _ball(self.mid.context, other) if isinstance(other, (int, float)) else None

    def __neg__(self) -> Ball:
        return Ball(-self.mid, self.err)

    def __abs__(self) -> Ball:
        return Ball(abs(self.mid), self.err)

    def __add__(self, other: Any) -> Ball:
        that = self._like(other)
        if that is None:
            return NotImplemented
        mid = self.mid + that.mid
        if not _is_finite(mid):
            return Ball(mid)
        prec = mid.context.prec
        _, a, low, bits = self.mid._mpf_
        _, b, lower, more_bits = that.mid._mpf_
        fits = not (a and b) or max(low + bits, lower + more_bits) - min(low, lower) < prec
        return Ball(mid, _bound(self.err, that.err, None if fits else _scaled(-prec, mid)))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Ball:
        that = self._like(other)
        return NotImplemented if that is None else self + -that

    def __rsub__(self, other: Any) -> Ball:
        return self.__neg__().__add__(other)

    def __mul__(self, other: Any) -> Ball:
        that = self._like(other)
        if that is None:
            return NotImplemented
        a, b = self.mid, that.mid
        mid = a * b
        if not _is_finite(mid):  # the signs of both factors must be certain
            self.sign(), that.sign()
            return Ball(mid)
        prec = mid.context.prec
        rounding = None if _bits(a) + _bits(b) <= prec else _scaled(-prec, mid)
        if self.err is None and that.err is None:
            return Ball(mid, rounding)
        both = None if self.err is None or that.err is None else self.err + that.err
        return Ball(mid, _bound(_scaled(self.err, b), _scaled(that.err, a), both, rounding))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Ball:
        that = self._like(other)
        if that is None:
            return NotImplemented
        ctx = self.mid.context
        size = _size(that.mid)
        if size is None:  # 0, infinite or nan
            that.sign()
            return self * Ball(ctx.inf if that.mid == 0 else 1 / that.mid)
        that._keeps(that.mid)
        mid = self.mid / that.mid
        fits = _bits(mid) + _bits(that.mid) <= ctx.prec and mid * that.mid == self.mid
        errors = None if self.err is None else self.err - size + 2, _scaled(that.err, mid, 2 - size)
        return Ball(mid, _bound(*errors, None if fits else _scaled(-ctx.prec, mid)))

    def __rtruediv__(self, other: Any) -> Ball:
        that = self._like(other)
        return NotImplemented if that is None else that / self

    def __pow__(self, n: Any) -> Ball:
        if isinstance(n, Ball) and n.err is None and abs(n.mid) <= 1000 and n.mid == int(n.mid):
            n = int(n.mid)
        if isinstance(n, int):
            return self._power(n)
        that = self._like(n)
        if that is None:
            return NotImplemented
        if self.sign() == 0 and self.mid == 0:
            return self if that > 0 else Ball(self.mid.context.inf)
        return (that * self.log()).exp()

    def _power(self, n: int) -> Ball:
        if n < 0:
            return self._power(-n).__rtruediv__(1)
        if n < 2:
            return self if n else Ball(self.mid.context.one)
        half = self._power(n // 2)
        return half * half * self if n % 2 else half * half

    def _compare(self, other: Any, relation: Callable[[Any, Any], Any]) -> Any:
        that = self._like(other)
        if that is None:
            return NotImplemented
        if self.err is None and that.err is None:
            return relation(self.mid, that.mid)
        difference = self - that
        difference.sign()
        return relation(difference.mid, 0)

    def __lt__(self, other: Any) -> Any:
        return self._compare(other, operator.lt)

    def __le__(self, other: Any) -> Any:
        return self._compare(other, operator.le)

    def __gt__(self, other: Any) -> Any:
        return self._compare(other, operator.gt)

    def __ge__(self, other: Any) -> Any:
        return self._compare(other, operator.ge)

    def __eq__(self, other: object) -> Any:
        return self._compare(other, operator.eq)

    def __bool__(self) -> bool:
        return bool(self._compare(0, operator.ne))

    def _keeps(self, room: Any) -> None:
        """Make sure that the error is at most half of `room`."""
        if self.err is not None and _below(_size(room), self.err + 2):
            raise Undecided

    def _image(self, mid: Any, slope: Any) -> Ball:
        """Return f(self), given f(self.mid) and a slope that f exceeds nowhere in the ball by more than 4 times."""
        exact = self.err is None and not _bits(self.mid)  # of 0 and of the infinities
        # mpmath's functions are right to less than two units in the last place
        rounding = None if exact else _scaled(2 - mid.context.prec, mid)
        return Ball(mid, _bound(_scaled(self.err, slope, 2), rounding))

    def exp(self) -> Ball:
        x, ctx = self.mid, self.mid.context
        size = _size(x) or 0
        if size > 1 << 16 or (self.err is not None and self.err > -1):
            if x >= 0 or (self.err is not None and size < self.err + 2):
                raise Undecided
            return Ball(ctx.zero, -(1 << min(size - 2, 64)))  # tiny, whatever it is
        if size > 40 and ctx.isint(x):  # mpmath would take a power of e, which is slow
            mid = ctx.exp(ctx.fsub(x, 0.5, exact=True)) * ctx.exp(0.5)
            return self._image(mid, mid)
        mid = ctx.exp(x)
        return self._image(mid, mid)

    def expm1(self) -> Ball:
        if self._is_large():
            return self.exp() - 1
        x, ctx = self.mid, self.mid.context
        size = _size(x)
        # as many more digits as the 1 takes away; not mpmath's expm1, which changes the precision of its context
        mid = x if _below(size, -ctx.prec) else ctx.fsub(ctx.exp(x, prec=ctx.prec + abs(size or 0) + 10), 1)
        return self._image(mid, 1 + abs(mid))

    def sinh(self) -> Ball:
        if self._is_large():
            return (self.exp() - (-self).exp()) / 2
        mid = self.mid.context.sinh(self.mid)
        return self._image(mid, 1 + abs(mid))

    def cosh(self) -> Ball:
        if self._is_large():
            return (self.exp() + (-self).exp()) / 2
        mid = self.mid.context.cosh(self.mid)
        return self._image(mid, mid)

    def _is_large(self) -> bool:
        self._keeps(self.mid.context.one)
        return not _below(_size(self.mid), 10)

    def tanh(self) -> Ball:
        ctx = self.mid.context
        return self._image(ctx.tanh(self.mid), ctx.one)

    def log(self) -> Ball:
        ctx = self.mid.context
        if self.sign() < 0:
            return Ball(ctx.nan)
        if self.mid == 0:
            return Ball(ctx.ninf)
        self._keeps(self.mid)
        return self._image(ctx.log(self.mid), 1 / self.mid)

    def log1p(self) -> Ball:
        x, ctx = self.mid, self.mid.context
        room = self + 1
        if room.sign() <= 0 or not _below(_size(x), 10):
            return room.log()
        self._keeps(room.mid)
        mid = x if _below(_size(x), -ctx.prec) else ctx.log(ctx.fadd(1, x, exact=True))
        return self._image(mid, 1 / room.mid)

    def sqrt(self) -> Ball:
        ctx = self.mid.context
        if self.sign() < 0:
            return Ball(ctx.nan)
        if self.mid == 0:
            return self
        self._keeps(self.mid)
        mid = ctx.sqrt(self.mid)
        root = Ball(mid)
        if self.err is None and root * root == self:
            return root
        return self._image(mid, 1 / mid)


def _ball(ctx: Any, x: Any) -> Ball:
    """Return int, float or ball `x` as a ball in mpmath's context."""
    if isinstance(x, Ball):
        return x
    mid = ctx.mpf(x)
    if isinstance(x, int) and x.bit_length() > ctx.prec and mid != x:
        raise Undecided
    return Ball(mid)


def _is_finite(x: Any) -> bool:
    _, man, low, _ = x._mpf_
    return bool(man) or not low


def _bits(x: Any) -> int:
    """Return the number of bits from the first to the last 1: 0 for 0, infinities and nan."""
    _, man, _, bits = x._mpf_
    return bits if man else 0


def _size(x: Any) -> int | None:
    """Return the least n with ``abs(x) < 2**n``, or None for 0, infinities and nan."""
    _, man, low, bits = x._mpf_
    return low + bits if man else None


def _below(size: int | None, limit: int) -> bool:
    return size is None or size < limit


def _scaled(err: int | None, x: Any, shift: int = 0) -> int | None:
    """Return n with ``2**n >= 2**err * abs(x) * 2**shift``, or None where that is 0."""
    _, man, low, bits = x._mpf_
    return err + low + bits + shift if man and err is not None else None


def _bound(*errors: int | None) -> int | None:
    """Return n with ``2**n >= sum(2**err)``, or None without any."""
    some = [err for err in errors if err is not None]
    return max(some) + (len(some) - 1).bit_length() if some else None


# Evaluation: of one element


def _evaluate(loss: Loss, y: Any, z: Any, index: int, m: Functions) -> Triple:
    """Return the triple of one element in numbers of `m`, whatever they are worth."""
    parameters = {name: _parameter(x, index, m) for name, x in loss.parameters.items()}

    def triple(side: int) -> Triple:
        result = loss.reference(m, y, Jet(z, m.number(1), side=side), **parameters)
        jet = result if isinstance(result, Jet) else Jet(result)
        v, g, h = (m.number(0 if x is None else x) for x in (jet.value, jet.first, jet.second))
        return v, g, h

    try:
        return triple(0)
    except Kink:
        v, g, h = ((above + below) / 2 for above, below in zip(triple(1), triple(-1), strict=True))
        return v, g, h


def _parameter(x: Any, index: int, m: Functions) -> Any:
    if isinstance(x, tuple):
        x = x[index % len(x)]
    return m.number(x) if isinstance(x, float) else x


def _inside(loss: Loss, y: float, z: float) -> bool:
    return y in loss.domain.target and z in loss.domain.prediction  # nan is in no interval


def _in_floats(loss: Loss, y: float, z: float, index: int) -> Triple:
    if not _inside(loss, y, z):
        return math.nan, math.nan, math.nan
    with np.errstate(all="ignore"):
        return _evaluate(loss, np.float64(y), np.float64(z), index, Functions(np.float64))


def _limit_in_balls(loss: Loss, y: float, z: float, index: int) -> Triple:
    """Return the triple of one element as mpmath numbers: at infinite inputs, the limit."""
    nan = _context(DIGITS[0]).nan
    if not _inside(loss, y, z) or (math.isinf(y) and y == z):
        return nan, nan, nan
    near = _in_balls(loss, y, z, index, REACHES[0])
    if math.isfinite(y) and math.isfinite(z):
        return near
    v, g, h = map(_limit, near, _in_balls(loss, y, z, index, REACHES[1]))
    return v, g, h


def _limit(near: Any, far: Any) -> Any:
    """Return the limit of what is `near` and `far` at two very large inputs, also if it is approached slowly."""
    if 1000 * abs(far) > 1001 * abs(near):  # growing, if only as a logarithm
        return far * far.context.inf
    return 0 * far if 1000 * abs(near) > 1001 * abs(far) else far


def _in_balls(loss: Loss, y: float, z: float, index: int, reach: int) -> Triple:
    """Return the triple of one element as mpmath numbers that are certain, with 2**reach for infinity."""
    for digits in DIGITS:
        ctx = _context(digits)
        m = Functions(functools.partial(_ball, ctx))
        target, prediction = (
            Ball(ctx.mpf(x) if math.isfinite(x) else ctx.ldexp(math.copysign(1, x), reach)) for x in (y, z)
        )
        try:
            v, g, h = _evaluate(loss, target, prediction, index, m)
        except Undecided:
            continue
        if _is_certain(v) and _is_certain(g) and _is_certain(h):
            return v.mid, g.mid, h.mid
    raise ArithmeticError(
        f"{loss!r}.reference at y_true={y}, y_pred={z} is not certain with {DIGITS[-1]} digits: it needs another form"
    )


def _is_certain(x: Ball) -> bool:
    if x.err is None:
        return True
    size = _size(x.mid)
    if size is not None and x.err <= size - 1 + RELATIVE:
        return True
    return x.err < NEGLIGIBLE and _below(size, NEGLIGIBLE)


@functools.cache
def _context(digits: int) -> Any:
    """Return a context of mpmath with a precision of its own, which nobody changes: threads may share it."""
    from mpmath import MPContext

    ctx = MPContext()
    ctx.dps = digits
    return ctx


def _rounded(x: Any) -> float:
    """Return the float64 nearest to a number, also where that is subnormal or infinite."""
    size = None if isinstance(x, float) else _size(x)
    if size is None:
        return float(x)
    sign, man, low, _ = x._mpf_
    if size > 1024:
        return -math.inf if sign else math.inf
    # mpmath rounds to 53 bits, and then a second time to a subnormal; division of integers rounds once
    numerator, denominator = (man << low, 1) if low > 0 else (man, 1 << -low)
    try:
        magnitude: float = numerator / denominator
    except OverflowError:
        magnitude = math.inf
    return -magnitude if sign else magnitude
