"""Law: imports run one way, and importing nbloss loads neither numba nor any device."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys

import pytest

import nbloss

PACKAGE = pathlib.Path(nbloss.__file__).parent

ALLOWED = {
    "nbloss": {
        "nbloss._threads",
        "nbloss._warmup",
        "nbloss.checking",
        "nbloss.custom",
        "nbloss.functions",
        "nbloss.links",
        "nbloss.loss",
        "nbloss.losses",
        "nbloss.math",
        "nbloss.reference",
    },
    "nbloss.__main__": {"nbloss", "nbloss._cli", "nbloss._demo"},
    "nbloss._cli": {
        "nbloss",
        "nbloss._cli",
        "nbloss._compile",
        "nbloss._plot",
        "nbloss.checking",
        "nbloss.families",
        "nbloss.loss",
        "nbloss._roofline",
    },
    "nbloss._demo": {"nbloss", "nbloss._roofline"},
    "nbloss._roofline": {"nbloss", "nbloss._cpu", "nbloss.families", "nbloss.loss"},
    "nbloss.losses": {
        "nbloss.families",
        "nbloss._hash",
        "nbloss.loss",
        "nbloss._lines",
        "nbloss._math",
        "nbloss._statistics",
        "nbloss.links",
        "nbloss.losses",
    },
    "nbloss.families": {
        "nbloss._plot",
        "nbloss.families",
        "nbloss._hash",
        "nbloss.reference",
        "nbloss.loss",
        "nbloss.links",
        "nbloss._arrays",
        "nbloss._dask",
        "nbloss._line_program",
        "nbloss._math",
        "nbloss._place",
        "nbloss._program",
        "nbloss._row_program",
        "nbloss._statistics",
    },
    "nbloss.functions": {
        "nbloss.families",
        "nbloss.loss",
        "nbloss.links",
        "nbloss._arrays",
        "nbloss._math",
        "nbloss._place",
        "nbloss._program",
        "nbloss._row_program",
    },
    "nbloss.gbm": {
        "nbloss.gbm",
        "nbloss.families",
        "nbloss.links",
        "nbloss.loss",
        "nbloss._cpu",
        "nbloss._cuda",
        "nbloss._math",
        "nbloss._place",
    },
    "nbloss.checking": {"nbloss.families", "nbloss.loss", "nbloss.reference"},
    "nbloss._plot": set(),
    "nbloss.custom": {
        "nbloss._derive",
        "nbloss._graph",
        "nbloss._statistics",
        "nbloss._trace",
        "nbloss.families",
        "nbloss.links",
        "nbloss.loss",
    },
    "nbloss.math": {"nbloss._math"},
    "nbloss._trace": {"nbloss._graph"},
    "nbloss._derive": {"nbloss._graph"},
    "nbloss._graph": {"nbloss._math"},
    "nbloss._emit": {"nbloss._graph", "nbloss._math"},
    "nbloss._dask": {"nbloss._arrays"},
    "nbloss.loss": {"nbloss._plot"},
    "nbloss.links": {"nbloss._math"},
    "nbloss.reference": {"nbloss._jets", "nbloss._numbers", "nbloss.loss"},
    "nbloss._jets": set(),
    "nbloss._numbers": set(),
    "nbloss._math": set(),
    "nbloss._hash": set(),
    "nbloss._statistics": {"nbloss._arrays"},
    "nbloss._arrays": set(),
    "nbloss._program": {"nbloss.loss"},
    "nbloss._row_program": {"nbloss.loss"},
    "nbloss._rows": {"nbloss._math"},
    "nbloss._lines": set(),
    "nbloss._line_program": {"nbloss.loss"},
    "nbloss._place": {"nbloss._cpu", "nbloss._cuda"},
    "nbloss._cgroups": set(),
    "nbloss._threads": {"nbloss._cgroups"},
    "nbloss._warmup": {"nbloss._arrays", "nbloss.loss"},
    "nbloss._openmp": set(),
    "nbloss._parallel": {"nbloss._openmp", "nbloss._threads", "nbloss._warmup"},
    "nbloss._compile": {
        "nbloss._emit",
        "nbloss._graph",
        "nbloss._inlining",
        "nbloss._lines",
        "nbloss._math",
        "nbloss._parallel",
        "nbloss._identity",
    },
    "nbloss._inlining": set(),
    "nbloss._cpu": {
        "nbloss._cpu",
        "nbloss._arrays",
        "nbloss._compile",
        "nbloss._hash",
        "nbloss._line_program",
        "nbloss._lines",
        "nbloss._math",
        "nbloss._parallel",
        "nbloss._program",
        "nbloss._row_program",
        "nbloss._rows",
        "nbloss._threads",
        "nbloss.loss",
    },
    "nbloss._identity": set(),
    "nbloss._cuda": {
        "nbloss._cuda",
        "nbloss._identity",
        "nbloss._arrays",
        "nbloss._compile",
        "nbloss._hash",
        "nbloss._line_program",
        "nbloss._lines",
        "nbloss._math",
        "nbloss._program",
        "nbloss._row_program",
        "nbloss._rows",
        "nbloss.loss",
    },
}
"""What the modules of each room may import, by the first two parts of the name."""


def modules() -> list[pathlib.Path]:
    return sorted(PACKAGE.rglob("*.py"))


def room(module: str) -> str:
    return ".".join(module.split(".")[:2])


def imported(path: pathlib.Path) -> set[str]:
    """Return the rooms and outside packages that the module at *path* names in import statements."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            if node.module == "nbloss":
                found |= {f"nbloss.{alias.name}" for alias in node.names}
            else:
                found.add(node.module or "")
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_one_way(path: pathlib.Path) -> None:
    name = ".".join(("nbloss", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    inside = {room(module) for module in imported(path) if room(module).startswith("nbloss")}
    assert inside <= ALLOWED[room(name)], f"{name} imports {inside - ALLOWED[room(name)]}"
    with_numba = {
        "nbloss._cpu",
        "nbloss._cuda",
        "nbloss._compile",
        "nbloss._emit",
        "nbloss._identity",
        "nbloss._inlining",
        "nbloss._parallel",
    }
    outside = {module.split(".")[0] for module in imported(path)} - {"nbloss"}
    if room(name) not in {*with_numba, "nbloss._cli", "nbloss._demo", "nbloss._roofline"}:
        assert "numba" not in outside and "llvmlite" not in outside
    if room(name) in {"nbloss.losses", "nbloss.links", "nbloss._math", "nbloss.loss"}:
        assert "numpy" not in outside


def test_import_is_light() -> None:
    code = "import nbloss, sys; print([m for m in ('numba', 'scipy', 'mpmath', 'difflib') if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_import_of_gbm_is_light() -> None:
    heavy = ("numba", "xgboost", "lightgbm", "catboost", "sklearn", "dask", "nbloss._cpu")
    code = f"import nbloss.gbm, sys; print([m for m in {heavy} if m in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_numpy_arrays_load_no_cuda() -> None:
    code = "import nbloss, sys; nbloss.Huber()([1.0], [2.0]); print('numba.cuda' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


@pytest.mark.parametrize("path", sorted((PACKAGE / "_cpu").glob("*.py")), ids=lambda path: path.stem)
def test_kernels_of_rows_import_what_registers_their_functions(path: pathlib.Path) -> None:
    """Else they can be compiled only in a process that has compiled other losses before."""
    text = path.read_text()
    uses = "from nbloss._rows import" in text and path.stem != "rows"
    assert not uses or "from nbloss._cpu.rows import" in text or "from nbloss._cpu import rows" in text
