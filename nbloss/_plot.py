"""Pictures of losses: value, gradient and Hessian as one prediction moves.

Each family says by a :class:`Picture` what teaches most about its losses: a small example, and the number that moves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

CURVES = ("value", "gradient", "Hessian")
POINTS = 401
SHADES = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")
STYLES: tuple[Any, ...] = ("-", "--", ":", "-.")


class Scene(NamedTuple):
    """Targets and predictions of which one number moves."""

    words: str
    """What tells this scene from the others of the picture."""
    y_true: Any
    y_pred: Callable[[float], Any]
    """The predictions, given that number."""
    at: tuple[int, ...]
    """Where that number stands among them."""


class Picture(NamedTuple):
    """What a picture of a loss shows."""

    axis: str
    """What moves."""
    over: tuple[float, float]
    """From where to where."""
    scenes: tuple[Scene, ...]
    note: str = ""
    """What else there is in the example, in a sentence."""


def moving(words: str, y_true: Any, y_pred: Any, at: tuple[int, ...]) -> Scene:
    """Return a scene of which the predictions are *y_pred*, but for the number that moves."""

    def with_number(x: float) -> Any:
        z = np.array(y_pred, np.float64)
        z[at] = x
        return z

    return Scene(words, y_true, with_number, at)


def plot(loss: Any, parameters: Mapping[str, Sequence[Any]], axes: Any, over: tuple[float, float] | None) -> Any:
    """Do the work of :meth:`nbloss.Loss.plot`."""
    if len(parameters) > 1:
        raise ValueError(f"plot needs one parameter with several values at most, got {', '.join(parameters)}")
    losses = [loss]
    for name, values in parameters.items():
        if name not in loss.parameters:
            known = f", only {', '.join(loss.parameters)}" if loss.parameters else ": it has none"
            raise ValueError(f"{type(loss).__name__} has no parameter {name!r}{known}")
        losses = [dataclasses.replace(loss, **{name: value}) for value in values]
    words = [", ".join(f"{name}={_short(getattr(x, name))}" for name in parameters) for x in losses]
    own = axes is None
    if own:
        import matplotlib.pyplot as plt

        _, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
        axes[0].figure.suptitle(type(loss).__name__ if parameters else repr(loss), fontsize=10)
    pictures: list[Picture] = [one._picture() for one in losses]
    if parameters:  # more than two scenes, each for several values, are too many lines
        pictures = [picture._replace(scenes=picture.scenes[:2]) for picture in pictures]
    for i, (one, picture) in enumerate(zip(losses, pictures, strict=True)):
        for k, scene in enumerate(picture.scenes):
            x, curves = curves_of(one, scene, over or picture.over)
            colour = SHADES[(i if parameters else k) % len(SHADES)]
            for axis, curve in zip(axes, curves, strict=True):
                axis.plot(x, curve, STYLES[k % len(STYLES)], color=colour)
    for axis, title in zip(axes, CURVES, strict=True):
        axis.set(title=title, xlabel=pictures[0].axis)
        axis.margins(x=0)
        axis.grid(alpha=0.3)
        heights = np.concatenate([line.get_ydata() for line in axis.get_lines()])
        if np.nanmax(heights) - np.nanmin(heights) < 1e-6:  # a constant
            axis.set_ylim(heights[0] - 0.5, heights[0] + 0.5)
    legend = _legend(words if parameters else [], [scene.words for scene in pictures[0].scenes])
    if own and legend:
        axes[0].figure.legend(handles=legend, loc="outside lower center", ncols=min(6, len(legend)), fontsize=8)
    elif legend:
        axes[0].legend(handles=legend, fontsize=8)
    return axes


def _legend(values: Sequence[str], scenes: Sequence[str]) -> list[Any]:
    """Return a line for each value, and one for each scene: in its colour, or in black where values have colours."""
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=SHADES[i % len(SHADES)], label=words) for i, words in enumerate(values)]
    for k, words in enumerate(scenes):
        if words:
            colour = "black" if values else SHADES[k % len(SHADES)]
            lines.append(Line2D([], [], linestyle=STYLES[k % len(STYLES)], color=colour, label=words))
    return lines


def _short(value: Any) -> str:
    return f"{value:g}" if type(value) is float else str(value)


def curves_of(loss: Any, scene: Scene, over: tuple[float, float]) -> tuple[Any, tuple[Any, Any, Any]]:
    """Return where the number moves, and value, gradient and Hessian there; nan where they are infinite."""
    x = np.linspace(*over, POINTS)
    found = np.empty((3, POINTS))
    for i, number in enumerate(x.tolist()):
        z = scene.y_pred(number)
        derivatives = loss.gradient_and_hessian(scene.y_true, z)
        for place in scene.at:
            derivatives = tuple(part[place] for part in derivatives)
        found[:, i] = loss.value(scene.y_true, z, reduction="sum"), *derivatives
    return x, tuple(np.where(np.isfinite(curve), curve, np.nan) for curve in found)  # type: ignore[return-value]
