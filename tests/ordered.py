"""What the tests of losses whose errors are put in order share: the oracle, and threads that begin early."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import numba
import numpy as np
import pytest
from mpmath import mp, mpf

import nbloss
from tests.ulps import ulps

HINGE, SOFTMAX = nbloss.LovaszHinge(), nbloss.LovaszSoftmax()
PROBABILITIES = nbloss.LovaszSoftmax(from_logits=False)
ALLOWED = 4
PARALLEL_FROM = 9_999
DTYPES = [np.float64, np.float32]


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let kernels with threads begin early; where nothing is said of threads, there is one, which waits for none."""
    monkeypatch.setattr("nbloss._cpu.ordered.PARALLEL_FROM", PARALLEL_FROM)
    most = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(most)


def everything(loss: nbloss.Loss, y: Any, z: Any) -> list[Any]:
    return [loss.value(y, z, reduction="none"), *loss.gradient_and_hessian(y, z)]


def check(loss: nbloss.Loss, y: Any, z: Any) -> None:
    """Compare with the textbook line; where terms cancel, in ulp of the largest."""
    got = everything(loss, y, z)
    shape, parts = loss.parts(y, z)
    exact = [nbloss.reference.derivatives_of_part(loss, part) for part in parts]
    with mp.workdps(60):
        value = max((ulps(a, e[0]) for a, e in zip(got[0].ravel(), exact, strict=True)), default=0)
        terms = [np.zeros(z.size)] * 2
        if loss.parameters.get("from_logits"):
            terms = softmax_terms(loss, y, z)
        slopes = [
            max(
                (
                    ulps(a, e, mpf(float(t)))
                    for a, e, t in zip(got[k].ravel(), flat(exact, k), terms[k - 1], strict=True)
                ),
                default=0,
            )
            for k in (1, 2)
        ]
    assert got[0].shape == shape and max(value, *slopes) <= ALLOWED, (value, slopes)


def flat(exact: Any, which: int) -> list[Any]:
    return [x for e in exact for row in e[which] for x in row]


def softmax_terms(loss: Any, y: Any, z: Any) -> tuple[Any, Any]:
    """Return the largest terms of gradients and Hessians: a probability times that of another class times its slope."""
    p = SOFTMAX.inverse_link(z.astype(np.float64))
    q = np.stack([np.delete(p, k, -1).sum(-1) for k in range(p.shape[-1])], -1)
    slopes = np.abs(dataclasses.replace(loss, from_logits=False).gradient(y, p))
    terms = p * slopes * q
    for k, j in itertools.permutations(range(p.shape[-1]), 2):
        terms[..., k] = np.maximum(terms[..., k], p[..., k] * p[..., j] * slopes[..., j])
    return terms.ravel(), (terms * np.maximum(p, q)).ravel()
