"""Every pointwise loss beside the speed of memory: each output, dtype and form, with and without weights.

Writes ``results/roofline.csv`` and, with ``--report``, the chart ``results/roofline.png`` and ``.svg``, how many goals
are met and what bounds the others into ``results/roofline.md``. Compiling takes most of the time, so ``--compile`` does
that alone; ``--part 2/6`` measures a share of the losses, and ``--outputs mean`` some outputs: rows of others are kept.
The column "code" has the fingerprint of the sources that a row was measured with.
"""

from __future__ import annotations

import argparse
import collections
import csv
import itertools
import statistics
from collections.abc import Iterator, Sequence
from typing import Any

import _common
import numba
import numpy as np
from tqdm import tqdm

import nbloss
from nbloss import _compile, _roofline

FILE = _common.RESULTS / "roofline.csv"
FAST = 50  # GB/s of the loop beside a loss, from which on the notes count memory as fast
CASES = {_common.brief(loss): loss for loss in _roofline.cases()}


def settings(outputs: Sequence[str], plain: bool) -> Iterator[dict[str, Any]]:
    """Yield what is measured of each loss; if *plain*, vectors of one type without weights alone."""
    for output, dtype in itertools.product(outputs, ("float64", "float32")):
        if plain:
            yield {"output": output, "dtype": dtype, "weights": None, "form": "direct"}
            continue
        for form in _roofline.FORMS if output == "gradient_and_hessian" else ("direct",):
            for weights in (None, _roofline.other(dtype) if form == "mixed" else dtype):
                yield {"output": output, "dtype": dtype, "weights": weights, "form": form}
        if output == "gradient_and_hessian":
            yield {"output": output, "dtype": dtype, "weights": _roofline.other(dtype), "form": "direct"}


def row(found: _roofline.Measurement) -> _common.Row:
    return {
        "loss": _common.brief(found.loss),
        "output": found.output,
        "dtype": found.dtype,
        "weights": found.weights or "none",
        "form": found.form,
        "elements": found.elements,
        "ms": 1e3 * found.seconds,
        "memory, ms": 1e3 * found.memory,
        "memory, GB/s": 1e-9 * found.bytes / found.memory,
        "ratio": found.ratio,
        "goal": found.goal or "",
    }


def setting(row: _common.Row) -> tuple[str, ...]:
    """Return what tells a row from the others."""
    return row["loss"], row["output"], row["dtype"], row["weights"], row["form"]


def write(rows: list[_common.Row]) -> None:
    """Write *rows* in place of those of the same losses and settings, in the order of the cases."""
    place = _common.environment() | {"code": _compile.fingerprint()}
    rows = [_common.rounded(x) | place for x in rows]
    new = {setting(x) for x in rows}
    old = _common.read("roofline") if FILE.exists() else []
    rows += [x for x in old if setting(x) not in new and x["loss"] in CASES]
    losses, outputs = list(CASES), list(_roofline.OUTPUTS)
    rows.sort(key=lambda x: (losses.index(x["loss"]), outputs.index(x["output"]), *setting(x)[2:]))
    with FILE.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def goals(rows: Sequence[dict[str, str]]) -> str:
    """Return a table of how many goals are met, by the speed of memory while they were measured."""
    names = {
        "1.1": "gradient and Hessian, vectors of one type",
        "1.3": "gradient and Hessian with weights, in Fortran order, of mixed types",
        "1.15": "mean without transcendental functions",
        "1.7": "mean with exp and log",
        "4": "with a free power",
    }
    lines = []
    for goal, name in names.items():
        found = [x for x in rows if x["goal"] == goal]
        ratios = sorted(float(x["ratio"]) for x in found)
        met = sum(ratio <= float(goal) for ratio in ratios)
        fast = [x for x in found if float(x["memory, GB/s"]) >= FAST]
        of_fast = sum(float(x["ratio"]) <= float(goal) for x in fast)
        slow = f"{met - of_fast} of {len(found) - len(fast)}"
        lines.append(
            [
                name,
                goal,
                f"{met} of {len(found)}",
                f"{of_fast} of {len(fast)}",
                slow,
                f"{statistics.median(ratios):.2f}",
            ]
        )
    head = ["what", "at most", "met", f"memory at {FAST} GB/s or more", "at less", "median"]
    return _common.table(head, lines)


def missed(rows: Sequence[dict[str, str]]) -> str:
    """Return a table of the losses that miss a goal, with what they take where memory bounds nothing."""
    counts: dict[tuple[str, ...], dict[str, str]]
    counts = {(x["loss"], x["output"], x["dtype"]): x for x in _common.read("bounds")}
    cells: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for x in rows:
        if x["goal"] and float(x["ratio"]) > float(x["goal"]):
            cells.setdefault((x["loss"], x["output"], x["dtype"]), []).append(x)
    lines = []
    for key, found in cells.items():
        count = counts.get(key, {})
        alone = [_alone(x, count) / float(x["memory, ms"]) for x in found if "ns a vector" in count]
        ratios = [float(x["ratio"]) for x in found]
        kinds = ("vector instructions", "multiply", "divide or root")
        lines.append(
            [f"`{key[0]}`", *key[1:], len(found), _span(ratios), _span(alone), *(count.get(kind, "") for kind in kinds)]
        )
    head = ["loss", "output", "dtype", "rows that miss", "ratios", "in the caches", "instructions a vector", "multiply"]
    return _common.table([*head, "divide or root"], lines)


def _alone(row: dict[str, str], count: dict[str, str]) -> float:
    """Return the milliseconds that a row would take if all its vectors lay in the caches."""
    size = int(row["elements"]) * np.dtype(row["dtype"]).itemsize
    return 1e-6 * size / 64 / int(row["threads"]) * float(count["ns a vector"])


def code(rows: Sequence[dict[str, str]]) -> str:
    """Return a table of what was measured with which sources."""
    counts = collections.Counter((x["code"] or "earlier", x["date"], x["output"]) for x in rows)
    return _common.table(["code", "date", "output", "rows"], [[*key, count] for key, count in counts.items()])


def _span(numbers: Sequence[float]) -> str:
    low, high = (f"{end(numbers):.2f}" if numbers else "" for end in (min, max))
    return low if low == high else f"{low} to {high}"


def report(rows: Sequence[dict[str, str]]) -> None:
    """Draw the chart, and write the tables into their places in the notes."""
    from _chart import draw

    draw(rows, _common.RESULTS / "roofline")
    notes = _common.RESULTS / "roofline.md"
    text = notes.read_text()
    for make in (goals, missed, code):
        begin, end = (
            f"<!-- {make.__name__}: written by bench/roofline.py --report -->\n",
            f"<!-- end of {make.__name__} -->",
        )
        before, found, rest = text.partition(begin)
        text = f"{before}{begin}{make(rows)}{end}{rest.partition(end)[2]}" if found else text
    notes.write_text(text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="short vectors, few rounds; print instead of writing")
    parser.add_argument("--compile", action="store_true", help="only compile what is going to be measured")
    parser.add_argument("--report", action="store_true", help="only draw what was measured, and count the goals met")
    parser.add_argument("--only", default="", help="only the losses whose name contains this")
    parser.add_argument("--part", default="1/1", help="which share of the losses, such as 2/6")
    parser.add_argument("--outputs", default=",".join(_roofline.OUTPUTS), help="only these outputs")
    parser.add_argument("--plain", action="store_true", help="only vectors of one type without weights")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    if arguments.report:
        report(_common.read("roofline"))
        return
    numba.set_num_threads(_common.THREADS)
    nbloss.set_num_threads(_common.THREADS)
    for loop in (_roofline._moved, _roofline._dotted):
        loop.enable_caching()  # or every part would compile them again
    part, parts = map(int, arguments.part.split("/"))
    losses = [loss for name, loss in CASES.items() if arguments.only in name]
    losses = losses[len(losses) * (part - 1) // parts : len(losses) * part // parts]
    is_short = arguments.quick or arguments.compile
    size, rounds = (1 << 22, 1) if is_short else (1 << 26, arguments.rounds)
    rows = []
    for loss, setting in tqdm(
        [(x, y) for x in losses for y in settings(arguments.outputs.split(","), arguments.plain)]
    ):
        found = _roofline.measure(loss, **setting, size=size, rounds=3 if arguments.quick else rounds)
        if not arguments.compile:
            rows.append(row(found))
    if arguments.quick:
        print(_common.table(list(rows[0]), [list(_common.rounded(x).values()) for x in rows]))
    elif not arguments.compile:
        write(rows)


if __name__ == "__main__":
    main()
