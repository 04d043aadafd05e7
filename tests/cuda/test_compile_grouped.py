"""Law: the kernels of losses of groups are compiled to machine code without atomics. That needs no device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import from_dtype, types

import nbloss
from tests.cuda.nodriver import code_of, type_of, what_is_missing

if missing := what_is_missing():
    pytest.skip(f"needs {missing}", allow_module_level=True)

from nbloss._cuda import grouped, hazards, lists
from nbloss._cuda.layout import NUMBER, Form

SINGLE, DOUBLE, INTEGER = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.int64)
HOPPER = (9, 0)
INDEX, FLAG, REAL = types.int64, types.boolean, types.float64


def vector(dtype: Any) -> Any:
    return types.Array(from_dtype(np.dtype(dtype)), 1, "C")


D, N = vector(DOUBLE), vector(INTEGER)


def check(kernel: Any, *arguments: Any) -> None:
    code = code_of(kernel, list(arguments), HOPPER)
    assert code.spilled == 0 and code.count(r"\b(atom|red)\.") == 0 and code.count(r"\bcall\b") == 0


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("weight", [None, NUMBER, Form(0, SINGLE)], ids=str)
def test_rows(rank: int, weight: Any) -> None:
    y, z = Form(rank, np.dtype(np.int32)), Form(rank, SINGLE)
    event = y if rank else None
    kernel = grouped.taking(y, event, z, weight)
    check(kernel, INDEX, *map(type_of, (y, event, z, weight)), FLAG, REAL, D, types.uint64, N, D, D, D, D, N, N)
    check(grouped.copying(weight), type_of(weight), D)
    check(grouped.delivering(z, None), N, N, D, D, D, D, type_of(z), INDEX)


def test_groups() -> None:
    check(grouped.clearing, N)
    check(grouped.averaging, N, D, D)
    check(grouped.adding, N, D, D)
    check(grouped.weighing, D, D)
    check(grouped.spoiling, N, D)
    check(grouped.writing(Form(0, SINGLE)), D, type_of(Form(0, SINGLE)))


def test_lists() -> None:
    one = types.UniTuple(REAL, 1)
    pair, share = nbloss.RankNet.formula, nbloss.XeNDCG.formula
    check(lists.pairing(pair), one, N, N, D, D, D, D, D, D)
    check(lists.placing, INDEX, N, N, D, D, D, N, D, D)
    kernel = lists.weighing_places(pair, nbloss.LambdaRank.importance)
    check(kernel, one, INDEX, FLAG, N, N, N, D, D, D, D, D, D, D, D, D)
    check(lists.normalising, N, D, D, D, D)
    check(lists.sharing(share), N, D, D, D, D, D, D)


def test_hazards() -> None:
    check(hazards.keying, D, D, D, N, N)
    check(hazards.owning, N, N, N)
    check(hazards.gathering, N, D, D, D, D, N, D, D, D)
    check(hazards.levelling, N, N, N, D, D, D, D, D, N)
    check(hazards.rating(nbloss.Cox.formula), D, D, D, D, D, D, N, D, D, D)
    check(hazards.finishing, N, N, N, N, D, D, D, D, D, D, D, D)
    for scan, arrays in ((hazards.TOPS, 2), (hazards.AT_RISK, 5), (hazards.EVENTS, 4)):
        room = types.Tuple((N, N, *[D] * arrays))
        check(scan.reducing, INDEX, room, D)
        check(scan.joining, D)
        check(scan.applying, INDEX, room, D)
