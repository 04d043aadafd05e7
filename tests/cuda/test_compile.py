"""Law: the kernels of every loss are compiled to lean machine code. That needs NVIDIA's libraries, but no device."""

from __future__ import annotations

import itertools
import re
from typing import Any

import numpy as np
import pytest
from numba import cuda, from_dtype, types

import nbloss
from tests.cases import CASES, PAIR_CASES, ROW_CASES
from tests.cuda.nodriver import Capability, Code, code_of, type_of, what_is_missing

if missing := what_is_missing():
    pytest.skip(f"needs {missing}", allow_module_level=True)

from nbloss._compile import inlined
from nbloss._cuda import pointwise, row_kernels, shared_rows, sums
from nbloss._cuda.arrays import BFLOAT16
from nbloss._cuda.layout import NUMBER, Form
from nbloss._cuda.row_classes import RowForms
from nbloss._cuda.row_targets import Targets
from nbloss.losses.regression._residual import residual

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)
LOSSES = list({id(loss._program.kernels): loss for loss in CASES}.values())  # type: ignore[attr-defined]
"""One of those that share their kernels."""

AMPERE, HOPPER, BLACKWELL = (8, 0), (9, 0), (10, 0)
ON_OTHERS = [pytest.param(loss, c, marks=pytest.mark.slow) for loss in LOSSES[1:] for c in (AMPERE, BLACKWELL)]
EVERYWHERE = [(loss, HOPPER) for loss in LOSSES] + [(LOSSES[0], AMPERE), (LOSSES[0], BLACKWELL), *ON_OTHERS]
"""Each loss for one kind of device, and one loss for each; the rest is slow."""

MOST_REGISTERS = 80
"""With them, 3 blocks of 256 threads share a multiprocessor: enough to hide the latency of memory."""
MOST_FOR_STRIDES = 96
MOST_FOR_TWO_POWERS = 88
"""With these, 2 blocks do."""
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
    kernel = pointwise.kernel_for(loss._program, role, real, (*forms, *numbers), rank == 0)
    lengths = types.UniTuple(types.int64, rank or 1)
    operands = types.Tuple([type_of(form, from_dtype(real)) for form in numbers])
    return code_of(kernel, [types.int64, lengths, *map(type_of, forms), operands], capability)


def assert_lean(code: Code, most: int = MOST_REGISTERS) -> None:
    stack, spilled, registers = code.stack, code.spilled, code.registers
    calls, atomics = code.count(r"\bcall\b"), code.count(r"\b(atom|red)\.")
    assert stack == spilled == calls == atomics == 0 and registers <= most


@pytest.mark.parametrize(("loss", "capability"), EVERYWHERE, ids=repr)
def test_kernels(loss: nbloss.Loss, capability: Capability) -> None:
    single = fill(loss, "gh", SINGLE, capability)
    assert_lean(single)
    assert single.count(r"\.f64") == 0
    double, sums = fill(loss, "gh", DOUBLE, capability), add(loss, "s", SINGLE, capability)
    assert_lean(double, MOST_FOR_TWO_POWERS if isinstance(loss, nbloss.AsymmetricLoss) else MOST_REGISTERS)
    assert_lean(sums)
    for code, width in ((single, 4), (double, 2), (sums, 4)):
        assert code.count(rf"\bld\.global\.nc[.\w]*\.v{width}\.") >= 2
        assert code is sums or code.count(rf"\bst\.global[.\w]*\.v{width}\.") == 2


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
    # sums find several elements at once, in the order of all layouts
    assert_lean(add(loss, "s", SINGLE, rank=rank, w=SINGLE), MOST_FOR_STRIDES)
    assert_lean(add(loss, "sg", DOUBLE, rank=rank, w=DOUBLE), MOST_FOR_STRIDES)


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
        types_ = [*map(type_of, forms), types.int64, types.int64]
        code = code_of(sums.dividing(*forms), types_, capability)
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


# Losses of rows

ROW_FORMULAS = [nbloss.KLDivergence(), nbloss.Focal(gamma=0.5, alpha=0.25)]
ROW_FORMULAS += [loss for loss in ROW_CASES if isinstance(loss, nbloss.CrossEntropy | nbloss.NLL)]
ROW_LOSSES = list({(id(loss._program.kernels), bool(loss._program.smoothing)): loss for loss in ROW_FORMULAS}.values())  # type: ignore[attr-defined]
"""One of those that share their kernels, with smoothing and without; the others are made of the same parts."""

MOST_FOR_ROWS = 128
"""With them, 2 blocks of 256 threads share a multiprocessor."""

IN_SUMS = {"mov", "add", "sub", "cvt", "ld", "st", "selp", "setp"}
"""What double precision does in a loss in single precision: it adds up, and finds the greatest of a team."""


def rows_code(
    loss: Any, want: str, real: Any, capability: Capability = HOPPER, *, rank: int = 1, labels: Any = None,
    z: Any = None, w: Any = None, out: Any = None, together: bool = False, has_factors: bool = False,
    is_ignoring: bool = False, staged: int = shared_rows.NONE,
) -> Code:  # fmt: skip
    """Return the code for labels of a dtype or, without one, for rows of targets; "m" is for the matrix."""
    program, strided = loss._program, Form(rank, real)
    sparse = program.sparse and program.softmax and labels is not None and not program.smoothing
    targets = Targets(
        labels and Form(rank, labels), None if labels else strided, w and (w if w == NUMBER else Form(rank, w)),
        Form(0, real) if has_factors else None, NUMBER if is_ignoring else None, sparse,
    )  # fmt: skip
    number, whole = from_dtype(real), types.int64
    factors = types.Array(number, 1, "C") if has_factors else whole
    shapes = 2 if program.floor is not None else program.curve != 1.0
    options = types.Tuple((factors, number, number, whole, number, *[number] * shapes))
    numbers = types.Tuple([number] * len(program.numbers))
    of_rows = Form(rank, z or real)
    lengths = types.UniTuple(whole, rank)
    y = type_of(targets.labels) if labels else row_type(targets.rows)
    arguments = [whole, whole, whole, lengths, y, row_type(of_rows), type_of(targets.w, number), numbers, options]
    if want == "m":
        forms = RowForms(of_rows, targets, None, hessian=strided, together=together)
        return code_of(
            cuda.jit(row_kernels.pairing(program, real, forms)), [*arguments, row_type(strided, 2)], capability
        )
    value, gradient, hessian = (Form(rank, out or real) if letter in want else None for letter in "vgh")
    into = Form(0, DOUBLE) if "s" in want else None
    pull = into if "s" in want and "g" in want else NUMBER
    forms = RowForms(of_rows, targets, pull, value, gradient, hessian, into, together, staged)
    arguments += [type_of(pull, number), type_of(value), row_type(gradient), row_type(hessian), type_of(into)]
    return code_of(cuda.jit(row_kernels.filling(program, real, forms)), arguments, capability)


def row_type(form: Any, axes: int = 1) -> Any:
    """Return the type of the operand of an array with *axes* beside those of the rows."""
    if form is None:
        return types.int64
    return types.Tuple((*type_of(form).types, types.UniTuple(types.int64, axes)))


def assert_lean_rows(code: Code, real: Any, double: bool = False) -> None:
    """Look for spills, calls, atomics and, in single precision, for double precision outside of sums."""
    calls, atomics = code.count(r"\bcall\b"), code.count(r"\b(atom|red)\.")
    assert code.stack == code.spilled == calls == atomics == 0 and code.registers <= MOST_FOR_ROWS
    if real == SINGLE and not double:
        body = code.ptx[code.ptx.index(".entry") :]
        assert {name.split(".")[0] for name in re.findall(r"([\w.]+)\.f64", body)} <= IN_SUMS


@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
@pytest.mark.parametrize("loss", ROW_LOSSES, ids=repr)
def test_rows(loss: nbloss.Loss, together: bool) -> None:
    whole = np.dtype(np.int64)
    for real, want, labels in ((SINGLE, "gh", whole), (SINGLE, "sg", None), (DOUBLE, "gh", None), (DOUBLE, "m", whole)):
        assert_rows(loss, real, want, labels, HOPPER, together)


@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
@pytest.mark.parametrize(
    "loss", [*ROW_LOSSES[:2], *(pytest.param(loss, marks=pytest.mark.slow) for loss in ROW_LOSSES[2:])], ids=repr
)
def test_rows_by_way_of_shared_memory(loss: nbloss.Loss, together: bool) -> None:
    """Predictions are loaded once, 16 bytes at a time, and so are derivatives stored; the rest is shared memory."""
    labels, gradient_too = np.dtype(np.int64), shared_rows.DERIVATIVES
    assert_staged(loss, SINGLE, "gh", labels, HOPPER, together, gradient_too)
    assert_staged(loss, DOUBLE, "g", labels, HOPPER, together, gradient_too)
    assert_staged(loss, SINGLE, "sg", None, BLACKWELL, together, shared_rows.PREDICTIONS)


def assert_staged(
    loss: Any, real: Any, want: str, labels: Any, capability: Capability, together: bool, staged: int
) -> None:
    code = rows_code(loss, want, real, capability, labels=labels, together=together, staged=staged)
    assert_lean_rows(code, real)
    into = len(set(want) & set("gh")) if staged == shared_rows.DERIVATIVES else 0
    wide = r"[.\w]*\.(v4\.[fb]32|v2\.[fb]64)"  # 16 bytes
    assert ".extern .shared .align 16" in code.ptx
    assert code.count(r"\bld\.global\.nc" + wide) == code.count(r"\bst\.shared" + wide) == 1
    assert code.count(r"\bst\.global" + wide) == code.count(r"\bld\.shared" + wide) == into
    assert not code.count(r"\b(ld|st)(\.v\d)?\.[fbu]\d")  # the compiler knows which memory it is


def test_large_rows() -> None:
    """Each thread asks for four predictions at a time, before it looks at the first: it has two loops over them.

    In double precision, the compiler leaves the loop of the sum as it is.
    """
    loss, labels = nbloss.CrossEntropy(), np.dtype(np.int64)
    for real, loops in ((SINGLE, 2), (DOUBLE, 1)):
        code = rows_code(loss, "g", real, labels=labels, together=True, staged=shared_rows.TOO_LARGE)
        assert_lean_rows(code, real)
        parts = re.split(r"\bex2\.|\bfma\.rn\.f64|\bbra\b|\bst\.global", code.ptx)
        loads = [len(re.findall(rf"ld\.global[.\w]*\.[bf]{8 * real.itemsize}\b", part)) for part in parts]
        assert loads.count(4) == loops


@pytest.mark.slow
@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
@pytest.mark.parametrize("capability", [AMPERE, HOPPER, BLACKWELL])
@pytest.mark.parametrize("loss", ROW_LOSSES, ids=repr)
def test_rows_everywhere(loss: nbloss.Loss, capability: Capability, together: bool) -> None:
    for real, want in ((SINGLE, "gh"), (DOUBLE, "gh"), (SINGLE, "sg"), (DOUBLE, "m")):
        for labels in (np.dtype(np.int64), None):
            assert_rows(loss, real, want, labels, capability, together)


def assert_rows(loss: Any, real: Any, want: str, labels: Any, capability: Capability, together: bool) -> None:
    code = rows_code(loss, want, real, capability, labels=labels, together=together)
    assert_lean_rows(code, real)
    assert bool(code.count(r"\bbar\.sync")) == (together or "s" in want)
    assert bool(code.count(r"\bshfl\.sync")) == (together or "s" in want)


@pytest.mark.slow
@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
@pytest.mark.parametrize("loss", ROW_CASES, ids=repr)
def test_all_rows(loss: nbloss.Loss, together: bool) -> None:
    labels = np.dtype(np.int32)
    for real, rank in itertools.product((SINGLE, DOUBLE), (1, 3)):
        for want in ("v", "g", "h", "gh", "vg", "s", "sg", "m"):
            more = {"rank": rank, "together": together, "w": real, "has_factors": True}
            assert_lean_rows(rows_code(loss, want, real, labels=labels, is_ignoring=True, **more), real)
            assert_lean_rows(rows_code(loss, want, real, **more), real)


@pytest.mark.parametrize("together", [False, True], ids=["alone", "together"])
def test_rows_without_values_take_no_logarithm(together: bool) -> None:
    for want, has_log in (("v", True), ("g", False), ("gh", False)):
        for labels in (np.dtype(np.int64), None):
            code = rows_code(nbloss.CrossEntropy(), want, DOUBLE, labels=labels, together=together)
            assert bool(code.count(LOG_2[DOUBLE])) == has_log


@pytest.mark.parametrize("name", [*DTYPES, "bfloat16"])
def test_dtypes_of_rows(name: str) -> None:
    """Only labels and weights that are in double precision are read in it."""
    dtype = BFLOAT16 if name == "bfloat16" else np.dtype(name)
    loss = nbloss.CrossEntropy()
    code = rows_code(loss, "gh", SINGLE, labels=dtype, is_ignoring=True, together=name in ("int64", "float32"))
    assert_lean_rows(code, SINGLE, double=name == "float64")
    assert_lean_rows(rows_code(loss, "gh", DOUBLE, labels=dtype, z=dtype, w=dtype), DOUBLE)
    if "float" in name and name != "float64":
        code = rows_code(loss, "gh", SINGLE, labels=dtype, z=dtype, w=dtype, out=dtype)
        assert_lean_rows(code, SINGLE)


@pytest.mark.parametrize("capability", [AMPERE, HOPPER])
@pytest.mark.parametrize("has_factors", [False, True])
def test_weights_of_rows(has_factors: bool, capability: Capability) -> None:
    whole, factors = types.int64, Form(0, DOUBLE) if has_factors else None
    labels, rows, into = Form(1, np.dtype(np.int64)), Form(1, SINGLE), Form(0, DOUBLE)
    for targets, y in (
        (Targets(labels, None, Form(1, SINGLE), factors, NUMBER, False), type_of(labels)),
        (Targets(None, rows, Form(1, SINGLE), factors, None, False), row_type(rows)),
    ):
        lengths = types.UniTuple(whole, 1)
        arguments = [whole, whole, whole, lengths, y, type_of(targets.w), type_of(factors), whole, type_of(into)]
        assert_lean(code_of(cuda.jit(row_kernels.weighing(targets, into)), arguments, capability))


# Losses of two targets, some of which compute in double precision


@pytest.mark.parametrize("loss", PAIR_CASES[:3], ids=repr)
def test_kernels_in_double(loss: Any) -> None:
    upper = Form(0, SINGLE)
    program = loss._program._replace(numbers=(upper, *loss._program.numbers[1:]), kernels={})
    forms = (Form(0, SINGLE), Form(0, SINGLE), None, None, Form(0, SINGLE), Form(0, SINGLE), upper, NUMBER)
    kernel = pointwise.kernel_for(program, pointwise.filling, DOUBLE, forms, True)
    operands = types.Tuple([type_of(upper), from_dtype(DOUBLE)])
    lengths = types.UniTuple(types.int64, 1)
    code = code_of(kernel, [types.int64, lengths, *map(type_of, forms[:6]), operands], HOPPER)
    assert code.stack == code.spilled == code.count(r"\bcall\b") == 0 and code.registers <= MOST_FOR_ROWS
