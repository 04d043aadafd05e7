"""The demo: trees boosted with a robust loss on real data with outliers, the kernels checked, and timed."""

from __future__ import annotations

import multiprocessing
import statistics
from collections.abc import Callable
from typing import Any

import numpy as np
from mpmath import mp
from tqdm import tqdm

import nbloss
from nbloss._roofline import interleaved

LOSS = nbloss.Huber(delta=30.0)
SPLITS = 20
OUTLIERS = 0.1  # share of the training targets
SLIP = 10  # what an outlier is multiplied by
SETTINGS = {"verbosity": -1, "num_threads": 1, "seed": 0, "deterministic": True}  # else LightGBM's defaults

BUILT_IN: dict[str, dict[str, Any]] = {
    "regression (l2, the default)": {"objective": "regression"},
    "huber": {"objective": "huber"},
    "huber, alpha=30": {"objective": "huber", "alpha": 30.0},
    "fair, fair_c=30": {"objective": "fair", "fair_c": 30.0},
    "regression_l1": {"objective": "regression_l1"},
}


def main() -> None:
    """Run the three parts of the demo and print what they find."""
    from sklearn.datasets import load_diabetes

    x, y = load_diabetes(return_X_y=True)
    _boost(x, y)
    x, _, y, _ = _split(x, y, 0)
    prediction = _predict_with(LOSS, x, y, x)
    _check(y, prediction)
    timing = multiprocessing.get_context("spawn").Process(target=_time, args=(y, prediction))
    timing.start()  # away from LightGBM, whose OpenMP is another one than that of scikit-learn
    timing.join()


def _split(x: Any, y: Any, seed: int) -> Any:
    """Return training and held-out features, training targets of which some are outliers, and held-out targets."""
    from sklearn.model_selection import train_test_split

    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, random_state=seed)
    is_outlier = np.random.default_rng(seed).random(y_train.size) < OUTLIERS
    return x_train, x_test, np.where(is_outlier, SLIP * y_train, y_train), y_test


def _predict_with(loss: nbloss.Huber, x: Any, y: Any, x_test: Any) -> Any:
    """Return the predictions for *x_test* of LightGBM trained with an nbloss loss."""
    import lightgbm

    def objective(prediction: Any, data: Any) -> tuple[Any, Any]:
        gradient, hessian = loss.gradient_and_hessian(data.get_label(), prediction)
        # where Huber's loss is linear its Hessian is 0; its upper bound makes steps short instead of infinite
        return gradient, np.maximum(hessian, 1.0)

    start = loss.init_score(y)  # LightGBM neither finds one for a custom objective nor keeps it in the model
    data = lightgbm.Dataset(x, y, init_score=np.full(y.size, start))
    return start + np.asarray(lightgbm.train(SETTINGS | {"objective": objective}, data).predict(x_test))


def _boost(x: Any, y: Any) -> None:
    import lightgbm

    errors: dict[str, list[float]] = {name: [] for name in (*BUILT_IN, repr(LOSS))}
    for seed in tqdm(range(SPLITS), desc="boosting", leave=False):
        x_train, x_test, y_train, y_test = _split(x, y, seed)
        for name, settings in BUILT_IN.items():
            model = lightgbm.train(SETTINGS | settings, lightgbm.Dataset(x_train, y_train))
            errors[name].append(float(np.abs(model.predict(x_test) - y_test).mean()))
        prediction = _predict_with(LOSS, x_train, y_train, x_test)
        errors[repr(LOSS)].append(float(np.abs(prediction - y_test).mean()))

    ours = errors[repr(LOSS)]
    print("1. Gradient boosting where the data hold outliers\n")
    print(f"   Real data: {y.size} patients, progression of diabetes (scikit-learn's load_diabetes), {SPLITS} splits.")
    print(f"   Made up: {OUTLIERS:.0%} of the training targets, as if a decimal point had slipped (x {SLIP}).")
    print("   Mean absolute error on held-out targets, which are as they were; LightGBM's default settings.\n")
    print(f"   {'objective':30} {'error':>7} {'spread':>8}   nbloss is better in")
    for name, found in errors.items():
        wins = sum(a < b for a, b in zip(ours, found, strict=True))
        verdict = "" if found is ours else f"{wins} of {SPLITS} splits"
        print(f"   {name:30} {statistics.mean(found):7.1f} {statistics.stdev(found):8.1f}   {verdict}")
    print("\n   huber and fair start at the mean, where outliers drag them; nbloss starts at loss.init_score(y).")
    print("   regression_l1 withstands outliers too: a custom loss is not needed for that alone.\n")


def _check(y: Any, prediction: Any) -> None:
    print(f"2. The kernels against the oracle, on the {y.size} training targets and predictions of the first split\n")
    print("   largest error in ulp (units in the last place of the exact result)\n")
    print(f"   {'loss':30} {'value':>8} {'gradient':>10} {'Hessian':>9}")
    for loss in (LOSS, nbloss.PseudoHuber(delta=30.0), nbloss.LogCosh()):
        value = loss.value(y, prediction, reduction="none")
        found = (value, *loss.gradient_and_hessian(y, prediction))
        exact = [nbloss.reference.exact(loss, *pair) for pair in zip(y.tolist(), prediction.tolist(), strict=True)]
        worst = [max(map(_ulps, a.tolist(), column)) for a, column in zip(found, zip(*exact, strict=True), strict=True)]
        print(f"   {loss!r:30} {worst[0]:8.2f} {worst[1]:10.2f} {worst[2]:9.2f}")
    print()


def _ulps(found: float, exact: Any) -> float:
    return float(abs(mp.mpf(found) - exact) / np.spacing(abs(float(exact))))


def _time(y: Any, prediction: Any, size: int = 2_000_000) -> None:
    from sklearn._loss import HuberLoss

    y, z = np.resize(y, size), np.resize(prediction, size)
    gradient, hessian = np.empty(size), np.empty(size)
    threads = nbloss.get_num_threads()
    theirs = HuberLoss(delta=LOSS.delta)

    def with_numpy() -> None:
        r = z - y
        np.clip(r, -LOSS.delta, LOSS.delta)
        (np.abs(r) <= LOSS.delta).astype(np.float64)

    ways: dict[str, Callable[[], object]] = {
        "nbloss": lambda: LOSS.gradient_and_hessian(y, z, out=(gradient, hessian)),
        "scikit-learn": lambda: theirs.gradient_hessian(
            y, z, gradient_out=gradient, hessian_out=hessian, n_threads=threads
        ),
        "NumPy": with_numpy,
    }
    rounds = 30  # each of the six orders five times
    seconds = interleaved(ways, rounds)

    print(f"3. Gradient and Hessian of {LOSS!r}, the same data tiled to {size:,} float64 elements, {threads} threads\n")
    for name, found in seconds.items():
        print(f"   {name:30} {1e3 * found:7.2f} ms {found / seconds['nbloss']:8.1f} x")
    print(f"\n   medians of {rounds} rounds, taken in turn, in every order")
