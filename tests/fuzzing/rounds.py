"""Many calls, of one loss or of all in turn."""

from __future__ import annotations

import random
import time
import traceback
from collections.abc import Callable
from typing import Any

import hypothesis
from hypothesis import strategies as st

from tests.fuzzing.drawn import ALL

CALLS = 40  # of a loss at a time


def calls_of(check: Callable[..., None], loss: Any, seed: int, count: int, **options: Any) -> None:
    """Make so many calls of a loss."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count, deadline=None, database=None, report_multiple_bugs=False,
        phases=[hypothesis.Phase.generate], suppress_health_check=list(hypothesis.HealthCheck),
    )  # fmt: skip
    @hypothesis.given(st.data())
    def some(data: Any) -> None:
        check(loss, data, **options)

    some()


def calls_for(seconds: float, check: Callable[..., None]) -> int:
    """Make calls for so long; return how many losses went wrong."""
    rng, start, rounds, wrong = random.Random(), time.monotonic(), 0, 0
    left = list(ALL)
    while time.monotonic() < start + seconds and left:
        loss = rng.choice(left)
        try:
            calls_of(check, loss, rng.randrange(2**32), CALLS)
            rounds += 1
        except Exception as error:
            wrong += 1
            left.remove(loss)
            notes = [note for note in getattr(error, "__notes__", ()) if " of " in note]
            print(f"== {loss!r}", *traceback.format_tb(error.__traceback__, limit=-2), repr(error), *notes, flush=True)
    print(f"{CALLS * rounds} calls in {time.monotonic() - start:.0f} s, {wrong} losses went wrong")
    return wrong
