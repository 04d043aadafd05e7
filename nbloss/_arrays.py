"""Shapes, dtypes, weights, reductions and outputs, on any device: the only place that raises about arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
REDUCTIONS = ("mean", "sum", "none")
EXACT_IN_SINGLE = frozenset(np.dtype(t) for t in ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32"))


def is_bfloat16(dtype: np.dtype[Any]) -> bool:
    """Whether *dtype* is the bfloat16 of the package ml_dtypes, which JAX uses too."""
    return dtype.name == "bfloat16"


def check_reduction(reduction: str) -> None:
    """Raise unless *reduction* is one of the three."""
    if not isinstance(reduction, str) or reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def check_dtype(dtype: np.dtype[Any], name: str) -> None:
    """Raise unless numbers of *dtype* can be read."""
    if not ((dtype.kind in "biuf" and dtype.itemsize <= 8) or is_bfloat16(dtype)):
        raise TypeError(f"{name} must hold bool, integer or float numbers of at most 64 bits, got dtype {dtype}")


def numbers_of(x: Any, name: str) -> np.ndarray[Any, Any]:
    """Return *x* as an array of numbers, which is *x* itself or a view where it can be."""
    if type(x) is not np.ndarray:
        if isinstance(x, np.ma.MaskedArray):
            raise TypeError(f"{name} must not be a masked array: give the mask as sample_weight, 0 where masked")
        try:
            x = np.asarray(x)
        except ValueError:
            raise ValueError(
                f"{name} must be an array or lists of one length, got a ragged {type(x).__name__}"
            ) from None
    check_dtype(x.dtype, name)
    return x


def real_of(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of results for predictions of *dtype*: float32 for floats of at most 32 bits, else float64."""
    return SINGLE if (dtype.kind == "f" and dtype.itemsize <= 4) or is_bfloat16(dtype) else DOUBLE


def computed_in(y: np.dtype[Any], z: np.dtype[Any], unbounded: bool) -> np.dtype[Any]:
    """Return the type in which a formula is evaluated for targets *y* and predictions *z*.

    It is the type of the results, but for targets that float32 cannot hold, in a loss whose targets are unbounded:
    there ``y_pred - y_true`` must be taken before anything is narrowed.
    """
    return real_of(z) if y in EXACT_IN_SINGLE or is_bfloat16(y) or not unbounded else DOUBLE


def check_shapes(y: Any, z: Any) -> None:
    """Raise unless targets and predictions have the same shape: nothing is broadcast."""
    if y.shape != z.shape:
        raise ValueError(f"y_true must have the shape of y_pred, {z.shape}, got {y.shape}")


def check_same_targets(y: Any, other: Any) -> None:
    """Raise unless two arrays of targets have one shape."""
    if y.shape != other.shape:
        raise ValueError(f"all arrays of y_true must have one shape, got {y.shape} and {other.shape}")


def check_row_targets(y: Any, z: Any) -> None:
    """Raise unless predictions are rows of at least one class, and targets are labels, one a row, or such rows."""
    check_rows(z)
    if y.shape != z.shape and y.shape != z.shape[:-1]:
        raise ValueError(
            f"y_true must have shape {z.shape[:-1]}, a label a row, or the shape of y_pred, {z.shape}, got {y.shape}"
        )


def check_shape_of_labels(y: Any, z: Any) -> None:
    """Raise unless targets have the shape of the rows of predictions, one label each."""
    if not z.shape or y.shape != z.shape[:-1]:
        rows = f", or that of its rows, {z.shape[:-1]}" if z.shape else ""
        raise ValueError(f"y_true must have the shape of y_pred, {z.shape}{rows}, got {y.shape}")


def check_weight(w: Any, shape: tuple[int, ...]) -> None:
    """Raise unless *w* is a scalar, has the losses' *shape* or has one entry for each of the first axis."""
    if w.shape != () and w.shape != shape and w.shape != shape[:1]:
        wanted = f"{shape}" if len(shape) < 2 else f"{shape} or {shape[:1]}"
        raise ValueError(f"sample_weight must be a scalar or have shape {wanted}, got {w.shape}")


def check_scores(z: Any) -> None:
    """Raise unless predictions have one axis."""
    if len(z.shape) != 1:
        raise ValueError(f"y_pred must have one axis, of rows that belong to groups, got shape {z.shape}")


def check_weight_of_groups(w: Any, shapes: Sequence[tuple[int, ...]]) -> None:
    """Raise unless *w* is a scalar or has one of *shapes*."""
    if w.shape != () and w.shape not in shapes:
        wanted = " or ".join(str(shape) for shape in dict.fromkeys(shapes))
        raise ValueError(f"sample_weight must be a scalar or have shape {wanted}, got {w.shape}")


def starts_of(groups: Any, size: int) -> Any:
    """Return the place of the first of *size* rows of each group, from the sizes of groups, and after them *size*.

    None stands for one group of all rows.
    """
    if groups is None:
        return np.array([0, size], np.int64)
    wanted = f"groups must be whole numbers of rows along one axis, which sum to {size}, the length of y_pred"
    if groups.dtype.kind not in "iu" and groups.size:
        raise TypeError(f"{wanted}, got dtype {groups.dtype}")
    if groups.ndim != 1:
        raise ValueError(f"{wanted}, got shape {groups.shape}")
    if groups.size and groups.min() < 0:
        raise ValueError(f"{wanted}, got {groups.min()} at index {int(groups.argmin())}")
    total = sum(groups.tolist())  # of Python's integers, which do not wrap around
    if total != size:
        raise ValueError(f"{wanted}, got a sum of {total}")
    return np.concatenate([[0], np.cumsum(groups.astype(np.int64))])


def check_vector(x: Sequence[float], shape: tuple[int, ...], name: str) -> None:
    """Raise unless the tuple *x* has one number for each entry of the last axis."""
    if not shape or shape[-1] != len(x):
        raise ValueError(f"{name} has {len(x)} numbers: the last axis of y_pred must be as long, got shape {shape}")


def check_rows(z: Any) -> None:
    """Raise unless predictions have a last axis with at least one class."""
    if not z.shape or z.shape[-1] == 0:
        raise ValueError(f"y_pred must have at least one class on its last axis, got shape {z.shape}")


def check_labelled(y: Any, z: Any) -> None:
    """Raise unless there is one target for each row of predictions."""
    if y.shape != z.shape[:-1]:
        raise ValueError(f"y_true must have one label for each row of y_pred, shape {z.shape[:-1]}, got {y.shape}")


def check_classes(classes: Sequence[int], count: int) -> None:
    """Raise unless the numbers of classes are below *count*."""
    if max(classes) >= count:
        raise ValueError(f"classes must be below {count}, the length of the last axis of y_pred, got {classes}")


def raise_bad_label(y: Any, index: tuple[int, ...], count: int, ignore_index: int | None) -> None:
    """Raise for the label at *index*, which is none of *count* classes and not ignored."""
    ignored = "" if ignore_index is None else f" or ignore_index, {ignore_index}"
    where = f" at index {index if len(index) > 1 else index[0]}" if index else ""
    raise ValueError(f"y_true must hold whole numbers from 0 to {count - 1}{ignored}, got {y[index]}{where}")


def listed(out: Any, names: Sequence[str]) -> list[Any]:
    """Return what was given as `out=` as a list with an array for each of *names*, or raise."""
    outs = [out] if len(names) == 1 else out
    if not isinstance(outs, tuple | list) or len(outs) != len(names):
        raise TypeError(f"out must be a tuple of {len(names)} arrays, {' and '.join(names)}, got {type(out).__name__}")
    return list(outs)


def check_predictions(predictions: Any, count: int) -> None:
    """Raise unless *predictions* is a tuple of *count* arrays."""
    if not isinstance(predictions, tuple | list) or len(predictions) != count:
        found = f"{len(predictions)}" if isinstance(predictions, tuple | list) else type(predictions).__name__
        raise TypeError(f"y_pred must be a tuple of {count} arrays, got {found}")


def check_same_shapes(zs: Sequence[Any]) -> None:
    """Raise unless all predictions have one shape."""
    if any(z.shape != zs[0].shape for z in zs):
        shapes = ", ".join(str(z.shape) for z in zs)
        raise ValueError(f"all arrays of y_pred must have one shape, got {shapes}")


def check_vectors(z: Any) -> None:
    """Raise unless predictions have a last axis."""
    if not z.shape:
        raise ValueError("y_pred must hold vectors along its last axis, got shape ()")


def check_targets(y: Any, shape: tuple[int, ...]) -> None:
    """Raise unless there is one target for each loss."""
    if y.shape != shape:
        raise ValueError(f"y_true must have the shape of the losses, {shape}, got {y.shape}")


def check_outputs(outs: Sequence[Any], shapes: Sequence[tuple[int, ...]], reduced: bool) -> None:
    """Raise unless *outs* have these shapes and hold floats; if *reduced*, the first is to hold a mean or a sum."""
    for i, (a, shape) in enumerate(zip(outs, shapes, strict=True)):
        if a.shape != shape:
            raise ValueError(f"out must have shape {shape}, got {a.shape}")
        if reduced and i == 0 and a.dtype != DOUBLE:
            raise TypeError(f"out must be a float64 array for a mean or a sum, got dtype {a.dtype}")
        if not ((a.dtype.kind == "f" and a.dtype.itemsize <= 8) or is_bfloat16(a.dtype)):
            raise TypeError(f"out must have a float dtype of at most 64 bits, got {a.dtype}")
        if 0 not in a.shape and not _are_apart(a):
            raise ValueError(
                f"out must hold every number in a place of its own, got strides {a.strides} for shape {a.shape}"
            )


def _are_apart(a: Any) -> bool:
    """Whether each axis of *a* steps over all that the axes with shorter steps reach, as those of any slice do."""
    reach = a.dtype.itemsize
    for step, n in sorted((abs(stride), n) for stride, n in zip(a.strides, a.shape, strict=True) if n > 1):
        if step < reach:
            return False
        reach += step * (n - 1)
    return True


def results_for(
    backend: Any, names: Sequence[str], shapes: Sequence[tuple[int, ...]], reduced: bool, z: Any, like: Any, out: Any,
    inputs: Sequence[Any],
) -> tuple[list[Any], list[Any]]:  # fmt: skip
    """Return the arrays of the results, made new or those given as `out=`, and the same as the backend sees them.

    They are like the predictions *z*, which came as *like*. If *reduced*, the first is to hold a mean or a sum.
    """
    given, n = None if out is None else listed(out, names), len(shapes)
    return results_like(backend, shapes, reduced, [z] * n, [like] * n, given, inputs)


def results_like(
    backend: Any, shapes: Sequence[tuple[int, ...]], reduced: bool, zs: Sequence[Any], likes: Sequence[Any],
    given: list[Any] | None, inputs: Sequence[Any],
) -> tuple[list[Any], list[Any]]:  # fmt: skip
    """Return what :func:`results_for` does, for results of which each is like a prediction of its own."""
    if given is None:
        dtypes = [DOUBLE if reduced and i == 0 else real_of(z.dtype) for i, z in enumerate(zs)]
        results = [
            backend.empty(shape, dtype, z, like)
            for shape, dtype, z, like in zip(shapes, dtypes, zs, likes, strict=True)
        ]
        return results, [backend.as_output(a) for a in results]
    outs = [backend.as_output(a) for a in given]
    check_outputs(outs, shapes, reduced)
    backend.check_free(outs, *inputs)
    return given, outs


def divide(total: float, weight: float) -> float:
    """Return ``total / weight`` as floating-point arithmetic has it, also for a weight of 0."""
    if weight == 0:
        return (
            math.nan if total == 0 or math.isnan(total) else math.copysign(math.inf, total) * math.copysign(1, weight)
        )
    return total / weight


def strides_of(a: Any, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the byte strides by which *a* (of *shape*, of its first axis or a scalar) is read over all of *shape*."""
    strides: tuple[int, ...] = a.strides
    return strides + (0,) * (len(shape) - len(strides))


def coalesce(shape: tuple[int, ...], strides: list[tuple[int, ...]]) -> tuple[list[int], list[list[int]]]:
    """Merge the axes that all arrays run through alike.

    Axes are first put into the memory order of the last array of *strides*, then those of length 1 are dropped and
    neighbours merged. Returns the new shape and strides, of at least one axis.
    """
    order = sorted(range(len(shape)), key=lambda axis: -abs(strides[-1][axis]))  # stable: C order among equals
    axes: list[tuple[int, tuple[int, ...]]] = []  # the length of each axis and every array's stride along it
    for axis in order:
        n, steps = shape[axis], tuple(s[axis] for s in strides)
        if n == 1:
            continue
        if axes and all(outer == n * inner for outer, inner in zip(axes[-1][1], steps, strict=True)):
            n *= axes.pop()[0]
        axes.append((n, steps))
    if not axes:
        axes.append((1, (0,) * len(strides)))
    return [n for n, _ in axes], [[steps[i] for _, steps in axes] for i in range(len(strides))]
