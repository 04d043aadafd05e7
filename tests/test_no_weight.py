"""Law: where all weights are 0, the mean is nan, the sum 0, and derivatives are 0: what has no weight gives nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import nbloss
from nbloss.families.setwise import Setwise
from tests.cases import of_groups, of_sets, ordinary, pairs, rows

HUBER = nbloss.Huber(delta=1.5)
FAMILIES: list[tuple[Any, Any, Any, dict[str, Any]]] = [
    (HUBER, *ordinary(HUBER, 12), {}),
    (nbloss.CrossEntropy(), *rows(nbloss.CrossEntropy(), 12, labels=True), {}),
    (nbloss.MultiMargin(), *rows(nbloss.MultiMargin(), 12, labels=True), {}),
    (nbloss.RootMeanSquaredError(), *of_sets(nbloss.RootMeanSquaredError()), {}),
    (nbloss.CosineEmbedding(), *of_sets(nbloss.CosineEmbedding(), n=12), {}),
    (nbloss.RankNet(), *of_groups(nbloss.RankNet(), (5, 7)), {"groups": (5, 7)}),
    (nbloss.AFT(), *pairs(nbloss.AFT(), 12), {}),
]


@pytest.mark.parametrize(("loss", "y", "z", "options"), FAMILIES, ids=[repr(f[0]) for f in FAMILIES])
def test_no_weight_at_all(loss: Any, y: Any, z: Any, options: Any) -> None:
    first = z[0] if isinstance(z, tuple) else z
    shape = first.shape if isinstance(loss, Setwise) else first.shape[:1]
    for w in (0.0, np.zeros(shape)):
        mean, gradient = loss.value_and_gradient(y, z, w, **options)
        assert math.isnan(mean)
        for a in gradient if isinstance(gradient, tuple) else (gradient,):
            assert not a.any()
        if not isinstance(loss, Setwise):  # of which a set without weights has no loss
            assert loss.value(y, z, w, reduction="sum", **options) == 0


def test_weights_that_sum_to_0() -> None:
    """Then 0 divides: what has a weight has an infinite gradient, and what has none still has 0."""
    w = np.array([1.0, -1.0, 0.0])
    mean, gradient = HUBER.value_and_gradient([0.0, 0.0, 0.0], [1.0, 3.0, 5.0], w)
    assert mean == -math.inf
    np.testing.assert_array_equal(gradient, [math.inf, -math.inf, 0])
    in_two_axes = HUBER.value_and_gradient(np.zeros((3, 2)), np.ones((3, 2)), w)[1]
    np.testing.assert_array_equal(in_two_axes, np.repeat([[math.inf], [-math.inf], [0]], 2, 1))
