"""The chart of ``results/roofline.csv``."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.lines import Line2D

PANELS = {"gradient_and_hessian": "gradient and Hessian, of the time of a copy", "mean": "mean, of a dot product"}
COLOURS = {"float64": "#0b5d8a", "float32": "#d9822b"}
MARKS = {
    ("direct", "none"): ("o", True, "vectors of one type"),
    ("direct", "same"): ("o", False, "with weights"),
    ("Fortran", "none"): ("s", False, "Fortran order"),
    ("mixed", "none"): ("^", False, "mixed types"),
}


def draw(rows: Sequence[dict[str, str]], path: pathlib.Path) -> None:
    """Draw a line for each loss: how many times as long as memory alone it takes."""
    losses = list(dict.fromkeys(row["loss"] for row in rows))
    losses.sort(key=lambda loss: _ratio(rows, loss, "mean"))
    plt.rcParams |= {"font.size": 9, "svg.hashsalt": "nbloss", "axes.spines.top": False, "axes.spines.right": False}
    figure, axes = plt.subplots(1, 2, figsize=(12, 0.24 * len(losses) + 1.6), sharey=True, layout="constrained")
    for axis, (output, title) in zip(axes, PANELS.items(), strict=True):
        _panel(axis, [row for row in rows if row["output"] == output], losses)
        axis.set_title(title, loc="left", fontweight="bold")
    axes[0].set_yticks(range(len(losses)), losses)
    handles = [
        Line2D([], [], color="0.35", marker=mark, ls="", mfc="0.35" if full else "none", label=label)
        for mark, full, label in MARKS.values()
    ]
    handles += [Line2D([], [], color=colour, lw=4, label=dtype) for dtype, colour in COLOURS.items()]
    handles.append(Line2D([], [], color="0.2", marker="|", ms=10, mew=1.6, ls="", label="goal"))
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), frameon=False)
    for suffix in ("png", "svg"):
        figure.savefig(path.with_suffix(f".{suffix}"), dpi=130, metadata={"Date": None} if suffix == "svg" else None)
    plt.close(figure)


def _panel(axis: Any, rows: Sequence[dict[str, str]], losses: Sequence[str]) -> None:
    for position in range(0, len(losses), 2):
        axis.axhspan(position - 0.5, position + 0.5, color="0.96", lw=0)
    axis.axvline(1, color="0.2", lw=1)
    for row in rows:
        weights = "same" if row["weights"] == row["dtype"] else row["weights"]
        kind = MARKS.get((row["form"], weights))
        if kind is None:
            continue
        height = losses.index(row["loss"]) + (0.14 if row["dtype"] == "float64" else -0.14)
        colour = COLOURS[row["dtype"]]
        ratio = float(row["ratio"])
        axis.plot(ratio, height, kind[0], color=colour, mfc=colour if kind[1] else "none", ms=5, mew=1.1, alpha=0.9)
        if row["goal"] and row["form"] == "direct" and row["weights"] == "none":
            axis.plot(float(row["goal"]), losses.index(row["loss"]), "|", color="0.2", ms=10, mew=1.6)
    axis.set_xscale("log", base=2)
    ticks = np.array([0.7, 1, 1.5, 2, 3, 4, 6, 10, 20])
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.set_ylim(-0.6, len(losses) - 0.4)
    axis.grid(axis="x", color="0.85", lw=0.6)
    axis.tick_params(axis="y", length=0)
    axis.set_axisbelow(True)


def _ratio(rows: Sequence[dict[str, str]], loss: str, output: str) -> float:
    """Return the ratio by which the losses are put in order."""
    found = [row for row in rows if row["loss"] == loss and row["output"] == output]
    plain = [row for row in found if row["form"] == "direct" and row["weights"] == "none"]
    return max((float(row["ratio"]) for row in plain), default=0.0)
