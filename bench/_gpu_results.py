"""What bench/gpu.py writes, and reads again where it goes on."""

from __future__ import annotations

import csv
import datetime
import importlib.metadata
import pathlib
import sys
from collections.abc import Sequence
from typing import Any

from _gpu_workers import LATE
from numba import config

import nbloss

Row = dict[str, Any]
NUMBERS = ("us", "GB/s", "of copy", "goal", "ulps")


def environment() -> Row:
    """Return what the figures depend on."""
    found: Row = {"date": datetime.date.today().isoformat(), "python": sys.version.split()[0]}
    found["nbloss"] = nbloss.__version__
    for name in ("numba", "numba-cuda", "cuda-core", "numpy", "cupy-cuda13x", "cupy-cuda12x", "torch"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""
    if not config.ENABLE_CUDASIM:
        from cuda.core import Device

        device = Device()
        found |= {"gpu": device.name, "capability": ".".join(map(str, device.compute_capability))}
    return found


def write(path: pathlib.Path, rows: Sequence[Row], place: Row) -> None:
    """Write the rows, and what they depend on, as CSV."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*names, *place], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            cut = {name: f"{x:.5g}" if isinstance(x, float) else x for name, x in row.items()}
            writer.writerow(cut | place)


def kept(path: pathlib.Path, place: Row) -> list[Row]:
    """Return what is written there of jobs that were done, on the same device and with the same versions."""
    if not path.exists():
        return []
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    if any(row.get(name) != str(x) for row in rows for name, x in place.items() if name != "date"):
        return []
    late = {row.get("job") for row in rows if row.get("error") == LATE}
    return [
        {name: float(x) if name in NUMBERS and x else x for name, x in row.items() if name not in place}
        for row in rows
        if row.get("job") not in late
    ]
