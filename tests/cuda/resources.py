"""What kernels take of a device: registers, spills and instructions, read from their machine code."""

from __future__ import annotations

import importlib.metadata
import itertools
import pathlib
import re
import subprocess
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import nbloss
from nbloss._cuda import shared_rows
from tests.cuda.nodriver import Capability, Code
from tests.cuda.test_compile import DOUBLE, HOPPER, LOSSES, ROW_LOSSES, SINGLE, add, fill, rows_code

CAPABILITIES = ((8, 0), (9, 0), (10, 0))
INTEGER = np.dtype(np.int64)
COMPILERS = ("numba", "numba-cuda", "nvidia-nvvm", "nvidia-nvjitlink")

Row = dict[str, Any]


def versions() -> str:
    """Return the versions of all that makes machine code."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in COMPILERS)


KINDS = (
    nbloss.SquaredError, nbloss.Huber, nbloss.PseudoHuber, nbloss.LogCosh, nbloss.Quantile,
    nbloss.SquaredLogarithmicError, nbloss.BinaryCrossEntropy, nbloss.BinaryFocal,
)  # fmt: skip
"""Losses of every kind of arithmetic: none, division, root, exponential and logarithm, power."""


WAYS = {
    shared_rows.NONE: "",
    shared_rows.DERIVATIVES: " by way of shared memory",
    shared_rows.TOO_LARGE: " of large rows",
}
"""How the kernels of rows are called."""


def kernels(few: bool) -> Iterator[tuple[str, str, Callable[[Capability], Code], int, bool]]:
    """Give name, dtype and what compiles each kernel, how many elements a thread loads at once, or 0, and whether it
    is one of those that are compiled for every kind of device.
    """
    kinds = (nbloss.Huber, nbloss.BinaryCrossEntropy) if few else KINDS
    for loss in LOSSES:
        name, is_kind = repr(loss), isinstance(loss, kinds)
        if is_kind or not few:
            both = f"{name}: gradient and Hessian"
            yield both, SINGLE.name, lambda c, a=(loss, "gh", SINGLE): fill(*a, c), 4, is_kind
        if is_kind and not few:
            yield both, DOUBLE.name, lambda c, a=(loss, "gh", DOUBLE): fill(*a, c), 2, True
        if is_kind:
            yield f"{name}: sum", SINGLE.name, lambda c, a=(loss, "s", SINGLE): add(*a, c), 4, True
            yield f"{name}: sum and gradient", SINGLE.name, lambda c, a=(loss, "sg", SINGLE): add(*a, c), 4, True
    rows = [loss for loss in ROW_LOSSES if isinstance(loss, nbloss.CrossEntropy | nbloss.Focal)]
    for loss in rows[:1] if few else rows:
        for labels, together, staged in itertools.product((INTEGER, None), (True,) if few else (False, True), WAYS):
            what = f"{loss!r}, {'labels' if labels else 'rows'}, {'teams' if together else 'threads'}"
            how = {"labels": labels, "together": together, "staged": staged}
            yield (
                f"{what}: gradient and Hessian{WAYS[staged]}", SINGLE.name,
                lambda c, a=(loss, "gh", SINGLE), k=how: rows_code(*a, c, **k), 0, loss is rows[0],
            )  # fmt: skip


def measured(few: bool, capabilities: Any = CAPABILITIES) -> Iterator[Row]:
    """Give a row for each kernel on each kind of device."""
    for name, dtype, compile_for, width, is_for_all in kernels(few):
        for capability in capabilities:
            if not is_for_all and capability != HOPPER:
                continue
            code = compile_for(capability)
            instructions = disassembled(code.machine)
            yield {
                "kernel": name, "dtype": dtype, "device": "sm_{}{}".format(*capability), "registers": code.registers,
                "stack": code.stack, "spilled": code.spilled, "instructions": sum(map(_counts, instructions)),
                "an element": round(of_element(instructions, width), 2) if width else "",
            }  # fmt: skip


def disassembled(machine: bytes) -> list[str]:
    """Return the lines of the assembly: labels and instructions."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(machine)
        file.flush()
        text = subprocess.run([_nvdisasm(), "-c", file.name], capture_output=True, text=True, check=True).stdout
    found = []
    for line in text.splitlines():
        label, instruction = re.match(r"\s*(\.L_\w+):", line), re.match(r"\s*/\*[0-9a-f]{4,}\*/\s+(.*?);", line)
        if label:
            found.append(f"{label[1]}:")
        elif instruction:
            found.append(instruction[1])
    return found


def _nvdisasm() -> str:
    folder = pathlib.Path(sysconfig.get_paths()["purelib"]) / "nvidia"
    return str(next(iter(sorted(folder.glob("*/bin/nvdisasm"))), "nvdisasm"))


def _counts(line: str) -> bool:
    return not line.endswith(":") and "NOP" not in line


def of_element(lines: list[str], width: int) -> float:
    """Return the instructions of a thread for one element, where it loads *width* of them at once.

    In a kernel that has a loop over what it loads, those of the loop; else those up to the last store of so many.
    """
    places = {line[:-1]: i for i, line in enumerate(lines) if line.endswith(":")}
    loops = []
    for i, line in enumerate(lines):
        to = re.search(r"\bBRA\b.*?(\.L_\w+)", line)
        if to and places.get(to[1], i) < i:
            body = [x for x in lines[places[to[1]] : i + 1] if _counts(x)]
            loads = sum(bool(re.search(r"\bLDG\.E\.(ENL2\.)?(128|256)", x)) for x in body)
            if loads:
                loops.append(len(body) / (loads / 2 * width))  # of two arrays each
    if loops:
        return min(loops)
    stores = [i for i, line in enumerate(lines) if re.search(r"\bSTG\.E\.(ENL2\.)?(128|256)", line)]
    return sum(map(_counts, lines[: stores[-1] + 1])) / width if stores else float("nan")
