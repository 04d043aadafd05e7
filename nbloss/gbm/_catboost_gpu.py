"""What CatBoost calls when it trains on a GPU: value and derivatives, written where its arrays lie.

CatBoost launches it as a kernel of numba: ``calc_ders_range_gpu[blocks, threads, stream](0, approxes, targets, weights,
value, der1, der2)``, where the 0 stands for the object, and all arrays are float32. It leaves out, as arrays of length
0, what it does not ask for. `value` is to be the sum of minus the weighted losses, `der1` minus the gradient, as on the
CPU, but `der2` the Hessian with its own sign: CatBoost's built-in losses write positive ones on a GPU, and it moves a
leaf by the quotient of the sums of `der1` and `der2` only where the latter is positive. (CatBoost 1.2.10:
cuda/targets/kernel/pointwise_targets.cu, cuda/methods/leaves_estimation/descent_helpers.cpp, `_catboost.pyx`.)
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from nbloss._place import backend_of
from nbloss.families.pointwise import Pointwise

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


@dataclasses.dataclass(frozen=True)
class Derivatives:
    """What CatBoost launches, for a loss that ascends."""

    loss: Pointwise
    takes_exposures: bool
    """Whether weights are the second target, and multiply nothing."""

    def __getitem__(self, where: Any) -> Callable[..., None]:
        """Return what writes on the stream of *where*: blocks, threads and stream, of which ours are other blocks."""
        return functools.partial(self._write, where[2])

    def _write(
        self, stream: Any, _: Any, approxes: Any, targets: Any, weights: Any, value: Any, der1: Any, der2: Any
    ) -> None:
        backend = backend_of(y_true=targets, y_pred=approxes)
        handle = int(stream) if hasattr(stream, "__int__") else 0  # the simulator's streams are no numbers

        def view(x: Any, name: str) -> Any:
            return backend.as_array(x, name)._replace(stream=0 if handle == 1 else handle)

        y, z = view(targets, "y_true"), view(approxes, "y_pred")
        w = view(weights, "sample_weight") if len(weights) else None
        real = DOUBLE if self.loss.in_double else SINGLE
        program = self.loss._program
        if self.takes_exposures and w is not None:
            program, w = self.loss._program_for((w,)), None
        wanted = [(letter, view(out, "out")) for letter, out in (("g", der1), ("h", der2)) if len(out)]
        if wanted:
            letters, outs = zip(*wanted, strict=True)
            backend.pointwise.run(program, "".join(letters), False, y, z, w, outs, real)
        if len(value):
            backend.pointwise.run(program, "s", False, y, z, w, [view(value, "out")], real)
