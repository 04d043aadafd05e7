"""Powers of e of the predictions of a row, relative to each other, as :mod:`nbloss._cpu.powers` has them.

The *powers* of a row are exp(x), all times the same power of 2, which is known before the greatest prediction is: so a
row need not be read for that first. No difference of predictions is taken, which would lose digits. Where the greatest
prediction turns out to be huge, or far above the one that the scale was made for, powers are not what they should be.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from nbloss._cuda.layout import on_device
from nbloss._math import fma


class _Form(NamedTuple):
    """How the powers of a real type are made."""

    bits: Any
    """The whole numbers of the same size."""
    fraction: int
    lowest: int
    """The exponent, as it is stored, of the power that the scale is made for: above that of 1, by the lift."""
    rise: float
    """So far above it others may be: even 2^32 of them add up to something finite."""
    far: float
    """Predictions must be less than this: then an exponent times the first part of the logarithm of 2 is exact."""
    ln2: tuple[float, float]
    tail: tuple[float, ...]
    """Of exp(r) - 1 = r + r^2 tail(r), as in :mod:`nbloss._cpu.formats`."""


_FORMS = {
    np.float32: _Form(
        np.uint32, 23, 127 + 30, 40.0, 512.0, (0.693115234375, 3.1946184945309415e-05),
        (0.49999997, 0.16666545, 0.04166752, 0.00836639, 0.0013862732),
    ),
    np.float64: _Form(
        np.uint64, 52, 1023 + 500, 300.0, 4096.0, (0.6931471805601177, -1.7239444525614835e-13),
        (
            0.5000000000000006, 0.16666666666666613, 0.04166666666657391, 0.00833333333337427, 0.001388888893225331,
            0.00019841269752244106, 2.480150461048201e-05, 2.7557377781552863e-06, 2.7626259370263505e-07,
            2.5063204504939074e-08,
        ),
    ),
}  # fmt: skip


class Powers(NamedTuple):
    """What kernels call, for a real type."""

    scale_of: Callable[..., Any]
    """Returns what the powers of a row have in common, from one of its greater predictions."""
    power: Callable[..., Any]
    """Returns the power of a prediction, from the scale."""
    in_words: Callable[..., Any]
    """Returns it as two numbers, of which the second one is what the rounding of the first took away."""
    are_right: Callable[..., Any]
    """Whether powers are, from the greatest prediction and the one that the scale was made for."""


@functools.cache
def powers_of(dtype: np.dtype[Any]) -> Powers:
    """Return the functions for a real type."""
    real = dtype.type
    form, log2_e = _FORMS[real], real(1 / math.log(2))
    bits, fraction, shift, lowest = form.bits, form.bits(form.fraction), real(1.5 * 2.0**form.fraction), form.lowest
    high, low = map(real, form.ln2)
    tail_of, ln2, rise, far = _polynomial(form.tail, real), real(math.log(2)), real(form.rise), real(form.far)

    @on_device
    def scale_of(x: Any) -> Any:
        exponent = fma(x, log2_e, shift) - shift
        least = exponent - real(lowest)
        return shift - least, least * ln2

    @on_device
    def parts(x: Any, scale: Any) -> Any:
        """Return a power of 2 and what it is multiplied with, less 1."""
        to_integer, least = scale
        x = least if x < least else x  # in this order nan stays nan; there the power of 2 is 0
        shifted = fma(x, log2_e, to_integer)
        k = shifted - to_integer
        r = fma(k, -low, fma(k, -high, x))
        power_of_2 = bits(shifted.view(bits) << fraction).view(real)
        return power_of_2, fma(r * r, tail_of(r), r)

    @on_device
    def power(x: Any, scale: Any) -> Any:
        s, t = parts(x, scale)
        return fma(t, s, s)

    @on_device
    def in_words(x: Any, scale: Any) -> Any:
        s, t = parts(x, scale)
        e = fma(t, s, s)
        return e, fma(t, s, s - e)

    @on_device
    def are_right(top: Any, x: Any) -> Any:
        return (top - x <= rise) & (abs(top) < far)

    return Powers(scale_of, power, in_words, are_right)


def _polynomial(coefficients: tuple[float, ...], real: Any) -> Callable[..., Any]:
    """Return the function that evaluates a polynomial, of which the first coefficient is the constant."""
    first = real(coefficients[0])
    if len(coefficients) == 1:
        return on_device(lambda x: first)
    others = _polynomial(coefficients[1:], real)
    return on_device(lambda x: fma(others(x), x, first))
