"""Makes the pages and pictures of the losses from ``nbloss.ALL``: nothing there is written by hand."""

from __future__ import annotations

import inspect
import pathlib
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

import nbloss

PARAMETER = {  # of which a picture shows several values
    "Huber": {"delta": (0.5, 1.0, 2.0)},
    "PseudoHuber": {"delta": (0.5, 1.0, 2.0)},
    "SmoothL1": {"beta": (0.5, 1.0, 2.0)},
    "Fair": {"c": (0.5, 1.0, 2.0)},
    "Tweedie": {"power": (1.2, 1.5, 1.8)},
    "NegativeBinomial": {"dispersion": (0.5, 1.0, 2.0)},
    "Quantile": {"alpha": (0.1, 0.5, 0.9)},
    "Expectile": {"alpha": (0.1, 0.5, 0.9)},
    "BinaryFocal": {"gamma": (0.0, 1.0, 2.0, 5.0)},
    "BalancedBinaryCrossEntropy": {"alpha": (0.2, 0.5, 0.8)},
    "HingeEmbedding": {"margin": (0.5, 1.0, 2.0)},
    "ZeroOne": {"tolerance": (0.5, 1.0, 2.0)},
    "BinaryCrossEntropy": {"label_smoothing": (0.0, 0.1, 0.3)},
    "AsymmetricLoss": {"gamma_neg": (0.0, 2.0, 4.0)},
    "CrossEntropy": {"label_smoothing": (0.0, 0.1, 0.3)},
    "Focal": {"gamma": (0.0, 1.0, 2.0, 5.0)},
    "GeneralizedCrossEntropy": {"q": (0.1, 0.7, 1.0)},
    "SymmetricCrossEntropy": {"beta": (0.0, 0.5, 1.0)},
    "Poly1CrossEntropy": {"epsilon": (-1.0, 0.0, 2.0)},
    "MultiMargin": {"p": (1, 2)},
    "Dice": {"smooth": (0.0, 1.0, 5.0)},
    "Jaccard": {"smooth": (0.0, 1.0, 5.0)},
    "Tversky": {"alpha": (0.2, 0.5, 0.8)},
    "FocalTversky": {"gamma": (0.5, 1.0, 2.0)},
    "CosineEmbedding": {"margin": (-0.5, 0.0, 0.5)},
    "TripletMargin": {"p": (1, 2)},
    "MarginRanking": {"margin": (0.0, 1.0, 2.0)},
    "RankNet": {"sigma": (0.5, 1.0, 2.0)},
    "LambdaRank": {"norm": (True, False)},
}
ROBUST = ("HalfSquaredError", "Huber", "PseudoHuber", "LogCosh", "Fair", "AbsoluteError")
CLASSIFICATION = ("BinaryCrossEntropy", "BinaryFocal", "Brier", "Hinge", "SquaredHinge", "Exponential", "Perceptron")
TASKS = {
    "regression": "Regression", "binary": "Two classes", "multiclass": "Many classes",
    "distribution": "Counts, amounts and claims", "segmentation": "Regions of images",
    "similarity": "Vectors and pairs",
    "ranking": "Ranking", "survival": "Survival",
}  # fmt: skip


def write(folder: pathlib.Path) -> None:
    """Write a page for each loss, the lists of them, the comparisons, and all pictures."""
    folder.mkdir(exist_ok=True)
    for loss in nbloss.ALL:
        picture(loss, folder)
        (folder / f"{loss.__name__}.md").write_text(page(loss))
    (folder / "losses.md").write_text(contents())
    (folder / "gallery.md").write_text(gallery())
    compare(folder / "robust.svg", ROBUST, "residual")
    compare(folder / "classification.svg", CLASSIFICATION, "margin")


def task_of(loss: type[nbloss.Loss]) -> str:
    """Return the folder of a loss."""
    return loss.__module__.split(".")[2]


def picture(loss: type[nbloss.Loss], folder: pathlib.Path) -> None:
    """Draw a loss, for several values of the parameter that matters most."""
    axes = loss().plot(**PARAMETER.get(loss.__name__, {}))
    axes[0].figure.savefig(folder / f"{loss.__name__}.svg", metadata={"Date": None})
    plt.close(axes[0].figure)


def page(loss: type[nbloss.Loss]) -> str:
    """Return the page of one loss."""
    name, usual = loss.__name__, loss()
    path = inspect.getsourcefile(loss)
    source = pathlib.Path(path or "").read_text().strip()
    known = ", ".join(f"`{x}`" for x in (nbloss._snake_case(name), *loss.names))
    target, prediction = usual.domain
    lines = [f"# {name}", "", *picture_of(loss), ""]
    lines += ["```{eval-rst}", f".. autoclass:: nbloss.{name}", "```", ""]
    lines += [f"Known to `nbloss.get` as {known}."]
    lines += [f"Domain with the defaults: targets in {target}, predictions in {prediction}."]
    link = getattr(usual, "link", None)
    if callable(link) and getattr(link, "__module__", "") == "nbloss.links":
        lines += [f"Link: {link.__name__}."]
    lines += ["", "## Example", "", "````pycon", *example(usual), "````", ""]
    lines += ["## Its file", "", "The whole of it; everything else is the engine.", "", "````python", source, "````"]
    return "\n".join(lines) + "\n"


def picture_of(loss: type[nbloss.Loss]) -> list[str]:
    """Return the lines that show the picture of a loss, and what it shows."""
    name, drawn = loss.__name__, loss()._picture()
    return [
        f"![Value, gradient and Hessian of {name} by {drawn.axis}]({name}.svg)",
        *(("", drawn.note) * bool(drawn.note)),
    ]


def example(loss: Any) -> list[str]:
    """Return a call and what it returns: the first scene of the picture."""
    low, high = (drawn := loss._picture()).over
    scene = drawn.scenes[0]
    names = {"loss": loss, "y_true": scene.y_true, "y_pred": scene.y_pred(low + 0.6 * (high - low))}
    calls = ["loss(y_true, y_pred)", "loss.gradient_and_hessian(y_true, y_pred)"]
    lines = [f">>> loss = nbloss.{loss!r}"]
    with np.printoptions(precision=4, suppress=True):
        for name in ("y_true", "y_pred"):
            lines += [f">>> {name} = {written(names[name])}"]
        for call in calls:
            found = eval(call, names)
            lines += [f">>> {call}", f"{found:.4f}" if np.ndim(found) == 0 else str(found)]
    return lines


def written(x: Any) -> str:
    """Return arrays as one writes them."""
    if isinstance(x, tuple):
        return f"({', '.join(map(written, x))})"
    return "None" if x is None else f"np.array({np.asarray(x).round(4).tolist()})"


def contents() -> str:
    """Return the page that lists all losses by task."""
    lines = [
        "# Every loss",
        "",
        "Made from `nbloss.ALL`. Pictures of all of them are in the [gallery](gallery.md).",
        "",
    ]
    tasks = list(dict.fromkeys([*TASKS, *map(task_of, nbloss.ALL)]))
    for task in tasks:
        found = [loss for loss in nbloss.ALL if task_of(loss) == task]
        if not found:
            continue
        lines += [f"## {TASKS.get(task, task.capitalize())}", "", "| loss | what it is |", "| --- | --- |"]
        for loss in found:
            summary = (inspect.getdoc(loss) or "").partition("\n")[0]
            summary = summary.replace(":math:`", "$").replace(
                "`", "$" if "$" in summary.replace(":math:`", "$") else "`"
            )
            lines.append(f"| [{loss.__name__}]({loss.__name__}.md) | {summary} |")
        lines += [""]
    lines += ["```{toctree}", ":hidden:", ""]
    lines += [loss.__name__ for loss in nbloss.ALL] + ["```", ""]
    return "\n".join(lines)


def gallery() -> str:
    """Return the page of all pictures."""
    lines = ["# Gallery", "", "## The robust losses against the squared error", ""]
    lines += ["![Robust losses](robust.svg)", "", "## The losses of two classes", ""]
    lines += ["The classification losses for the positive class; on the axis is the score or logit.", ""]
    lines += ["![Losses of two classes](classification.svg)", "", "## Each on its own", ""]
    lines += ["One prediction moves; drawn are the loss, and its first and second derivative by that prediction.", ""]
    for loss in nbloss.ALL:
        lines += [f"### [{loss.__name__}]({loss.__name__}.md)", "", *picture_of(loss), ""]
    return "\n".join(lines)


def compare(path: pathlib.Path, names: tuple[str, ...], label: str) -> None:
    """Draw value, gradient and Hessian of several losses of one kind."""
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
    z = np.linspace(-4, 4, 801)
    y = np.full_like(z, 1.0 if label == "margin" else 0.0)
    for name in names:
        if not hasattr(nbloss, name):
            continue
        loss = getattr(nbloss, name)()
        found = loss.value(y, z, reduction="none"), *loss.gradient_and_hessian(y, z)
        for axis, curve in zip(axes, found, strict=True):
            axis.plot(z, curve, label=name, linewidth=1.4)
    limits = ((0, 4), (-3, 0.5), (-0.2, 3)) if label == "margin" else ((0, 4), (-2, 2), (-0.1, 1.2))
    for axis, title, limit in zip(axes, ("value", "gradient", "Hessian"), limits, strict=True):
        axis.set(title=title, xlabel=label, ylim=limit)
        axis.margins(x=0)
        axis.grid(alpha=0.3)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8)
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
