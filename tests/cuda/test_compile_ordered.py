"""Law: the kernels of ordered losses are compiled to machine code without atomics. That needs no device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import from_dtype, types

import nbloss
from tests.cuda.nodriver import code_of, type_of, what_is_missing

if missing := what_is_missing():
    pytest.skip(f"needs {missing}", allow_module_level=True)

from nbloss._cuda import class_sets, radix, sets
from nbloss._cuda.layout import Form

SINGLE, DOUBLE, INTEGER = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)
HOPPER = (9, 0)
INDEX, FLAG, NUMBER = types.int64, types.boolean, types.float64


def array(dtype: Any) -> Any:
    return types.Array(from_dtype(np.dtype(dtype)), 1, "C")


def check(kernel: Any, *arguments: Any) -> None:
    code = code_of(kernel, list(arguments), HOPPER)
    assert code.spilled == 0 and code.count(r"\b(atom|red)\.") == 0 and code.count(r"\bcall\b") == 0


NUMBERS, LABELS, SUMS = array(DOUBLE), array(INTEGER), array(DOUBLE)


@pytest.mark.parametrize("real", [SINGLE, DOUBLE], ids=str)
def test_sort(real: Any) -> None:
    keys = array(sets.KEYS[real])
    check(radix.counting, keys, LABELS, INDEX, INDEX, LABELS)
    check(radix.prefixing, LABELS)
    check(radix.moving, keys, LABELS, INDEX, INDEX, LABELS, keys, LABELS)


@pytest.mark.parametrize("real", [SINGLE, DOUBLE], ids=str)
def test_scan(real: Any) -> None:
    keys, slopes = array(sets.KEYS[real]), array(real)
    check(sets.filling, LABELS, INDEX)
    check(sets.filling, SUMS, INDEX)
    check(sets.counting_positives, LABELS, LABELS)
    check(sets.starting, INDEX, LABELS, LABELS, LABELS)
    for error_of in (sets.error_of_margin(real), sets.error_of_probability(real)):
        kernel = sets.incrementing(nbloss.LovaszHinge.increment, error_of)
        check(kernel, INDEX, INDEX, INDEX, NUMBER, keys, *[LABELS] * 5, SUMS, slopes)
    check(sets.adding, INDEX, INDEX, SUMS, SUMS)
    check(sets.totalling, INDEX, SUMS, LABELS, LABELS, SUMS)
    check(sets.delivering(Form(0, real)), lengths(1), SUMS, array(real))


def lengths(rank: int) -> Any:
    return types.UniTuple(INDEX, rank)


@pytest.mark.parametrize("rank", [0, 3])
@pytest.mark.parametrize("real", [SINGLE, DOUBLE], ids=str)
def test_margins(real: Any, rank: int) -> None:
    y, z = Form(rank, np.dtype(np.int32)), Form(rank, real)
    check(
        sets.taking_margins(real, y, z), INDEX, lengths(3), type_of(y), type_of(z), FLAG, INDEX, LABELS,
        array(sets.KEYS[real]), LABELS, LABELS,
    )  # fmt: skip
    check(
        sets.finishing_margins(z, z), INDEX, lengths(3), LABELS, LABELS, array(real), type_of(z), type_of(z)
    )  # fmt: skip


@pytest.mark.parametrize("rank", [0, 3])
@pytest.mark.parametrize("real", [SINGLE, DOUBLE], ids=str)
def test_classes(real: Any, rank: int) -> None:
    y, z = Form(rank and rank - 1, np.dtype(np.int64)), Form(rank, real)
    check(
        class_sets.surveying(y, z), INDEX, INDEX, lengths(2), type_of(y), lengths(3), type_of(z), FLAG, INDEX, FLAG,
        LABELS, SUMS, SUMS, LABELS, LABELS,
    )  # fmt: skip
    check(class_sets.choosing, INDEX, NUMBERS, FLAG, LABELS, LABELS)
    check(
        class_sets.taking_class(real, z), INDEX, INDEX, lengths(3), type_of(z), FLAG, LABELS, SUMS, SUMS,
        array(sets.KEYS[real]), LABELS,
    )  # fmt: skip
    out = type_of(z)
    check(
        class_sets.finishing_classes(z, z, None), INDEX, INDEX, lengths(3), out, FLAG, LABELS, SUMS, SUMS, LABELS,
        array(real), out, INDEX,
    )  # fmt: skip
    check(class_sets.softmax(z, z), INDEX, INDEX, lengths(3), out, out)
