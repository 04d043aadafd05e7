"""Law: on a CUDA device, the second derivatives by each two predictions are right. The device is numba's simulator.

Whole file: a process of its own, started with NUMBA_ENABLE_CUDASIM=1.
"""

from __future__ import annotations

import numpy as np
import pytest
from numba import config

import nbloss
from tests.cases import ordinary_rows

if not config.ENABLE_CUDASIM:
    pytest.skip("needs numba's CUDA simulator: start with NUMBA_ENABLE_CUDASIM=1", allow_module_level=True)

from nbloss._cuda.teams import FEW
from nbloss._row_program import RowProgram
from nbloss.loss import REAL, Domain
from tests.cuda.rows import CASES, ENTROPY, SMOOTHED
from tests.cuda.test_simulator import assert_close, device, host

# Formulas run on NumPy's scalars here, which warn where infinite or no numbers come up, as they are meant to.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def jacobians(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the first and, for every k the same, the second derivatives of log-probability k by the logits."""
    return np.eye(p.size) - p, -(np.diag(p) - np.outer(p, p))


def squared_logarithm(t: float, x: float, p: float, q: float) -> tuple[float, float, float]:
    two = type(x)(2)
    return t * x * x, two * t * x, two * t


@pytest.mark.parametrize("classes", [1, 3, 6, 12, FEW + 1])
def test_matrix(classes: int) -> None:
    """Against the chain rule, written with matrices."""
    rng = np.random.default_rng(0)
    z, t, w = rng.normal(size=(3, classes)), rng.random((3, classes)), np.array([1.0, 2.0, 0.0])
    program = RowProgram(
        squared_logarithm, (), (), Domain(REAL, REAL), True, True, False, None, False, 0.0, None, 0.5, False, {}
    )
    from nbloss import _cuda

    out = np.full((3, classes, classes), np.nan)
    views = [_cuda.as_array(device(a), "x") for a in (t, z, w)]
    _cuda.rowwise.run_matrix(program, *views, _cuda.as_output(device(out)), z.dtype)
    for i in range(3):
        p = np.exp(z[i]) / np.exp(z[i]).sum()
        first, second = jacobians(p)
        a, b = 2 * t[i] * np.log(p), 2 * t[i]
        wanted = w[i] / 2 * (first.T @ np.diag(b) @ first + a.sum() * second)
        assert_close(out[i], wanted, ulps=64, least=float(np.abs(wanted).max()))
        assert np.array_equal(out[i], out[i].T)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("loss", CASES, ids=repr)
def test_the_diagonal_of_the_matrix_is_the_hessian(loss: nbloss.Loss, dtype: type) -> None:
    labels, targets, z = ordinary_rows(loss, (2, 3, 4), dtype)
    w = np.arange(6.0).reshape(2, 3)
    for y in (labels, targets):
        if y is None:
            continue
        for arrays in ((y, z), (y, np.asfortranarray(z), w)):
            matrix, hessian = host(loss.hessian_matrix(*device(*arrays)))[0], host(loss.hessian(*device(*arrays)))[0]
            assert matrix.shape == (2, 3, 4, 4) and matrix.dtype == dtype
            assert_close(np.diagonal(matrix, axis1=-2, axis2=-1), hessian, ulps=4)
            assert np.array_equal(matrix, matrix.swapaxes(-1, -2))
            if loss.softmax:
                assert np.abs(matrix.sum(-1)).max() <= 16 * np.finfo(dtype).eps * np.abs(matrix).max()
            else:
                assert not matrix[..., ~np.eye(4, dtype=bool)].any()


def test_matrix_of_bad_rows() -> None:
    z = np.array([[1.0, 2.0], [0.5, np.nan], [1.0, 3.0], [2.0, 0.0]])
    y, w = np.array([0, 1, 9, 9]), np.array([1.0, 1, 1, 0])
    for loss in (ENTROPY, SMOOTHED, nbloss.NLL()):
        matrix = host(loss.hessian_matrix(*device(y, z, w)))[0]
        assert np.isfinite(matrix[0]).all() and np.isnan(matrix[1:3]).all() and not matrix[3].any()
    empty = host(ENTROPY.hessian_matrix(*device(y[:0], z[:0])))[0]
    assert empty.shape == (0, 2, 2)
