"""Laws of the losses of rows: values, derivatives, weights, layouts and labels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mpmath import fabs, mp, mpf

import nbloss
from nbloss.reference import Part, derivatives_of_part
from tests.cases import ROW_CASES, rounded, rows
from tests.ulps import ulps

KINDS = [(loss, labels) for loss in ROW_CASES for labels in (True, False)]
KINDS = [
    (loss, labels)
    for loss, labels in KINDS
    if (loss.takes_labels if labels else loss.parameters.get("ignore_index") is None)
]


def allowed(loss: Any) -> float:
    """Return how many ulp a loss may be off."""
    return 8 + 2 * loss.gamma if isinstance(loss, nbloss.Focal) else 4


def largest_terms(loss: Any, part: Part) -> tuple[Any, list[Any], list[Any]]:
    """Return the size of the largest term of the value, the gradients and the Hessians.

    Of the terms of a sum over classes, only the size is needed: a loss's own formula gives it, in plain Python.
    """
    (z,) = part.predictions
    classes = len(z)
    t = part.target if isinstance(part.target, tuple) else tuple(float(k == part.target) for k in range(classes))
    program = loss._program
    factors = program.factors or (1.0,) * classes
    t = [f * (x * (1 - program.smoothing) + program.smoothing / classes) for f, x in zip(factors, t, strict=True)]
    scale = program.scale / (classes if program.averaged else 1)
    if program.softmax:
        top = max(z)
        e = [mp.exp(mpf(x) - top) for x in z]
        p = [x / sum(e) for x in e]
        q = [sum(x for j, x in enumerate(e) if j != k) / sum(e) for k in range(classes)]
        x = [mpf(a) - top - mp.log(sum(e)) for a in z]
    else:
        x, p, q = list(z), list(z), [1 - a for a in z]
    with np.errstate(all="ignore"):
        numbers = [[np.float64(float(n)) for n in row] for row in zip(t, x, p, q, strict=True)]
        terms = [loss.formula(*row, *loss.numbers, *loss.choices) for row in numbers]
    if isinstance(loss, nbloss.KLDivergence):
        terms += [(c * np.log(c), 0.0, 0.0) for c in t if c > 0] + [
            (c * float(m), 0.0, 0.0) for c, m in zip(t, x, strict=True)
        ]
    v, a, b = ([size(term[i]) * scale for term in terms] for i in range(3))
    a, b = a[:classes], b[:classes]
    if not program.softmax:
        return max(v), a, b
    own_terms = [gamma_terms(loss, t[k], x[k], p[k], q[k]) * scale for k in range(classes)]
    a = [max(m, n) for m, n in zip(a, own_terms, strict=True)]
    b = [max(m, n) for m, n in zip(b, own_terms, strict=True)]
    gradients = [max(a[k] * q[k], p[k] * max(a[:k] + a[k + 1 :])) for k in range(classes)]
    hessians = [
        max(b[k] * q[k] ** 2, p[k] ** 2 * max(b[:k] + b[k + 1 :]), max(a) * p[k] * q[k]) for k in range(classes)
    ]
    return max(v), gradients, hessians


def size(x: Any) -> Any:
    """Return the size of a finite number, 0 for others."""
    return fabs(mpf(float(x))) if np.isfinite(x) else mpf(0)


def gamma_terms(loss: Any, t: Any, x: Any, p: Any, q: Any) -> Any:
    """Return the largest term of which the focal loss makes its second derivative by a log-probability."""
    if not isinstance(loss, nbloss.Focal) or q == 0:
        return mpf(0)
    gamma = mpf(loss.gamma)
    return t * gamma * p * q ** (gamma - 1) * max(2, fabs(x), fabs(gamma - 1) * p * fabs(x) / q)


def worst(loss: Any, y: np.ndarray, z: np.ndarray) -> list[tuple[Any, ...]]:
    """Return for value, gradient and Hessian the largest error in ulp, and the row it is in."""
    got = loss.value(y, z, reduction="none"), *loss.gradient_and_hessian(y, z)
    exact = rounded(loss, z.dtype.type)
    found: list[tuple[Any, ...]] = [(-1.0,)] * 3
    with mp.workdps(60):
        for i, part in enumerate(exact.parts(y, z)[1]):
            v, (g,), (h,) = derivatives_of_part(exact, part)
            if not exact.holds(part) or part.target == loss.parameters.get("ignore_index", -1):
                sizes: Any = (0, [0] * len(g), [0] * len(g))
            else:
                sizes = largest_terms(exact, part)
            found[0] = max(found[0], (ulps(got[0][i], v, sizes[0]), part), key=lambda f: f[0])
            for which, values in ((1, g), (2, h)):
                for k, value in enumerate(values):
                    error = ulps(got[which][i, k], value, sizes[which][k])
                    found[which] = max(
                        found[which], (error, k, float(value), got[which][i, k], part), key=lambda f: f[0]
                    )
    return found


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("loss", "labels"), KINDS, ids=repr)
def test_oracle(loss: Any, labels: bool, dtype: type) -> None:
    errors = worst(loss, *rows(loss, 40, dtype, labels=labels))
    assert all(error[0] <= allowed(loss) for error in errors), errors
