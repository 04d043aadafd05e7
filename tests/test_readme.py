"""The README holds what it says: its examples run, and its tables are current."""

from __future__ import annotations

import pathlib
import re

import pytest

from nbloss.checking import _cupy

ROOT = pathlib.Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
EXAMPLES = [
    code
    for code in re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    if "import cupy" not in code or _cupy() is not None  # tests/cuda runs its like in the simulator
]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split()[1])
def test_example_runs(example: str) -> None:
    exec(compile(example, "README.md", "exec"), {})


def test_tables_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "bench")
    import readme

    assert readme.rewritten(TEXT) == TEXT, "run: python bench/readme.py"
