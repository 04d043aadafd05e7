"""Functions around the losses: probabilities, entropies and calibration, for NumPy and CUDA arrays."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nbloss import _arrays, links
from nbloss._math import log, log1p
from nbloss._place import backend_of
from nbloss._program import Program
from nbloss._row_program import RowProgram
from nbloss.families.pointwise import mapped
from nbloss.families.rowwise import SOFTMAX
from nbloss.loss import REAL, UNIT, Domain

Triple = tuple[float, float, float]


def sigmoid(x: Any, *, out: Any = None) -> Any:
    r"""Return :math:`1 / (1 + e^{-x})` of each element.

    Parameters
    ----------
    x : array_like
        Numbers of any shape.
    out : array, optional
        Where to write the result: any float array of the shape of `x`.

    Returns
    -------
    array
        Of the shape of `x`; float32 for float32 and smaller floats, else float64.
    """
    return mapped(links.sigmoid, x, out)


def softmax(x: Any, axis: int = -1, *, out: Any = None) -> Any:
    r"""Return :math:`e^{x_k} / \sum_j e^{x_j}` along an axis, without overflow.

    Parameters
    ----------
    x : array_like
        Numbers, with at least one entry along `axis`.
    axis : int, default=-1
        The axis along which the results sum to 1.
    out : array, optional
        Where to write the result: any float array of the shape of `x`.

    Returns
    -------
    array
        Of the shape of `x`; float32 for float32 and smaller floats, else float64.
    """
    return _of_rows(SOFTMAX, "g", x, axis, out)


def log_softmax(x: Any, axis: int = -1, *, out: Any = None) -> Any:
    """Return the logarithm of :func:`softmax`, with all its digits also where that underflows or is close to 1.

    Parameters and result are those of :func:`softmax`.
    """
    return _of_rows(SOFTMAX, "h", x, axis, out)


def entropy(p: Any, axis: int = -1, base: float | None = None) -> Any:
    r"""Return the entropy :math:`-\sum_k p_k \log p_k` along an axis, where :math:`0 \log 0 = 0`.

    Parameters
    ----------
    p : array_like
        Probabilities, used as they are, also if they do not sum to 1; nan outside [0, 1].
    axis : int, default=-1
        The axis of the classes.
    base : float, optional
        The base of the logarithm, above 1; natural by default.

    Returns
    -------
    array
        Of the shape of `p` without `axis`; a number for a vector.
    """
    return _of_rows(_ENTROPY._replace(scale=_scale(base)), "v", p, axis, None)


def binary_entropy(p: Any, base: float | None = None) -> Any:
    r"""Return :math:`-p \log p - (1 - p) \log (1 - p)` of each element: the entropy of a coin.

    Parameters
    ----------
    p : array_like
        Probabilities of any shape; nan outside [0, 1].
    base : float, optional
        The base of the logarithm, above 1; natural by default.

    Returns
    -------
    array
        Of the shape of `p`.
    """
    return _of_elements(_BINARY_ENTROPY._replace(numbers=(_scale(base),)), p)


def information(p: Any, base: float | None = None) -> Any:
    r"""Return :math:`-\log p` of each element: how much it tells that something of this probability occurs.

    Parameters and result are those of :func:`binary_entropy`; it is infinite at 0.
    """
    return _of_elements(_INFORMATION._replace(numbers=(_scale(base),)), p)


def pcoc(y_true: Any, y_pred: Any, sample_weight: Any = None, *, from_logits: bool = False) -> Any:
    r"""Return predicted over observed, :math:`\sum w p / \sum w y`: 1 where predictions are right on average.

    Parameters
    ----------
    y_true : array_like
        Labels 0 and 1, or probabilities.
    y_pred : array_like
        Probabilities, or logits, of the shape of `y_true`.
    sample_weight : float or array_like, optional
        Weights.
    from_logits : bool, default=False
        Whether predictions are logits.

    Returns
    -------
    numpy.float64 or array
        Infinite if nothing is observed, nan for 0/0; on CUDA a 0-d array.
    """
    backend = backend_of(y_true=y_true, y_pred=y_pred, sample_weight=sample_weight)
    y, z = backend.as_array(y_true, "y_true"), backend.as_array(y_pred, "y_pred")
    w = None if sample_weight is None else backend.as_array(sample_weight, "sample_weight")
    _arrays.check_shapes(y, z)
    if w is not None:
        _arrays.check_weight(w, z.shape)
    sums = [backend.empty((), _arrays.DOUBLE, z, y_pred) for _ in range(3)]
    predicted, observed, ratio = map(backend.as_output, sums)
    program = _PREDICTED if from_logits else _OBSERVED
    backend.pointwise.run(program, "s", False, z, z, w, [predicted], _arrays.real_of(z.dtype))
    backend.pointwise.run(_OBSERVED, "s", False, y, y, w, [observed], _arrays.real_of(y.dtype))
    backend.pointwise.ratio(predicted, observed, ratio)
    return backend.number(sums[2])


def class_weights(y: Any, classes: int | None = None) -> tuple[float, ...]:
    r"""Return the weights that make all classes count alike: :math:`n / (K n_k)`, for `class_weight` or `alpha`.

    Parameters
    ----------
    y : array_like
        Labels 0 to K - 1, in host memory.
    classes : int, optional
        K; by default one more than the greatest label.

    Returns
    -------
    tuple of float
        A weight for each class, 0 for one that does not occur; their mean over `y` is 1 if all occur.

    Raises
    ------
    ValueError
        If `y` holds no labels, or others than 0 to K - 1.
    """
    backend = backend_of(y=y)
    labels = backend.as_host(y, "y").reshape(-1)
    if not labels.size:
        raise ValueError(f"y must have at least one label, got shape {np.shape(y)}")
    known = int(labels.max()) + 1 if classes is None else classes
    backend.check_labels(labels, known, None)
    counts = np.bincount(labels.astype(np.int64), minlength=known)
    return tuple(float(labels.size / (known * n)) if n else 0.0 for n in counts)


def _scale(base: float | None) -> float:
    if base is None:
        return 1.0
    if not (isinstance(base, int | float) and 1 < base < math.inf):
        raise ValueError(f"base must be a finite number above 1, got {base!r}")
    return 1 / math.log(base)


def _of_rows(program: RowProgram, want: str, x: Any, axis: int, out: Any) -> Any:
    """Return the values ("v") or what *program* gives as derivatives ("g" or "h") of the vectors along *axis*."""
    backend = backend_of(x=x)
    z = backend.as_array(x, "x")
    if not isinstance(axis, int) or not -len(z.shape) <= axis < len(z.shape):
        raise ValueError(f"axis must be an axis of x, which has {len(z.shape)}, got {axis!r}")
    moved = backend.to_last(z, axis)
    _arrays.check_rows(moved)
    shape = moved.shape[:-1] if want == "v" else z.shape
    results, (result,) = _arrays.results_for(backend, ["out"], [shape], False, z, x, out, (z,))
    placed = result if want == "v" else backend.to_last(result, axis)
    backend.rowwise.run(program, want, False, moved, moved, None, [placed], _arrays.real_of(z.dtype))
    return results[0] if shape else backend.number(results[0])


def _of_elements(program: Program, x: Any) -> Any:
    backend = backend_of(p=x)
    z = backend.as_array(x, "p")
    result = backend.empty(z.shape, _arrays.real_of(z.dtype), z, x)
    outs = [backend.as_output(result)]
    backend.pointwise.run(program, "v", False, z, z, None, outs, _arrays.real_of(z.dtype))
    return result if z.shape else backend.number(result)


def _own_entropy(t: float, x: float, p: float, q: float) -> Triple:
    zero = type(x)(0)
    return -x * log(x) if x != zero else zero, zero, zero


def _binary_entropy(y: float, p: float, scale: float) -> Triple:
    zero, one = type(p)(0), type(p)(1)
    q = one - p
    value = (-p * log(p) if p > zero else zero) + (-q * log1p(-p) if q > zero else zero)
    return scale * value, zero, zero


def _information(y: float, p: float, scale: float) -> Triple:
    return -scale * log(p), type(p)(0), type(p)(0)


_PROBABILITIES, _NUMBERS = Domain(UNIT, UNIT), Domain(REAL, REAL)
_ENTROPY = RowProgram(_own_entropy, (), (), _PROBABILITIES, False, False, False, None, False, 0.0, None, 1.0, False, {})
_BINARY_ENTROPY = Program(_binary_entropy, (1.0,), (), _PROBABILITIES, {}, False, {})
_INFORMATION = Program(_information, (1.0,), (), _PROBABILITIES, {}, False, {})
_PREDICTED = Program(links.sigmoid, (), (), _NUMBERS, {}, False, {})
_OBSERVED = Program(links.identity, (), (), _NUMBERS, {}, False, {})
