"""Law: rows that are transposed in registers are the same rows, for every number of classes."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from nbloss._cpu.tiles import load_tile, store_tile

ROWS = 32


@pytest.mark.parametrize(("classes", "dtype"), [(1, "f8"), (6, "f8"), (7, "f4"), (10, "f4"), (13, "f8"), (24, "f8")])
def test_there_and_back(classes: int, dtype: str) -> None:
    marks = (0,) * classes

    @numba.njit
    def there_and_back(a, columns, b):  # type: ignore[no-untyped-def]
        load_tile(a, 3, columns, marks)
        store_tile(columns, b, 1, marks)

    a = np.arange((ROWS + 5) * classes, dtype=dtype).reshape(-1, classes)
    columns, b = np.zeros((classes, ROWS), dtype), np.zeros((ROWS + 2, classes), dtype)
    there_and_back(a, columns, b)
    np.testing.assert_array_equal(columns, a[3 : 3 + ROWS].T)
    np.testing.assert_array_equal(b[1:-1], a[3 : 3 + ROWS])
    assert not b[[0, -1]].any()
