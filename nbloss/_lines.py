"""The numbers of a row, as formulas of a whole row read and write them, on every device.

Here they are plain Python on sequences, so that a formula can be stepped through. Compiled code uses
:mod:`nbloss._cpu.lines` and :mod:`nbloss._cuda.lines` in their place.
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Label(NamedTuple):
    """A line of targets that is 1 at the class *label*, and 0 elsewhere."""

    label: int


def at(line: Any, k: int) -> float:
    """Return the number *k* of a line as a double."""
    if isinstance(line, Label):
        return 1.0 if line.label == k else 0.0
    return float(line[k])


def put(line: Any, k: int, x: float) -> None:
    """Make *x*, in the type of the line, its number *k*; do nothing where there is no line."""
    if line is not None:
        line[k] = x


PRIMITIVES = (at, put)
