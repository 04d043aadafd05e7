"""Tests a loss against the oracle, as the library tests its own."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

import numpy as np

from nbloss import reference
from nbloss.families.paired import needs_pairs
from nbloss.families.pointwise import Pointwise
from nbloss.loss import REAL, UNIT, Interval, Loss

ELEMENTS = 200
ALLOWED = 16
"""Units in the last place, of the exact number or of 1 if that is greater: a formula of a user may cancel a little."""


class Finding(NamedTuple):
    """What was found about one result."""

    name: str
    """Which result, in which type, where."""
    error: float
    """The largest error in units in the last place; nan where it is not a number, and so nothing can be compared."""
    prediction: float
    """The prediction of that error."""
    target: float

    @property
    def passed(self) -> bool:
        return self.error <= ALLOWED

    def __str__(self) -> str:
        at = "" if self.passed else f"   at y_true={self.target!r}, y_pred={self.prediction!r}"
        return f"{'ok  ' if self.passed else 'FAIL'}  {self.name:34} {self.error:12.3g} ulp{at}"


class Report(NamedTuple):
    """What :func:`nbloss.check` found."""

    loss: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether every result is right."""
        return all(finding.passed for finding in self.findings)

    def __str__(self) -> str:
        lines = [self.loss, *(f"  {finding}" for finding in self.findings)]
        return "\n".join([*lines, "  all right" if self.passed else "  not right: see above"])


def check(loss: Loss, y_true: Any = None, y_pred: Any = None) -> Report:
    """Test value, gradient and Hessian of a loss against the oracle, print what comes out, and return it.

    They are compared in float64 and float32 with what :mod:`nbloss.reference` makes of the loss's textbook line (for
    :func:`nbloss.pointwise`, of the function's value) with as many digits as it takes; on a CUDA device as well, where
    there is one and CuPy is installed. Gradient and Hessian that a function returns itself are so tested against its
    value.

    Parameters
    ----------
    loss : Loss
        Any loss; of other families than the pointwise ones, with `y_true` and `y_pred`.
    y_true, y_pred : array_like, optional
        Targets and predictions to test at, a few hundred at most. By default ordinary numbers in the loss's domain.

    Returns
    -------
    Report
        With `passed`, and `findings`, one for each result.

    Raises
    ------
    TypeError
        If the loss is not pointwise, and no arrays are given.
    """
    if y_pred is None:
        if not isinstance(loss, Pointwise) or needs_pairs(loss):
            raise TypeError(
                f"check of {type(loss).__name__} needs y_true and y_pred: only pointwise losses have usual ones"
            )
        y_true, y_pred = usual(loss)
    findings: list[Finding] = []
    for dtype in (np.float64, np.float32):
        z = np.asarray(y_pred).astype(dtype)
        y = tuple(_narrowed(x, dtype) for x in y_true) if isinstance(y_true, tuple) else _narrowed(y_true, dtype)
        exact = reference.derivatives(_rounded(loss, dtype), y, z)
        found = (loss.value(y, z, reduction="none"), loss.gradient(y, z), loss.hessian(y, z))
        findings += _compared(np.dtype(dtype).name, found, exact, y, z)
        cupy = _cupy()
        if cupy is not None:
            on_device = (
                tuple(map(cupy.asarray, y)) if isinstance(y, tuple) else cupy.asarray(y),
                cupy.asarray(z),
            )
            found = (loss.value(*on_device, reduction="none"), loss.gradient(*on_device), loss.hessian(*on_device))
            findings += _compared(f"{np.dtype(dtype).name} on CUDA", [x.get() for x in found], exact, y, z)
    report = Report(repr(loss), tuple(findings))
    print(report)
    return report


def usual(loss: Loss) -> tuple[Any, Any]:
    """Return targets and predictions as people have them."""
    rng = np.random.default_rng(0)

    def within(interval: Interval) -> Any:
        if interval == UNIT:
            return np.where(rng.random(ELEMENTS) < 0.3, rng.integers(0, 2, ELEMENTS), rng.random(ELEMENTS))
        if interval == REAL:
            return rng.normal(size=ELEMENTS) * 2
        return np.minimum(interval.low + rng.exponential(2, ELEMENTS), interval.high)

    y = within(loss.domain.target)
    z = np.clip(within(loss.domain.prediction), 0.01, 0.99) if loss.domain.prediction == UNIT else None
    return y, within(loss.domain.prediction) if z is None else z


def _narrowed(y: Any, dtype: Any) -> Any:
    y = np.asarray(y)
    return y.astype(dtype) if y.dtype.kind == "f" else y


def _rounded(loss: Any, dtype: Any) -> Any:
    """Return *loss* with its numbers as kernels of *dtype* see them."""
    import dataclasses

    numbers = {k: float(dtype(x)) for k, x in loss.parameters.items() if type(x) is float}
    return dataclasses.replace(loss, **numbers)


def _compared(words: str, found: Any, exact: Any, y: Any, z: Any) -> list[Finding]:
    findings = []
    for name, a, b in zip(("value", "gradient", "Hessian"), found, exact, strict=True):
        a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
        unit = np.spacing(np.maximum(np.abs(b), 1).astype(found[0].dtype)).astype(np.float64)
        with np.errstate(invalid="ignore"):
            error = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b) / unit)
        error = np.where(np.isnan(error), np.inf, error)
        worst = int(error.argmax()) if error.size else 0
        is_alone = not isinstance(y, tuple) and z.shape == error.shape == y.shape
        at = (z.flat[worst], y.flat[worst]) if is_alone else (np.nan, np.nan)
        findings.append(Finding(f"{name}, {words}", float(error.flat[worst]) if error.size else 0.0, *map(float, at)))
    return findings


def _cupy() -> Any:
    """Return CuPy where it is installed and there is a device, else None."""
    if "cupy" not in sys.modules:
        import importlib.util

        if importlib.util.find_spec("cupy") is None:
            return None
    try:
        import cupy

        return cupy if cupy.cuda.runtime.getDeviceCount() else None
    except Exception:  # no driver, or a CuPy that does not fit it
        return None
