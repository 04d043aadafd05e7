"""Every pointwise loss beside the speed of memory: each output, dtype and form, with and without weights.

Writes ``results/roofline.csv`` and, with ``--chart``, ``results/roofline.png`` and ``.svg``. Compiling takes most of
the time, so ``--compile`` does that alone; ``--part 2/6`` measures a share of the losses and keeps the other rows.
"""

from __future__ import annotations

import argparse
import csv
import itertools
from collections.abc import Iterator
from typing import Any

import _common
import numba
from tqdm import tqdm

from nbloss import _roofline

FILE = _common.RESULTS / "roofline.csv"
CASES = {_common.brief(loss): loss for loss in _roofline.cases()}


def settings() -> Iterator[dict[str, Any]]:
    """Yield what is measured of each loss."""
    for output, dtype, weights in itertools.product(_roofline.OUTPUTS, ("float64", "float32"), (False, True)):
        for form in _roofline.FORMS if output == "gradient_and_hessian" else ("direct",):
            yield {"output": output, "dtype": dtype, "weights": weights, "form": form}


def row(found: _roofline.Measurement) -> _common.Row:
    return {
        "loss": _common.brief(found.loss),
        "output": found.output,
        "dtype": found.dtype,
        "weights": "yes" if found.weights else "no",
        "form": found.form,
        "elements": found.elements,
        "ms": 1e3 * found.seconds,
        "memory, ms": 1e3 * found.memory,
        "memory, GB/s": 1e-9 * found.bytes / found.memory,
        "ratio": found.ratio,
        "goal": found.goal or "",
    }


def write(rows: list[_common.Row]) -> None:
    """Write *rows* in place of those of the same losses, in the order of the cases."""
    rows = [_common.rounded(x) | _common.environment() for x in rows]
    new = {x["loss"] for x in rows}
    old = _common.read("roofline") if FILE.exists() else []
    rows += [x for x in old if x["loss"] not in new and x["loss"] in CASES]
    order = list(CASES)
    rows.sort(key=lambda x: order.index(x["loss"]))
    with FILE.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short vectors, few rounds; print instead of writing")
    parser.add_argument("--compile", action="store_true", help="only compile what is going to be measured")
    parser.add_argument("--chart", action="store_true", help="only draw what was measured")
    parser.add_argument("--only", default="", help="only the losses whose name contains this")
    parser.add_argument("--part", default="1/1", help="which share of the losses, such as 2/6")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    if arguments.chart:
        from _chart import draw

        draw(_common.read("roofline"), _common.RESULTS / "roofline")
        return
    numba.set_num_threads(_common.THREADS)
    part, parts = map(int, arguments.part.split("/"))
    losses = [loss for name, loss in CASES.items() if arguments.only in name]
    losses = losses[len(losses) * (part - 1) // parts : len(losses) * part // parts]
    is_short = arguments.quick or arguments.compile
    size, rounds = (1 << 20, 1) if is_short else (1 << 26, arguments.rounds)
    rows = [
        row(_roofline.measure(loss, **setting, size=size, rounds=3 if arguments.quick else rounds))
        for loss in tqdm(losses)
        for setting in settings()
    ]
    if arguments.quick:
        print(_common.table(list(rows[0]), [list(_common.rounded(x).values()) for x in rows]))
    elif not arguments.compile:
        write(rows)


if __name__ == "__main__":
    main()
