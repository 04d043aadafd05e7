"""The examples run, find what their pictures say, and so does the guide."""

from __future__ import annotations

import importlib.util
import pathlib
import re
from typing import Any

import matplotlib
import pytest

DOCS = pathlib.Path(__file__).parents[2] / "docs"
BLOCKS = re.findall(r"^```python\n(.*?)^```", (DOCS / "boosting.md").read_text(), re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_guide(block: str) -> None:
    exec(compile(block, "boosting.md", "exec"), {})


def run(name: str, folder: pathlib.Path, **options: Any) -> Any:
    """Run an example, and return what it found; its picture goes to *folder*."""
    matplotlib.use("agg")
    path = DOCS / "examples" / f"{name}.py"
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    found = module.main(folder, **options)
    assert (folder / f"{name}.png").stat().st_size > 10_000
    assert (DOCS / "images" / f"{name}.png").exists()
    return found


def test_focal(tmp_path: pathlib.Path) -> None:
    found = run("focal", tmp_path, splits=2)
    assert all(precision > 2 * 0.06 for precision in found.values())  # twice the share of buyers


def test_quantile_intervals(tmp_path: pathlib.Path) -> None:
    found = run("quantile_intervals", tmp_path)
    assert all(abs(share - level) < 0.06 for level, share in found.items())


def test_tweedie_claims(tmp_path: pathlib.Path) -> None:
    found = run("tweedie_claims", tmp_path)
    assert found["Tweedie, power 1.5"] < found["squared error"]


def test_survival(tmp_path: pathlib.Path) -> None:
    assert run("survival", tmp_path)["concordance"] > 0.65


def test_ranking(tmp_path: pathlib.Path) -> None:
    found = run("ranking", tmp_path)
    assert all(first > 0.6 for first in found.values())  # by chance one in four comes first
