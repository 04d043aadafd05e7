"""The shortest way from a call to a kernel; on CUDA that is :mod:`nbloss._cuda.plans`, for all losses."""

from __future__ import annotations

from typing import Any

from nbloss._program import Program


def shortcut(program: Program, want: str, mean: bool, target: Any, dtype: Any, weight: Any) -> None:
    """Return None: every call goes the general way."""
    return None
