"""Random calls of every loss against the oracle: shapes, layouts, dtypes, weights, nan and inf, outputs, bad labels.

``python -m tests.fuzzing 600`` goes on for ten minutes, with other calls each time, and prints what it finds.
tests/test_fuzz.py makes some of these calls.
"""

from __future__ import annotations

import random
import sys
import time
import traceback
from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

import nbloss
from nbloss import _arrays
from nbloss.families.ordered import Margins, Ordered
from nbloss.families.pointwise import Pointwise
from nbloss.families.rowwise import Rowwise
from nbloss.families.vectorwise import Vectorwise
from nbloss.loss import UNIT
from tests.cases import CASES, LINE_CASES, ORDERED_CASES, ROW_CASES, SET_CASES, ordinary, rounded

ALL = [*CASES, *ROW_CASES, *LINE_CASES, *SET_CASES, *ORDERED_CASES]
METHODS = ("value", "gradient", "hessian", "gradient_and_hessian", "value_and_gradient")
FLOATS = ("f8", "f4", "f2", ">f8")
TARGETS = ("f8", "f4", "i8", "i4", "i1", "u1", "?", "f2", "u2", ">f4")
SPECIAL = (np.inf, -np.inf, np.nan, 0.0, 1.0, 1e-300)
CALLS = 40  # of a loss at a time
SMALL = 12  # elements of which the oracle gives the results; of more, a call on plain contiguous arrays does


# Arrays


def laid_out(draw: Any, a: np.ndarray) -> Any:
    """Return the numbers of *a* in another layout."""
    a = np.asarray(a)
    way = draw(st.sampled_from(["plain", "fortran", "reversed", "strided", "unaligned", "read-only", "moved", "list"]))
    if way == "fortran" and a.ndim:  # which would become one
        return np.asfortranarray(a)
    if way == "reversed" and a.ndim:
        return np.ascontiguousarray(a[::-1])[::-1]
    if way == "strided" and a.ndim:
        room = np.zeros((*a.shape[:-1], 3 * a.shape[-1] + 1), a.dtype)
        view = room[..., 1::3]
        view[...] = a
        return view
    if way == "unaligned":
        room = np.zeros(a.nbytes + 1, np.uint8)[1:].view(a.dtype).reshape(a.shape)
        room[...] = a
        return room
    if way == "moved" and a.ndim > 1:
        return np.moveaxis(np.ascontiguousarray(np.moveaxis(a, -1, 0)), 0, -1)
    if way == "list" and a.dtype in (np.float64, np.int64, np.bool_) and a.size:
        return a.tolist()
    copy = a.copy()
    copy.flags.writeable = way != "read-only"
    return copy


def with_specials(draw: Any, a: np.ndarray, infinite: bool) -> np.ndarray:
    """Return *a* with a few numbers that are out of the ordinary; several infinite ones of a row have no one limit."""
    if a.size and a.dtype.kind == "f":
        a = a.copy()
        for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
            a.flat[draw(st.integers(0, a.size - 1))] = draw(st.sampled_from(SPECIAL if infinite else SPECIAL[2:]))
    return a


def shape_of(draw: Any, least: int = 0) -> tuple[int, ...]:
    rank = draw(st.integers(least, 3))
    if draw(st.integers(0, 3)) == 0 and rank:
        return (draw(st.sampled_from([513, 1500, 4000])), *[1] * (rank - 1))
    return tuple(draw(st.integers(0 if draw(st.integers(0, 9)) == 0 else 1, 4)) for _ in range(rank))


def numbers_for(loss: Any, draw: Any) -> tuple[Any, tuple[np.ndarray, ...], tuple[int, ...]]:
    """Return targets, predictions and the shape that weights may have, as plain arrays of float64 or int64."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    if isinstance(loss, Pointwise):
        shape = shape_of(draw)
        for name in loss._program.vectors:
            shape = (*shape, len(loss.parameters[name]))
        y, z = ordinary(loss, int(np.prod(shape, dtype=int)), seed=int(rng.integers(99)))
        return y.reshape(shape), (z.reshape(shape),), shape
    if isinstance(loss, Vectorwise):
        shape = shape_of(draw)
        vectors = shape if loss.of_numbers else (*shape, draw(st.integers(1, 5)))
        zs = tuple(rng.normal(size=vectors) for _ in range(loss.predictions))
        targets = {"vector": rng.normal(size=vectors), "number": rng.choice([-1.0, 1.0, 0.0], shape), None: None}
        return targets[loss.target], zs, shape
    if isinstance(loss, Rowwise) or (isinstance(loss, Ordered) and not isinstance(loss, Margins)):
        return rows_for(loss, draw, rng)
    shape = shape_of(draw, least=1 if loss.per_image else 0)
    z = rng.normal(size=shape) if loss.domain.prediction != UNIT else rng.random(shape)
    if isinstance(loss, nbloss.RootMeanSquaredError):
        return rng.normal(size=shape), (z,), shape
    if not isinstance(loss, Ordered) and loss.of_class and draw(st.booleans()):
        classes = draw(st.integers(1, 4))
        z = rng.normal(size=(*shape, classes)) if loss.domain.prediction != UNIT else rng.random((*shape, classes))
        return rng.integers(0, classes, shape), (z,), shape
    return rng.integers(0, 2, shape).astype(float), (z,), shape


def rows_for(loss: Any, draw: Any, rng: np.random.Generator) -> tuple[Any, tuple[np.ndarray, ...], tuple[int, ...]]:
    shape = shape_of(draw, least=1 if getattr(loss, "per_image", False) else 0)
    tuples = [len(x) for x in loss.parameters.values() if isinstance(x, tuple)]
    classes = draw(st.sampled_from([1, 2, 3, 5, 30]))
    if isinstance(loss, nbloss.LovaszSoftmax):
        classes = 3
    elif tuples:
        classes = tuples[0]
    z = rng.normal(size=(*shape, classes)) * 3
    if loss.domain.prediction == UNIT:
        z = np.exp(z) / np.exp(z).sum(-1, keepdims=True)
    elif loss.domain.prediction.high == 0:
        z = -np.abs(z)
    labels = rng.integers(0, classes, shape)
    ignored = loss.parameters.get("ignore_index")
    takes_rows = isinstance(loss, Rowwise) and ignored is None and not getattr(loss, "labels_only", False)
    if takes_rows and (not loss.takes_labels or draw(st.booleans())):
        t = rng.dirichlet(np.ones(classes), shape)
        return np.log(t) if loss.parameters.get("log_target") else t, (z,), shape
    if ignored is not None:
        labels = np.where(rng.random(shape) < 0.2, ignored, labels)
    return labels, (z,), shape


# One call


def check(loss: Any, data: Any, targets: tuple[str, ...] = TARGETS, predictions: tuple[str, ...] = FLOATS) -> None:
    """Make one call and compare it with what it should give."""
    draw = data.draw
    y, zs, shape = numbers_for(loss, draw)
    dtype, infinite = np.dtype(draw(st.sampled_from(predictions))), isinstance(loss, Pointwise)
    with np.errstate(all="ignore"):
        zs = tuple(with_specials(draw, z, infinite).astype(dtype) for z in zs)
    has_labels = y is not None and y.dtype.kind == "i"
    if has_labels:
        kinds = [k for k in ("i8", "f8", "i4", "f4", "i1") if k in targets or k == "i8"]
        y = y.astype(draw(st.sampled_from(kinds)))
    elif y is not None:
        kind = np.dtype(draw(st.sampled_from([k for k in targets if fits(loss, k)])))
        with np.errstate(all="ignore"):
            y = with_specials(draw, y, infinite).astype(kind) if kind.kind == "f" else np.round(np.abs(y)).astype(kind)
    weight = None if isinstance(loss, Ordered) else weights_of(draw, shape)
    method = draw(st.sampled_from(METHODS))
    reduction = draw(st.sampled_from(["mean", "sum", "none"])) if "value" in method else "none"

    hypothesis.note(f"{method} {reduction} of {y!r}, {zs!r}, {weight!r}"[:1500])

    arrays = [None if y is None else laid_out(draw, y), *(laid_out(draw, z) for z in zs)]
    w = weight if weight is None or np.ndim(weight) == 0 else laid_out(draw, weight)
    before = [None if a is None else np.array(a) for a in (*arrays, w)]
    given_y, given_z = arrays[0], arrays[1] if len(zs) == 1 else tuple(arrays[1:])
    options = {"reduction": reduction} if "value" in method else {}
    if has_labels and y.size and y.dtype.kind in "if" and draw(st.integers(0, 7)) == 0:
        refuse_labels(loss, draw, y, zs, method, options)
        return
    names = {"value": "v", "gradient": "g", "hessian": "h"}
    letters = [names[name] for name in method.split("_and_")]
    want = expected(loss, y, zs, weight, shape, letters, reduction)
    outs = outputs(draw, letters, want) if all(want) and draw(st.integers(0, 2)) == 0 else None
    if outs is not None:
        options["out"] = outs[0] if len(outs) == 1 else tuple(outs)
        if draw(st.integers(0, 5)) == 0 and refuse_overlap(
            loss, letters, arrays, outs, given_y, given_z, w, method, options
        ):
            return
    with np.errstate(all="ignore"):
        got = getattr(loss, method)(given_y, given_z, w, **options)
    if outs is not None:
        given, found = flat(options["out"]), flat(got)
        assert len(given) == len(found) and all(a is b for a, b in zip(found, given, strict=True))
    for a, b in zip((*arrays, w), before, strict=True):
        assert a is None or np.array_equal(a, b, equal_nan=True), "an input was changed"
    results = (got,) if len(letters) == 1 else got
    for letter, a, b in zip(letters, results, want, strict=True):
        for x, (exact, size, real) in zip(a if isinstance(a, tuple) else (a,), b, strict=bool(b)):
            dtype_of_result = np.float64 if letter == "v" and reduction != "none" else real
            assert outs is not None or x.dtype == dtype_of_result, (letter, x.dtype)
            compare(letter, np.asarray(x), exact, size, min(x.dtype, np.dtype(real), key=lambda t: t.itemsize))


def flat(arrays: Any) -> list[Any]:
    return [a for some in arrays for a in flat(some)] if isinstance(arrays, tuple) else [arrays]


def fits(loss: Any, kind: str) -> bool:
    """Whether targets of this type make sense."""
    if np.dtype(kind).kind == "f":
        return True
    return isinstance(loss, Pointwise | nbloss.RootMeanSquaredError)


def weights_of(draw: Any, shape: tuple[int, ...]) -> Any:
    way = draw(st.sampled_from(["none", "none", "scalar", "each", "first"]))
    if way == "none":
        return None
    if way == "scalar":
        return draw(st.sampled_from([2.5, 0.0, 1]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    of = shape if way == "each" else shape[:1]
    w = np.where(rng.random(of) < 0.3, 0, rng.uniform(0.5, 2, of))
    return np.asarray(w).astype(draw(st.sampled_from(["f8", "f4", "i8"])))


def spread(weight: Any, shape: tuple[int, ...]) -> np.ndarray:
    w = np.asarray(1.0 if weight is None else weight, np.float64)
    return np.broadcast_to(w.reshape(w.shape + (1,) * (len(shape) - w.ndim) if w.ndim else ()), shape)


def expected(
    loss: Any, y: Any, zs: Any, weight: Any, shape: tuple[int, ...], letters: list[str], reduction: str
) -> list[list[tuple[np.ndarray, Any, Any]]]:
    """Return what each result should be, in float64, the size of its terms, and the type that it is computed in."""
    real = _arrays.real_of(zs[0].dtype)
    w = spread(weight, shape)
    with np.errstate(all="ignore"):
        values, slopes, bends, scale, of_sets = plain(loss, y, zs, weight, w)
        if not of_sets:
            c = divisors(loss, y, zs)
            values = np.where(w == 0, 0, w * values)
            more = (1,) * (zs[0].ndim - values.ndim)
            each = w.reshape(w.shape + more)
            slopes = [np.where(each == 0, 0, each * g) for g in slopes]
            bends = [np.where(each == 0, 0, each * h) for h in bends]
            divisor = float(np.sum(np.where(w == 0, 0, w * c)))
        else:
            divisor = float(values.size)
        scale = [s * max(1.0, float(np.abs(w).max(initial=0))) for s in scale]
        factor = np.float64(1)
        if reduction == "mean":
            factor /= divisor
        if reduction == "none":
            value = values
        elif reduction == "sum":
            value = values.sum()
        else:
            value = values.sum() / np.float64(divisor)
        share = 1.0 if reduction == "none" else max(1, values.size) * (1.0 if reduction == "sum" else abs(factor))
        results = {
            "v": [(np.asarray(value), scale[0] * share, real)],
            "g": [(g * factor, scale[1] * abs(factor), real) for g in slopes],
            "h": [(h, scale[2], real) for h in bends],
        }
    if reduction == "mean" and not divisor:
        results["g"] = []  # the derivatives of 0 / 0 are nan, but what has no weight gives 0: either will do
    return [results[letter] for letter in letters]


def plain(loss: Any, y: Any, zs: Any, weight: Any, w: Any) -> Any:
    """Return values, gradients, Hessians without weights, the sizes of their terms, and whether there are sets.

    With sets, the weights are in them already.
    """
    real = _arrays.real_of(zs[0].dtype)
    of_sets = not isinstance(loss, Pointwise | Rowwise | Vectorwise)
    doubles = [z.astype(np.float64) for z in zs]
    target = None if y is None else y.astype(np.int64 if is_whole(loss, y, zs) else np.float64)
    z = doubles[0] if len(zs) == 1 else tuple(doubles)
    exact = rounded(loss, real.type) if isinstance(loss, Pointwise | Rowwise) else loss
    is_small = 0 < zs[0].size <= SMALL
    if of_sets:  # whose oracle takes long where there are limits to find
        is_small = is_small and weight is None and all(np.isfinite(a).all() for a in (*doubles, target))
    if is_small:
        v, g, h = nbloss.reference.derivatives(exact, target, z)
    else:
        v = exact.value(target, z, weight if of_sets else None, reduction="none")
        g, h = exact.gradient_and_hessian(target, z, weight if of_sets else None)
    g, h = (x if isinstance(x, tuple) else (x,) for x in (g, h))
    inputs = sum(greatest(a) for a in (*doubles, *([] if y is None else [np.asarray(target, float)])))
    sizes = [max(map(greatest, x)) + inputs + 1 for x in ((v,), g, h)]
    return np.asarray(v), list(g), list(h), sizes, of_sets


def is_whole(loss: Any, y: Any, zs: Any) -> bool:
    return not isinstance(loss, Pointwise | Vectorwise | Margins) and y.shape != zs[0].shape


def greatest(a: Any) -> float:
    finite = np.abs(np.asarray(a)[np.isfinite(a)])
    return float(finite.max(initial=0))


def divisors(loss: Any, y: Any, zs: Any) -> Any:
    """Return what each loss counts in the divisor of a mean, besides its weight."""
    if not isinstance(loss, Rowwise):
        return 1.0
    labels = y.ndim < zs[0].ndim
    classes, c = zs[0].shape[-1], loss.parameters.get("class_weight")
    each: Any = np.ones(zs[0].shape[:-1])
    if c is not None:
        c = np.broadcast_to(np.asarray(c, float), (classes,))
        each = c[np.clip(y.astype(int), 0, classes - 1)] if labels else y.astype(float) @ c
    ignored = loss.parameters.get("ignore_index")
    return np.where(y == ignored, 0, each) if labels and ignored is not None else each


def compare(letter: str, got: np.ndarray, want: np.ndarray, size: float, real: Any) -> None:
    assert got.shape == want.shape, (letter, got.shape, want.shape)
    info = np.finfo(real)
    with np.errstate(all="ignore"):
        want = want.astype(real).astype(np.float64)
        got = got.astype(np.float64)
        near = np.abs(got - want) <= 256 * info.eps * (np.abs(want) + np.nan_to_num(size)) + info.smallest_subnormal
    same = (got == want) | (np.isnan(got) & np.isnan(want)) | near
    assert same.all(), f"{letter}: got {got[~same][:5]}, not {want[~same][:5]}, at {np.argwhere(~same)[:5].tolist()}"


def outputs(draw: Any, letters: list[str], want: Any) -> list[Any]:
    """Return arrays to write to, of some layout and type."""
    outs: list[Any] = []
    for letter, results in zip(letters, want, strict=True):
        made = []
        for exact, _, _ in results:
            is_reduced = letter == "v" and exact.shape == ()
            kind = "f8" if is_reduced else draw(st.sampled_from(["f8", "f4"]))
            room: Any = laid_out(draw, np.full(exact.shape, 7.0, kind))
            room = room if isinstance(room, np.ndarray) and room.flags.writeable else np.full(exact.shape, 7.0, kind)
            made.append(room)
        outs.append(made[0] if len(made) == 1 else tuple(made))
    return outs


def refuse_labels(loss: Any, draw: Any, y: Any, zs: Any, method: str, options: Any) -> None:
    """Make a label wrong: it must be refused, and nothing written."""
    classes, ignored = zs[0].shape[-1], loss.parameters.get("ignore_index")
    wrong = [x for x in (-1, classes, 100, *((1.5, np.nan, np.inf) if y.dtype.kind == "f" else ())) if x != ignored]
    y = y.copy()
    y.flat[draw(st.integers(0, y.size - 1))] = draw(st.sampled_from(wrong))
    out = np.full(zs[0].shape, 7.0)
    options = options | ({"out": out} if method in ("gradient", "hessian") else {})
    try:
        getattr(loss, method)(y, zs[0], **options)
    except ValueError as error:
        assert "y_true must hold" in str(error) and "\n" not in str(error)
        assert (out == 7).all()
    else:
        raise AssertionError(f"wrong labels were taken: {y}")


def refuse_overlap(
    loss: Any, letters: Any, arrays: Any, outs: Any, y: Any, z: Any, w: Any, method: str, options: Any
) -> bool:
    """Give the predictions as the output: it must be refused, and nothing written. Return whether it could be."""
    place = arrays[1]
    if "g" not in letters or not isinstance(place, np.ndarray) or not place.flags.writeable or not place.size:
        return False
    i = letters.index("g")
    outs[i] = (place, *outs[i][1:]) if isinstance(outs[i], tuple) else place
    options["out"] = outs[0] if len(outs) == 1 else tuple(outs)
    if place.dtype.kind != "f":
        return False
    before = place.copy()
    try:
        getattr(loss, method)(y, z, w, **options)
    except ValueError as error:
        assert "overlap" in str(error), error
        np.testing.assert_array_equal(place, before)
    else:
        raise AssertionError("an output that overlaps an input was taken")
    return True


def calls_of(loss: Any, seed: int, count: int, **types: tuple[str, ...]) -> None:
    """Make so many calls of a loss."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count, deadline=None, database=None, report_multiple_bugs=False,
        phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(st.data())
    def some(data: Any) -> None:
        check(loss, data, **types)

    some()


def main(seconds: float) -> int:
    """Make calls for so long; return how many losses went wrong."""
    rng, start, rounds, wrong = random.Random(), time.monotonic(), 0, 0
    left = list(ALL)
    while time.monotonic() < start + seconds and left:
        loss = rng.choice(left)
        try:
            calls_of(loss, rng.randrange(2**32), CALLS)
            rounds += 1
        except Exception as error:
            wrong += 1
            left.remove(loss)
            notes = [note for note in getattr(error, "__notes__", ()) if " of " in note]
            print(f"== {loss!r}", *traceback.format_tb(error.__traceback__, limit=-2), repr(error), *notes, flush=True)
    print(f"{CALLS * rounds} calls in {time.monotonic() - start:.0f} s, {wrong} losses went wrong")
    return wrong


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 60) > 0)
