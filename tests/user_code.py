"""What a type checker must see of user code: checked by mypy, and by pyright in tests/recipes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, assert_type

import numpy as np

import nbloss
from nbloss.families.pointwise import Pointwise

loss = nbloss.Huber(delta=1.5)
assert_type(loss, nbloss.Huber)
assert_type(loss.delta, float)
y, z = np.zeros(3), np.ones(3)

loss(y, z, reduction="sum")
gradient, hessian = loss.gradient_and_hessian(y, z, out=(np.empty(3), np.empty(3)))
start: float = loss.init_score(y)
assert_type(nbloss.get("huber", delta=1.5), nbloss.Loss)
assert_type(nbloss.ALL, tuple[type[nbloss.Loss], ...])

loss(y, z, reduction="median")  # type: ignore[arg-type]
nbloss.Huber(gamma=1.0)  # type: ignore[call-arg]
loss.delta = 2.0  # type: ignore[misc]


@nbloss.pointwise
def Cauchy(y: Any, z: Any, scale: float = 1.0) -> Any:
    return nbloss.math.log1p(((z - y) / scale) ** 2) / 2


assert_type(Cauchy(scale=2.0), Pointwise)
Cauchy(scale="2")  # type: ignore[arg-type]
Cauchy(width=2.0)  # type: ignore[call-arg]


@nbloss.pointwise(link=nbloss.links.exp)
def Counts(y: Any, z: Any) -> Any:
    return nbloss.math.exp(z) - y * z


make: Callable[[], Pointwise] = Counts
