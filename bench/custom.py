"""Losses that nbloss.pointwise derives from their value alone, against those of which the formulas are written by hand.

``python bench/custom.py`` measures every pointwise loss; ``--only huber`` some of them, printed.
``python bench/custom.py --ways`` compares what derives them with SymPy: seconds until a kernel runs, and its speed.
"""

from __future__ import annotations

import argparse
import dataclasses
import pathlib
import subprocess
import sys
import tempfile
import time
from typing import Any

import _common
import numba
import numpy as np
from pointwise import CASES, SIZES, data
from tqdm import tqdm

import nbloss
from nbloss.families.paired import Paired
from nbloss.families.pointwise import Pointwise

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from tests.value_lines import derived

GOAL = "at most 1.3"


def measure(loss: Pointwise, dtype: Any, rounds: int) -> _common.Row:
    """Return how long gradient and Hessian take, derived and by hand."""
    y, z = data(loss, SIZES[dtype] // 2, dtype)
    g, h = np.empty_like(z), np.empty_like(z)
    other = derived(loss)
    seconds = _common.interleaved(
        {
            "derived": lambda: other.gradient_and_hessian(y, z, out=(g, h)),
            "by hand": lambda: loss.gradient_and_hessian(y, z, out=(g, h)),
        },
        rounds,
    )
    return {
        "loss": _common.brief(loss),
        "dtype": str(z.dtype),
        "elements": z.size,
        "ms": 1e3 * seconds["derived"],
        "ms by hand": 1e3 * seconds["by hand"],
        "ratio": seconds["derived"] / seconds["by hand"],
        "goal": GOAL,
    }


# What could derive them: our own steps, or SymPy


def with_sympy(name: str) -> Any:
    """Return a loss of which SymPy has made the formula; lambdify writes its source and runs it."""
    import sympy

    from nbloss import _math

    y, z, a = sympy.symbols("y z a", real=True)
    r = z - y
    value = {
        "Cauchy": sympy.log(1 + (r / a) ** 2) / 2,
        "Huber": sympy.Piecewise((r**2 / 2, abs(r) <= a), (a * (abs(r) - a / 2), True)),
        "Focal": y * (1 + sympy.exp(z)) ** -2 * sympy.log(1 + sympy.exp(-z))
        + (1 - y) * (1 + sympy.exp(-z)) ** -2 * sympy.log(1 + sympy.exp(z)),
    }[name]
    parts = (value, value.diff(z), value.diff(z, 2))
    function = sympy.lambdify((y, z, a), parts, modules=[vars(_math), "math"], cse=True)
    function.__qualname__ = f"sympy.{name}"
    fields = [("a", float, nbloss.loss.param(1.0))]
    made: Any = dataclasses.make_dataclass(
        name, fields, bases=(Pointwise,), namespace={"formula": staticmethod(function), "reference": None}, frozen=True
    )
    return made()


def with_steps(name: str) -> Any:
    """Return the same loss as nbloss.pointwise makes it."""
    from nbloss import math as m

    @nbloss.pointwise
    def Cauchy(y: Any, z: Any, a: Any = 1.0) -> Any:
        return m.log(1 + ((z - y) / a) ** 2) / 2

    @nbloss.pointwise
    def Huber(y: Any, z: Any, a: Any = 1.0) -> Any:
        r = abs(z - y)
        return r**2 / 2 if r <= a else a * (r - a / 2)

    @nbloss.pointwise
    def Focal(y: Any, z: Any, a: Any = 1.0) -> Any:
        p, q = 1 / (1 + m.exp(-z)), 1 / (1 + m.exp(z))
        return y * q**2 * m.log(1 + m.exp(-z)) + (1 - y) * p**2 * m.log(1 + m.exp(z))

    makers: dict[str, Any] = {"Cauchy": Cauchy, "Huber": Huber, "Focal": Focal}
    return makers[name]()


def try_way(way: str, name: str) -> None:
    """Print the seconds of defining a loss, of its first call and of a later one, in this process."""
    nbloss.Huber()(np.zeros(10), np.ones(10))  # numba is loaded, and the functions are known to it
    rng = np.random.default_rng(0)
    y, z = rng.random(4_000_000), rng.standard_normal(4_000_000)
    out = np.empty_like(z), np.empty_like(z)
    start = time.perf_counter()
    loss = with_sympy(name) if way == "SymPy" else with_steps(name)
    defined = time.perf_counter()
    loss.gradient_and_hessian(y, z, out=out)
    ran = time.perf_counter()
    again = _common.interleaved({"": lambda: loss.gradient_and_hessian(y, z, out=out)}, 15)[""]
    print(defined - start, ran - defined, again)


def ways() -> list[_common.Row]:
    rows = []
    for name in ("Cauchy", "Huber", "Focal"):
        for way in ("steps", "SymPy"):
            command = [sys.executable, __file__, "--try-way", way, name]
            with tempfile.TemporaryDirectory() as empty:  # so that nothing comes from the disk
                import os

                done = subprocess.run(
                    command, env=os.environ | {"NUMBA_CACHE_DIR": empty}, capture_output=True, text=True
                )
            numbers = done.stdout.split()
            failed = (done.stderr.strip().splitlines() or [""])[-1][:100]
            seconds = list(map(float, numbers)) if numbers else [float("nan")] * 3
            rows.append(
                {
                    "loss": name,
                    "by": way,
                    "define, s": seconds[0],
                    "first call, s": seconds[1],
                    "ms at 4 million": 1e3 * seconds[2],
                    "note": "" if numbers else failed,
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="only the losses whose name contains this; print")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--ways", action="store_true", help="compare with SymPy")
    parser.add_argument("--try-way", nargs=2)
    arguments = parser.parse_args()
    numba.set_num_threads(_common.THREADS)
    if arguments.try_way:
        try_way(*arguments.try_way)
        return
    if arguments.ways:
        _common.write("derivation", ways())
        return
    losses = [loss for loss in CASES if not isinstance(loss, Paired)]  # a formula of a user has one target
    work = [(loss, dtype) for loss in losses if (arguments.only or "") in _common.brief(loss) for dtype in SIZES]
    rows = [measure(loss, dtype, arguments.rounds) for loss, dtype in tqdm(work)]
    if arguments.only is not None:
        print(_common.table(list(rows[0]), [list(_common.rounded(row).values()) for row in rows]))
    else:
        _common.write("custom", rows)


if __name__ == "__main__":
    main()
