"""Calls every loss where nothing is compiled; tests/test_without_jit.py runs it with NUMBA_DISABLE_JIT=1."""

from __future__ import annotations

from typing import Any

import numpy as np

import nbloss
from tests.cases import (
    CASES,
    GROUP_CASES,
    LINE_CASES,
    ORDERED_CASES,
    PAIR_CASES,
    ROW_CASES,
    SET_CASES,
    image,
    of_groups,
    of_sets,
    ordinary,
    pairs,
    rows,
)


def check(loss: Any, y: Any, z: Any, **options: Any) -> None:
    """Compare with the oracle."""
    exact = nbloss.reference.derivatives(loss, y, z, **options)
    with np.errstate(all="ignore"):
        value = loss.value(y, z, reduction="none", **options)
        found = value, *loss.gradient_and_hessian(y, z, **options)
        assert np.isclose(loss(y, z, 2.0, **options), np.mean(value), rtol=1e-9), loss
    for a, b in zip(found, exact, strict=True):
        for c, d in zip(*(x if isinstance(x, tuple) else (x,) for x in (a, b)), strict=True):
            np.testing.assert_allclose(c, d, rtol=1e-9, atol=1e-9, err_msg=repr(loss))


def refuse(loss: Any, y: Any, z: Any) -> None:
    try:
        loss.gradient(y, z)
    except NotImplementedError as error:
        assert "NUMBA_DISABLE_JIT" in str(error) and "\n" not in str(error)
    else:
        raise AssertionError(f"{loss!r} has results")


if __name__ == "__main__":
    for one in CASES:
        check(one, *ordinary(one, 6))
    for one in PAIR_CASES:
        check(one, *pairs(one, 6))
    for one in GROUP_CASES:
        if not isinstance(one, nbloss.Cox):
            check(one, *of_groups(one, (3, 2)), groups=(3, 2))
    refuse(nbloss.Cox(), *of_groups(nbloss.Cox(), (5,)))
    for one in (*ROW_CASES, *LINE_CASES):
        refuse(one, *rows(one, 4, labels=one.takes_labels))
    for one in SET_CASES:
        refuse(one, *of_sets(one, n=8))
    for one in ORDERED_CASES:
        refuse(one, *image(one, (2, 3)))
