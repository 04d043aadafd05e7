"""Law: the kernels of every loss are compiled to lean machine code. That needs NVIDIA's libraries, but no device."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from numba import cuda, from_dtype, types

import nbloss
from tests.cases import CASES
from tests.cuda.nodriver import Capability, Code, code_of, type_of, what_is_missing

if missing := what_is_missing():
    pytest.skip(f"needs {missing}", allow_module_level=True)

from nbloss._compile import inlined
from nbloss._cuda import pointwise, sums
from nbloss._cuda.arrays import BFLOAT16
from nbloss._cuda.layout import NUMBER, Form
from nbloss.losses.regression._residual import residual

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
LOSSES = list({id(loss._program.kernels): loss for loss in CASES}.values())  # type: ignore[attr-defined]
"""One of those that share their kernels."""

AMPERE, HOPPER, BLACKWELL = (8, 0), (9, 0), (10, 0)
MOST_REGISTERS = 80
"""With them, 3 blocks of 256 threads share a multiprocessor: enough to hide the latency of memory."""
LOG_2 = {SINGLE: "0f3F317218", DOUBLE: "0d3FE62E42FEFA39EF"}
"""How PTX spells log(2), which every logarithm multiplies the exponent with, and no exponential function."""


def fill(
    loss: nbloss.Loss, want: str, real: Any, capability: Capability = HOPPER, *, rank: int = 0, y: Any = None,
    z: Any = None, w: Any = None, out: Any = None,
) -> Code:  # fmt: skip
    """Return the code that fills the arrays *want*; dtypes are *real* unless they are said to be others."""
    outs = [Form(rank, out or real) if letter in want else None for letter in "vgh"]
    weight = w if w is None or w == NUMBER else Form(rank, w)
    forms = [Form(rank, y or real), Form(rank, z or real), weight, *outs]
    return _code(loss, pointwise.filling, real, forms, capability, rank)


def add(
    loss: nbloss.Loss, want: str, real: Any, capability: Capability = HOPPER, *, rank: int = 0, w: Any = None
) -> Code:
    """Return the code that adds up values, "s", and weights if there are any, and fills gradients, "sg"."""
    sums, weight = Form(0, DOUBLE), None if w is None else Form(rank, w)
    gradient = Form(rank, real) if "g" in want else None
    scale = sums if gradient and weight else NUMBER
    weights = None if gradient or weight is None else sums
    forms = [scale, sums, weights, Form(rank, real), Form(rank, real), weight, gradient]
    return _code(loss, pointwise.summing, real, forms, capability, rank)


def _code(loss: Any, role: Any, real: Any, forms: list[Any], capability: Capability, rank: int) -> Code:
    numbers = [
        None if x is None else Form(rank, real) if type(x) is tuple else NUMBER for x in loss._program.numbers
    ]  # fmt: skip
    kernel = pointwise.kernel_for(loss._program, role, real, (*forms, *numbers))
    lengths = types.UniTuple(types.int64, rank or 1)
    operands = types.Tuple([type_of(form, from_dtype(real)) for form in numbers])
    return code_of(kernel, [types.int64, lengths, *map(type_of, forms), operands], capability)


def assert_lean(code: Code) -> None:
    stack, spilled, registers = code.stack, code.spilled, code.registers
    calls, atomics = code.count(r"\bcall\b"), code.count(r"\b(atom|red)\.")
    assert stack == spilled == calls == atomics == 0 and registers <= MOST_REGISTERS


@pytest.mark.parametrize("capability", [AMPERE, HOPPER, pytest.param(BLACKWELL, marks=pytest.mark.slow)])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_kernels(loss: nbloss.Loss, capability: Capability) -> None:
    single = fill(loss, "gh", SINGLE, capability)
    assert_lean(single)
    assert single.count(r"\.f64") == 0
    assert_lean(fill(loss, "gh", DOUBLE, capability))
    assert_lean(add(loss, "s", SINGLE, capability))


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_all_kernels(loss: nbloss.Loss) -> None:
    for rank, real, has_weights in itertools.product((0, 2), (SINGLE, DOUBLE), (False, True)):
        w = real if has_weights else None
        for want in ("v", "g", "h", "gh", "vg"):
            code = fill(loss, want, real, rank=rank, w=w)
            assert_lean(code)
            assert real == DOUBLE or code.count(r"\.f64") == 0
        for want in ("s", "sg"):
            assert_lean(add(loss, want, real, rank=rank, w=w))


@pytest.mark.parametrize("real", [SINGLE, DOUBLE], ids=str)
@pytest.mark.parametrize("loss", [nbloss.BinaryCrossEntropy(), nbloss.LogCosh()], ids=repr)
def test_what_is_not_wanted_is_not_computed(loss: nbloss.Loss, real: Any) -> None:
    """Values need a logarithm, derivatives do not."""
    for want, has_log in (("v", True), ("g", False), ("h", False), ("vg", True)):
        assert bool(fill(loss, want, real).count(LOG_2[real])) == has_log


@pytest.mark.parametrize("rank", [1, 2, 3, 4])
def test_strides(rank: int) -> None:
    loss = nbloss.BinaryCrossEntropy(pos_weight=(1, 2, 3))
    code = fill(loss, "gh", SINGLE, rank=rank, w=SINGLE)
    assert_lean(code)
    assert code.count(r"\.f64") == 0
    assert_lean(add(loss, "s", SINGLE, rank=rank, w=SINGLE))
    assert_lean(add(loss, "sg", DOUBLE, rank=rank, w=DOUBLE))


DTYPES = [
    "bool",
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    "float16",
    "float32",
    "float64",
]


@pytest.mark.parametrize("name", [*DTYPES, "bfloat16"])
def test_dtypes(name: str) -> None:
    """Every dtype is converted where it is read or written; the only double precision is that of the array."""
    dtype = BFLOAT16 if name == "bfloat16" else np.dtype(name)
    loss = nbloss.Huber()
    code = fill(loss, "gh", SINGLE, y=dtype)
    assert_lean(code)
    assert name == "float64" or code.count(r"\.f64") == 0
    assert_lean(fill(loss, "gh", DOUBLE, y=dtype, z=dtype, w=dtype))
    if "float" in name:
        code = fill(loss, "gh", SINGLE, z=dtype, out=dtype, w=None if name == "float64" else dtype)
        assert_lean(code)
        assert name == "float64" or code.count(r"\.f64") == 0
        assert_lean(fill(loss, "gh", DOUBLE, out=dtype, rank=2))


def test_a_number_as_weight() -> None:
    assert_lean(fill(nbloss.Huber(), "gh", SINGLE, w=NUMBER))


@pytest.mark.parametrize("capability", [AMPERE, HOPPER])
def test_sums(capability: Capability) -> None:
    """They are in double precision, in shared memory and in order."""
    some = Form(0, DOUBLE)
    for forms in ((some, NUMBER, some), (some, some, some), (NUMBER, some, some)):
        code = code_of(sums.dividing(*forms), [type_of(form) for form in forms], capability)
        assert_lean(code)
        assert code.count(r"\bst\.shared\.f64") and code.count(r"\badd\.(rn\.)?f64") and code.count(r"\bbar\.sync")
    code = add(nbloss.Huber(), "sg", SINGLE, capability, w=SINGLE)
    assert_lean(code)
    assert code.count(r"\bst\.shared\.f64") and code.count(r"\badd\.(rn\.)?f64") and code.count(r"\bbar\.sync")


@pytest.mark.parametrize("capability", [AMPERE, HOPPER, BLACKWELL])
@pytest.mark.parametrize("real", [SINGLE, DOUBLE], ids=str)
def test_what_rounding_took_away_is_computed(real: Any, capability: Capability) -> None:
    """It would be 0 if numbers were exact, and is lost where a compiler takes them to be."""
    remainder = inlined(residual)

    def kernel(y, z, r, lost):  # type: ignore[no-untyped-def]
        i = cuda.grid(1)
        r[i], lost[i] = remainder(y[i], z[i])

    code = code_of(cuda.jit(kernel), [types.Array(from_dtype(real), 1, "C")] * 4, capability)
    assert code.count(r"\b(add|sub)\.(rn\.)?f") == 6
