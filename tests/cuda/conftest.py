"""Settings of the tests of the CUDA part."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from numba import config


@pytest.fixture(autouse=True, scope="session")
def fast_simulator() -> Iterator[None]:
    """Let Python's threads, which the simulator makes of those of a device, take turns often: 6 times as fast."""
    usual = sys.getswitchinterval()
    if config.ENABLE_CUDASIM:
        sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(usual)
