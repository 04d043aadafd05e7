"""Law: the kernels of losses of sets and vectors are compiled for devices, and are free of atomics and of calls."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import types

import nbloss
from nbloss.families.vectorwise import Vectorwise
from tests.cases import SET_CASES
from tests.cuda.nodriver import Code, code_of, type_of, what_is_missing

if missing := what_is_missing():
    pytest.skip(f"needs {missing}", allow_module_level=True)

from nbloss._cuda import classwise, setwise, vectorwise
from nbloss._cuda.layout import NUMBER, Form

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
HOPPER = (9, 0)
VECTOR = type_of(Form(0, DOUBLE))
INT = types.int64


def lengths(rank: int) -> Any:
    return types.UniTuple(INT, rank or 1)


def tuple_of(forms: Any) -> Any:
    return types.Tuple([type_of(form) for form in forms])


def numbers(program: Any) -> Any:
    return types.Tuple([types.float64] * len(program.numbers))


def assert_lean(code: Code) -> None:
    assert code.spilled == 0 and code.registers <= 128
    assert code.count(r"\b(atom|red)\.") == 0


SETS = list({id(loss._program.kernels): loss for loss in SET_CASES}.values())
"""One of those that share their kernels."""


@pytest.mark.parametrize("rank", [0, 2])
@pytest.mark.parametrize("loss", [x for x in SETS if not isinstance(x, Vectorwise)], ids=repr)
def test_sets(loss: Any, rank: int) -> None:
    program, real = loss._program, SINGLE
    y, z, w, g = Form(rank, np.dtype(np.int64)), Form(rank, real), Form(rank, DOUBLE), Form(rank, real)
    inputs = [type_of(form) for form in (y, z, w)]
    compute = DOUBLE if program.in_double else SINGLE
    kernel = setwise._kernel(program, "summing", compute, (y, z, w))
    assert_lean(code_of(kernel, [INT, INT, INT, lengths(rank), *inputs, VECTOR], HOPPER))
    kernel = setwise._kernel(program, "finishing", compute, ())
    assert_lean(code_of(kernel, [INT, INT, numbers(program), VECTOR, VECTOR, VECTOR], HOPPER))
    kernel = setwise._kernel(program, "deriving", compute, (y, z, w, g, g))
    outs = [type_of(g)] * 2
    code = code_of(kernel, [INT, INT, lengths(rank), *inputs, *outs, VECTOR, types.float64], HOPPER)
    assert_lean(code)
    assert code.count(r"\bcall\b") == 0


@pytest.mark.parametrize("rank", [0, 2])
@pytest.mark.parametrize("loss", [nbloss.Dice(), nbloss.FocalTversky(from_logits=False)], ids=repr)
def test_classes(loss: Any, rank: int) -> None:
    program = loss._program
    y, w, z = Form(rank, np.dtype(np.int64)), Form(rank, DOUBLE), Form(rank, SINGLE)
    at, of_rows = lengths(rank), [type_of(form) for form in (y, w)]
    kernel = classwise._kernel(program, classwise.normalising, (z,))
    assert_lean(code_of(kernel, [INT, INT, at, type_of(z), VECTOR], HOPPER))
    kernel = classwise._kernel(program, classwise.summing, (y, w, z))
    arguments = [INT, INT, INT, INT, at, at, *of_rows, type_of(z), VECTOR, VECTOR]
    assert_lean(code_of(kernel, arguments, HOPPER))
    kernel = classwise._kernel(program, classwise.finishing, ())
    assert_lean(code_of(kernel, [INT, INT, numbers(program), VECTOR, VECTOR], HOPPER))
    kernel = classwise._kernel(program, classwise.averaging, ())
    assert_lean(code_of(kernel, [INT, INT, VECTOR, VECTOR], HOPPER))
    kernel = classwise._kernel(program, classwise.deriving, (y, w, z, z, z))
    arguments = [INT, INT, INT, at, at, *of_rows, *[type_of(z)] * 3, VECTOR, VECTOR, types.float64]
    assert_lean(code_of(kernel, arguments, HOPPER))


@pytest.mark.parametrize("rank", [0, 2])
@pytest.mark.parametrize("loss", [x for x in SETS if isinstance(x, Vectorwise)], ids=repr)
def test_vectors(loss: Any, rank: int) -> None:
    program = loss._program
    several = loss.predictions
    label = Form(rank, np.dtype(np.int64)) if loss.target == "number" else None
    rows = label, Form(rank, DOUBLE), None
    inputs = (Form(rank, SINGLE),) * (several + (loss.target == "vector"))
    outs = (Form(rank, SINGLE),) * several
    for derivatives, matrices, total in ((outs, (), Form(0, DOUBLE)), ((), outs, None)):
        kernel = vectorwise._kernel(program, (rows, inputs, derivatives, derivatives, matrices, total, NUMBER))
        arguments = [
            INT, INT, lengths(rank), lengths(rank), lengths(rank), tuple_of(rows), tuple_of(inputs),
            tuple_of(derivatives), tuple_of(derivatives), tuple_of(matrices), numbers(program), types.float64,
            type_of(total),
        ]  # fmt: skip
        assert_lean(code_of(kernel, arguments, HOPPER))
