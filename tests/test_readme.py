"""The README holds what it says: its examples run, and its tables are current."""

from __future__ import annotations

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.split()[1])
def test_example_runs(example: str) -> None:
    code = compile(example, "README.md", "exec")
    for package in re.findall(r"^import (\w+)", example, re.MULTILINE):
        pytest.importorskip(package, reason=f"{package} is not installed")
    exec(code, {})


def test_tables_are_current(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "bench")
    import readme

    assert readme.rewritten(TEXT) == TEXT, "run: python bench/readme.py"
