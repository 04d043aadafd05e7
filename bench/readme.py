"""Rewrites the tables in README.md, from ``nbloss.ALL`` and from ``results/``: no figure there is typed by hand."""

from __future__ import annotations

import inspect
import pathlib
import re
from collections.abc import Sequence

import _common

import nbloss

README = pathlib.Path(__file__).parents[1] / "README.md"


def losses() -> str:
    """Return the table of all losses."""
    rows = []
    for loss in nbloss.ALL:
        usual = ", ".join(f"{name}={x!r}" for name, x in loss().parameters.items())
        summary = (inspect.getdoc(loss) or "").partition("\n")[0]
        summary = re.sub(r":math:`(.*?)`", r"$\1$", summary).replace("``", "`")
        rows.append([f"`{loss.__name__}({usual})`", summary, ", ".join(f"`{name}`" for name in loss.names)])
    return _common.table(["loss, with its defaults", "what it is", "also known as"], rows)


def memory() -> str:
    """Return the table of times, as multiples of what memory allows."""
    cells: dict[str, dict[str, str]] = {}
    for row in _common.read("roofline"):
        if row["form"] == "direct" and row["weights"] == "none":
            line = cells.setdefault(row["loss"], {})
            line[row["output"] + row["dtype"]] = f"{float(row['ratio']):.2f}"
            line[row["output"] + "goal"] = row["goal"] and f"at most {row['goal']}"
    columns = [x + kind for x in ("gradient_and_hessian", "mean") for kind in ("float64", "float32", "goal")]
    head = ["loss", "gradient and Hessian, float64", "float32", "goal", "mean, float64", "float32", "goal"]
    return _common.table(head, [[f"`{loss}`", *(line.get(x, "") for x in columns)] for loss, line in cells.items()])


def beside() -> str:
    """Return a paragraph about how the ratios to memory were measured, and how many meet their goals."""
    rows = [x for x in _common.read("roofline") if x["goal"]]
    speeds = [float(x["memory, GB/s"]) for x in rows]
    met = sum(float(x["ratio"]) <= float(x["goal"]) for x in rows)
    return (
        f"Measured on {rows[0]['date']} with {rows[0]['threads']} threads of an {rows[0]['cpu']}; the loop ran at\n"
        f"{min(speeds):.0f} to {max(speeds):.0f} GB/s. {met} of {len(rows)} measurements with a goal meet it: those "
        "with weights, in Fortran\norder and of mixed types are among them.\n"
    )


def others() -> str:
    """Return the table of how much slower others are."""
    return _pivot("pointwise", ["scikit-learn", "NumPy"], ["scikit-learn", "NumPy"])


def overhead() -> str:
    """Return the table of the times of calls on small arrays, and of the import."""
    found = _common.read("overhead")
    found = [r for r in found if r["elements"] in ("100", "")]
    rows = [[f"`{r['work']}`", r["loss"], r["time"] + " " + r["unit"], r["goal"]] for r in found]
    return _common.table(["call at 100 elements; import", "loss", "time", "goal"], rows)


def ordered() -> str:
    """Return the table of losses whose errors are put in order, and of the sort."""
    rows = [
        [f"`{r['loss']}`" if r["loss"] else r["work"], r["dtype"], r["ms"], f"{float(r['ratio']):.1f}", r["against"]]
        for r in _common.read("ordered")
    ]
    return _common.table(["10 million pixels", "dtype", "nbloss, ms", "times as long", "who"], rows)


def grouped() -> str:
    """Return the table of losses of groups."""
    rows = [
        [f"`{r['loss']}`", r["groups"], r["dtype"], r["ms"], f"{float(r['ratio']):.1f}", r["against"]]
        for r in _common.read("grouped")
    ]
    return _common.table(["1 million rows", "groups", "dtype", "nbloss, ms", "times as long", "who"], rows)


def rowwise() -> str:
    """Return the table of the cross-entropy of rows."""
    cells: dict[tuple[str, str], dict[str, str]] = {}
    for r in _common.read("rowwise"):
        line = cells.setdefault((r["classes"], r["dtype"]), {})
        name = "Fortran order" if "Fortran" in r["work"] else r["against"]
        line[name] = f"{float(r['ratio']):.2f}" + (f" ({r['goal']})" if r["goal"] else "")
    names = ["copy", "Fortran order", "scikit-learn", "NumPy", "PyTorch"]
    head = [
        "classes",
        "dtype",
        "against a copy (goal)",
        "in Fortran order",
        "scikit-learn (goal)",
        "NumPy",
        "PyTorch (goal)",
    ]
    return _common.table(head, [[*key, *(line.get(name, "") for name in names)] for key, line in cells.items()])


def boosting() -> str:
    """Return the table of rounds of boosting, beside built-in and NumPy objectives."""
    rows = []
    for r in _common.read("gbm"):
        if r["objective"] == "nbloss" and r["checked"] == "yes":
            rows_of = f"{int(r['rows']):,}"
            ratios = [f"{float(r[name]):.2f}" for name in ("of built-in", "of NumPy")]
            rows.append([r["library"], f"`{r['loss']}`", rows_of, *ratios, f"{float(r['call of built-in']):.0%}"])
    head = [
        "library",
        "loss",
        "rows",
        "a round, of a built-in one",
        "of one with NumPy",
        "our call, of a built-in round",
    ]
    return _common.table(head, rows)


def place() -> str:
    """Return one line about the machine of the results."""
    row = _common.read("pointwise")[0]
    names = list(row)[list(row).index("date") :]
    return ", ".join(row[name] if name in ("date", "cpu") else f"{name} {row[name]}" for name in names) + "\n"


def _pivot(name: str, against: Sequence[str], titles: Sequence[str]) -> str:
    """Return a table with a line for each loss: the ratios to each of *against*, by dtype, and the goal."""
    cells: dict[str, dict[str, str]] = {}
    for row in _common.read(name):
        if row["against"] in against:
            line = cells.setdefault(row["loss"], {})
            line[row["against"] + row["dtype"]] = f"{float(row['ratio']):.2f}"
            line[row["against"] + "goal"] = row["goal"]
    columns = [one + kind for one in against for kind in ("float64", "float32", "goal")]
    head = ["loss", *(x for title in titles for x in (f"{title}, float64", "float32", "goal"))]
    return _common.table(head, [[f"`{loss}`", *(line.get(x, "") for x in columns)] for loss, line in cells.items()])


def rewritten(text: str) -> str:
    """Return the README with what stands between ``<!-- name -->`` and ``<!-- end -->`` made anew."""

    def part(match: re.Match[str]) -> str:
        tables = (beside, boosting, grouped, losses, memory, others, ordered, overhead, place, rowwise)
        make = {x.__name__: x for x in tables}[match[1]]
        return f"<!-- {match[1]} -->\n{make()}<!-- end -->"

    return re.sub(r"<!-- (\w+) -->\n.*?<!-- end -->", part, text, flags=re.DOTALL)


if __name__ == "__main__":
    README.write_text(rewritten(README.read_text()))
