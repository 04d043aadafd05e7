"""What bounds the losses that memory does not: the instructions of their innermost loops, from the assembly.

Writes ``results/bounds.csv``: vector instructions for each vector of inputs, how many of them multiply (at most one a
cycle for 512 bits on many processors), and how many divide or take a root. The loop that adds up the values of a
mean is not counted; it has two instructions a vector in float64 and four in float32.
"""

from __future__ import annotations

import re

import _common
import numpy as np
from tqdm import tqdm

import nbloss._compile
from nbloss import _roofline
from nbloss._cpu.pointwise import kernel_for
from nbloss.families.pointwise import Pointwise

nbloss._compile.cache_folder = lambda: None  # type: ignore[assignment]  # what is loaded has no assembly to look at

VECTOR = re.compile(r"%[xyz]mm\d")
WIDEST = {"zmm": 64, "ymm": 32, "xmm": 16}


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
    kernel = kernel_for(loss._program._replace(kernels={}), want, real, real, None, 1)
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
    kinds = {"multiply": r"vfn?m|vmul", "divide or root": r"vdiv|vsqrt"}
    row = {
        "loss": _common.brief(loss),
        "output": "mean" if want == "s" else "gradient_and_hessian",
        "dtype": dtype,
        "bytes a vector": width,
        "vector instructions": len(of_vectors) / vectors,
    }
    return row | {name: sum(bool(re.match(kind, x)) for x in of_vectors) / vectors for name, kind in kinds.items()}


def main() -> None:
    rows = [
        count(loss, want, dtype)
        for loss in tqdm(_roofline.cases())
        for want in ("gh", "s")
        for dtype in ("float64", "float32")
    ]
    _common.write("bounds", rows)


if __name__ == "__main__":
    main()
