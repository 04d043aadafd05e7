"""What bounds the losses that memory does not: the instructions of their innermost loops, and what these take alone.

Writes ``results/bounds.csv``: vector instructions for each vector of inputs, how many of them multiply (at most one a
cycle for 512 bits on many processors), and how many divide or take a root. The loop that adds up the values of a
mean is not counted; it has two instructions a vector in float64 and four in float32. With ``--time`` it adds how long
one thread takes for 64 bytes of predictions where all arrays lie in the own caches of its core, by the kernels that
were compiled for counting; that is a run of its own, since nothing else should run beside it.
"""

from __future__ import annotations

import argparse
import re
import time

import _common
import numpy as np
from tqdm import tqdm

from nbloss import _compile, _roofline
from nbloss._cpu.pointwise import kernel_for
from nbloss.families.paired import Paired
from nbloss.families.pointwise import Pointwise

VECTOR = re.compile(r"%[xyz]mm\d")
WIDEST = {"zmm": 64, "ymm": 32, "xmm": 16}
SIZES = 1 << 13, 1 << 15  # bytes of the predictions, so few that all arrays fit into the own caches of a core
KEYS = ("loss", "output", "dtype")
KINDS = {"multiply": r"vfn?m|vmul", "divide or root": r"vdiv|vsqrt"}
COUNTS = ("bytes a vector", "vector instructions", *KINDS)
COLUMN = "ns a vector"


def loops(assembly: str) -> list[list[str]]:
    """Return the instructions of each loop that contains no other."""
    lines = assembly.splitlines()
    labels = {line.split(":")[0]: i for i, line in enumerate(lines) if re.match(r"\.?\w+:", line)}
    spans = []
    for i, line in enumerate(lines):
        jump = re.match(r"\s+j\w+\s+(\.?LBB\w+)$", line)
        if jump and labels.get(jump[1], i) < i:
            spans.append((labels[jump[1]], i))
    inner = [(a, b) for a, b in spans if not any((c, d) != (a, b) and a <= c and d <= b for c, d in spans)]
    return [[x.strip() for x in lines[a : b + 1] if re.match(r"\s+[a-z]", x)] for a, b in inner]


def count(loss: Pointwise, want: str, dtype: str) -> _common.Row:
    """Return the instructions of the loop that evaluates *loss*."""
    real = np.dtype(dtype)
    program = loss._program._replace(kernels={})
    if isinstance(loss, Paired):  # the second targets are an array in the place of the first number
        program = program._replace(numbers=(np.ones(1, real), *program.numbers[1:]))
    kernel = kernel_for(program, want, real, real, None, 1)
    found = [loop for text in kernel.inspect_asm().values() for loop in loops(text)]
    writes = re.compile(r"vmov[ua]p[sd]\s+%([xyz]mm)\d+, [^%]*\((?!%rsp\))")  # what has no index is a register's

    def stores(loop: list[str]) -> list[int]:
        return [WIDEST[match[1]] for x in loop if (match := writes.match(x))]

    def weight(loop: list[str]) -> tuple[int, float]:
        return max(stores(loop)), sum(bool(VECTOR.search(x)) for x in loop) / sum(stores(loop))

    hot = max(filter(stores, found), key=weight)  # what writes widest, and of those what works most for each number
    width = max(stores(hot))
    vectors = sum(stores(hot)) / (len(want) * width)
    of_vectors = [x for x in hot if VECTOR.search(x)]
    row = {
        "loss": _common.brief(loss),
        "output": "mean" if want == "s" else "gradient_and_hessian",
        "dtype": dtype,
        "bytes a vector": width,
        "vector instructions": len(of_vectors) / vectors,
    }
    return row | {name: sum(bool(re.match(kind, x)) for x in of_vectors) / vectors for name, kind in KINDS.items()}


def nanoseconds(loss: Pointwise, output: str, dtype: str) -> float:
    """Return how long one thread takes for 64 bytes of predictions in the caches of its core, the best of many."""
    short, long = (_roofline.ways(loss, output, dtype, None, "direct", size)[0] for size in SIZES)
    best = {short: float("inf"), long: float("inf")}
    for call in best:
        call()
    for _ in range(300):
        for call in best:
            start = time.perf_counter_ns()
            for _ in range(8):
                call()
            best[call] = min(best[call], (time.perf_counter_ns() - start) / 8)
    return 64 * (best[long] - best[short]) / (SIZES[1] - SIZES[0])  # what a call itself takes is in both


def write(rows: list[_common.Row], losses: list[str]) -> None:
    """Write *rows* in place of those of the same losses and settings, in the order of *losses*."""
    new = {tuple(str(x[key]) for key in KEYS) for x in rows}
    old = [x for x in _common.read("bounds") if tuple(x[key] for key in KEYS) not in new and x["loss"] in losses]
    columns = (*KEYS, *COUNTS, COLUMN)
    both = sorted(rows + old, key=lambda x: losses.index(x["loss"]))
    _common.write("bounds", [{name: x.get(name, "") for name in columns} for x in both])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time", action="store_true", help="add the times to what was counted before")
    parser.add_argument("--only", default="", help="only the losses whose name contains one of these, such as AFT,Cox")
    arguments = parser.parse_args()
    cases = {_common.brief(loss): loss for loss in _roofline.cases()}
    names = [name for name in cases if any(x in name for x in arguments.only.split(","))]
    if arguments.time:
        rows: list[_common.Row] = [dict(x) for x in _common.read("bounds") if x["loss"] in names]
        for row in tqdm(rows):
            row[COLUMN] = nanoseconds(cases[row["loss"]], row["output"], row["dtype"])
    else:
        _compile._DiskCache.load_overload = lambda *_: None  # type: ignore[method-assign]  # what is loaded has no assembly
        settings = [(cases[name], want, d) for name in names for want in ("gh", "s") for d in ("float64", "float32")]
        rows = [count(*setting) for setting in tqdm(settings)]
    write(rows, list(cases))


if __name__ == "__main__":
    main()
