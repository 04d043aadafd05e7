"""Law: a loss made of a function is a loss as all others; its derivatives are those of the function, exactly."""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
import pickle
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import lightgbm
import numpy as np
import pytest

import nbloss
from nbloss import math as m
from nbloss.gbm import Objective
from nbloss.loss import POSITIVE, param
from tests.cases import CASES, extreme, ordinary, rounded
from tests.selection import first_of_each_class
from tests.test_oracle import allowed, worst
from tests.value_lines import derived


def logarithmic_terms(loss: Any, y: float, z: float) -> tuple[float, float, float]:
    d, largest = abs(math.log1p(z) - math.log1p(y)), math.log1p(max(y, z))
    return 2 * d * largest, 2 * largest / (1 + z), 2 * max(1, largest) / (1 + z) ** 2


# of values that are differences, and what that leaves in their derivatives
LARGEST_TERMS: dict[type[nbloss.Loss], Callable[..., tuple[float, float, float]]] = {
    nbloss.Fair: lambda loss, y, z: (loss.c * abs(z - y), loss.c, 0),
    nbloss.LogCosh: lambda loss, y, z: (abs(z - y) + 1, 1, 0),
    nbloss.SquaredLogarithmicError: logarithmic_terms,
    nbloss.PseudoHuber: lambda loss, y, z: (loss.delta * math.hypot(z - y, loss.delta), 0, 0),
}
ULPS = 8
"""For all but the losses with a free exponent, which have 2 more for each unit of it, as by hand."""


@pytest.mark.parametrize("dtype", [np.float64, pytest.param(np.float32, marks=pytest.mark.slow)])
@pytest.mark.parametrize("loss", first_of_each_class(CASES), ids=repr)
def test_derived_from_the_value_alone(loss: Any, dtype: type, monkeypatch: pytest.MonkeyPatch) -> None:
    if loss == nbloss.PseudoHuber(delta=1e20) and dtype is np.float32:
        loss = nbloss.PseudoHuber(delta=1e15)  # of which the value has the square
    terms = LARGEST_TERMS.get(type(loss))
    if terms:
        monkeypatch.setattr("tests.test_oracle.largest_terms", terms)
    y, z = ordinary(loss, 150, dtype)
    custom = derived(loss)
    value, gradient, hessian = custom.value(y, z, reduction="none"), *custom.gradient_and_hessian(y, z)
    errors = worst(rounded(loss, dtype), y, z, (value, gradient, hessian))
    assert all(error[0] <= max(ULPS, allowed(loss)) for error in errors), errors


RECORDED = [
    loss
    for loss in CASES  # but those that branch in more ways than are tried
    if not isinstance(loss, nbloss.SquaredLogarithmicError)
    and loss != nbloss.BinaryFocal(gamma=1.7, alpha=None, from_logits=False)
]
OFTEN = (nbloss.Huber, nbloss.LogCosh, nbloss.BinaryCrossEntropy)


@pytest.mark.parametrize(
    "loss", [pytest.param(x, marks=() if isinstance(x, OFTEN) else pytest.mark.slow) for x in RECORDED], ids=repr
)
def test_a_triple_is_taken_as_it_is(loss: Any) -> None:
    """The library's own formulas, recorded, give the same bits."""
    constants = dict(zip(range(len(loss.choices)), loss.choices, strict=True))

    def formula(y: Any, z: Any, *numbers: Any) -> Any:
        return loss.formula(y, z, *numbers, *constants.values())

    numbers = [x if isinstance(x, float) else 0.0 for x in loss.numbers]
    made = nbloss.pointwise(_with_parameters(formula, loss.numbers), domain=loss.domain)
    custom = made(**{f"p{i}": x for i, x in enumerate(numbers) if loss.numbers[i] is not None})
    y, z = extreme(loss, 2000, np.float64)
    for method in ("gradient", "hessian"):
        np.testing.assert_array_equal(getattr(custom, method)(y, z), getattr(loss, method)(y, z))
    np.testing.assert_array_equal(custom.value(y, z, reduction="none"), loss.value(y, z, reduction="none"))


def _with_parameters(formula: Any, numbers: tuple[Any, ...]) -> Any:
    """Return *formula* as a function of parameters by name; those that are None stay so."""
    given = [f"p{i}" for i, x in enumerate(numbers) if x is not None]

    def none(y: Any, z: Any) -> Any:
        return formula(y, z, *numbers)

    def one(y: Any, z: Any, p0: Any = 1.0) -> Any:
        return formula(y, z, p0, *numbers[1:])

    def two(y: Any, z: Any, p0: Any = 1.0, p1: Any = 1.0) -> Any:
        return formula(y, z, p0, p1, *numbers[2:])

    return (none, one, two)[len(given)]


@nbloss.pointwise
def Cauchy(y: Any, z: Any, scale: float = 1.0, squared: bool = False) -> Any:
    """Logarithm of one plus the squared residual."""
    r = (z - y) / scale
    value = m.log1p(r**2) / 2
    return value**2 if squared else value


def test_is_a_loss_as_all_others() -> None:
    loss: Any = Cauchy(scale=2.0)
    assert repr(loss) == "Cauchy(scale=2.0, squared=False)" and loss == Cauchy(2.0) and isinstance(loss, nbloss.Loss)
    assert pickle.loads(pickle.dumps(loss)) == loss and Cauchy.__doc__ == "Logarithm of one plus the squared residual."
    assert dataclasses.replace(loss, squared=True).squared
    y, z, w = np.zeros(4), np.array([1.0, 2.0, np.nan, 5.0]), np.array([1.0, 2.0, 0.0, 0.5])
    value = np.log1p((z / 2) ** 2) / 2
    assert loss(y, z, w) == pytest.approx(np.nansum(value * w) / w.sum())
    for custom in (loss, Cauchy(3.0, squared=True)):
        exact = nbloss.reference.derivatives(custom, y, z)
        np.testing.assert_allclose(custom.gradient_and_hessian(y, z), exact[1:], rtol=1e-14, atol=1e-16)
    assert loss.gradient(y[:1].astype(np.float32), z[:1].astype(np.float32)).dtype == np.float32
    assert loss.init_score(np.array([1.0, 2.0, 2.0, 100.0])) == pytest.approx(1.83, abs=0.2)
    with pytest.raises(ValueError, match=r"Cauchy: squared must be True or False, got 1"):
        Cauchy(squared=1)  # type: ignore[arg-type]


def test_parameters() -> None:
    @nbloss.pointwise
    def Free(y, z, weight, scale=param(2.0, POSITIVE), bounds=(1.0, 2.0)):  # type: ignore[no-untyped-def]  # noqa: B008
        return weight * abs(z - y) ** scale * bounds

    with pytest.raises(TypeError, match="weight"):
        Free()  # type: ignore[call-arg]
    with pytest.raises(ValueError, match=r"scale must be a finite number in \(0, inf\]"):
        Free(1.0, scale=0.0)
    loss = Free(0.5, 3.0)
    np.testing.assert_allclose(loss.gradient(np.zeros((2, 2)), np.full((2, 2), 2.0)), [[6, 12]] * 2)
    np.testing.assert_allclose(loss.hessian(np.zeros((2, 2)), np.full((2, 2), 2.0)), [[6, 12]] * 2)


def test_domain_and_link() -> None:
    @nbloss.pointwise(domain=nbloss.Domain(nbloss.Interval(0), nbloss.Interval()), link=nbloss.links.exp)
    def Counts(y, z):  # type: ignore[no-untyped-def]
        return m.exp(z) - y * z

    loss = Counts()
    y = np.array([0.0, 1.0, 5.0])
    assert loss.inverse_link(np.array([1.0]))[0] == pytest.approx(np.e)
    assert loss.init_score(y) == pytest.approx(np.log(2.0))
    assert loss.init_score(np.zeros(3)) < -700  # where exp is 0
    assert np.isnan(loss.gradient(np.array([-1.0]), np.array([0.0]))).all()


def test_ways_through_comparisons() -> None:
    @nbloss.pointwise
    def Steps(y, z, low=-1.0, high=2.0):  # type: ignore[no-untyped-def]
        r = min(max(z - y, low), high)
        total = 0
        for k in range(3):
            total += (k + 1) * r**k if not (r > 1 and y >= 0) else -r
        return total

    y, z = np.random.default_rng(0).normal(size=(2, 500)) * 2
    r = np.clip(z - y, -1, 2)
    flipped = (r > 1) & (y >= 0)
    np.testing.assert_allclose(Steps().value(y, z, reduction="none"), np.where(flipped, -3 * r, 1 + 2 * r + 3 * r**2))
    slope = np.where(flipped, -3, 2 + 6 * r) * ((z - y >= -1) & (z - y <= 2))
    np.testing.assert_allclose(Steps().gradient(y, z), slope, atol=1e-15)


@pytest.mark.parametrize("n", [-3, -0.5, 0, 0.5, 1, 1.3, 2, 2.7, 3, 5, 17, 20.5])
def test_powers(n: float) -> None:
    z = np.array([1e-3, 0.5, 1.0, 7.0])

    @nbloss.pointwise
    def Constant(y, z):  # type: ignore[no-untyped-def]
        return z**n + y

    @nbloss.pointwise
    def Number(y, z, n=1.0):  # type: ignore[no-untyped-def]
        return z**n + y

    for loss in (Constant(), Number(n)):
        near = {"rtol": 3e-15 if n <= 16 else 1e-14}  # the logarithm's last digits count n times
        np.testing.assert_allclose(loss.value(0 * z, z, reduction="none"), z**n, **near)
        np.testing.assert_allclose(loss.gradient(0 * z, z), n * z ** (n - 1), **near)
        np.testing.assert_allclose(loss.hessian(0 * z, z), n * (n - 1) * z ** (n - 2), **near)
    if n >= 0:
        zero = np.zeros(1)
        slopes = [0.0 if n in (0,) or n > 1 else 1.0 if n == 1 else np.inf]
        assert Number(n).gradient(zero, zero) == slopes and Number(n).value(zero, zero) == 0.0**n


def test_both_sides_of_kinks() -> None:
    """Where abs meets 0, derivatives are the mean of those from both sides, as in the oracle."""

    @nbloss.pointwise
    def Kinks(y, z, a=0.3):  # type: ignore[no-untyped-def]
        r = z - y
        return (a * r + abs(r)) ** 2 + abs(r) * abs(r) + m.exp(abs(r)) + abs(r) ** 3

    zero = np.zeros(1)
    found = Kinks().value(zero, zero, reduction="none"), *Kinks().gradient_and_hessian(zero, zero)
    np.testing.assert_allclose(found, nbloss.reference.derivatives(Kinks(), zero, zero), rtol=1e-15)


FUNCTIONS = {
    "exp": m.exp, "expm1": m.expm1, "log": m.log, "log1p": m.log1p, "log2": m.log2, "sqrt": m.sqrt, "tanh": m.tanh,
    "sigmoid": m.sigmoid, "softplus": m.softplus, "hypot": lambda x: m.hypot(x, 0.7), "fma": lambda x: m.fma(x, x, 1.5),
    "sigmoid of minus": lambda x: m.sigmoid(-x),
}  # fmt: skip


def test_functions() -> None:
    """Every function of nbloss.math: in the kernel, in the oracle and of plain numbers."""
    z = np.array([0.01, 0.6, 1.0, 3.0, 30.0])
    for name, function in FUNCTIONS.items():

        def Of(y, z):  # type: ignore[no-untyped-def]
            return function(z * z) + y  # noqa: B023

        loss = nbloss.pointwise(Of)()
        y = np.zeros_like(z)
        found = loss.value(y, z, reduction="none"), *loss.gradient_and_hessian(y, z)
        exact = nbloss.reference.derivatives(loss, y, z)
        np.testing.assert_allclose(found, exact, rtol=2e-14, atol=1e-15, err_msg=name)
        np.testing.assert_allclose([Of(0.0, x) for x in z.tolist()], exact[0], rtol=1e-14, err_msg=name)
    assert set(m.__all__) <= {*FUNCTIONS}


def test_boosting() -> None:
    """A loss of one's own is an objective at once; nothing is taken from a loss of the library of the same name."""
    x = np.random.default_rng(0).normal(size=(300, 3))
    y = 3 * x[:, 0]

    @nbloss.pointwise
    def Poisson(y, z, scale=1.0):  # type: ignore[no-untyped-def]
        return m.log1p(((z - y) / scale) ** 2) / 2

    objective = Objective(Poisson(scale=2.0))
    gradient, hessian = objective(y, np.zeros(300))
    np.testing.assert_allclose(gradient, Poisson(2.0).gradient(y, np.zeros(300)), rtol=1e-6)
    assert (hessian > 0).all() and (Poisson(2.0).hessian(y, np.zeros(300)) < 0).any()
    with pytest.raises(ValueError, match=r"got Poisson\(scale=2.0\)"):
        Objective(Poisson(scale=2.0), hessian="upper_bound")
    model = lightgbm.train({"verbosity": -1, "num_threads": 1, "objective": objective}, lightgbm.Dataset(x, y), 30)
    assert np.abs(model.predict(x) - y).mean() < np.abs(y).mean() / 4


def bad_function(y: Any, z: Any) -> Any:
    import math

    return math.exp(z)  # line 2 of the body


def bad_index(y: Any, z: Any) -> Any:
    return [1, 2][z]


def bad_result(y: Any, z: Any) -> Any:
    return z, y


def bad_type(y: Any, z: Any) -> Any:
    return z + "1"


def bad_library(y: Any, z: Any) -> Any:
    r = z - y
    return np.log1p(r * r)


def bad_choice(y: Any, z: Any) -> Any:
    return np.where(z > y, z - y, y - z)


def bad_operator(y: Any, z: Any) -> Any:
    return z % 2


def bad_name(y: Any, z: Any) -> Any:
    return m.gamma(z)  # type: ignore[attr-defined]


def no_result(y: Any, z: Any) -> None:
    pass


def one_or_three(y: Any, z: Any) -> Any:
    return z if z > 0 else (z, 1, 0)


def default_of_text(y: Any, z: Any, kind: Any = "text") -> Any:
    return z


def too_many_ways(y: Any, z: Any) -> Any:
    return sum(abs(z) if z > k else k for k in range(12)) + sum(z if y > k else k for k in range(12))


@pytest.mark.parametrize(
    ("function", "line", "words"),
    [
        (bad_function, 3, "nbloss.math"),
        (bad_index, 1, "must take its functions|list indices"),
        (bad_result, 0, "value, gradient and Hessian, got a tuple of 2"),
        (bad_type, 1, "unsupported operand"),
        (bad_library, 2, "nbloss.math, not from math, NumPy"),
        (bad_choice, 0, "in place of np.where"),
        (bad_operator, 1, "for %: 'number of a formula' and 'int'"),
        (bad_name, 1, "no attribute 'gamma'"),
        (no_result, 0, "got None"),
        (one_or_three, 0, "always return"),
        (default_of_text, 0, "the default of kind must be a number"),
        (too_many_ways, 0, "at most 1000 ways"),
    ],
)
def test_errors_point_at_the_line(function: Any, line: int, words: str) -> None:
    with pytest.raises((TypeError, ValueError, AttributeError), match=words) as caught:
        nbloss.pointwise(function)
    first = function.__code__.co_firstlineno
    assert str(caught.value).startswith(f"{__file__}, line {first + line}, in {function.__name__}: ")


def test_errors_of_what_is_no_formula() -> None:
    with pytest.raises(TypeError, match="needs a function"):
        nbloss.pointwise(3)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"must take \(y, z"):
        nbloss.pointwise(lambda y: y)  # type: ignore[arg-type, misc]
    with pytest.raises(TypeError, match="exponent depends on the prediction"):
        nbloss.pointwise(lambda y, z: m.exp(y) ** z)


SESSION = """
import nbloss, numpy as np
from nbloss import math as m
from tests.test_cache import COUNT
exec(COUNT)
def make(k):
    @nbloss.pointwise
    def Cell(y, z, scale=1.0):
        return k * m.log1p(((z - y) / scale) ** 2)
    return Cell
print(make({k})(scale=2.0).gradient(np.zeros(1), np.ones(1))[0], len(compiled))
"""


def test_what_has_no_file_is_kept_on_the_disk(tmp_path: pathlib.Path) -> None:
    """A formula typed into a session, nested and with a closure, is found again by what it computes."""
    root = pathlib.Path(nbloss.__file__).parents[1]

    def run(k: float) -> list[str]:
        settings = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(root)}
        code = SESSION.replace("{k}", str(k))
        return subprocess.check_output([sys.executable, "-"], input=code, env=settings, text=True).split()

    assert run(1.0)[0] == "0.4" and int(run(2.0)[1]) > 0
    assert run(2.0) == ["0.8", "0"] and run(1.0) == ["0.4", "0"]
