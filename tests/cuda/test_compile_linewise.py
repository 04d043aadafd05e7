"""Law: kernels of losses that compare the classes of a row are compiled to machine code that keeps to its registers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import types

from tests.cases import LINE_CASES
from tests.cuda.nodriver import code_of, type_of, what_is_missing

if missing := what_is_missing():
    pytest.skip(f"needs {missing}", allow_module_level=True)

from nbloss._cuda.arrays import BFLOAT16
from nbloss._cuda.layout import NUMBER, Form
from nbloss._cuda.linewise import LineForms, filling, pairing
from nbloss._cuda.linewise import _kernel_for as kernel_for

LOSSES = list({id(loss._program.kernels): loss for loss in LINE_CASES}.values())
"""One of those that share their kernels."""

SINGLE, DOUBLE, HALF = np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.float16)


def line_of(form: Any) -> Any:
    """Return the type of the operand of rows."""
    return types.int64 if form is None else types.Tuple((*type_of(form).types, types.int64))


def code(loss: Any, role: Any, forms: LineForms, rank: int = 1) -> Any:
    numbers = types.UniTuple(types.float64, len(loss._program.numbers))
    targets = type_of(forms.targets) if forms.has_labels else line_of(forms.targets)
    arguments = [types.int64, types.int64, types.UniTuple(types.int64, rank)]
    arguments += [targets, line_of(forms.predictions), type_of(forms.weights), numbers]
    if role is filling:
        arguments += [type_of(forms.pull), type_of(forms.value), line_of(forms.gradient), line_of(forms.hessian)]
        arguments += [type_of(forms.sums)]
    else:
        arguments += [line_of(forms.hessian)]
    return code_of(kernel_for(loss._program, role, forms), arguments, (9, 0))


def assert_lean(found: Any) -> None:
    assert found.stack == found.spilled == found.count(r"\bcall\b") == found.count(r"\b(atom|red)\.") == 0
    assert found.registers <= 128


@pytest.mark.parametrize("real", [DOUBLE, SINGLE], ids=str)
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_kernels(loss: Any, real: Any) -> None:
    line, label = Form(1, real), Form(1, np.dtype(np.int64))
    for targets, has_labels in ((label, True), (line, False))[: 1 if loss.labels_only else 2]:
        assert_lean(code(loss, filling, LineForms(targets, has_labels, line, None, gradient=line, hessian=line)))
        assert_lean(code(loss, filling, LineForms(targets, has_labels, line, line, value=line)))
        assert_lean(
            code(loss, filling, LineForms(targets, has_labels, line, line, gradient=line, sums=Form(0, DOUBLE)))
        )
        assert_lean(code(loss, pairing, LineForms(targets, has_labels, line, None, hessian=line)))


@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_other_dtypes(loss: Any) -> None:
    """Labels of every dtype, half precision, and more axes."""
    for target in ("bool", "uint8", "uint64", "float32", "float16"):
        line = Form(2, HALF if target == "bool" else DOUBLE)
        forms = LineForms(Form(2, np.dtype(target)), True, line, Form(2, np.dtype(np.int8)), gradient=Form(2, SINGLE))
        assert_lean(code(loss, filling, forms, rank=2))
    brain = Form(1, BFLOAT16)
    targets, has_labels = (NUMBER, True) if loss.labels_only else (brain, False)
    assert_lean(code(loss, filling, LineForms(targets, has_labels, brain, brain, value=brain)))
