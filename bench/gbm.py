"""Rounds of boosting with our objectives beside built-in and NumPy ones: writes ``results/gbm.csv``.

All models of a part are trained in turn, a round each: ratios within one run. Each part is a process of its own. One
objective does nothing but hand over arrays that are there already: what is left of it is what the library itself takes
for an objective that is not built in. CatBoost's calls, thousands a round, are timed one by one.
"""

from __future__ import annotations

import argparse
import functools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import _common
import numpy as np

import nbloss
from nbloss.gbm import Objective

CASES = {
    "BinaryCrossEntropy": nbloss.BinaryCrossEntropy(),
    "BinaryFocal": nbloss.BinaryFocal(),
    "CrossEntropy": nbloss.CrossEntropy(),
}
BUILT_IN: dict[tuple[str, int], dict[str, Any]] = {
    ("xgboost", 1): {"objective": "binary:logistic"},
    ("xgboost", 10): {"objective": "multi:softprob", "num_class": 10},
    ("lightgbm", 1): {"objective": "binary", "boost_from_average": False},
    ("lightgbm", 10): {"objective": "multiclass", "num_class": 10, "boost_from_average": False},
}


class Timed:
    """An objective that notes what its calls take."""

    def __init__(self, objective: Any) -> None:
        self.objective = objective
        self.seconds: list[float] = []

    def __call__(self, y_pred: Any, data: Any) -> Any:
        start = time.perf_counter()
        result = self.objective(y_pred, data)
        self.seconds.append(time.perf_counter() - start)
        return result


def numpy_logistic(z: Any, data: Any) -> Any:
    p = 1 / (1 + np.exp(-z))
    return p - data.get_label(), p * (1 - p)


def numpy_focal(z: Any, data: Any) -> Any:
    y = data.get_label()
    s = np.where(y == 1, z, -z)
    p, q = 1 / (1 + np.exp(-s)), 1 / (1 + np.exp(s))
    log_p = -np.logaddexp(0, -s)
    a = np.where(y == 1, 0.25, 0.75)
    slope = 2 * p * log_p - q
    hessian = a * p * q * (q * q * (2 * log_p + 3) - 2 * q * slope)
    return np.where(y == 1, 1, -1) * a * q * q * slope, np.maximum(hessian, 1e-2)


def numpy_softmax(z: Any, data: Any) -> Any:
    e = np.exp(z - z.max(1, keepdims=True))
    p = e / e.sum(1, keepdims=True)
    gradient = p.copy()
    gradient[np.arange(len(z)), data.get_label().astype(np.int64)] -= 1
    return gradient, 2 * p * (1 - p)


NUMPY = {"BinaryCrossEntropy": numpy_logistic, "BinaryFocal": numpy_focal, "CrossEntropy": numpy_softmax}


class Ready:
    """An objective that computes only once: its rounds are those of the library."""

    def __init__(self, objective: Any) -> None:
        self.objective = objective
        self.result: Any = None

    def __call__(self, y_pred: Any, data: Any) -> Any:
        if self.result is None:
            self.result = tuple(map(np.copy, self.objective(y_pred, data)))
        return self.result


def steps(library: str, x: Any, y: Any, classes: int, depth: int, ways: dict[str, Any]) -> dict[str, Callable[[], Any]]:
    """Return for each way a function that trains one more round."""
    settings = BUILT_IN[library, classes]
    if library == "xgboost":  # only one of the two in a process, each of which brings its threads
        import xgboost

        of_xgboost = {"max_depth": depth, "nthread": _common.THREADS, "eta": 0.1, "base_score": 0.5, **settings}
        matrix = xgboost.QuantileDMatrix(x, y)
        boosters = {name: xgboost.Booster(of_xgboost, [matrix]) for name in ways}
        counts = dict.fromkeys(ways, 0)

        def step(name: str) -> None:
            boosters[name].update(matrix, counts[name], fobj=ways[name])
            counts[name] += 1

        return {name: functools.partial(step, name) for name in ways}
    import lightgbm

    shared = {"num_leaves": 2**depth, "max_depth": depth, "num_threads": _common.THREADS, "force_row_wise": True}
    shared["verbosity"] = -1
    data = lightgbm.Dataset(x, y, params=shared).construct()
    custom = {"objective": "none", **({"num_class": classes} if classes > 1 else {})}
    models = {name: lightgbm.Booster({**shared, **(custom if way else settings)}, data) for name, way in ways.items()}
    return {name: functools.partial(models[name].update, fobj=way) for name, way in ways.items()}


def measure(library: str, rows: int, names: list[str], rounds: int, depth: int = 3) -> list[_common.Row]:
    """Return the rows of some losses, of which the first is the built-in one's."""
    classes = 10 if names[0] == "CrossEntropy" else 1
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, 10), dtype=np.float32)
    score = x[:, 0] - 0.5 * x[:, 1] + rng.logistic(size=rows)
    y = (score > 0).astype(np.float32) if classes == 1 else np.digitize(score, np.linspace(-3, 3, 9)).astype(np.float32)
    hessian = library if classes > 1 else "exact"
    ways: dict[str, Any] = {"built-in": None}
    for name in names:
        ways[name] = Timed(Objective(CASES[name], hessian))
        ways[name + " unchecked"] = Timed(Objective(CASES[name], hessian, check_finite=False))
        ways[name + " NumPy"] = Timed(NUMPY[name])
    ways["ready"] = Timed(Ready(Objective(CASES[names[0]], hessian)))
    found = _common.interleaved(steps(library, x, y, classes, depth, ways), rounds)
    rows_found: list[_common.Row] = []
    for name, seconds in found.items():
        way = ways[name]
        is_ready = name == "ready"
        row: _common.Row = {"library": library, "rows": rows}
        row["loss"] = names[0] if way is None or is_ready else name.split(" ")[0]
        row["objective"] = "built-in" if way is None else name if is_ready else "NumPy" if "NumPy" in name else "nbloss"
        row["checked"] = "no" if "unchecked" in name else "yes" if row["objective"] == "nbloss" else ""
        row |= {"round ms": 1e3 * seconds, "of built-in": seconds / found["built-in"], "of NumPy": ""}
        row |= {"call ms": "", "call of built-in": ""}
        if way:
            call = statistics.median(way.seconds[1:])
            row |= {"call ms": 1e3 * call, "call of built-in": call / found["built-in"]}
            row["of NumPy"] = seconds / found[f"{row['loss']} NumPy"]
        rows_found.append(row)
    return rows_found


def calls_of_catboost(rounds: int) -> list[_common.Row]:
    """Return the rows of single calls, of as many rows as CatBoost hands over at once."""
    rng = np.random.default_rng(0)
    rows: list[_common.Row] = []

    def add(name: str, size: int, ours: Callable[[], Any], numpy: Callable[[], Any]) -> None:
        ways = {"nbloss": functools.partial(many, ours), "NumPy": functools.partial(many, numpy)}
        found = _common.interleaved(ways, rounds)
        for way, seconds in found.items():
            row: _common.Row = {"library": "catboost", "rows": size, "loss": name, "objective": way, "checked": ""}
            row |= {"round ms": "", "of built-in": "", "of NumPy": seconds / found["NumPy"]}
            rows.append(row | {"call ms": 1e3 * seconds / CALLS, "call of built-in": ""})

    for name in SCALAR:
        for size in (500, 1000):
            z, y = rng.standard_normal(size), (rng.random(size) < 0.5).astype(np.float32)
            objective = Objective(CASES[name])
            by_hand = functools.partial(for_catboost, NUMPY[name], z, Labels(y))
            add(name, size, functools.partial(objective.calc_ders_range, z, y, None), by_hand)
    for classes in (3, 10):
        z = rng.standard_normal(classes)
        objective = Objective(CASES["CrossEntropy"])
        one = functools.partial(objective.calc_ders_multi, z, 1.0, None)
        add(f"CrossEntropy K={classes}", 1, one, functools.partial(numpy_softmax_row, z, 1))
    return rows


CALLS = 1000  # at once


def many(call: Callable[[], Any]) -> None:
    for _ in range(CALLS):
        call()


class Labels:
    """What NumPy's objectives ask for labels."""

    def __init__(self, y: Any) -> None:
        self.y = y

    def get_label(self) -> Any:
        return self.y


def for_catboost(objective: Callable[..., Any], z: Any, data: Any) -> Any:
    result = np.empty((len(z), 2))
    for column, x in zip(result.T, objective(z, data), strict=True):
        np.negative(x, out=column)
    return result


def numpy_softmax_row(z: Any, label: int) -> Any:
    e = np.exp(z - z.max())
    p = e / e.sum()
    gradient, matrix = -p, np.outer(p, p)
    gradient[label] += 1
    matrix[np.arange(len(z)), np.arange(len(z))] -= p
    return gradient.tolist(), matrix.tolist()


SCALAR = ["BinaryCrossEntropy", "BinaryFocal"]
PARTS: dict[str, tuple[str, int, list[str], int]] = {
    "xgboost": ("xgboost", 1_000_000, SCALAR, 1),
    "lightgbm": ("lightgbm", 1_000_000, SCALAR, 1),
    "small xgboost": ("xgboost", 10_000, SCALAR, 20),
    "small lightgbm": ("lightgbm", 10_000, SCALAR, 20),
    "classes xgboost": ("xgboost", 1_000_000, ["CrossEntropy"], 1),
    "classes lightgbm": ("lightgbm", 1_000_000, ["CrossEntropy"], 1),
    "calls catboost": ("catboost", 0, [], 1),
}
"""The library, the number of rows, the losses, and how many times as many rounds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few rounds; print instead of writing")
    parser.add_argument("--only", choices=PARTS, help="one part; its rows replace those written before")
    parser.add_argument("--rounds", type=int, default=11)
    arguments = parser.parse_args()
    if arguments.only is None:
        for part in PARTS:
            options = [f"--rounds={arguments.rounds}", *(["--quick"] if arguments.quick else [])]
            subprocess.run([sys.executable, __file__, f"--only={part}", *options], check=True)
        return
    library, n, losses, times = PARTS[arguments.only]
    rounds = times * (3 if arguments.quick else arguments.rounds)
    measured = measure(library, n, losses, rounds) if n else calls_of_catboost(rounds)
    rows = [{"part": arguments.only} | row for row in measured]
    print(_common.table(list(rows[0]), [list(_common.rounded(row).values()) for row in rows]))
    if not arguments.quick:
        kept = _kept(arguments.only)
        _common.write("gbm", [row for part in PARTS for row in (*kept, *rows) if row["part"] == part])


def _kept(part: str) -> list[_common.Row]:
    if not (_common.RESULTS / "gbm.csv").exists():
        return []
    place = _common.environment()
    found = ({name: x for name, x in row.items() if name not in place} for row in _common.read("gbm"))
    return [row for row in found if row["part"] != part]


if __name__ == "__main__":
    main()
