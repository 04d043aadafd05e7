"""Law: pyright sees of user code what mypy sees: exact signatures, and errors where they are marked, nowhere else."""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]


def test_pyright(tmp_path: pathlib.Path) -> None:
    shutil.copy(ROOT / "tests" / "user_code.py", tmp_path)  # pyright wants paths that are relative to its settings
    settings = {
        "include": ["user_code.py"],
        "extraPaths": [str(ROOT)],
        "reportUnnecessaryTypeIgnoreComment": "error",
    }
    project = tmp_path / "pyrightconfig.json"
    project.write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", "-p", str(project)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    found = json.loads(done.stdout[done.stdout.index("{") :])
    assert found["summary"]["filesAnalyzed"] == 1
    assert [f"{x['range']['start']['line'] + 1}: {x['message']}" for x in found["generalDiagnostics"]] == []
