"""The chart of bench/gpu.py: bars, written as SVG, so that nothing has to be installed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from xml.sax.saxutils import escape

HEIGHT, LEFT, UNIT, RIGHT = 18, 420, 400, 120
COLOURS = {"nbloss": "#1f6f8b", "cupy": "#c98b2b", "torch": "#b4463c", "torch.compile": "#7d4f9e"}


def chart(rows: Sequence[dict[str, Any]], title: str) -> str:
    """Return a bar for each measurement: its bandwidth as a share of that of a copy within the device."""
    found = [row for row in rows if isinstance(row.get("of copy"), float) and row["way"] != "copy"]
    height, width = HEIGHT * (len(found) + 3), LEFT + UNIT + RIGHT
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="10" y="{HEIGHT}">Bandwidth as a share of a copy within the device: {escape(title)}</text>',
        f'<line x1="{LEFT + UNIT}" x2="{LEFT + UNIT}" y1="{2 * HEIGHT - 4}" y2="{height}" stroke="#888"/>',
    ]
    for i, row in enumerate(found):
        y, share = HEIGHT * (i + 2), row["of copy"]
        share = share if share == share else 0.0
        colour = COLOURS.get(row["way"], "#666")
        label = escape(f"{row['case']} {row['shape']} {row['way']}")
        lines.append(f'<text x="{LEFT - 8}" y="{y + 12}" text-anchor="end">{label}</text>')
        lines.append(
            f'<rect x="{LEFT}" y="{y + 2}" width="{UNIT * min(share, 1.2):.1f}" height="{HEIGHT - 5}" fill="{colour}"/>'
        )
        lines.append(f'<text x="{LEFT + UNIT * min(share, 1.2) + 5:.1f}" y="{y + 12}">{share:.2f}</text>')
    return "\n".join([*lines, "</svg>"]) + "\n"
