"""What calls are made of: targets, predictions, weights and groups of every loss, and the layouts of arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

import nbloss
from nbloss.families.grouped import Grouped
from nbloss.families.ordered import Margins, Ordered
from nbloss.families.paired import Paired
from nbloss.families.pointwise import Pointwise
from nbloss.families.rowwise import Rowwise
from nbloss.families.vectorwise import Vectorwise
from nbloss.loss import UNIT
from tests.cases import (
    CASES,
    GROUP_CASES,
    LINE_CASES,
    ORDERED_CASES,
    PAIR_CASES,
    ROW_CASES,
    SET_CASES,
    extreme,
    of_groups,
    ordinary,
    pairs,
)

SINGLE = [*CASES, *ROW_CASES, *LINE_CASES, nbloss.MultiQuantile((0.1, 0.5, 0.8)), *SET_CASES, *ORDERED_CASES]
ALL = [*SINGLE, *PAIR_CASES, *GROUP_CASES]
FLOATS = ("f8", "f4", "f2", ">f8")
TARGETS = ("f8", "f4", "i8", "i4", "i1", "u1", "?", "f2", "u2", ">f4")
SPECIAL = (np.inf, -np.inf, np.nan, 0.0, 1.0, 1e-300, 1e-310, 1e30, 1e-40)
LAYOUTS = ("plain", "fortran", "reversed", "strided", "unaligned", "read-only", "moved", "broadcast", "list")


class Numbers(NamedTuple):
    """What a call is about, as plain arrays of float64 or int64."""

    targets: tuple[np.ndarray, ...]
    predictions: tuple[np.ndarray, ...]
    shape: tuple[int, ...]
    """That of the weights."""
    sizes: list[int] | None = None
    """Of groups."""


def laid_out(draw: Any, a: np.ndarray, layouts: tuple[str, ...] = LAYOUTS) -> Any:
    """Return the numbers of *a* in another layout."""
    a = np.asarray(a)
    way = draw(st.sampled_from(layouts))
    if way == "fortran" and a.ndim:  # which would become one
        return np.asfortranarray(a)
    if way == "reversed" and a.ndim:
        axis = draw(st.integers(0, a.ndim - 1))
        return np.flip(np.ascontiguousarray(np.flip(a, axis)), axis)
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
    if way == "broadcast" and a.ndim and a.size and (a == a.take([0], -1)).all():
        return np.broadcast_to(np.ascontiguousarray(a.take([0], -1)), a.shape)
    if way == "list" and a.dtype in (np.float64, np.int64, np.bool_) and a.size:
        return a.tolist()
    copy = a.copy()
    copy.flags.writeable = way != "read-only"
    return copy


def with_specials(draw: Any, a: np.ndarray, infinite: bool) -> np.ndarray:
    """Return *a* with a few numbers that are out of the ordinary; several infinite ones of a row have no one limit."""
    if a.size and a.dtype.kind == "f":
        a = a.copy()
        if a.ndim and draw(st.integers(0, 11)) == 0:
            a[...] = a.take([0], -1)  # so that it may be broadcast
        for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
            a.flat[draw(st.integers(0, a.size - 1))] = draw(st.sampled_from(SPECIAL if infinite else SPECIAL[2:]))
    return a


def shape_of(draw: Any, least: int = 0, long: bool = True) -> tuple[int, ...]:
    rank = draw(st.integers(least, 3))
    if long and draw(st.integers(0, 3)) == 0 and rank:
        return (draw(st.sampled_from([513, 1500, 4000])), *[1] * (rank - 1))
    return tuple(draw(st.integers(0 if draw(st.integers(0, 9)) == 0 else 1, 4)) for _ in range(rank))


def numbers_for(loss: Any, draw: Any, long: bool = True) -> Numbers:
    """Return targets and predictions for a loss; a *long* vector among them now and then."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    seed = int(rng.integers(99))
    if isinstance(loss, Grouped):
        of = st.sampled_from([0, 1, 2, 3, 5, *([700] if long else [40])])
        sizes = draw(st.lists(of, max_size=4))
        y, z = of_groups(loss, sizes, seed=seed)
        z = z * rng.choice([1, 1e-3, 100])
        return Numbers(y if isinstance(y, tuple) else (y,), (z.round() if seed % 3 == 0 else z,), z.shape, sizes)
    if isinstance(loss, Pointwise):
        shape = shape_of(draw, long=long)
        for name in loss._program.vectors:
            shape = (*shape, len(loss.parameters[name]))
        n = int(np.prod(shape, dtype=int))
        if isinstance(loss, Paired) and (not loss.may_be_alone or draw(st.booleans())):
            y, z = pairs(loss, n, seed=seed)
            return Numbers(tuple(a.reshape(shape) for a in y), (z.reshape(shape),), shape)
        is_extreme = draw(st.integers(0, 3)) == 0
        y, z = extreme(loss, n, np.float64, seed) if is_extreme else ordinary(loss, n, seed=seed)
        return Numbers((y.reshape(shape),), (z.reshape(shape),), shape)
    if isinstance(loss, Vectorwise):
        shape = shape_of(draw, long=long)
        vectors = shape if loss.of_numbers else (*shape, draw(st.integers(1, 5)))
        zs = tuple(rng.normal(size=vectors) for _ in range(loss.predictions))
        targets = {"vector": (rng.normal(size=vectors),), "number": (rng.choice([-1.0, 1.0, 0.0], shape),), None: ()}
        return Numbers(targets[loss.target], zs, shape)
    if isinstance(loss, Rowwise) or (isinstance(loss, Ordered) and not isinstance(loss, Margins)):
        return _rows(loss, draw, rng, long)
    shape = shape_of(draw, 1 if loss.per_image else 0, long)
    z = rng.normal(size=shape) if loss.domain.prediction != UNIT else rng.random(shape)
    if isinstance(loss, nbloss.RootMeanSquaredError):
        return Numbers((rng.normal(size=shape),), (z,), shape)
    if not isinstance(loss, Ordered) and loss.of_class and draw(st.booleans()):
        classes = draw(st.integers(1, 4))
        z = rng.normal(size=(*shape, classes)) if loss.domain.prediction != UNIT else rng.random((*shape, classes))
        return Numbers((rng.integers(0, classes, shape),), (z,), shape)
    return Numbers((rng.integers(0, 2, shape).astype(float),), (z,), shape)


def _rows(loss: Any, draw: Any, rng: np.random.Generator, long: bool) -> Numbers:
    shape = shape_of(draw, 1 if getattr(loss, "per_image", False) else 0, long)
    tuples = [len(x) for x in loss.parameters.values() if isinstance(x, tuple)]
    classes = draw(st.sampled_from([1, 2, 3, 5, 30]))
    if isinstance(loss, nbloss.LovaszSoftmax):
        classes = 3
    elif tuples:
        classes = tuples[0]
    z = rng.normal(size=(*shape, classes)) * rng.choice([3, 3, 3, 1e-3, 100], (*shape, 1))
    if loss.domain.prediction == UNIT:
        z = np.exp(z - z.max(-1, keepdims=True)) + 1e-6
        z /= z.sum(-1, keepdims=True)
    elif loss.domain.prediction.high == 0:
        z = -np.abs(z)
    if getattr(loss, "real_targets", False):
        return Numbers((rng.normal(size=shape),), (z,), shape)
    labels = rng.integers(0, classes, shape)
    ignored = loss.parameters.get("ignore_index")
    takes_rows = isinstance(loss, Rowwise) and ignored is None and not getattr(loss, "labels_only", False)
    if takes_rows and (not loss.takes_labels or draw(st.booleans())):
        t = rng.dirichlet(np.ones(classes), shape)
        return Numbers((np.log(t) if loss.parameters.get("log_target") else t,), (z,), shape)
    if ignored is not None:
        labels = np.where(rng.random(shape) < 0.2, ignored, labels)
    return Numbers((labels,), (z,), shape)


def in_types(
    loss: Any, draw: Any, made: Numbers, targets: tuple[str, ...] = TARGETS, predictions: tuple[str, ...] = FLOATS
) -> Numbers:
    """Return numbers in some of the types that are given, with some that are out of the ordinary."""
    infinite = isinstance(loss, Pointwise) and not isinstance(loss, Paired)
    with np.errstate(all="ignore"):
        dtypes = [np.dtype(draw(st.sampled_from(predictions)))]
        if len(made.predictions) > 1 and draw(st.integers(0, 3)) == 0:
            dtypes = [np.dtype(draw(st.sampled_from(predictions))) for _ in made.predictions]
        dtypes = dtypes * len(made.predictions)
        zs = tuple(with_specials(draw, z, infinite).astype(t) for z, t in zip(made.predictions, dtypes, strict=False))
        ys = tuple(_typed(loss, draw, y, targets, infinite) for y in made.targets)
        for z in zs:
            if not infinite:
                np.copyto(z, 1, where=np.isinf(z))  # too large for float16
            else:  # there is no limit where both are infinite
                np.copyto(z, 1, where=np.isinf(ys[0]) & (z == ys[0]))
            if isinstance(loss, nbloss.JensenShannon):  # nor, in the textbook line, at 0
                np.copyto(z, 0.5, where=z == 0)
    return made._replace(targets=ys, predictions=zs)


def _typed(loss: Any, draw: Any, y: np.ndarray, targets: tuple[str, ...], infinite: bool) -> np.ndarray:
    if y.dtype.kind == "i":
        kinds = [k for k in ("i8", "f8", "i4", "f4", "i1") if k in targets or k == "i8"]
        return y.astype(draw(st.sampled_from(kinds)))
    kind = np.dtype(draw(st.sampled_from([k for k in targets if _fits(loss, k)])))
    if kind.kind != "f":
        greatest = 1 if kind.kind == "b" else np.iinfo(kind).max
        return np.round(np.abs(y).clip(0, min(greatest, 2**50))).astype(kind)
    return y.astype(kind) if isinstance(loss, Grouped | Paired) else with_specials(draw, y, infinite).astype(kind)


def _fits(loss: Any, kind: str) -> bool:
    """Whether targets of this type make sense."""
    if np.dtype(kind).kind == "f":
        return True
    return isinstance(loss, Pointwise | nbloss.RootMeanSquaredError) and not isinstance(loss, Paired)


def weights_of(loss: Any, draw: Any, made: Numbers) -> Any:
    """Return weights, if the loss takes them: many are 0, and a few are negative or nan."""
    way = draw(st.sampled_from(["none", "none", "scalar", "each", "first"]))
    if way == "none" or isinstance(loss, Ordered):
        return None
    if way == "scalar":
        return draw(st.sampled_from([2.5, 0.0, 1]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    of = made.shape if way == "each" else made.shape[:1]
    if isinstance(loss, Grouped) and way == "first" and not isinstance(loss, nbloss.Cox):
        of = (len(made.sizes or ()),)
    w = np.where(rng.random(of) < 0.3, 0, rng.uniform(0.5, 2, of))
    if isinstance(loss, Pointwise | Rowwise | Vectorwise) and w.size and draw(st.integers(0, 5)) == 0:
        w.flat[draw(st.integers(0, w.size - 1))] = draw(st.sampled_from([-1.5, np.nan, 1e-300]))
    kind = draw(st.sampled_from(["f8", "f4", "i8"]))
    return np.nan_to_num(w).astype(kind) if kind == "i8" else w.astype(kind)
