"""The scalar functions of every target against exact arithmetic: compiled for the CPU, and as plain Python."""

import math
import platform
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import mpmath
import numpy as np
import pytest
from mpmath import mp
from numba import njit
from numba.extending import register_jitable

import nbloss._cpu.math  # noqa: F401 registers the primitives with numba
from nbloss import _math
from nbloss._compile import INLINE, inlined
from tests.every_number import SINGLES, worst_of_every_number

REALS = (np.float32, np.float64)


def sum_of(words: Any) -> Any:
    return words[0] + words[1]


def value_of(fraction: Any) -> Any:
    return fraction[0] / fraction[1] * fraction[2]


def part_of(fraction: Any) -> Any:
    return fraction[1] / fraction[2]


# name: (the function of three operands of which most ignore some, the same in mpmath)
FUNCTIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "fma": (lambda a, b, c: _math.fma(a, b, c), lambda a, b, c: a * b + c),
    "exp": (lambda a, b, c: _math.exp(a), lambda a, b, c: mp.exp(a)),
    "exp_minus": (lambda a, b, c: _math.exp_minus(a), lambda a, b, c: mp.exp(-a)),
    "expm1": (lambda a, b, c: _math.expm1(a), lambda a, b, c: mp.expm1(a)),
    "exp_expm1[0]": (lambda a, b, c: _math.exp_expm1(a)[0], lambda a, b, c: mp.exp(a)),
    "exp_expm1[1]": (lambda a, b, c: _math.exp_expm1(a)[1], lambda a, b, c: mp.expm1(a)),
    "exp_expm1_minus[0]": (lambda a, b, c: _math.exp_expm1_minus(a)[0], lambda a, b, c: mp.exp(-a)),
    "exp_expm1_minus[1]": (lambda a, b, c: _math.exp_expm1_minus(a)[1], lambda a, b, c: mp.expm1(-a)),
    "exp_sum": (lambda a, b, c: _math.exp_sum(a, b), lambda a, b, c: mp.exp(a + b)),
    "log": (lambda a, b, c: _math.log(a), lambda a, b, c: mp.log(a)),
    "log1p": (lambda a, b, c: _math.log1p(a), lambda a, b, c: mp.log1p(a)),
    "log2": (lambda a, b, c: _math.log2(a), lambda a, b, c: mp.log(a, 2)),
    "power": (lambda a, b, c: _math.power(a, b), lambda a, b, c: mp.power(a, b)),
    "log1p_unit": (lambda a, b, c: _math.log1p_unit(a), lambda a, b, c: mp.log1p(a)),
    "log_unit": (lambda a, b, c: _math.log_unit(a), lambda a, b, c: mp.log(a)),
    "log1m_unit": (lambda a, b, c: _math.log1m_unit(a), lambda a, b, c: mp.log1p(-a)),
    "sqrt": (lambda a, b, c: _math.sqrt(a), lambda a, b, c: mp.sqrt(a)),
    "sigmoids[0]": (lambda a, b, c: _math.sigmoids(a)[0], lambda a, b, c: 1 / (1 + mp.exp(-a))),
    "sigmoids[1]": (lambda a, b, c: _math.sigmoids(a)[1], lambda a, b, c: 1 / (1 + mp.exp(a))),
    "softplus": (lambda a, b, c: _math.softplus(a), lambda a, b, c: mp.log1p(mp.exp(a))),
    "lean_sigmoids[0]": (lambda a, b, c: _math.lean_sigmoids(a)[0], lambda a, b, c: 1 / (1 + mp.exp(-a))),
    "lean_sigmoids[1]": (lambda a, b, c: _math.lean_sigmoids(a)[1], lambda a, b, c: 1 / (1 + mp.exp(a))),
    "lean_softplus": (lambda a, b, c: _math.lean_softplus(a), lambda a, b, c: mp.log1p(mp.exp(a))),
    "tanh": (lambda a, b, c: _math.tanh(a), lambda a, b, c: mp.tanh(a)),
    "exp_minus_fraction": (lambda a, b, c: value_of(_math.exp_minus_fraction(a)), lambda a, b, c: mp.exp(-a)),
    "exp_minus_quotient": (lambda a, b, c: part_of((0, *_math.exp_minus_quotient(a))), lambda a, b, c: mp.exp(-a)),
    "exp_expm1_minus_fraction": (
        lambda a, b, c: part_of(_math.exp_expm1_minus_fraction(a)),
        lambda a, b, c: mp.expm1(-a),
    ),
    "log1p_positive": (lambda a, b, c: _math.log1p_positive(a), lambda a, b, c: mp.log1p(a)),
    "log1p_fraction": (lambda a, b, c: _math.log1p_fraction(a, type(a)(1)), lambda a, b, c: mp.log1p(a)),
    "log1p_fraction_words": (
        lambda a, b, c: sum_of(_math.log1p_fraction_words(a, type(a)(0), type(a)(1), type(a)(0))),
        lambda a, b, c: mp.log1p(a),
    ),
}
PRIMITIVES = [name for name in FUNCTIONS if name.split("[")[0] in {f.__name__ for f in _math.PRIMITIVES}]
DOMAINS = {
    "log": (0, np.inf),
    "log2": (0, np.inf),
    "power": (0, np.inf),
    "log1p": (-1, np.inf),
    "sqrt": (0, np.inf),
    "exp_minus": (0, np.inf),
    "exp_minus_fraction": (0, np.inf),
    "exp_minus_quotient": (0, np.inf),
    "exp_expm1_minus_fraction": (0, np.inf),
    "log1p_positive": (0, np.inf),
}
DOMAINS |= dict.fromkeys(("exp_expm1_minus[0]", "exp_expm1_minus[1]"), (0, np.inf))
DOMAINS |= dict.fromkeys(("log_unit", "log1p_unit", "log1p_fraction_words", "log1p_fraction", "log1m_unit"), (0, 1))
FRACTIONS = (
    "exp_minus_fraction",
    "exp_minus_quotient",
    "exp_expm1_minus_fraction",
    "log1p_fraction",
)  # of which a loss is made, not more
FLUSHED = ("exp_minus", "exp_minus_quotient", "exp_expm1_minus[0]")
ULP = dict.fromkeys(PRIMITIVES, 1.5) | {"fma": 0.5, "sqrt": 0.5, "power": 2} | dict.fromkeys(FRACTIONS, 3)
ULP |= dict.fromkeys(("sigmoids[0]", "sigmoids[1]", "softplus"), 1.5)
LEAN = ("lean_sigmoids[0]", "lean_sigmoids[1]", "lean_softplus")
DOMAINS |= dict.fromkeys(LEAN, (-80, 80))  # beyond, subnormal numbers are 0
ULP |= dict.fromkeys(LEAN, 3)

INF, NAN = math.inf, math.nan
E = math.e
# arguments and results; a list, since 0 and -0.0 are the same key
EDGES = {
    "exp": [(0, 1), (-0.0, 1), (INF, INF), (-INF, 0), (NAN, NAN), (1e4, INF), (-1e4, 0), (1, E)],
    "expm1": [(0, 0), (-0.0, -0.0), (INF, INF), (-INF, -1), (NAN, NAN), (1e4, INF), (-1e4, -1), (1, E - 1)],
    "log": [(0, -INF), (-0.0, -INF), (INF, INF), (-INF, NAN), (NAN, NAN), (-1, NAN), (-1e-40, NAN), (1, 0)],
    "log2": [(0, -INF), (-0.0, -INF), (INF, INF), (-INF, NAN), (NAN, NAN), (-1, NAN), (1, 0), (8, 3), (0.25, -2)],
    "log1p": [(0, 0), (-0.0, -0.0), (INF, INF), (-INF, NAN), (NAN, NAN), (-1, -INF), (-1.5, NAN), (-1e30, NAN)],
    "log1p_positive": [(0, 0), (-0.0, -0.0), (INF, INF), (NAN, NAN), (1, math.log(2))],
    "exp_expm1_minus_fraction": [(0, -0.0), (INF, -1), (NAN, NAN), (1e4, -1)],
    "exp_minus_fraction": [(0, 1), (INF, 0), (NAN, NAN), (1e4, 0), (1, 1 / E)],
    "exp_minus_quotient": [(0, 1), (INF, 0), (NAN, NAN), (1e4, 0), (1, 1 / E)],
    "log1p_unit": [(0, 0), (NAN, NAN), (1, math.log(2))],
    "log_unit": [(0, -INF), (-0.0, -INF), (1, 0)],
    "log1m_unit": [(0, -0.0), (1, -INF), (0.5, -math.log(2))],
    "exp_minus": [(0, 1), (INF, 0), (NAN, NAN), (1e4, 0), (1, 1 / E)],
    "sqrt": [(0, 0), (-0.0, -0.0), (INF, INF), (-INF, NAN), (NAN, NAN), (-1, NAN), (4, 2)],
    "sigmoids[0]": [(0, 0.5), (INF, 1), (-INF, 0), (NAN, NAN), (1e4, 1), (-1e4, 0)],
    "sigmoids[1]": [(0, 0.5), (INF, 0), (-INF, 1), (NAN, NAN), (1e4, 0), (-1e4, 1)],
    "tanh": [(0, 0), (-0.0, -0.0), (INF, 1), (-INF, -1), (NAN, NAN), (1e4, 1), (-1e4, -1)],
    "softplus": [(0, math.log(2)), (INF, INF), (-INF, 0), (NAN, NAN), (1e4, 1e4), (-1e4, 0)],
}
EDGES |= {f"lean_{name}": EDGES[name] for name in ("sigmoids[0]", "sigmoids[1]", "softplus")}
EDGES |= {"exp_expm1_minus[0]": EDGES["exp_minus"], "exp_expm1_minus[1]": [(0, -0.0), (INF, -1), (NAN, NAN), (1e4, -1)]}
EDGES |= {"exp_expm1[0]": EDGES["exp"], "exp_expm1[1]": EDGES["expm1"], "exp_sum": EDGES["exp"]}


# bases, exponents and results
EDGES_OF_POWER = [
    *((x, 0, 1) for x in (0, -0.0, 1, 7, INF, NAN, -1, -INF)), *((1, n, 1) for n in (3, -3e30, INF, -INF, NAN)),
    (0, 2, 0), (-0.0, 3, 0), (0, 1e-30, 0), (0, -1, INF), (-0.0, -1, INF), (0, INF, 0), (0, -INF, INF),
    (INF, 1e-30, INF), (INF, -1e-30, 0), (INF, INF, INF), (INF, -INF, 0),
    (0.5, INF, 0), (0.5, -INF, INF), (2, INF, INF), (2, -INF, 0), (10, 1e30, INF), (0.1, 1e30, 0), (1e-30, -1e30, INF),
    (NAN, 1, NAN), (2, NAN, NAN), (0, NAN, NAN), (INF, NAN, NAN), (-1, 2, NAN), (-INF, 1, NAN), (-1e-40, 3, NAN),
    (2, 10, 1024), (4, 0.5, 2), (2, -3, 0.125), (3, 1, 3),
]  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def precision() -> Iterator[None]:
    with mp.workprec(160):
        yield


@pytest.fixture(scope="module")
def compiled() -> Callable[[str], Callable[..., Any]]:
    """Return a loop over arrays for each function, compiled once."""
    loops: dict[str, Callable[..., Any]] = {}
    register_jitable(sum_of)
    register_jitable(value_of)
    register_jitable(part_of)
    for function in (_math.sigmoids, _math.softplus, _math.lean_sigmoids, _math.lean_softplus):
        inlined(function)

    def loop_of(name: str) -> Callable[..., Any]:
        if name not in loops:
            function = register_jitable(**INLINE)(FUNCTIONS[name][0])

            @njit(error_model="numpy")
            def loop(a: Any, b: Any, c: Any, out: Any) -> None:
                for i in range(out.size):
                    out[i] = function(a[i], b[i], c[i])

            loops[name] = loop
        return loops[name]

    return loop_of


def run(loop: Callable[..., Any], operands: Any) -> Any:
    out = np.empty_like(operands[0])
    loop(*operands, out)
    return out


def points(name: str, real: Any, n: int) -> tuple[Any, Any, Any]:
    """Return operands in the domain: grids, every exponent, random bits, ends of the type, neighbours of thresholds."""
    rng = np.random.default_rng(0)
    info = np.finfo(real)
    integer = np.uint32 if real is np.float32 else np.uint64
    bits = rng.integers(0, np.iinfo(integer).max, n, dtype=integer, endpoint=True).view(real)
    exponents = np.arange(info.minexp - info.nmant, info.maxexp)
    every_exponent = np.ldexp(rng.uniform(1, 2, exponents.size), exponents)
    ends = np.array([info.max, info.tiny, info.smallest_subnormal, info.eps, 1, 1 + info.eps, 1 - info.epsneg], real)
    smallest, largest = math.log(info.smallest_subnormal) - 1, math.log(info.max)
    grids = [np.linspace(smallest - 2, largest + 2, n), np.linspace(-2, 2, n), rng.uniform(-1, 4, n)]
    turns = [smallest, smallest + 1, math.log(info.tiny), largest, math.log(2) / 2, 0.75, 1.5, 0.5, math.sqrt(0.5), 2]
    multiples = rng.integers(int(smallest / math.log(2)), int(largest / math.log(2)), 60, endpoint=True)
    turns = np.array([*turns, *(math.log(2) * multiples)], real)
    for _ in range(3):
        turns = np.unique([turns, np.nextafter(turns, real(-INF)), np.nextafter(turns, real(INF))])
    with np.errstate(over="ignore", invalid="ignore"):
        a = np.concatenate([*grids, every_exponent, bits, ends, turns]).astype(real)
    low, high = domain(name, real)
    a = a[np.isfinite(a)]
    a *= real(1) if low == 0 else rng.choice(np.array([-1, 1], real), a.size)
    a = a[(low < a) & (a <= high)]
    if name == "exp_sum":  # the second operand is what the first one lacks
        return a, a * (rng.uniform(-1, 1, a.size) * info.eps).astype(real), a
    if name == "power":  # half of the exponents use the whole range of results, the others are ordinary
        with np.errstate(all="ignore"):
            far = (rng.uniform(-1.05, 1.05, a.size) * info.maxexp / np.log2(a.astype(np.float64))).astype(real)
        near = rng.uniform(-4, 4, a.size).astype(real)
        return a, np.where(np.isfinite(far) & (rng.uniform(size=a.size) < 0.5), far, near), a
    return a, rng.permutation(a), rng.permutation(a)


def distance(got: Any, exact: Any) -> float:
    """Return how many ulp of *exact* *got* is off; infinity counts as the first power of 2 beyond the type."""
    info = np.finfo(type(got))
    end = mp.mpf(2) ** int(info.maxexp)
    if np.isnan(got):
        return math.inf
    number = mp.sign(got) * end if np.isinf(got) else mp.mpf(float(got))
    exact = min(max(exact, -end), end)
    exponent = mpmath.frexp(exact)[1] - 1 if exact else int(info.minexp)
    exponent = min(max(exponent, int(info.minexp)), int(info.maxexp) - 1)
    return float(abs(number - exact) * mp.mpf(2) ** (int(info.nmant) - exponent))


def worst(name: str, operands: Any, got: Any) -> tuple[float, Any]:
    """Return the largest distance and its first operand."""
    exact = FUNCTIONS[name][1]
    numbers = zip(*(map(mp.mpf, map(float, a)) for a in operands), strict=True)
    distances = [distance(result, exact(*number)) for result, number in zip(got, numbers, strict=True)]
    i = int(np.argmax(distances))
    return distances[i], operands[0][i]


def same(got: Any, wanted: Any) -> bool:
    """Whether *got* is *wanted*, with its sign if it is 0, and within an ulp or so if it is neither 0 nor infinite."""
    if math.isnan(wanted) or math.isinf(wanted):
        return bool(np.array_equal(got, wanted, equal_nan=True))
    return bool(abs(got - wanted) <= 1.5 * np.spacing(type(got)(abs(wanted)))) and math.copysign(1, got) == (
        math.copysign(1, wanted)
    )


@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_compiled_is_accurate(compiled: Any, name: str, real: Any) -> None:
    operands = points(name, real, 600)
    error, at = worst(name, operands, run(compiled(name), operands))
    assert error <= ULP[name], f"{error:.3f} ulp at {at!r}"


@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize("name", EDGES)
def test_compiled_edges(compiled: Any, name: str, real: Any) -> None:
    # repeated, so that they pass through the vectorised part of the loop, and then through the rest
    numbers, wanted = np.repeat(np.array(EDGES[name], real), 67, axis=0).T.copy()
    got = run(compiled(name), (numbers, np.zeros_like(numbers), numbers))
    wrong = [(x, g, w) for x, g, w in zip(numbers, got, wanted, strict=True) if not same(g, w)]
    assert not wrong


@pytest.mark.parametrize("real", REALS)
def test_edges_of_power(compiled: Any, real: Any) -> None:
    bases, exponents, wanted = np.repeat(np.array(EDGES_OF_POWER, real), 67, axis=0).T.copy()
    got = run(compiled("power"), (bases, exponents, bases))
    wrong = [(x, n, g, w) for x, n, g, w in zip(bases, exponents, got, wanted, strict=True) if not same(g, w)]
    assert not wrong
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for x, n, w in EDGES_OF_POWER:
            assert same(np.float64(_math.power(real(x), real(n))), real(w)), (x, n)


@pytest.mark.parametrize("real", REALS)
def test_power_of_neighbours_of_1(compiled: Any, real: Any) -> None:
    """Where an exponent may be as large as the type allows, and the logarithm has few digits of its argument."""
    info, rng = np.finfo(real), np.random.default_rng(1)
    a = (1 + rng.choice([-1, 1], 2000) * 2.0 ** rng.uniform(-info.nmant, -1, 2000)).astype(real)
    a = a[a != 1]
    n = (rng.uniform(-1.05, 1.05, a.size) * info.maxexp / np.log2(a.astype(np.longdouble))).astype(real)
    error, at = worst("power", (a, n, a), run(compiled("power"), (a, n, a)))
    assert error <= ULP["power"], f"{error:.3f} ulp at {at!r}"


@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize("name", FLUSHED)
def test_exp_minus_ends_in_0(compiled: Any, name: str, real: Any) -> None:
    tiny = np.finfo(real).tiny
    a = np.linspace(-math.log(tiny) - 1, -math.log(tiny) + 60, 5000).astype(real)
    got = run(compiled(name), (a, a, a))
    assert np.all(got >= 0) and np.all(np.abs(got - np.exp(-a.astype(np.longdouble))) <= 1.01 * tiny)


@pytest.mark.parametrize("real", REALS)
def test_sum_with_an_infinity_ignores_the_correction(compiled: Any, real: Any) -> None:
    a = np.repeat(np.array([INF, -INF], real), 40)
    for correction in (NAN, INF, -INF):
        b = np.full_like(a, correction)
        assert np.array_equal(run(compiled("exp_sum"), (a, b, a)), np.where(a > 0, INF, 0))
        assert [_math.exp_sum(real(x), real(correction)) for x in (INF, -INF)] == [INF, 0]


@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_loop_is_vectorised(compiled: Any, name: str, real: Any) -> None:
    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("knows only the instructions of x86-64")
    loop = compiled(name)
    a = np.ones(1, real)
    run(loop, (a, a, a))
    [assembly] = [text for signature, text in loop.inspect_asm().items() if signature[0].dtype.name == real.__name__]
    suffix = "ps" if real is np.float32 else "pd"
    assert re.search(rf"\bv(?:fn?madd\d+|div|sqrt){suffix}\s.*%[yz]mm", assembly)
    assert not re.search(r"\$(?:exp|expm1|log|log1p|fma|sqrt|pow)f?\b", assembly), "calls libm"
    if real is np.float32:
        assert not re.search(r"\bvcvt(?!dq2ps|si2ss)|\bv\w+[ps]d\s", assembly), "leaves float32"


@pytest.mark.parametrize("real", [float, *REALS])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_plain_python_agrees(name: str, real: Any) -> None:
    function = FUNCTIONS[name][0]
    operands = points(name, np.float64 if real is float else real, 60)
    if name == "fma":  # is rounded twice here
        operands = tuple(np.ones_like(a) for a in operands)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        got = [function(*map(real, numbers)) for numbers in zip(*operands, strict=True)]
        assert {type(result) for result in got} == {real}
        error, at = worst(name, operands, np.array(got))
        assert error <= max(ULP[name], 2), f"{error:.3f} ulp at {at!r}"
        for x, wanted in EDGES.get(name, []):
            result = function(real(x), real(0), real(0))
            assert type(result) is real
            assert same(np.float64(result) if real is float else result, real(wanted)), x


LONG: dict[str, Callable[..., Any]] = {
    "sigmoids[0]": lambda x: 1 / (1 + np.exp(-x)),
    "sigmoids[1]": lambda x: 1 / (1 + np.exp(x)),
    "softplus": lambda x: np.maximum(x, 0) + np.log1p(np.exp(-abs(x))),
    "exp_expm1[0]": np.exp,
    "exp_expm1[1]": np.expm1,
    "log1p_positive": np.log1p,
}


OF_MINUS: dict[str, Callable[..., Any]] = dict.fromkeys((*FLUSHED, "exp_minus_fraction"), np.exp)
OF_MINUS |= dict.fromkeys(("exp_expm1_minus[1]", "exp_expm1_minus_fraction"), np.expm1)
OF_MINUS["log1m_unit"] = np.log1p


def longdouble_reference(name: str) -> Callable[..., Any]:
    """Return the function of NumPy that has eleven bits more than float64."""
    if name in LONG:
        return LONG[name]
    if name in OF_MINUS:
        return lambda x: OF_MINUS[name](-x)
    return getattr(np, re.sub("(_unit|_words|_fraction)+$", "", name))  # type: ignore[no-any-return]


SWEPT = [name for name in FUNCTIONS if name not in ("fma", "exp_sum", *LEAN)]


def worst_of_many(name: str, operands: Any, got: Any) -> tuple[float, Any]:
    """Return the largest distance and its first operand, by numbers with eleven bits more than float64."""
    info = np.finfo(got.dtype)
    with np.errstate(all="ignore"):
        wide = [a.astype(np.longdouble) for a in operands]
        exact = longdouble_reference(name)(*wide[: 2 if name == "power" else 1])
        end = np.ldexp(np.longdouble(1), info.maxexp)
        exponent = np.clip(np.frexp(exact)[1] - 1, info.minexp, info.maxexp - 1)
        error = np.abs(np.clip(got.astype(np.longdouble), -end, end) - np.clip(exact, -end, end))
        error = np.ldexp(error, info.nmant - exponent)
    i = int(np.argmax(error))
    return float(error[i]), operands[0][i]


def domain(name: str, real: Any) -> tuple[float, float]:
    """Return between which numbers a function is accurate."""
    low, high = DOMAINS.get(name.split(" ")[0], (-np.inf, np.inf))
    return low, float(-np.log(np.finfo(real).tiny)) if name in FLUSHED else high


@pytest.mark.slow
@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="longdouble is float64 here")
@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize("name", SWEPT)
def test_dense_sweep(compiled: Any, name: str, real: Any) -> None:
    operands = points(name, real, 500_000)
    error, at = worst_of_many(name, operands, run(compiled(name), operands))
    assert error <= ULP[name] + 0.01, f"{error:.3f} ulp at {at!r}"


@pytest.mark.slow
@pytest.mark.parametrize("name", SINGLES)
def test_every_number_of_single_precision(name: str) -> None:
    """All bit patterns in the domain; float64 is the judge of all but the worst, which goes to mpmath."""
    error, at, got = worst_of_every_number(name, *domain(name, np.float32))
    assert error <= ULP[name.split(" ")[0]] + 1e-6, (error, at)
    if name in FUNCTIONS:
        assert distance(got, FUNCTIONS[name][1](*[mp.mpf(float(at))] * 3)) <= ULP[name], (error, at)
