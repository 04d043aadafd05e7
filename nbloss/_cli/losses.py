"""``nbloss list`` and ``nbloss show``: what losses there are, and what one of them is."""

from __future__ import annotations

import inspect
import json
import re
from typing import Any

import nbloss

WIDTH, HEIGHT = 61, 13


class Unknown(ValueError):
    """There is no such loss or task."""


def task_of(loss: type[nbloss.Loss]) -> str:
    """Return the folder that a loss lies in."""
    return loss.__module__.split(".")[2]


def facts_of(loss: type[nbloss.Loss]) -> dict[str, Any]:
    """Return what the list tells of a loss."""
    summary = (inspect.getdoc(loss) or "").partition("\n")[0]
    return {
        "name": nbloss._snake_case(loss.__name__),
        "class": loss.__name__,
        "task": task_of(loss),
        "parameters": [field.name for field in loss._fields()],
        "also": list(loss.names),
        "init_score": hasattr(loss, "init_score"),
        "hessian_matrix": hasattr(loss, "hessian_matrix"),
        "summary": plain(summary),
    }


def run_list(task: str | None, as_json: bool) -> int:
    """Print the losses, of one task or all."""
    found = [facts_of(loss) for loss in nbloss.ALL]
    tasks = sorted({facts["task"] for facts in found})
    if task is not None and task not in tasks:
        raise Unknown(f"task must be one of {', '.join(tasks)}, got {task!r}")
    found = [facts for facts in found if task in (None, facts["task"])]
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    print(f"{'':34} init_score  hessian_matrix  parameters")
    for name in tasks:
        of_task = [facts for facts in found if facts["task"] == name]
        if of_task:
            print(name)
        for facts in of_task:
            marks = ["yes" if facts[x] else "" for x in ("init_score", "hessian_matrix")]
            line = f"  {facts['name']:32} {marks[0]:10}  {marks[1]:14}  {', '.join(facts['parameters'])}"
            print(line.rstrip())
    return 0


def find(name: str) -> type[nbloss.Loss]:
    """Return the loss of a name: of its class, or one that :func:`nbloss.get` knows."""
    known = {known_as: loss for loss in nbloss.ALL for known_as in (nbloss._snake_case(loss.__name__), *loss.names)}
    known |= {loss.__name__: loss for loss in nbloss.ALL}
    if name not in known:
        nbloss.get(name)  # says what is near, or what an ambiguous name may be
    return known[name]


def run_show(name: str) -> int:
    """Print the docstring of a loss, its domain, and a small picture of its value."""
    loss = find(name)
    signature = inspect.signature(loss).replace(return_annotation=inspect.Signature.empty)
    print(f"{loss.__name__}{signature}".replace("'", ""))
    print()
    print(plain(inspect.getdoc(loss) or ""))
    try:
        usual: Any = loss()
    except TypeError:  # a parameter has no default
        return 0
    target, prediction = usual.domain
    print(f"\nWith the defaults, targets lie in {target}, predictions in {prediction}.")
    from nbloss import _plot

    drawn = usual._picture()
    x, curves = _plot.curves_of(usual, drawn.scenes[0], drawn.over)
    print(f"\nvalue by {drawn.axis}{', ' if drawn.scenes[0].words else ''}{drawn.scenes[0].words}:\n")
    print(picture(x, curves[0]))
    if drawn.note:
        print(f"\n{drawn.note}")
    return 0


def picture(x: Any, y: Any) -> str:
    """Return a curve as text."""
    import numpy as np

    columns = np.linspace(0, len(x) - 1, WIDTH).round().astype(int)
    points = y[columns]
    low, high = float(np.nanmin(points)), float(np.nanmax(points))
    span = high - low or 1.0
    rows = [[" "] * WIDTH for _ in range(HEIGHT)]
    for column, value in enumerate(points):
        if np.isfinite(value):
            rows[HEIGHT - 1 - round((float(value) - low) / span * (HEIGHT - 1))][column] = "*"
    labels = {0: f"{high:.3g}", HEIGHT - 1: f"{low:.3g}"}
    lines = [f"{labels.get(i, ''):>9} |{''.join(row).rstrip()}" for i, row in enumerate(rows)]
    ends = f"{x[0]:<10.3g}{'':{WIDTH - 20}}{x[-1]:>10.3g}"
    return "\n".join([*lines, f"{'':9} +{'-' * WIDTH}", f"{'':11}{ends}"])


def plain(text: str) -> str:
    """Return a docstring without the marks of reStructuredText."""
    text = re.sub(r":\w+:`~?([^`]*)`", r"\1", text)
    return text.replace("``", "`")
