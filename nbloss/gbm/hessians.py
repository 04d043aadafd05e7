"""Which Hessian trees are grown with: conventions of the libraries, bounds, and floors, by the names of the losses.

Boosting divides by sums of Hessians, and so wants them positive. The exact ones of the losses are not always: they are
0 where a loss is linear, and negative where it is not convex. Here stands what trees get instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from nbloss import links
from nbloss._math import exp_expm1_minus, sigmoids
from nbloss.gbm._curved import Rule

CONVENTIONS = ("exact", "gauss_newton", "upper_bound", "xgboost", "lightgbm")


def exact(y: Any, z: Any, gradient: Any, hessian: Any, *rest: Any) -> Any:
    """Return the second derivative as it is."""
    return hessian


def one(y: Any, z: Any, gradient: Any, hessian: Any, *rest: Any) -> Any:
    """Return 1, with which a Newton step is a step of gradient descent."""
    return type(z)(1)


def delta_step(y: Any, z: Any, gradient: Any, hessian: Any, *rest: Any) -> Any:
    """Return the second derivative times exp(0.7), where 0.7 is the longest step that XGBoost allows by default."""
    return hessian * type(z)(2.0137527074704766)


def secant(y: Any, z: Any, gradient: Any, hessian: Any, *rest: Any) -> Any:
    """Return the curvature of the parabola that touches the loss here, lies above it and has its vertex at the target.

    That of a loss that is even in the residual r, and for which gradient / r falls with abs(r). J. de Leeuw, K. Lange,
    *Sharp Quadratic Majorization in One Dimension*, Comput. Statist. Data Anal. 53 (2009), 2471-2484.
    """
    r = z - y
    zero = type(z)(0)
    return hessian if r == zero else gradient / r


def logistic_secant(
    y: Any, z: Any, gradient: Any, hessian: Any, label_smoothing: Any, pos_weight: Any, *choices: Any
) -> Any:
    """Return tanh(z / 2) / (2 z), times the weight of the label: the sharpest parabola above the logistic loss.

    T. S. Jaakkola, M. I. Jordan, *Bayesian Parameter Estimation via Variational Methods*, Stat. Comput. 10 (2000).
    """
    real = type(z)
    half, label = real(0.5), y * (real(1) - label_smoothing) + real(0.5) * label_smoothing
    size = abs(z)
    e, em1 = exp_expm1_minus(size)
    tanh = -em1 / (real(1) + e)
    bound = real(0.25) if size == real(0) else half * tanh / size
    return bound * (pos_weight * label + (real(1) - label))


def without_link_sigmoid(y: Any, z: Any, gradient: Any, hessian: Any, *rest: Any) -> Any:
    """Return the second derivative by the probability, times the square of the link's slope."""
    p, q = sigmoids(z)
    return hessian - gradient * (q - p)


def without_link_sigmoid_of_double(y: Any, z: Any, gradient: Any, hessian: Any, *rest: Any) -> Any:
    """Return the same where the prediction is half a logit."""
    p, q = sigmoids(z + z)
    return hessian - (gradient + gradient) * (q - p)


def without_link_exp(y: Any, z: Any, gradient: Any, hessian: Any, *rest: Any) -> Any:
    """Return the same where the prediction is a logarithm."""
    return hessian - gradient


GAUSS_NEWTON: Mapping[Any, Rule] = {
    links.identity: exact,
    links.sigmoid: without_link_sigmoid,
    links.sigmoid_of_double: without_link_sigmoid_of_double,
    links.exp: without_link_exp,
}
"""By link: the Hessian without the curvature of the link, which is what can be negative in a loss of a probability."""

POINTWISE: Mapping[str, Mapping[str, Rule]] = {
    "upper_bound": {
        "BinaryCrossEntropy": logistic_secant,
        "Fair": secant,
        "HalfSquaredError": exact,
        "Huber": secant,
        "LogCosh": secant,
        "PseudoHuber": secant,
        "SmoothL1": secant,
        "SquaredError": exact,
    },
    "xgboost": {
        "AbsoluteError": one,
        "BinaryCrossEntropy": exact,
        "Gamma": exact,
        "HalfSquaredError": exact,
        "Poisson": delta_step,
        "PseudoHuber": exact,
        "Quantile": one,
        "Tweedie": exact,
    },
    "lightgbm": {
        "AbsoluteError": one,
        "BinaryCrossEntropy": exact,
        "CrossEntropyLambda": exact,
        "Fair": exact,
        "Gamma": exact,
        "HalfSquaredError": exact,
        "Huber": one,
        "Poisson": delta_step,
        "Quantile": one,
        "Tweedie": exact,
    },
}
"""By convention and loss: the Hessian of losses of one prediction."""

ROWS: Mapping[str, Mapping[str, Callable[[int], float]]] = {
    "upper_bound": {"CrossEntropy": lambda classes: 2.0},
    "xgboost": {"CrossEntropy": lambda classes: 2.0},
    "lightgbm": {"CrossEntropy": lambda classes: classes / max(classes - 1, 1)},
}
"""By convention and loss: what multiplies the diagonal of the Hessian of rows, from the number of classes.

The trees of all classes grow at once. Twice the diagonal of the softmax is an upper bound of the whole matrix, by
Gershgorin's circles; K / (K - 1) is J. Friedman's, *Greedy Function Approximation*, Ann. Statist. 29 (2001), 1189-1232.
"""

GROUPS: Mapping[str, Mapping[str, float]] = {
    "xgboost": {"LambdaRank": 2.0, "RankNet": 2.0},
    "lightgbm": {"LambdaRank": 1.0, "XeNDCG": 1.0},
}
"""By convention and loss: what multiplies the Hessian of losses that rank; XGBoost takes twice the diagonal."""

FLOORS: Mapping[str, float] = {
    "AbsoluteError": 1.0,
    "Hinge": 1.0,
    "HingeEmbedding": 1.0,
    "Huber": 1.0,
    "MultiMargin": 1.0,
    "CategoricalHinge": 1.0,
    "Perceptron": 1.0,
    "Quantile": 1.0,
    "SmoothL1": 1.0,
}
"""The floor of losses with straight parts, where a step is then one of gradient descent, as in LightGBM's huber."""

POSITIVE = frozenset(
    {
        "BalancedBinaryCrossEntropy", "BinaryCrossEntropy", "Cox", "CrossEntropy", "Exponential", "Gamma",
        "HalfSquaredError", "LambdaRank", "NegativeBinomial", "Poisson", "RankNet", "SquaredError", "Tweedie", "XeNDCG",
    }
)  # fmt: skip
"""The losses whose exact Hessian is positive, and needs no floor."""

FLOOR = 1e-2
"""The floor of all others, which are curved, but flat or not convex somewhere."""


def default_floor(name: str, convention: str) -> float:
    """Return the least Hessian of the loss of that name, minus infinity where none is needed."""
    if convention == "xgboost" and name == "MultiQuantile":
        return 1.0
    if convention not in ("exact", "gauss_newton") or name in POSITIVE:
        return 1e-16 if convention == "xgboost" else -math.inf
    return FLOORS.get(name, FLOOR)
