"""The code blocks of the documentation run, but those for a device, and the rows of the table for scikit-learn hold."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import matplotlib
import numpy as np
import pytest
from sklearn import metrics

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


rng = np.random.default_rng(0)
y, w = rng.exponential(size=20), rng.random(20)
NUMBERS = {"y": y, "w": w, "p": y + rng.exponential(size=20)}
CLASSES = {"y": rng.integers(0, 2, 20), "p": rng.random(20), "z": rng.normal(size=20)}
ROWS = {"y": np.arange(20) % 4, "rows": rng.dirichlet(np.ones(4), 20)}
LABELS = {"y": rng.integers(0, 2, 20), "p": rng.integers(0, 2, 20).astype(float)}


def given_for(theirs: str) -> dict[str, Any]:
    name = theirs.partition("(")[0]
    if name in ("zero_one_loss", "jaccard_score"):
        return LABELS
    if name in ("hinge_loss", "brier_score_loss", "log_loss"):
        return ROWS if "rows" in theirs else CLASSES
    return NUMBERS


ROWS_OF_TABLE = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", (DOCS / "ecosystem.md").read_text(), re.MULTILINE)


def test_the_table_is_found() -> None:
    assert len(ROWS_OF_TABLE) == 12


@pytest.mark.parametrize(("theirs", "ours"), ROWS_OF_TABLE)
def test_rows_of_scikit_learn(theirs: str, ours: str) -> None:
    names = {**vars(metrics), "nbloss": nbloss, "np": np, **given_for(theirs)}
    assert eval(ours, names) == pytest.approx(eval(theirs, names), rel=1e-12)
