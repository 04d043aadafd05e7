"""How kernels read the targets and weights of rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from nbloss._cuda.layout import NUMBER, on_device, reader
from nbloss._cuda.row_layout import class_reader


class Targets(NamedTuple):
    """The forms of targets, their weights and what is done with them."""

    labels: Any
    """Of labels, one a row ..."""
    rows: Any
    """... or of rows of targets."""
    w: Any
    factors: Any
    """Of the numbers of the classes."""
    ignored: Any
    """Of the label that is left out."""
    sparse: bool
    """Whether one class of a row tells all."""


def label_reader(targets: Targets) -> Callable[..., Any]:
    """Return the function that gives the label of row i, whether it is one, and whether the row is left out.

    What is no label is read as class 0, so that nothing is read out of bounds.
    """
    if targets.rows is not None:
        return on_device(lambda y, i, lengths, classes, ignored: (0, True, False))
    read, ignores = reader(targets.labels), targets.ignored is not None
    is_float = targets.labels == NUMBER or targets.labels.dtype.kind not in "biu"
    as_integer = _whole if is_float else _in_range if targets.labels.dtype == np.uint64 else _as_it_comes

    def label_of(y: Any, i: Any, lengths: Any, classes: Any, ignored: Any) -> Any:
        k, is_whole = as_integer(read(y, i, lengths))
        is_label = is_whole & (k >= 0) & (k < classes)
        is_left_out = ignores & is_whole & (k == ignored)
        return k if is_label else 0, is_label, is_left_out

    return on_device(label_of)


@on_device
def _as_it_comes(x: Any) -> Any:
    return np.int64(x), True


@on_device
def _in_range(x: Any) -> Any:
    is_in_range = x <= type(x)(2**63 - 1)
    return np.int64(x if is_in_range else type(x)(0)), is_in_range


@on_device
def _whole(x: Any) -> Any:
    real = type(x)
    is_in_range = (x >= real(-(2.0**62))) & (x <= real(2.0**62))
    k = np.int64(x if is_in_range else real(0))
    return k, is_in_range & (real(k) == x)


def target_reader(targets: Targets, real: np.dtype[Any]) -> Callable[..., Any]:
    """Return the function that gives the target of class k, from where its row begins or from the row's label."""
    of = real.type
    if targets.rows is None:
        return on_device(lambda y, start, own, k: of(1) if k == own else of(0))
    get = class_reader(targets.rows)
    return on_device(lambda y, start, own, k: of(get(y, start, k)))


def number_reader(form: Any, real: np.dtype[Any]) -> Callable[..., Any]:
    """Return the function that gives number i of an operand, such as a weight: 1 where there is no operand."""
    of, read = real.type, reader(form)
    if form is None:
        return on_device(lambda a, i, lengths: of(1))
    return on_device(lambda a, i, lengths: of(read(a, i, lengths)))
