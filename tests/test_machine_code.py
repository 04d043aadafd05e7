"""Law: hot loops hold packed instructions and no call into a scalar mathematical library."""

from __future__ import annotations

import platform
import re

import numpy as np
import pytest
from numba.core.codegen import JITCodeLibrary

import nbloss
from nbloss._cpu.pointwise import kernel_for
from tests.cases import CASES, PAIR_CASES, REPRESENTATIVES
from tests.selection import slow

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the patterns are those of x86-64 assembly")

LIBM = re.compile(r"\b(?:call|jmp)\S*\s+\S*\b(?:exp|log|pow|tanh|cosh|sinh|sqrt|fma|fmod)\w*(?:@PLT)?\s*$", re.M)

KERNELS = list({(loss.formula, loss.choices): loss for loss in reversed(CASES + PAIR_CASES)}.values())  # type: ignore[attr-defined]
"""One loss for each formula and choice: other numbers make no other code."""

OTHERS = [("gh", np.float32), ("s", np.float64)]


@pytest.fixture(autouse=True)
def uncached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbloss._compile.cache_folder", lambda: None)  # what is loaded has no assembly to look at


def assembly(loss: nbloss.Loss, want: str, dtype: type) -> str:
    real = np.dtype(dtype)
    program = loss._program._replace(kernels={})  # type: ignore[attr-defined]
    return "\n".join(kernel_for(program, want, real, real, None, 1).inspect_asm().values())


def packed(text: str, letter: str) -> int:
    """Return how many instructions work on several numbers at once, double ("d") or single ("s")."""
    return len(re.findall(rf"\bv\w+p{letter}\b.*%[yz]mm", text))


def arithmetic(text: str, kind: str) -> int:
    """Return how many instructions of the *kind*, "pd" or "sd", add, multiply or divide; of packed ones, wide ones."""
    return len(re.findall(rf"\bv(?:add|sub|mul|div|fn?m\w+){kind}\b.*%{'[yz]' if kind[0] == 'p' else 'x'}mm", text))


@pytest.mark.parametrize(
    ("loss", "want", "dtype"),
    [
        *((loss, "gh", np.float64) for loss in KERNELS),
        *((loss, *kind) for loss in REPRESENTATIVES for kind in OTHERS),
        *slow((loss, *kind) for loss in KERNELS for kind in OTHERS),
    ],
    ids=repr,
)
def test_loops_are_vectorised(loss: nbloss.Loss, want: str, dtype: type) -> None:
    text, letter = assembly(loss, want, dtype), "d" if dtype == np.float64 else "s"
    constant = isinstance(loss, nbloss.ZeroOne) and want == "gh"  # zeros: nothing to compute
    assert packed(text, letter) >= (1 if constant else 4)
    # of the formula, too, which one loop for the last elements of a block computes one by one
    assert arithmetic(text, "p" + letter) >= arithmetic(text, "s" + letter) / 2
    assert not LIBM.findall(text)


def test_a_gradient_computes_no_logarithm() -> None:
    """What a method does not return, its kernel does not compute."""
    loss = nbloss.BinaryCrossEntropy()
    gradient, value = (len(re.findall(r"\bvfn?m\w+pd\b", assembly(loss, want, np.float64))) for want in "gv")
    assert 0 < gradient < 0.75 * value  # fused multiply-adds, of which polynomials are made


def test_a_kernel_alone_becomes_machine_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions that kernels inline have none of their own, which would take as long as the kernel."""
    made = []
    finalize = JITCodeLibrary._finalize_specific

    def count(library: JITCodeLibrary) -> None:
        made.append(library.name)
        finalize(library)

    monkeypatch.setattr(JITCodeLibrary, "_finalize_specific", count)
    assembly(nbloss.BinaryFocal(gamma=3), "h", np.float64)
    assert any("BinaryFocal" in name for name in made)
    assert not [name for name in made if name in ("fill", "evaluate", "from_logit", "exp", "BinaryFocal.formula")]
