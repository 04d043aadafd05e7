"""How far the functions of formulas are off at worst: over every number of float32, over many of float64.

Writes ``results/accuracy.csv`` and the table in ``docs/numerics.md``. Names as arguments look at these functions only,
and keep what was found of the others.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import sys

import _common
import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from mpmath import mp
from numba import njit
from tqdm import tqdm

from nbloss._compile import inlined
from tests import test_math
from tests.every_number import SINGLES, worst_of_every_number

PAGE = pathlib.Path(__file__).resolve().parents[1] / "docs" / "numerics.md"
MANY = 500_000  # numbers of each kind: grids, bit patterns, around 0


def single(name: str) -> _common.Row:
    """Return the largest error over all numbers of float32 in the domain."""
    error, at, _ = worst_of_every_number(name, *test_math.domain(name, np.float32))
    return {"function": name, "dtype": "float32", "numbers": "all", "ulp": error, "at": repr(float(at))}


def double(name: str) -> _common.Row:
    """Return the largest error over many numbers of float64."""
    function = inlined(test_math.FUNCTIONS[name][0])

    @njit(error_model="numpy")
    def loop(a, b, c, out):  # type: ignore[no-untyped-def]
        for i in range(out.size):
            out[i] = function(a[i], b[i], c[i])

    operands = test_math.points(name, np.float64, MANY)
    error, at = test_math.worst_of_many(name, operands, test_math.run(loop, operands))
    numbers = str(operands[0].size)
    return {"function": name, "dtype": "float64", "numbers": numbers, "ulp": error, "at": repr(float(at))}


def page(rows: list[dict[str, str]]) -> str:
    """Return the page with its table made anew."""
    found: dict[str, dict[str, str]] = {}
    for row in rows:
        found.setdefault(row["function"], {})[row["dtype"]] = f"{float(row['ulp']):.2f}"
    lines = [[f"`{name}`", line.get("float32", ""), line.get("float64", "")] for name, line in found.items()]
    table = _common.table(["function", "float32, every number", "float64"], lines)
    return re.sub(
        r"<!-- accuracy -->\n.*?<!-- end -->",
        f"<!-- accuracy -->\n{table}<!-- end -->",
        PAGE.read_text(),
        flags=re.DOTALL,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name")
    parser.add_argument("--missing", action="store_true", help="only what the file has no figure of")
    options = parser.parse_args()
    names = options.names
    doubles = [name for name in test_math.SWEPT if not name.startswith("exp_sum")]
    every = [(single, name) for name in SINGLES] + [(double, name) for name in doubles]
    order = [(n, "float32") for n in SINGLES] + [(n, "float64") for n in doubles]
    known = (_common.RESULTS / "accuracy.csv").exists() and (names or options.missing)
    rows = {(r["function"], r["dtype"]): r for r in _common.read("accuracy")} if known else {}
    kept = ("function", "dtype", "numbers", "ulp", "at")
    with mp.workprec(160):
        for measure, name in tqdm([(m, n) for m, n in every if not names or n.split(" ")[0] in names]):
            dtype = "float32" if measure is single else "float64"
            if options.missing and (name, dtype) in rows:
                continue
            rows[name, dtype] = measure(name)
            _common.write("accuracy", [{k: rows[key][k] for k in kept} for key in order if key in rows])
            PAGE.write_text(page(_common.read("accuracy")))


if __name__ == "__main__":
    main()
