"""The oracle against independent derivatives, known values, and what it promises at the edges."""

import math
import operator
import random
from dataclasses import dataclass, fields
from fractions import Fraction

import numpy as np
import pytest

from nbloss import reference
from nbloss._jets import Functions, Jet, Kink
from nbloss._numbers import Floats, Intervals, Undecided, rounded
from nbloss.loss import NON_NEGATIVE, POSITIVE, REAL, UNIT, Domain

mpmath = pytest.importorskip("mpmath")
mp = mpmath.mp

ARITHMETICS = ["mpmath", "float"]


class Formula:
    """What the oracle asks of a loss."""

    domain = Domain(REAL, REAL)

    @property
    def parameters(self):
        return {field.name: getattr(self, field.name) for field in fields(self)}


def loss_of(formula, domain=Formula.domain):
    """Return a loss without parameters."""

    @dataclass(frozen=True)
    class Anonymous(Formula):
        reference = staticmethod(formula)

    Anonymous.domain = domain
    return Anonymous()


def functions(digits=60):
    return Functions(Intervals(digits, side=0))


def ends(number):
    """Return the two numbers that a constant jet of intervals lies between."""
    return tuple(map(mp.make_mpf, number.value._mpi_))


def agree(result, expected, smallest=-330):
    """Tell whether numbers agree, where both are special too."""
    result, expected = mp.mpf(result), mp.mpf(expected)
    if not (mp.isfinite(result) and mp.isfinite(expected)):
        return result == expected or (mp.isnan(result) and mp.isnan(expected))
    return abs(result - expected) <= abs(expected) * mp.mpf(10) ** -30 + mp.mpf(10) ** smallest


@pytest.fixture(autouse=True)
def precise():
    with mp.workdps(150):
        yield


# --- Jets ---------------------------------------------------------------------------------------------------------

SMOOTH = {
    "variable": lambda m, y, z: z,
    "constant": lambda m, y, z: y * 3,
    "negative": lambda m, y, z: -z,
    "jet + number": lambda m, y, z: z + y,
    "number + jet": lambda m, y, z: y + z,
    "literal + jet": lambda m, y, z: 0.1 + z,
    "jet + jet": lambda m, y, z: z * z + z,
    "jet - number": lambda m, y, z: z - y,
    "number - jet": lambda m, y, z: y - z,
    "jet - jet": lambda m, y, z: z * z - z,
    "jet * number": lambda m, y, z: z * y,
    "number * jet": lambda m, y, z: y * z,
    "jet * jet": lambda m, y, z: (z + y) * (z * z - 1),
    "jet / number": lambda m, y, z: z * z / y,
    "number / jet": lambda m, y, z: y / (z * z + 1),
    "jet / jet": lambda m, y, z: (z + y) / (z * z + y),
    "jet ** 0": lambda m, y, z: z**0,
    "jet ** 1": lambda m, y, z: z**1,
    "jet ** 2": lambda m, y, z: (z - y) ** 2,
    "jet ** 5": lambda m, y, z: z**5,
    "jet ** -3": lambda m, y, z: z**-3,
    "jet ** 2.5": lambda m, y, z: (z * z + 1) ** 2.5,
    "jet ** number": lambda m, y, z: (z * z + 1) ** y,
    "jet ** -number": lambda m, y, z: (z * z + 1) ** -y,
    "number ** number": lambda m, y, z: y**0.3 * z + y**y,
    "abs": lambda m, y, z: abs(z * z - 3),
    "exp": lambda m, y, z: m.exp(z * z - y),
    "log": lambda m, y, z: m.log(z * z + y),
    "log1p": lambda m, y, z: m.log1p(z * z / 2),
    "expm1": lambda m, y, z: m.expm1(-z * z),
    "sqrt": lambda m, y, z: m.sqrt(1 + z * z),
    "sinh": lambda m, y, z: m.sinh(z * z),
    "cosh": lambda m, y, z: m.cosh(z - y),
    "tanh": lambda m, y, z: m.tanh(z - y),
    "functions of numbers": lambda m, y, z: z * (m.exp(y) + m.log(2) + m.tanh(0.5) + m.sqrt(y)),
    "max": lambda m, y, z: max(0, 1 - z) ** 2,
    "min": lambda m, y, z: min(z * z, y),
    "sigmoid": lambda m, y, z: 1 / (1 + m.exp(-z)),
    "focal": lambda m, y, z: -((1 - 1 / (1 + m.exp(-z))) ** 2.5) * m.log(1 / (1 + m.exp(-z))),
}


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("z", [0.7, -1.3, 12.5])
def test_jets_agree_with_numerical_derivatives(name, z):
    formula, y = SMOOTH[name], mp.mpf(0.8)
    expected = [mp.diff(lambda x: formula(mp, y, x), mp.mpf(z), n) for n in range(3)]
    for result, numerical in zip(reference.exact(loss_of(formula), 0.8, z), expected, strict=True):
        assert agree(result, numerical, smallest=-120)


@pytest.mark.parametrize("name", SMOOTH)
@pytest.mark.parametrize("z", [0.7, -1.3])
def test_floats_agree_with_mpmath(name, z):
    results = [reference.derivatives(loss_of(SMOOTH[name]), 0.8, z, arithmetic=kind) for kind in ARITHMETICS]
    np.testing.assert_allclose(*results, rtol=1e-13, atol=1e-15)


HAND = [  # formula, z, value, first and second derivative
    (lambda m, y, z: z**3, 0.0, 0, 0, 0),
    (lambda m, y, z: z**2, 0.0, 0, 0, 2),
    (lambda m, y, z: z**1, 0.0, 0, 1, 0),
    (lambda m, y, z: z**0, 0.0, 1, 0, 0),
    (lambda m, y, z: z**1.0, 0.0, 0, 1, 0),
    (lambda m, y, z: z**2.0, 0.0, 0, 0, 2),
    (lambda m, y, z: z**2.5, 0.0, 0, 0, 0),
    (lambda m, y, z: z**1.5, 0.0, 0, 0, math.inf),
    (lambda m, y, z: z**0.5, 0.0, 0, math.inf, -math.inf),
    (lambda m, y, z: z**-1, 0.0, math.inf, -math.inf, math.inf),
    (lambda m, y, z: (-1 - z) ** 3.0, 0.0, -1, -3, -6),
    (lambda m, y, z: (-1 - z) ** 0.5, 0.0, math.nan, math.nan, math.nan),
    (lambda m, y, z: m.sqrt(z), 0.0, 0, math.inf, -math.inf),
    (lambda m, y, z: m.sqrt(z), 4.0, 2, 0.25, -0.03125),
    (lambda m, y, z: m.sqrt(z), -4.0, math.nan, math.nan, math.nan),
    (lambda m, y, z: m.log(z), 0.0, -math.inf, math.inf, -math.inf),
    (lambda m, y, z: m.log(z), 1.0, 0, 1, -1),
    (lambda m, y, z: m.log1p(z), 0.0, 0, 1, -1),
    (lambda m, y, z: m.log1p(z), -1.0, -math.inf, math.inf, -math.inf),
    (lambda m, y, z: m.exp(z), 0.0, 1, 1, 1),
    (lambda m, y, z: m.expm1(z), 0.0, 0, 1, 1),
    (lambda m, y, z: m.sinh(z), 0.0, 0, 1, 0),
    (lambda m, y, z: m.cosh(z), 0.0, 1, 0, 1),
    (lambda m, y, z: m.tanh(z), 0.0, 0, 1, 0),
    (lambda m, y, z: -m.log(z), 0.0, math.inf, -math.inf, math.inf),
    (lambda m, y, z: y * m.log(z), 0.0, 0, 0, 0),  # y = 0: the zero function
    (lambda m, y, z: m.log(z) * 0, 0.0, 0, 0, 0),
    (lambda m, y, z: y / z, 0.0, 0, 0, 0),
    (lambda m, y, z: 1 / y, 1.0, math.inf, 0, 0),
    (lambda m, y, z: y / y, 1.0, math.nan, 0, 0),
    (lambda m, y, z: m.log(y) - m.log(y), 1.0, math.nan, 0, 0),
    (lambda m, y, z: z + m.log(y - 1), 1.0, math.nan, 1, 0),
    (lambda m, y, z: 0, 1.0, 0, 0, 0),
]


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize(("formula", "z", "v", "g", "h"), HAND)
def test_derivatives_by_hand(formula, z, v, g, h, arithmetic):
    result = reference.derivatives(loss_of(formula), 0.0, z, arithmetic=arithmetic)
    np.testing.assert_array_equal(result, (v, g, h))


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize(
    ("formula", "v", "g", "h"),
    [
        (lambda m, y, z: abs(z), 0, 0, 0),
        (lambda m, y, z: abs(-z), 0, 0, 0),
        (lambda m, y, z: abs(z) / 3 + z, 0, 1, 0),
        (lambda m, y, z: abs(z) ** 2, 0, 0, 2),
        (lambda m, y, z: abs(z) ** 1.5, 0, 0, math.inf),
        (lambda m, y, z: abs(z) ** 3, 0, 0, 0),
        (lambda m, y, z: abs(z**2), 0, 0, 2),
        (lambda m, y, z: abs(-(z**2)), 0, 0, 2),
        (lambda m, y, z: abs(y), 0, 0, 0),
        (lambda m, y, z: m.cosh(abs(z)), 1, 0, 1),
        (lambda m, y, z: max(0, z), 0, 0, 0),
        (lambda m, y, z: max(z, 0), 0, 1, 0),
        (lambda m, y, z: max(y, z), 0, 0, 0),
        (lambda m, y, z: max(z, y), 0, 1, 0),
        (lambda m, y, z: min(y, z), 0, 0, 0),
        (lambda m, y, z: min(z, y), 0, 1, 0),
        (lambda m, y, z: min(max(z, -1), 1) ** 2, 0, 0, 2),
        (lambda m, y, z: z if z > y else -z, 0, -1, 0),
        (lambda m, y, z: z if y <= z else -z, 0, 1, 0),
        (lambda m, y, z: 1 if z else 2, 2, 0, 0),
    ],
)
def test_kinks(formula, v, g, h, arithmetic):
    result = reference.derivatives(loss_of(formula), 0.0, 0.0, arithmetic=arithmetic)
    np.testing.assert_array_equal(result, (v, g, h))


@pytest.mark.parametrize("system", [Floats(0), Intervals(60, 0)])
@pytest.mark.parametrize("relation", [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne])
@pytest.mark.parametrize(("a", "b"), [(2.0, 3.0), (3.0, 2.0), (2.0, 2.0)])
def test_jets_compare_by_value_from_both_sides(a, b, relation, system):
    left, right = (Jet(system, system.number(x), system.number(1)) for x in (a, b))
    expected = relation(a, b)
    assert relation(left, right) is expected
    assert (
        relation(left, b)
        is relation(left, right.constant(right.value))
        is relation(a, right)
        is relation(left.constant(left.value), right)
        is expected
    )


@pytest.mark.parametrize("kind", [Floats, lambda side: Intervals(60, side)])
def test_abs_of_zero_asks_for_a_side(kind):
    def jet(side):
        system = kind(side)
        return Jet(system, system.zero, system.number(-3))

    with pytest.raises(Kink):
        abs(jet(0))
    assert abs(jet(1)).first == jet(0).system.number(3)
    assert abs(jet(-1)).first == jet(0).system.number(-3)


@pytest.mark.parametrize(
    "wrong", [lambda m, y, z: 2**z, lambda m, y, z: z**z, lambda m, y, z: z + "a", lambda m, y, z: y < ""]
)
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_what_has_no_meaning_is_a_type_error(wrong, arithmetic):
    with pytest.raises(TypeError):
        reference.value(loss_of(wrong), 1.0, 1.0, arithmetic=arithmetic)


# --- Certainty ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", [60, 700])
def test_intervals_hold_the_truth(digits):
    """Random expressions: what is computed must lie between the ends."""
    draw, m, inexact = random.Random(0), functions(digits), 0
    unary = ["exp", "log", "log1p", "expm1", "sqrt", "sinh", "cosh", "tanh"]
    for _ in range(300):
        x = draw.choice([1, -1]) * draw.random() * 10.0 ** draw.choice([0, 0, 0, 1, 3, -3, -30, 60])
        if draw.random() < 0.3:
            x = 2.0 ** draw.randint(-300, 5)  # where exp(x) has few bits down to the last ones
        number = m.jet(x)
        with mp.workdps(digits + 2000):
            truth = mp.mpf(x)
            for _ in range(6):
                other = draw.choice([draw.uniform(-3, 3), 10.0 ** draw.randint(-40, 40), 2.0])
                try:
                    if draw.random() < 0.4:
                        name = draw.choice(unary)
                        if name in ("log", "sqrt"):
                            number, truth = abs(number), abs(truth)
                        if abs(truth) > 1e6 or (name == "log1p" and truth <= -1) or (name == "log" and not truth):
                            continue
                        number, truth = getattr(m, name)(number), getattr(mp, name)(truth)
                    elif draw.random() < 0.2 and abs(truth) < 1e20:
                        n = draw.choice([2, 3, 2.5])
                        number, truth = abs(number) ** n, abs(truth) ** n
                    else:
                        operation = draw.choice([operator.add, operator.sub, operator.mul, operator.truediv])
                        flip = draw.random() < 0.5 and truth != 0
                        number = operation(other, number) if flip else operation(number, other)
                        truth = operation(mp.mpf(other), truth) if flip else operation(truth, mp.mpf(other))
                except Undecided:
                    break
                low, high = ends(number)
                inexact += low < high
                error = abs(truth) * mp.mpf(10) ** -(digits + 900)
                assert low - error <= truth <= high + error
    assert inexact > 300


@pytest.mark.parametrize("name", ["exp", "log", "log1p", "expm1", "sinh", "cosh", "tanh"])
def test_intervals_hold_what_ends_on_their_last_bit(name):
    """mpmath's own do not: its exp(2**-150) is 1 + 2**-150 at 60 digits."""
    m, function = functions(), getattr(mp, name)
    for exponent in range(-200, 3):
        with mp.workdps(1000):
            x = mp.ldexp(1, exponent) + (name == "log")
            low, high = ends(getattr(m, name)(Jet(m.system, m.system.number(x))))
            assert low < function(x) < high


def test_exact_results_stay_exact():
    m = functions()
    x = m.jet(0.3)
    for number in 1 - x, x * x, x * 3 / 3, x / 4, x**2, x**0, m.sqrt(x * x), m.exp(0), m.log(1), m.tanh(0), x - x:
        low, high = ends(number)
        assert low == high
    for number in x / 3, m.exp(x), x + 1e-300, m.sqrt(x), x**0.5:
        low, high = ends(number)
        assert low < high


@pytest.mark.parametrize("system", [Floats(0), Intervals(60, 0)])
def test_functions_at_infinity(system):
    m = Functions(system)
    for name in ("exp", "expm1", "sinh", "cosh", "tanh", "log", "log1p", "sqrt"):
        function, expected = getattr(m, name), getattr(np, name)
        assert function(math.inf).value == system.number(float(expected(math.inf)))
        if not name.startswith(("log", "sqrt")):
            assert function(-math.inf).value == system.number(float(expected(-math.inf)))
        assert math.isnan(system.sign(function(math.nan).value))


def test_nan_is_neither_less_nor_equal_nor_more():
    nan = functions().jet(math.nan)
    assert not (nan < 0 or nan <= 0 or nan == 0 or nan > 0 or nan >= 0)
    for result in nan + 1, nan * 2, nan / 3, 1 / nan, nan**2, nan**0.5, nan**-1, abs(nan), -nan:
        assert math.isnan(result.system.sign(result.value))


def test_what_is_open_is_undecided():
    m = functions()
    tiny = m.exp(1) - m.exp(1)
    for question in (
        lambda: tiny > 0, lambda: tiny == 0, lambda: bool(tiny), lambda: 1 / tiny, lambda: m.log(tiny),
        lambda: m.sqrt(tiny), lambda: tiny**0.5, lambda: m.jet(math.inf) * tiny, lambda: m.log1p(tiny - 1),
        lambda: m.exp(m.exp(m.jet(1e300))), lambda: m.jet(2**300 + 1) == 2**300 + 1,
    ):  # fmt: skip
        with pytest.raises(Undecided):
            question()
    low, high = ends(m.exp(-m.exp(m.jet(1e300))))
    assert low == 0 < high < mp.mpf(2) ** -(10**9)


LOG_COSH = loss_of(lambda m, y, z: m.log(m.cosh(z - y)))
LOGISTIC = loss_of(lambda m, y, z: m.log(1 + m.exp(z)) - y * z)
TEXTBOOK_LOGISTIC = loss_of(lambda m, y, z: -y * m.log(1 / (1 + m.exp(-z))) - (1 - y) * m.log(1 - 1 / (1 + m.exp(-z))))
CAUCHY = loss_of(lambda m, y, z: m.log(1 + (z - y) ** 2))


@pytest.mark.parametrize(
    ("loss", "y", "z", "v", "g", "h"),
    [
        (LOG_COSH, 0.0, 1e-300, 0.0, 1e-300, 1.0),  # 5e-601
        (LOG_COSH, 0.0, 1e-150, 5e-301, 1e-150, 1.0),
        (LOG_COSH, 0.0, -1e300, 1e300, -1.0, 0.0),
        (LOG_COSH, 1e300, -1e-300, 1e300, -1.0, 0.0),
        (LOG_COSH, 0.0, 300.0, 299.3068528194400547, 1.0, 4 * math.exp(-600)),
        (LOGISTIC, 0.0, 700.0, 700.0, 1.0, 9.859676543759770e-305),
        (LOGISTIC, 1.0, 700.0, 9.859676543759770e-305, -9.859676543759770e-305, 9.859676543759770e-305),
        (LOGISTIC, 1.0, 1e300, 0.0, 0.0, 0.0),
        (LOGISTIC, 0.0, -1e300, 0.0, 0.0, 0.0),
        (LOGISTIC, 0.5, 1e300, 5e299, 0.5, 0.0),
        (LOGISTIC, 0.5, 1e-300, math.log(2), 2.5e-301, 0.25),
        (LOGISTIC, 1.0, 740.0, 4.199558486020700e-322, -4.199558486020700e-322, 4.199558486020700e-322),  # subnormal
        (TEXTBOOK_LOGISTIC, 0.0, 1000.0, 1000.0, 1.0, 0.0),  # needs 500 digits
        (TEXTBOOK_LOGISTIC, 0.0, 1e4, 1e4, 1.0, 0.0),  # 4400 digits
        (TEXTBOOK_LOGISTIC, 1.0, -1e300, 1e300, -1.0, 0.0),
        (CAUCHY, 0.0, 1e200, math.log(1e200) * 2, 2e-200, 0.0),
        (CAUCHY, 1e300, 1e300, 0.0, 0.0, 2.0),
    ],
)
def test_known_values(loss, y, z, v, g, h):
    np.testing.assert_array_max_ulp(np.array(reference.derivatives(loss, y, z)), np.array((v, g, h)), maxulp=1)


def test_exact_has_thirty_digits():
    for z in 1e-3, 1e-100, 3.0, -40.0:
        with mp.workdps(400):
            truth = mp.log(mp.cosh(z)), mp.tanh(z), 1 / mp.cosh(z) ** 2
        assert all(map(agree, reference.exact(LOG_COSH, 0.0, z), truth))
    assert all(map(agree, reference.exact(LOG_COSH, 0.0, 1e5), (100000 - mp.log(2), 1, 0)))
    assert isinstance(reference.exact(LOG_COSH, 0.0, 1.0)[0], mp.mpf)


def test_what_no_precision_decides_is_an_error_not_a_guess():
    with pytest.raises(ArithmeticError, match=r"y_true=0.0, y_pred=1e\+300 is not certain"):
        reference.value(TEXTBOOK_LOGISTIC, 0.0, 1e300)


# --- Parameters, shapes, domains ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weighted(Formula):
    """A loss with each kind of parameter."""

    alpha: float | tuple[float, ...] | None = 0.1
    base: int | None = None
    squared: bool = True
    kind: str = "plain"

    @staticmethod
    def reference(m, y, z, alpha, base, squared, kind):
        assert type(squared) is bool and type(kind) is str and (base is None or type(base) is int)
        alpha = 0 if alpha is None else alpha
        return (1 - alpha) * ((z - y) ** 2 if squared else abs(z - y)) / (1 if base is None else m.log(base))


def test_parameters_are_exact_numbers_and_choices_are_themselves():
    value, gradient, hessian = reference.exact(Weighted(0.1), 0.25, 1.0)
    assert value == Fraction(9, 16) * (1 - Fraction(0.1))
    assert (gradient, hessian) == (1.5 * (1 - mp.mpf(0.1)), 2 * (1 - mp.mpf(0.1)))
    assert reference.value(Weighted(None, squared=False, kind="odd"), 0.25, 1.0) == 0.75
    assert agree(reference.exact(Weighted(None, base=2), 0.0, 1.0)[0], 1 / mp.log(2))


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_a_tuple_is_one_number_a_class(arithmetic):
    alpha, z = (0.0, 0.5, 0.75), np.arange(12.0).reshape(2, 2, 3)
    result = reference.value(Weighted(alpha), np.zeros_like(z), z, arithmetic=arithmetic)
    np.testing.assert_array_equal(result, (1 - np.array(alpha)) * z**2)
    np.testing.assert_array_equal(
        reference.value(Weighted(alpha), z.T * 0, z.T, arithmetic=arithmetic).shape, (3, 2, 2)
    )
    assert reference.exact(Weighted(alpha), 0.0, 1.0, index=4)[0] == 0.5


@pytest.mark.parametrize("arithmetic", [*ARITHMETICS, None])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_results_are_float64_arrays_with_the_shape_of_the_losses(shape, arithmetic):
    y, z = np.ones(shape, np.int8), np.full(shape, 3, np.float32)
    triple = reference.derivatives(Weighted(0.5), y, z, arithmetic=arithmetic)
    single = [
        f(Weighted(0.5), y, z, arithmetic=arithmetic) for f in (reference.value, reference.gradient, reference.hessian)
    ]
    for result, again, expected in zip(triple, single, (2, 2, 1), strict=True):
        assert type(result) is np.ndarray and result.dtype == np.float64 and result.shape == shape
        np.testing.assert_array_equal(result, np.full(shape, expected))
        np.testing.assert_array_equal(again, result)


def test_views_are_read_in_their_own_order():
    z = np.arange(6.0).reshape(2, 3).T[::-1]
    np.testing.assert_array_equal(reference.value(Weighted(0.0), np.asfortranarray(z * 0), z), z**2)


def test_wrong_arguments():
    with pytest.raises(ValueError, match=r"y_true must have the shape of y_pred, \(2, 1\), got \(2,\)"):
        reference.value(Weighted(), [1.0, 2.0], [[1.0], [2.0]])
    with pytest.raises(ValueError, match="arithmetic must be 'mpmath', 'float' or None, got 'decimal'"):
        reference.value(Weighted(), 1.0, 2.0, arithmetic="decimal")


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_outside_the_domain_is_nan_in_that_element_only(arithmetic):
    loss = loss_of(lambda m, y, z: z - y * m.log(z), Domain(UNIT, POSITIVE))
    y = [0.0, 1.0, 1.5, -0.1, math.nan, 0.5, 0.5, 0.5]
    z = [1.0, 1.0, 1.0, 1.0, 1.0, 0.0, -1.0, math.nan]
    for result in reference.derivatives(loss, y, z, arithmetic=arithmetic):
        np.testing.assert_array_equal(np.isnan(result), [False] * 2 + [True] * 6)
    assert np.isnan(reference.value(loss, math.inf, 1.0, arithmetic=arithmetic))


@pytest.mark.parametrize(
    ("formula", "y", "z", "v", "g", "h"),
    [
        (lambda m, y, z: (z - y) ** 2, 1.0, math.inf, math.inf, math.inf, 2),
        (lambda m, y, z: (z - y) ** 2, math.inf, 1.0, math.inf, -math.inf, 2),
        (lambda m, y, z: (z - y) ** 2, math.inf, -math.inf, math.inf, -math.inf, 2),
        (lambda m, y, z: (z - y) ** 2, math.inf, math.inf, math.nan, math.nan, math.nan),
        (lambda m, y, z: abs(z - y), -1e-300, -math.inf, math.inf, -1, 0),
        (lambda m, y, z: m.log(1 + (z - y) ** 2), 1e-5, math.inf, math.inf, 0, 0),
        (lambda m, y, z: m.sqrt(1 + (z - y) ** 2) - 1, 0.1, -math.inf, math.inf, -1, 0),
        (lambda m, y, z: (z - y) ** 2 / (1e300 + (z - y) ** 2), 1e150, math.inf, 1, 0, 0),
        (lambda m, y, z: m.log(m.cosh(z - y)), 0.3, math.inf, math.inf, 1, 0),
        (lambda m, y, z: m.log1p(m.exp(z)) - y * z, 0.25, math.inf, math.inf, 0.75, 0),
        (lambda m, y, z: m.log1p(m.exp(z)) - y * z, 1.0, math.inf, 0, 0, 0),
        (lambda m, y, z: m.log1p(m.exp(z)) - y * z, 0.0, -math.inf, 0, 0, 0),
        (lambda m, y, z: m.exp(z) - y * z, 3.0, math.inf, math.inf, math.inf, math.inf),
        (lambda m, y, z: m.exp(z) - y * z, 3.0, -math.inf, math.inf, -3, 0),
        (lambda m, y, z: m.exp(z) - y * z, 0.0, -math.inf, 0, 0, 0),
        (lambda m, y, z: (1 / (1 + m.exp(-z)) - y) ** 2, 0.5, math.inf, 0.25, 0, 0),
        (lambda m, y, z: 1 + m.tanh(z - y), 2.5, -math.inf, 0, 0, 0),
        (lambda m, y, z: z**0.01, 0.0, math.inf, math.inf, 0, 0),
        (lambda m, y, z: max(0, 1 - z), 0.0, math.inf, 0, 0, 0),
        (lambda m, y, z: z / 3 * 3 - z, 0.0, math.inf, 0, 0, 0),
    ],
)
def test_infinite_inputs_give_the_limit(formula, y, z, v, g, h):
    np.testing.assert_array_equal(reference.derivatives(loss_of(formula), y, z), (v, g, h))


def test_the_domain_decides_whether_infinity_is_inside():
    assert np.isnan(reference.value(loss_of(lambda m, y, z: z, Domain(REAL, UNIT)), 0.0, math.inf))
    assert np.isinf(reference.value(loss_of(lambda m, y, z: z, Domain(REAL, NON_NEGATIVE)), 0.0, math.inf))


# --- Rounding -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", [0, 300, 971, 970, -1000, -1074, -1075, -1080, -1100, -1127, -1128, -30000])
def test_results_are_rounded_once_to_nearest(exponent):
    draw = random.Random(exponent)
    for bits in 1, 2, 52, 53, 54, 55, 60, 200:
        for man in draw.getrandbits(bits) | 1, (1 << bits) - 1, (1 << bits) | 1, -((1 << bits) | 3):
            exact = Fraction(man) * Fraction(2) ** exponent
            try:
                expected = exact.numerator / exact.denominator
            except OverflowError:
                expected = math.copysign(math.inf, man)
            assert rounded(mp.make_mpf(mpmath.libmp.from_man_exp(man, exponent))) == expected


def test_special_numbers_are_rounded_to_themselves():
    for x in 0.0, math.inf, -math.inf, 5e-324, -1.7976931348623157e308:
        assert rounded(mp.mpf(x)) == x == rounded(x)
    assert math.isnan(rounded(mp.nan))
    huge = mp.ldexp(1, 10**400)
    assert [rounded(x) for x in (huge, -huge, 1 / huge, -1 / huge)] == [math.inf, -math.inf, 0, 0]


# --- Without mpmath -----------------------------------------------------------------------------------------------


def test_without_mpmath_floats_take_over(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert reference.value(LOG_COSH, 0.0, 1000.0) == math.inf  # the textbook line overflows in float64
    monkeypatch.undo()
    assert reference.value(LOG_COSH, 0.0, 1000.0) == 1000 - math.log(2)


def test_the_global_precision_of_mpmath_is_left_alone():
    before = mp.prec
    reference.exact(TEXTBOOK_LOGISTIC, 0.0, 1e4)
    assert mp.prec == before
    mp.dps = 3
    assert reference.value(LOGISTIC, 0.0, 1.0) == math.log1p(math.e)


def test_jets_show_what_they_are():
    assert repr(Jet(Floats(0), 1.0, 2.0)) == "Jet(1.0, 2.0, None)"
