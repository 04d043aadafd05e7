"""Which cases of a law are tried each time, and which by slow tests only: each new kernel takes a second to compile.

What depends on the formula of a loss is tried for every loss; what is the engine's, for representatives.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def slow(cases: Iterable[Any]) -> list[Any]:
    """Mark cases, of one argument or a tuple of several, as slow tests."""
    return [pytest.param(*(c if isinstance(c, tuple) else (c,)), marks=pytest.mark.slow) for c in cases]


def first_of_each_class(cases: Iterable[Any]) -> list[Any]:
    """Mark losses of a class that was there before, with other parameters, as slow tests."""
    seen: set[type] = set()
    found = []
    for case in cases:
        loss = case[0] if isinstance(case, tuple) else case
        found += slow([case]) if type(loss) in seen else [case]
        seen.add(type(loss))
    return found
