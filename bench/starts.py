"""From the start of a process to its first result: writes ``results/starts.csv``.

Each process is timed from outside, in turn with one that runs a trivial parallel kernel of numba from numba's cache.
First with machine code on the disk; then the first call ever, for which there is none.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import _common

LOSSES = ("Huber()", "BinaryCrossEntropy()", "BinaryFocal()")
METHODS = ("gradient_and_hessian",)
SIZES = (1000, 100_000)
"""Elements of a call that works alone, and of one that threads share."""

TRIVIAL = """
import numba, numpy

@numba.njit(parallel=True, cache=True)
def kernel(x):
    for i in numba.prange(x.size):
        x[i] += 1.0

kernel(numpy.zeros(100_000))
"""

CALL = """
import nbloss, numpy
y = numpy.full({size}, 0.5)
nbloss.{loss}.{method}(y, y)
"""


def run(code: str, folder: pathlib.Path) -> None:
    """Run *code* in a process with its caches in *folder*, and Python's bytecode, which installing made, beside it."""
    (folder / "code.py").write_text(code)
    settings = {"NUMBA_CACHE_DIR": str(folder), "NUMBA_NUM_THREADS": str(_common.THREADS)}
    settings |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(folder.parent / "bytecode")}
    subprocess.run([sys.executable, str(folder / "code.py")], check=True, env=os.environ | settings)


def measured(loss: str, method: str, size: int, rounds: int) -> list[_common.Row]:
    """Return the rows of one call: with machine code on the disk, and without."""
    code = CALL.format(loss=loss, method=method, size=size)
    with tempfile.TemporaryDirectory() as name:
        folders = [pathlib.Path(name) / str(i) for i in range(rounds + 4)]
        for folder in folders:
            folder.mkdir()
        trivial, kept, *new = folders
        fresh = iter(new)
        ways = {
            "numba": lambda: run(TRIVIAL, trivial),
            "kept": lambda: run(code, kept),
            "first": lambda: run(code, next(fresh)),
        }
        found = _common.interleaved(ways, rounds)  # the call that is not counted fills the caches
    about = {"loss": loss.removesuffix("()"), "method": method, "elements": size, "numba, s": found["numba"]}
    return [
        about | {"machine code": "on the disk", "s": found["kept"], "goal": "at most 1.3 times numba"}
        | {"of goal": found["kept"] / found["numba"] / 1.3},
        about | {"machine code": "to be made", "s": found["first"], "goal": "at most 2 s more than numba"}
        | {"of goal": (found["first"] - found["numba"]) / 2},
    ]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one loss, one round; print instead of writing")
    arguments = parser.parse_args()
    losses, rounds = (LOSSES[:1], 1) if arguments.quick else (LOSSES, arguments.rounds)
    rows = [row for loss in losses for m in METHODS for size in SIZES for row in measured(loss, m, size, rounds)]
    if arguments.quick:
        print(_common.table(list(rows[0]), [list(_common.rounded(row).values()) for row in rows]))
    else:
        _common.write("starts", rows)


if __name__ == "__main__":
    main()
