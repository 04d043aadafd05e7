"""Law: no kernel takes more of a device than it did when bench/kernels.py last wrote it down."""

from __future__ import annotations

import csv
import pathlib
from typing import Any

import pytest

import nbloss
from tests.cuda.nodriver import what_is_missing

if missing := what_is_missing():
    pytest.skip(f"needs {missing}", allow_module_level=True)

from nbloss._cuda import shared_rows
from tests.cuda.resources import measured, versions
from tests.cuda.test_compile import SINGLE, rows_code

RESULTS = pathlib.Path(__file__).parents[2] / "bench/results/kernels.csv"


def kept() -> dict[tuple[str, str, str], dict[str, str]]:
    with RESULTS.open(newline="") as file:
        return {(row["kernel"], row["dtype"], row["device"]): row for row in csv.DictReader(file)}


def assert_no_worse(row: dict[str, Any], before: dict[str, str]) -> None:
    """Allow a tenth, and a quarter for other versions of the compilers than those of the record."""
    slack = 1.1 if before["compilers"] == versions() else 1.25
    assert row["spilled"] == row["stack"] == 0
    assert row["registers"] <= slack * int(before["registers"])
    assert row["instructions"] <= slack * int(before["instructions"])
    if before["an element"]:
        assert row["an element"] <= slack * float(before["an element"])


def test_some_kernels_are_no_worse() -> None:
    """A few, for one kind of device; if they are better, or other losses came, write them down anew."""
    found, before = list(measured(few=True, capabilities=((9, 0),))), kept()
    assert found
    for row in found:
        assert_no_worse(row, before[row["kernel"], row["dtype"], row["device"]])


@pytest.mark.slow
def test_kernels_are_no_worse() -> None:
    before = kept()
    for row in measured(few=False):
        name = row["kernel"], row["dtype"], row["device"]
        assert name in before, f"{name} is not in {RESULTS.name}: run bench/kernels.py"
        assert_no_worse(row, before[name])


def test_many_registers_are_not_kept_in_memory() -> None:
    """Where the registers of two blocks a multiprocessor are too few, a kernel has those of one."""
    staged = shared_rows.DERIVATIVES
    code = rows_code(nbloss.Focal(gamma=0.5), "gh", SINGLE, (8, 0), together=True, staged=staged)
    assert code.stack == code.spilled == 0 and code.registers > 128
