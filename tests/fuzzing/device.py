"""One call on a device, which numba simulates, compared with that on the CPU."""

from __future__ import annotations

import warnings
from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st
from numba.cuda.simulator.cudadrv.devicearray import FakeCUDAArray

from nbloss import _arrays
from nbloss.families.grouped import Grouped
from nbloss.families.pointwise import Pointwise
from nbloss.families.rowwise import Rowwise
from tests.cuda.on_cpu import on_cpu
from tests.fuzzing.calls import METHODS, flat, together
from tests.fuzzing.drawn import Numbers, in_types, laid_out, numbers_for, weights_of

LAYOUTS = ("plain", "fortran", "reversed", "strided", "moved", "broadcast")
TARGETS = ("f8", "f4", "i8", "i4", "i1", "u1", "?", "f2", "u2")
FLOATS = ("f8", "f4", "f2")


def check(loss: Any, data: Any) -> None:
    """Make one call in either place and compare them."""
    draw = data.draw
    made = in_types(loss, draw, numbers_for(loss, draw, long=False), TARGETS, FLOATS)
    weight = weights_of(loss, draw, made)
    method = draw(st.sampled_from(METHODS))
    reduction = draw(st.sampled_from(["mean", "sum", "none"])) if "value" in method else "none"
    hypothesis.note(f"{method} {reduction} of {made!r}, {weight!r}"[:1500])

    here: list[Any] = [laid_out(draw, a, LAYOUTS) for a in (*made.targets, *made.predictions)]
    w = laid_out(draw, weight, LAYOUTS) if isinstance(weight, np.ndarray) else weight
    there = [FakeCUDAArray(a) for a in here]
    n = len(made.targets)
    options: dict[str, Any] = {"reduction": reduction} if "value" in method else {}
    if isinstance(loss, Grouped):
        options["groups"] = made.sizes
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # formulas are of NumPy's scalars here
        given_here = together(here[:n]), together(here[n:]), w
        if all(z.dtype == np.float64 for z in made.predictions):
            want = on_cpu(loss, method, *given_here, **options)
        else:  # the order of what is sorted, and what overflows, depend on the type
            want = getattr(loss, method)(*given_here, **options)
        if draw(st.integers(0, 2)) == 0:
            outs = [np.full_like(a, 7) for a in flat(want)]
            outs = [laid_out(draw, a, LAYOUTS[:5]) for a in outs]
            placed = iter(outs)
            options["out"] = _like(want, lambda a: FakeCUDAArray(next(placed)))
        on_device = FakeCUDAArray(w) if isinstance(w, np.ndarray) else w
        got = getattr(loss, method)(together(there[:n]), together(there[n:]), on_device, **options)
    given = flat(options["out"]) if "out" in options else None
    for i, (a, b) in enumerate(zip(flat(got), flat(want), strict=True)):
        assert isinstance(a, FakeCUDAArray) and (given is None or a is given[i])
        _compare(loss, made, weight, a._ary, np.asarray(b), reduction)


def _like(arrays: Any, make: Any) -> Any:
    return tuple(_like(a, make) for a in arrays) if isinstance(arrays, tuple) else make(arrays)


def _compare(loss: Any, made: Numbers, weight: Any, got: Any, want: Any, reduction: str) -> None:
    """Plain Python has no fused multiply-add, rounds exp and log otherwise, and adds in another order."""
    assert got.shape == want.shape and got.dtype == want.dtype, (got.shape, want.shape, got.dtype, want.dtype)
    real = min((_arrays.real_of(z.dtype) for z in made.predictions), key=lambda t: t.itemsize)
    info = np.finfo(real)
    with np.errstate(all="ignore"):
        size = np.abs(want) + 1
        if not isinstance(loss, Pointwise) or reduction != "none":  # where terms are added, or cancel
            finite = [np.abs(a[np.isfinite(a)]).max(initial=0) for a in (*made.predictions, want)]
            of_rows = isinstance(loss, Rowwise | Pointwise) or weight is None
            size = size + max(map(float, finite)) * (1 if of_rows else 10) * max(1, made.predictions[0].size)
        near = np.abs(got.astype(float) - want.astype(float)) <= 4096 * info.eps * size
        near |= (np.isinf(got) | np.isinf(want)) & (np.abs(got) > info.max / 2) & (np.abs(want) > info.max / 2)
    same = (got == want) | (np.isnan(got) & np.isnan(want)) | near
    assert same.all(), f"got {got[~same][:5]}, not {want[~same][:5]}, at {np.argwhere(~same)[:5].tolist()}"
