"""Pictures of losses: value, gradient and Hessian of one element as the prediction moves."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nbloss.loss import REAL, UNIT, Loss

Target = float | tuple[float, ...]

CURVES = ("value", "gradient", "Hessian")
POINTS = 1001
SHADES = ("tab:blue", "tab:orange", "tab:green", "tab:red", "tab:purple", "tab:brown")


def plot(loss: Any, parameters: Mapping[str, Sequence[Any]], axes: Any, over: tuple[float, float] | None) -> Any:
    """Do the work of :meth:`nbloss.Loss.plot`."""
    if len(parameters) > 1:
        raise ValueError(f"plot needs one parameter with several values at most, got {', '.join(parameters)}")
    losses = [loss]
    for name, values in parameters.items():
        if name not in loss.parameters:
            raise ValueError(f"{type(loss).__name__} has no parameter {name!r}, only {', '.join(loss.parameters)}")
        losses = [dataclasses.replace(loss, **{name: value}) for value in values]
    words = [", ".join(f"{name}={getattr(x, name):g}" for name in parameters) for x in losses]
    targets, label = targets_of(loss)
    own = axes is None
    if own:
        import matplotlib.pyplot as plt

        _, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
        axes[0].figure.suptitle(type(loss).__name__ if parameters else repr(loss), fontsize=10)
    for one, word, colour in zip(losses, words, SHADES * len(losses), strict=False):
        for target, style in zip(targets, ("-", "--"), strict=False):
            x, curves = curves_of(one, target, over or window(one, targets))
            text = ", ".join(filter(None, (word, f"target {words_of(target)}" if len(targets) > 1 else "")))
            for axis, curve in zip(axes, curves, strict=True):
                axis.plot(x, curve, style, color=colour, label=text)
    for axis, title in zip(axes, CURVES, strict=True):
        axis.set(title=title, xlabel=label)
        axis.margins(x=0)
        axis.grid(alpha=0.3)
        bottom, top = axis.get_ylim()
        if top - bottom < 0.15:  # a constant
            axis.set_ylim(bottom - 0.5, top + 0.5)
    handles, texts = axes[0].get_legend_handles_labels()
    if own and any(texts):
        axes[0].figure.legend(handles, texts, loc="outside lower center", ncols=4, fontsize=8)
    elif any(texts):
        axes[0].legend(fontsize=8)
    return axes


def words_of(target: Target) -> str:
    """Return a target, or a pair of them, in words."""
    return f"({', '.join(f'{x:g}' for x in target)})" if isinstance(target, tuple) else f"{target:g}"


def targets_of(loss: Loss) -> tuple[tuple[Target, ...], str]:
    """Return the targets that a picture shows, and what its axis is."""
    target, prediction = loss.domain
    if takes_pairs(loss):
        return ((2.0, 2.0), (2.0, math.inf)), "prediction"
    if prediction == UNIT:
        return (1.0, 0.0), "probability"
    if target == UNIT:
        return (1.0, 0.0), "logit"
    if loss.__module__.startswith("nbloss.losses.binary"):
        return (1.0, 0.0), "score"
    if target == REAL:
        return ((1.0,), "prediction of target 1") if _needs_scale(loss) else ((0.0,), "residual")
    return ((0.0, 2.0) if 0 in target else (2.0,)), "prediction"


def _needs_scale(loss: Loss) -> bool:
    """Whether the loss depends on more than the residual."""
    both = [loss.value(np.array([y]), np.array([y + 0.5]), reduction="none")[0] for y in (0.0, 1.0)]
    return not math.isclose(*map(float, both), rel_tol=1e-9)


def takes_pairs(loss: Loss) -> bool:
    """Whether the loss needs two targets an element."""
    return hasattr(loss, "pair") and not getattr(loss, "may_be_alone", False)


def curves_of(loss: Any, target: Target, over: tuple[float, float]) -> tuple[Any, tuple[Any, Any, Any]]:
    """Return predictions, and the values, gradients and Hessians there; nan where they are infinite."""
    z = np.linspace(*over, POINTS)
    y: Any = np.full(POINTS, target) if isinstance(target, float) else tuple(np.full(POINTS, x) for x in target)
    found = loss.value(y, z, reduction="none"), *loss.gradient_and_hessian(y, z)
    shift = target if isinstance(target, float) and targets_of(loss)[1] == "residual" else 0.0
    return z - shift, tuple(np.where(np.isfinite(x), x, np.nan) for x in found)  # type: ignore[return-value]


def window(loss: Loss, targets: Sequence[Target]) -> tuple[float, float]:
    """Return the least and the greatest prediction of a picture."""
    interval = loss.domain.prediction
    if interval == UNIT:
        return 0.02, 0.98
    first = targets[0]
    middle = first if isinstance(first, float) and len(targets) == 1 and loss.domain.target == REAL else 0.0
    reach = 4.0 if loss.domain.target in (REAL, UNIT) else 3.0
    low, high = max(interval.low, middle - reach), min(interval.high, middle + reach)
    return low + 0.1 if low == interval.low else low, high
