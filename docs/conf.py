"""How the documentation is built: ``sphinx-build -W docs docs/_build``."""

from __future__ import annotations

import pathlib
import re
import sys
from typing import Any

DOCS = pathlib.Path(__file__).parent
sys.path.insert(0, str(DOCS))

import pages  # noqa: E402

import nbloss  # noqa: E402

pages.write(DOCS / "made")

project = "nbloss"
author = "the nbloss developers"
copyright = "the nbloss developers"
version = release = nbloss.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",  # formulas need no other site
]
myst_enable_extensions = ["dollarmath", "colon_fence"]
myst_heading_anchors = 3
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build", "examples/**"]
numpydoc_show_class_members = False
autodoc_typehints = "none"
add_module_names = False

html_theme = "furo"
html_title = f"nbloss {release}"
html_static_path = ["static"]
html_css_files = ["tables.css"]
html_copy_source = False


def setup(app: Any) -> None:
    """Keep a name that begins with one initial from being read as an item of a list."""

    def escape(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
        lines[:] = [re.sub(r"^(\s*)([A-Z])\. ", r"\1\2\\. ", line) for line in lines]

    app.connect("autodoc-process-docstring", escape)
