"""What all benchmarks share: fair timing, the record of the machine, and files of results."""

from __future__ import annotations

import csv
import datetime
import importlib.metadata
import pathlib
import platform
from collections.abc import Sequence
from typing import Any

import numba

import nbloss
from nbloss._roofline import interleaved as interleaved

RESULTS = pathlib.Path(__file__).parent / "results"
THREADS = min(2, numba.config.NUMBA_NUM_THREADS)

Row = dict[str, Any]


def brief(loss: nbloss.Loss) -> str:
    """Return the loss as one would write it: with the parameters that are not the defaults."""
    usual = type(loss)().parameters
    given = ", ".join(f"{name}={x!r}" for name, x in loss.parameters.items() if x != usual[name])
    return f"{type(loss).__name__}({given})" if given else type(loss).__name__


def environment() -> Row:
    """Return what the figures depend on."""
    return {
        "date": datetime.date.today().isoformat(),
        "cpu": _cpu(),
        "threads": THREADS,
        "python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("numba", "numpy", "scikit-learn")},
        "nbloss": nbloss.__version__,
    }


def _cpu() -> str:
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    found: dict[str, str] = {}
    for line in lines:
        name, _, text = line.partition(":")
        found.setdefault(name.strip(), text.strip())
    simd = next((x for x in ("avx512f", "avx2", "asimd") if x in found.get("flags", found.get("Features", ""))), "")
    family = f"family {found['cpu family']} model {found['model']}" if "cpu family" in found else ""
    return ", ".join(filter(None, (found.get("model name", platform.machine()), family, simd)))


def rounded(row: Row) -> Row:
    """Return *row* with its floats cut to four digits."""
    return {name: f"{x:.4g}" if isinstance(x, float) else x for name, x in row.items()}


def write(name: str, rows: Sequence[Row], **more: Any) -> None:
    """Write *rows* and the environment to ``results/name.csv``, and a table to ``results/name.md``.

    What is told in *more* takes the place of what :func:`environment` says.
    """
    RESULTS.mkdir(exist_ok=True)
    place = environment() | more
    with (RESULTS / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], *place], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rounded(row) | place for row in rows)
    about = ", ".join(f"{key} {value}" for key, value in place.items())
    (RESULTS / f"{name}.md").write_text(f"{table(list(rows[0]), [list(rounded(r).values()) for r in rows])}\n{about}\n")


def update(name: str, rows: Sequence[Row], keys: Sequence[str]) -> None:
    """Write *rows* to the results *name* in the place of those that are alike by *keys*; the others stay."""
    new = {tuple(str(row[key]) for key in keys): row for row in rows}
    kept = [{column: row[column] for column in rows[0]} for row in read(name)]
    merged = [new.pop(tuple(row[key] for key in keys), row) for row in kept]
    write(name, [*merged, *new.values()])


def read(name: str) -> list[dict[str, str]]:
    """Return the rows of ``results/name.csv``."""
    with (RESULTS / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(str, line))} |\n" for line in lines)
