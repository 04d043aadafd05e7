"""What a call gives on the CPU, by kernels that the tests of the CPU compile too: each takes a second or more.

That dtypes, layouts and forms of weights make no difference on the CPU is a law of its own, which its tests hold.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from nbloss._arrays import real_of
from nbloss.families.pointwise import Pointwise
from nbloss.families.rowwise import Rowwise
from nbloss.families.setwise import Setwise
from nbloss.families.vectorwise import Vectorwise


def on_cpu(loss: Any, method: str, y: Any, z: Any, w: Any = None, **how: Any) -> Any:
    """Return what *method* gives, of the same numbers in float64 and C order, in the types of the results."""
    kinds = {real_of(a.dtype) for a in flat(z)}
    if len(kinds) > 1:
        return getattr(loss, method)(y, z, w, **how)
    (real,) = kinds
    is_sum = method.startswith("value") and how.get("reduction", "mean") != "none"
    if is_sum and w is None and isinstance(loss, Pointwise | Rowwise):
        w = np.ones(z.shape if isinstance(loss, Pointwise) else z.shape[:-1])  # the same, by a kernel that is there
    if isinstance(loss, Setwise | Vectorwise):
        if method == "gradient":
            return on_cpu(loss, "gradient_and_hessian", y, z, w, **how)[0]
        w = 1.0 if w is None else w
    exact = getattr(loss, method)(_targets(loss, y, z), _plain(z), _plain(w), **how)
    if method == "value":
        return exact if is_sum else _narrowed(exact, real)
    if is_sum:
        return exact[0], _narrowed(exact[1], real)
    return _narrowed(exact, real)


def flat(x: Any) -> list[Any]:
    return [b for a in x for b in flat(a)] if isinstance(x, tuple) else [x]


def _targets(loss: Any, y: Any, z: Any) -> Any:
    if isinstance(y, tuple) or y is None or np.ndim(y) == np.ndim(flat(z)[0]) or getattr(loss, "real_targets", False):
        return _plain(y)
    labels = np.asarray(y)
    with np.errstate(invalid="ignore"):
        whole = labels.astype(np.int64)
    return np.array(whole, order="C") if np.array_equal(whole, labels) else _plain(labels)


def _plain(x: Any) -> Any:
    if isinstance(x, tuple):
        return tuple(map(_plain, x))
    return None if x is None else np.array(x, np.float64, order="C")


def _narrowed(x: Any, real: np.dtype[Any]) -> Any:
    if isinstance(x, tuple):
        return tuple(_narrowed(a, real) for a in x)
    with np.errstate(over="ignore"):
        return np.asarray(x).astype(real)[()]
