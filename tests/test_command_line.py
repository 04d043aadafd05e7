"""Law: every command prints what it is for; errors are one line, and the exit status says which kind they are."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from typing import Any

import pytest

import nbloss
from nbloss.__main__ import main
from nbloss._cli.losses import plain
from tests.selection import slow


def test_info_says_what_would_be_used(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["versions", "processor", "threads", "cache", "cuda"]
    assert found["versions"]["nbloss"] == nbloss.__version__ and found["versions"]["numba"]
    assert found["threads"]["a call uses"] == nbloss.get_num_threads()
    assert found["cache"]["folder"] and found["cache"]["megabytes"] >= 0
    assert all(facts["why"] for title, facts in found.items() if title in ("threads", "cache", "cuda"))
    assert main(["info"]) == 0
    assert nbloss.__version__ in capsys.readouterr().out


def test_list_has_every_loss(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    words = capsys.readouterr().out.split()
    assert {nbloss._snake_case(loss.__name__) for loss in nbloss.ALL} <= set(words)
    assert main(["list", "binary", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {facts["task"] for facts in found} == {"binary"}
    assert next(f for f in found if f["name"] == "binary_focal")["parameters"] == ["gamma", "alpha", "from_logits"]


OF_EACH_FAMILY = [
    nbloss.Huber,
    nbloss.CrossEntropy,
    nbloss.MultiMargin,
    nbloss.Dice,
    nbloss.CosineEmbedding,
    nbloss.Cox,
]


@pytest.mark.parametrize("loss", [*OF_EACH_FAMILY, *slow(nbloss.ALL)], ids=lambda loss: loss.__name__)
def test_show(loss: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", loss.__name__]) == 0
    out = capsys.readouterr().out
    assert "References" in out and ":math:" not in out
    if loss is nbloss.Huber:
        assert out.startswith("Huber(delta: float = 1.0)\n") and out.count("*") > 50 and "value by residual" in out


def test_docstrings_are_plain_text() -> None:
    for loss in nbloss.ALL:
        text = plain(inspect.getdoc(loss) or "")
        assert "References" in text and ":math:" not in text and ":class:" not in text and "``" not in text


def test_bench(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbloss._cli.bench.SIZE", 1 << 15)
    monkeypatch.setattr("nbloss._cli.bench.ROUNDS", 1)
    assert main(["bench", "huber"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines[2:]] == [["Huber", "float64"], ["Huber", "float32"]]
    assert all(float(line.split()[2]) > 0 and float(line.split()[-1]) >= 0 for line in lines[2:])


def test_warmup(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["warmup", "huber", "--dtype", "float64"]) == 0
    assert capsys.readouterr().out == "ready: huber, float64\n"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["show", "hubber"], 2, "such as 'huber', got 'hubber'"),
        (["show", "xyzzy"], 2, "which nbloss.ALL has, got 'xyzzy'"),
        (["show", "l2"], 2, "'squared_error' (SquaredError) or 'rmse'"),
        (["warmup", "xyzzy"], 2, "which nbloss.ALL has"),
        (["list", "xyzzy"], 2, "task must be one of binary"),
        (["bench", "dice"], 2, "Dice is none"),
    ],
)
def test_errors_are_one_line(arguments: list[str], status: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == status
    out, err = capsys.readouterr()
    assert not out and err.startswith("nbloss: ") and err.count("\n") == 1 and words in err


@pytest.mark.parametrize("arguments", [[], ["what"], ["show"], ["warmup", "huber", "--dtype", "float16"]])
def test_errors_of_usage_are_one_line(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    out, err = capsys.readouterr()
    assert caught.value.code == 2 and not out and err.startswith("nbloss: ") and err.count("\n") == 1
    assert err.endswith("--help\n")


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--version"])
    assert caught.value.code == 0 and capsys.readouterr().out == f"nbloss {nbloss.__version__}\n"


def test_as_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "nbloss", "show", "xyzzy"], capture_output=True, text=True)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    done = subprocess.run([sys.executable, "-m", "nbloss", "what"], capture_output=True, text=True)
    assert done.returncode == 2 and "invalid choice" in done.stderr
