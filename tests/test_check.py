"""Law: nbloss.check finds what is wrong with a loss, and nothing where nothing is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nbloss


def test_what_is_right(capsys: pytest.CaptureFixture[str]) -> None:
    report = nbloss.check(nbloss.Huber(delta=0.7))
    assert report.passed and len(report.findings) >= 6
    out = capsys.readouterr().out
    assert out.startswith("Huber(delta=0.7)\n") and "all right" in out and "FAIL" not in out


def test_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    @nbloss.pointwise
    def Wrong(y: Any, z: Any) -> Any:
        return (z - y) ** 2, z - y, 2

    report = nbloss.check(Wrong())
    failed = [finding.name for finding in report.findings if not finding.passed]
    assert failed == ["gradient, float64", "gradient, float32"]
    assert "FAIL  gradient, float64" in capsys.readouterr().out

    @nbloss.pointwise
    def Overflows(y: Any, z: Any) -> Any:
        return nbloss.math.log(1 + nbloss.math.exp(z - y))

    assert not nbloss.check(Overflows(), np.zeros(1), np.array([1000.0])).passed


def test_other_families() -> None:
    with pytest.raises(TypeError, match="check of CrossEntropy needs y_true and y_pred"):
        nbloss.check(nbloss.CrossEntropy())
    with pytest.raises(TypeError, match="check of AFT needs y_true and y_pred"):
        nbloss.check(nbloss.AFT())
    times = np.array([1.0, 2.0, 0.0]), np.array([1.0, np.inf, 3.0])
    assert nbloss.check(nbloss.AFT(), times, np.array([0.5, 0.1, -1.0])).passed
    y, z = np.random.default_rng(0).normal(size=(2, 5))
    assert nbloss.check(nbloss.RootMeanSquaredError(), y, z).passed
