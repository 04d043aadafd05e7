"""The code blocks of the documentation run, but those for a device, and recipes for other libraries."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import matplotlib
import pytest

import nbloss

DOCS = pathlib.Path(nbloss.__file__).parents[1] / "docs"
BLOCKS = [
    pytest.param(code, id=f"{page.name}-{i}")
    for page in sorted(DOCS.glob("*.md"))
    for i, code in enumerate(re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE))
    if "import cupy" not in code  # that needs a device: tests/cuda runs its like in the simulator
]


@pytest.mark.parametrize("code", BLOCKS)
def test_code_blocks_run(code: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # some of them write files
    names: dict[str, Any] = {"__name__": "block"}
    exec(compile(code, "block", "exec"), names)


@pytest.mark.parametrize("path", sorted(DOCS.glob("examples/*.ipynb")), ids=lambda path: path.name)
def test_notebooks_run(path: pathlib.Path) -> None:
    """All cells of a notebook, in their order, in one session."""
    matplotlib.use("Agg")
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), path.name, "exec"), names)
