"""Registers, spills and instructions of the CUDA kernels, from their machine code: no device is needed.

Writes ``results/kernels.csv``, which tests/cuda/test_compile_resources.py holds the kernels to. It needs numba-cuda
and nvidia-cuda-nvdisasm.
"""

from __future__ import annotations

import csv
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from tests.cuda.resources import measured, versions

RESULTS = pathlib.Path(__file__).parent / "results"


def main() -> None:
    rows = []
    for row in measured(few=False):
        print(*row.values(), flush=True)
        rows.append({**row, "compilers": versions()})
    with (RESULTS / "kernels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
