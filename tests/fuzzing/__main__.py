"""Makes calls for as many seconds as the first argument says; tests/fuzzing/__init__.py tells more."""

from __future__ import annotations

import sys

from numba import config

from tests.fuzzing import calls, rounds


def main(seconds: float, *words: str) -> int:
    if config.ENABLE_CUDASIM:
        from tests.cuda.conftest import simulated
        from tests.fuzzing import device

        with simulated():
            return rounds.calls_for(seconds, device.check)
    if "threads" in words:
        from nbloss._cpu import grouped, ordered, pointwise

        pointwise.PARALLEL_FROM = grouped.PARALLEL_FROM = ordered.PARALLEL_FROM = 1
    return rounds.calls_for(seconds, calls.check)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), *sys.argv[2:]) > 0)
