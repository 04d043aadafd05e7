"""Runs bench/gpu.py against the stand-in for the driver, and compiles nothing: results are those of no kernel."""

from __future__ import annotations

import os
import pathlib
import sys
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from tests.cuda import standin  # noqa: E402

standin.driver()  # before numba looks for a driver

import gpu  # noqa: E402

from nbloss._cuda import machine_code  # noqa: E402


def _build(function: Any, arguments: Any, capability: Any) -> machine_code.Built:
    if function.__qualname__.startswith("Perceptron."):
        raise RuntimeError("CUDA_ERROR_MADE_UP: this kernel breaks the device")
    return machine_code.Built("kernel", b"machine code", "", "")


if "COMPILE" not in os.environ:
    machine_code.build = _build
    machine_code._path = lambda *_: None
gpu.START = (__file__,)

if __name__ == "__main__":
    sys.exit(gpu.main())
