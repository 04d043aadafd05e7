"""Law: with NUMBA_DISABLE_JIT, to debug, losses work slowly, or say in one sentence that they do not."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]


def test_every_loss() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.without_jit"], cwd=ROOT, capture_output=True, text=True,
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
