"""What the losses of overlap share: three sums, true positives, false positives and false negatives.

With TP the sum of p y, FP that of p (1 - y) and FN that of (1 - p) y, every one of them is 1 - N / D with

    N = gain TP + smooth,  D = max(N + alpha FP + beta FN, eps).

Where D is not eps, that is (alpha FP + beta FN) / D, in which nothing cancels.
"""

from collections.abc import Callable
from typing import Any

from nbloss import links
from nbloss._math import exp_expm1, fma, power, sigmoids
from nbloss.families.setwise import Setwise
from nbloss.loss import REAL, UNIT, Domain

Six = tuple[float, float, float, float, float, float]


def counts(y: float, p: float, q: float) -> tuple[float, float, float]:
    """Return what an element of probability p = 1 - q counts as true positive, false positive and false negative."""
    return p * y, p * (type(y)(1) - y), q * y


def moves(
    y: float, slope: float, lead: float, rise: float, fall: float, other: float, own: float, again: float
) -> tuple[float, float]:
    """Return the first and the second derivative of the loss by what moves an element's p with this *slope*."""
    zero, one = type(y)(0), type(y)(1)
    x = ((one - y) * rise - y * fall) * slope  # first, for it may be 0 where another factor is infinite
    second = x * (((one - y) * other + y * own) * slope + x * again)
    return x * lead if x != zero else zero, second if x != zero else zero


def focused(value: float, rise: float, fall: float, other: float, own: float, gamma: float) -> tuple[float, ...]:
    """Return the power *gamma* of a loss, and the coefficients of its slopes.

    They are kept together with the loss that they belong to, ``rise / value`` and so on: a power of the loss alone may
    overflow where the derivative does not.
    """
    real = type(value)
    zero, one, two, inf = real(0), real(1), real(2), real(float("inf"))
    if value == zero:
        if gamma < one:  # slopes without bound, against which all else is nothing
            return zero, inf, rise, fall, zero, zero, -inf
        again = inf if gamma < two else two if gamma == two else zero
        return zero, zero, rise, fall, zero, zero, again
    result = power(value, gamma)
    first = gamma * result / value
    return result, one, rise * first, fall * first, other, own, (gamma - one) / (gamma * result)


class Overlap(Setwise):
    """A loss of the overlap of a predicted and a true region; a subclass gives its rates as :attr:`numbers`."""

    from_logits: bool

    of_class = counts, moves
    sums, coefficients = 3, 6

    @property
    def domain(self) -> Domain:
        return Domain(UNIT, REAL if self.from_logits else UNIT)

    @property
    def link(self) -> Callable[..., Any]:
        return links.sigmoid if self.from_logits else links.identity

    @property
    def choices(self) -> tuple[Any, ...]:
        return (self.from_logits,)

    @staticmethod
    def terms(y: float, z: float, from_logits: bool) -> tuple[float, float, float]:
        p, q = sigmoids(z) if from_logits else (z, type(z)(1) - z)
        return counts(y, p, q)

    @staticmethod
    def finish(
        tp: float, fp: float, fn: float, gain: float, alpha: float, beta: float, smooth: float, eps: float,
        gamma: float, from_logits: bool,
    ) -> tuple[float, ...]:  # fmt: skip
        real = type(tp)
        zero, one, two = real(0), real(1), real(2)
        hit, miss = gain * tp + smooth, alpha * fp + beta * fn
        whole = hit + miss
        is_less = whole < eps
        divisor = eps if is_less else whole
        value = (eps - hit) / eps if is_less else miss / whole
        # the derivative by p is (1 - y) rise - y fall; that of D, divided by D, is -((1 - y) other + y own) / 2
        share = zero if is_less else hit / whole / whole
        rise, fall = alpha * share, beta * share + gain * (one / eps if is_less else value / whole)
        bend = zero if is_less else -two / divisor
        other, own = bend * alpha, bend * (gain - beta)
        if gamma == one:
            return value, one, rise, fall, other, own, zero
        return focused(value, rise, fall, other, own, gamma)

    @staticmethod
    def slopes(
        y: float, z: float, lead: float, rise: float, fall: float, other: float, own: float, again: float,
        from_logits: bool,
    ) -> tuple[float, float, float]:  # fmt: skip
        real = type(z)
        zero, one = real(0), real(1)
        slope, turn = one, zero
        if from_logits:
            e, fraction = exp_expm1(-abs(z))
            two = real(2)
            slope, ahead = e / fma(e, e + two, one), -fraction / (one + e)  # p (1 - p), and their difference
            turn = -ahead if z > zero else ahead
        gradient, second = moves(y, slope, lead, rise, fall, other, own, again)
        return gradient, gradient * turn if from_logits else zero, second

    @staticmethod
    def overlap(
        m: Any, target: Any, predictions: Any, gain: Any, alpha: Any, beta: Any, smooth: Any, eps: Any, from_logits: Any
    ) -> list[Any]:
        """Return, as the textbook has it, the loss; if there are classes, that of each that occurs."""
        n, count = len(target), len(predictions)
        classes = range(count // n) if count > n else (None,)
        found = []
        for k in classes:
            if k is None:
                y, z = target, predictions
                p = [1 / (1 + m.exp(-x)) for x in z] if from_logits else z
            else:
                y = [int(bool(t == k)) for t in target]
                rows = [predictions[i * len(classes) : (i + 1) * len(classes)] for i in range(n)]
                p = [softmax(m, row, k) for row in rows] if from_logits else [row[k] for row in rows]
                if not sum(y):
                    continue
            both = sum(a * b for a, b in zip(p, y, strict=True))
            of_p, of_y = sum(p), sum(y)
            whole = gain * both + alpha * (of_p - both) + beta * (of_y - both) + smooth
            found.append(1 - (gain * both + smooth) / max(m.jet(whole), m.jet(eps)))
        return found

    @staticmethod
    def mean(found: list[Any]) -> Any:
        """Return the mean over the classes that occur: nan if none does."""
        return sum(found) / len(found) if found else float("nan")


def softmax(m: Any, row: Any, k: int) -> Any:
    """Return the probability of class *k*."""
    return 1 / sum(m.exp(x - row[k]) for x in row)
