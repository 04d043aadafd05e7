"""One call, compared with what it should give; or one that must be refused."""

from __future__ import annotations

from typing import Any

import hypothesis
import numpy as np
from hypothesis import strategies as st

from nbloss.families.grouped import Grouped
from nbloss.families.rowwise import Rowwise
from tests.fuzzing.drawn import FLOATS, TARGETS, Numbers, in_types, laid_out, numbers_for, weights_of
from tests.fuzzing.expected import Wanted, compare, expected

METHODS = ("value", "gradient", "hessian", "gradient_and_hessian", "value_and_gradient")
NAMES = {"value": "v", "gradient": "g", "hessian": "h"}


def check(loss: Any, data: Any, targets: tuple[str, ...] = TARGETS, predictions: tuple[str, ...] = FLOATS) -> None:
    """Make one call and compare it with what it should give."""
    draw = data.draw
    made = in_types(loss, draw, numbers_for(loss, draw), targets, predictions)
    weight = weights_of(loss, draw, made)
    method = draw(st.sampled_from(METHODS))
    reduction = draw(st.sampled_from(["mean", "sum", "none"])) if "value" in method else "none"
    hypothesis.note(f"{method} {reduction} of {made!r}, {weight!r}"[:1500])

    ys = [laid_out(draw, y) for y in made.targets]
    zs = [laid_out(draw, z) for z in made.predictions]
    w = weight if weight is None or np.ndim(weight) == 0 else laid_out(draw, weight)
    inputs = [*ys, *zs, *([] if w is None else [w])]
    before = [np.array(a) for a in inputs]
    given = (together(ys), together(zs), w)
    options: dict[str, Any] = {"reduction": reduction} if "value" in method else {}
    if isinstance(loss, Grouped):
        options["groups"] = draw(st.sampled_from([list, tuple, np.array, lambda x: np.array(x, np.uint16)]))(made.sizes)
    if draw(st.integers(0, 7)) == 0 and refused(loss, draw, made, method, options):
        return
    letters = [NAMES[name] for name in method.split("_and_")]
    want = expected(loss, made, weight, letters, reduction)
    outs = outputs(draw, letters, want) if draw(st.integers(0, 2)) == 0 else None
    if outs is not None:
        options["out"] = outs[0] if len(outs) == 1 else tuple(outs)
        if draw(st.integers(0, 4)) == 0 and refuses_overlap(loss, draw, inputs, outs, given, method, options):
            return
    with np.errstate(all="ignore"):
        got = getattr(loss, method)(*given, **options)
    if outs is not None:
        to, found = flat(options["out"]), flat(got)
        assert len(to) == len(found) and all(a is b for a, b in zip(found, to, strict=True))
    for a, b in zip(inputs, before, strict=True):
        assert np.array_equal(a, b, equal_nan=True), "an input was changed"
    for letter, a, several in zip(letters, (got,) if len(letters) == 1 else got, want, strict=True):
        for x, wanted in zip(a if isinstance(a, tuple) else (a,), several, strict=True):
            dtype = np.float64 if letter == "v" and reduction != "none" else wanted.real
            assert outs is not None or x.dtype == dtype, (letter, x.dtype)
            compare(letter, np.asarray(x), wanted)


def together(arrays: list[Any]) -> Any:
    return tuple(arrays) if len(arrays) > 1 else arrays[0] if arrays else None


def flat(arrays: Any) -> list[Any]:
    return [a for some in arrays for a in flat(some)] if isinstance(arrays, tuple) else [arrays]


def outputs(draw: Any, letters: list[str], want: list[list[Wanted]]) -> list[Any]:
    """Return arrays to write to, of some layout and type."""
    outs: list[Any] = []
    for letter, results in zip(letters, want, strict=True):
        made = []
        for exact, _, _ in results:
            is_reduced = letter == "v" and exact.shape == ()
            kind = "f8" if is_reduced else draw(st.sampled_from(["f8", "f4", ">f8", "f2"]))
            layouts = ("plain", "fortran", "reversed", "strided", "unaligned", "moved")
            made.append(laid_out(draw, np.full(exact.shape, 7.0, kind), layouts))
        outs.append(made[0] if len(made) == 1 else tuple(made))
    return outs


def refused(loss: Any, draw: Any, made: Numbers, method: str, options: Any) -> bool:
    """Make something wrong: it must be refused, and nothing written. Return whether there was something."""
    ys, zs, weight, options = list(made.targets), list(made.predictions), None, dict(options)
    word = draw(st.sampled_from(["labels", "y_pred", "sample_weight", "groups", "dtype"]))
    if word == "labels":
        if not (ys and isinstance(loss, Rowwise) and ys[0].size and ys[0].dtype.kind in "if"):
            return False
        if ys[0].shape == zs[0].shape or getattr(loss, "real_targets", False):
            return False
        classes, ignored, floats = zs[0].shape[-1], loss.parameters.get("ignore_index"), (1.5, np.nan, np.inf)
        wrong = [x for x in (-1, classes, 100, *(floats if ys[0].dtype.kind == "f" else ())) if x != ignored]
        ys[0] = ys[0].copy()
        ys[0].flat[draw(st.integers(0, ys[0].size - 1))] = draw(st.sampled_from(wrong))
        word = "y_true must hold"
    elif word == "y_pred":
        if not ys or zs[0].ndim < 1 + (ys[0].ndim < zs[0].ndim) or zs[0].shape[0] < 2:
            return False
        zs, word = [z[:-1] for z in zs], "y_true must|sum to"
    elif word == "sample_weight":
        weight = np.ones((*zs[0].shape, 7))
    elif word == "groups":
        if not isinstance(loss, Grouped):
            return False
        options["groups"] = [*(made.sizes or ()), draw(st.sampled_from([-1, 1]))]
    else:
        zs[0] = zs[0].astype(complex)
        word = "y_pred"
    out = np.full(zs[0].shape, 7.0)
    if method in ("gradient", "hessian") and len(zs) == 1:
        options["out"] = out
    try:
        getattr(loss, method)(together(ys), together(zs), weight, **options)
    except (ValueError, TypeError) as error:
        text = str(error)
        assert any(part in text for part in word.split("|")) and "\n" not in text, text
        assert (out == 7).all()
        return True
    raise AssertionError(f"{word}: what is wrong was taken")


def refuses_overlap(
    loss: Any, draw: Any, inputs: list[Any], outs: list[Any], given: Any, method: str, options: Any
) -> bool:
    """Give an input, or another output, to write to: it must be refused. Return whether there was one that fits."""
    places = [a for a in (*inputs, *flat(tuple(outs))) if isinstance(a, np.ndarray) and a.flags.writeable and a.size]
    places = [a for a in places if a.dtype.kind == "f" and 0 not in a.strides]
    fitting = [
        (i, a) for i, out in enumerate(outs) for a in places
        if isinstance(out, np.ndarray) and out.shape == a.shape and out is not a and out.ndim
    ]  # fmt: skip
    if not fitting:
        return False
    i, place = fitting[draw(st.integers(0, len(fitting) - 1))]
    outs[i] = place
    before = [np.array(a) for a in (*inputs, *flat(tuple(outs)))]
    options["out"] = outs[0] if len(outs) == 1 else tuple(outs)
    try:
        getattr(loss, method)(*given, **options)
    except ValueError as error:
        assert "overlap" in str(error), error
        for a, b in zip((*inputs, *flat(tuple(outs))), before, strict=True):
            assert np.array_equal(a, b, equal_nan=True), "something was written"
        return True
    raise AssertionError("an output that overlaps something was taken")
