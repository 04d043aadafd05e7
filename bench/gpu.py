"""Everything that only a CUDA device can show: right results on it, and their speed.

    python bench/gpu.py --all

checks every loss against the CPU, then measures; it writes ``results/gpu.csv``, ``results/gpu-checks.csv`` and the
chart ``results/gpu.svg``, and ends with an error if a check failed. It needs a device, NumPy, numba and numba-cuda;
CuPy and PyTorch are measured beside where they are installed. What fails is written down, and the rest goes on.

Bandwidth is that of the bytes that the arrays have, each read or written once, by the medians of event times, with
arrays larger than the level-2 cache, of fresh random numbers; beside it, that of a copy within the device by the
driver, taken in turn in the same rounds.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import functools
import importlib.metadata
import math
import pathlib
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import _gpu_rivals
import numpy as np
from _gpu_chart import chart
from _gpu_checks import MOST_ULPS, brief, check, distance
from numba import config, cuda

import nbloss
from nbloss.families.pointwise import Pointwise
from nbloss.families.rowwise import Rowwise
from nbloss.loss import UNIT

Row = dict[str, Any]
CLASSES = (3, 10, 32, 100, 1000, 10_000, 50_257)
GOALS = {"pointwise": 0.90, "rows": 0.85}


# Measurements


def seconds(ways: dict[str, Callable[[], Any]], rounds: int, times: int = 4) -> dict[str, float]:
    """Return the median seconds of a call of each way by events, taken in turn; the first call is not counted."""
    for name in list(ways):
        ways[name]()
    cuda.synchronize()
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start, stop = cuda.event(), cuda.event()
            way()  # so that the device has work while the host prepares what is timed
            start.record()
            for _ in range(times):
                way()
            stop.record()
            stop.synchronize()
            found[name].append(cuda.event_elapsed_time(start, stop) / 1e3 / times)
    return {name: statistics.median(x) for name, x in found.items()}


def measured(
    kind: str, name: str, shape: tuple[int, ...], moved: int, ways: dict[str, Callable[[], Any]], rounds: int
) -> Iterator[Row]:
    """Give a row for each way, with the bandwidth of the bytes *moved* as a share of that of a copy of as many."""
    source, target = (cuda.device_array(max(1, moved // 2), np.uint8) for _ in range(2))
    usable: dict[str, Callable[[], Any]] = {"copy": lambda: target.copy_to_device(source)}
    for way, call in ways.items():
        try:
            call()
            cuda.synchronize()
            usable[way] = call
        except Exception as error:
            yield {"kind": kind, "case": name, "shape": shape, "way": way, "error": brief(error)}
    taken = seconds(usable, rounds)
    for way, t in taken.items():
        row: Row = {"kind": kind, "case": name, "shape": "x".join(map(str, shape)), "way": way}
        t = t or math.nan
        row |= {"us": 1e6 * t, "GB/s": moved / t / 1e9, "of copy": taken["copy"] / t}
        row |= {"goal": GOALS.get(kind, "") if way == "nbloss" else "", "error": ""}
        print(f"{name:44} {row['shape']:>16} {way:14} {row['us']:10.1f} us {row['of copy']:6.2f} of copy", flush=True)
        yield row


def numbers(rng: Any, loss: Any, n: int, dtype: Any) -> tuple[Any, Any]:
    """Return random targets and predictions in the domain of a pointwise loss."""
    target, prediction = loss.domain
    binary = type(loss).__module__.startswith("nbloss.losses.binary")

    def within(interval: nbloss.Interval) -> Any:
        x = rng.random(n, np.float32)
        if interval == UNIT:
            return x
        return interval.low + 0.1 + 4 * x if math.isfinite(interval.low) else 6 * x - 3

    y = rng.integers(0, 2, n, np.int8) if binary else within(target)
    return y.astype(dtype), within(prediction).astype(dtype)


def of_pointwise(rng: Any, n: int, rounds: int, only: str) -> Iterator[Row]:
    """Measure gradient and Hessian, and the mean, of every pointwise loss in float32, and of some in float64."""
    for loss in nbloss.ALL:
        if not issubclass(loss, Pointwise) or only not in loss.__name__:
            continue
        for dtype in (np.float32, np.float64) if loss.__name__ in ("Huber", "BinaryCrossEntropy") else (np.float32,):
            yield from attempt(functools.partial(_of_one, rng, loss(), n, dtype, rounds))


def _of_one(rng: Any, loss: Any, n: int, dtype: Any, rounds: int) -> Iterator[Row]:
    size = n * 4 // np.dtype(dtype).itemsize
    y, z = map(cuda.to_device, numbers(rng, loss, size, dtype))
    g, h, mean = cuda.device_array_like(z), cuda.device_array_like(z), cuda.device_array((), np.float64)
    name = f"{type(loss).__name__} {np.dtype(dtype).name}"
    ways: dict[str, Callable[[], Any]] = {"nbloss": lambda: loss.gradient_and_hessian(y, z, out=(g, h))}
    yield from measured(
        "pointwise", f"{name} gradient and Hessian", (size,), 4 * z.nbytes,
        ways | _gpu_rivals.derivatives(loss, y, z), rounds,
    )  # fmt: skip
    ways = {"nbloss": lambda: loss.value(y, z, out=mean)}
    yield from measured("sums", f"{name} mean", (size,), 2 * z.nbytes, ways, rounds)
    ways = {"nbloss": lambda: loss.value_and_gradient(y, z, out=(mean, g))}
    yield from measured(
        "sums", f"{name} mean and gradient", (size,), 3 * z.nbytes, ways | _gpu_rivals.training(loss, y, z), rounds
    )  # fmt: skip


def of_rows(rng: Any, n: int, rounds: int, only: str) -> Iterator[Row]:
    """Measure the cross-entropy for many numbers of classes, and every other loss of rows for 1000."""
    for loss in nbloss.ALL:
        if not issubclass(loss, Rowwise) or only not in loss.__name__:
            continue
        for classes in CLASSES if loss is nbloss.CrossEntropy else (1000,):
            yield from attempt(functools.partial(_of_rows, rng, loss(), n, classes, rounds))


def _of_rows(rng: Any, loss: Any, n: int, classes: int, rounds: int) -> Iterator[Row]:
    rows = max(1, n // classes)
    x = 6 * rng.random((rows, classes), np.float32) - 3
    if loss.domain.prediction == UNIT:
        x = np.exp(x)
        x /= x.sum(-1, keepdims=True)
    z = cuda.to_device(x)
    labels = loss.takes_labels
    y = cuda.to_device(rng.integers(0, classes, rows) if labels else np.exp(x) / np.exp(x).sum(-1, keepdims=True))
    g, h, mean = cuda.device_array_like(z), cuda.device_array_like(z), cuda.device_array((), np.float64)
    kind = "rows" if isinstance(loss, nbloss.CrossEntropy) and classes >= 1000 else "few classes"
    ways: dict[str, Callable[[], Any]] = {"nbloss": lambda: loss.gradient_and_hessian(y, z, out=(g, h))}
    name = type(loss).__name__
    yield from measured(kind, f"{name} gradient and Hessian", z.shape, 3 * z.nbytes + y.nbytes, ways, rounds)
    ways = {"nbloss": lambda: loss.value_and_gradient(y, z, out=(mean, g))}
    rivals = _gpu_rivals.training(loss, y, z)
    yield from measured(kind, f"{name} mean and gradient", z.shape, 2 * z.nbytes + y.nbytes, ways | rivals, rounds)


def of_calls(times: int) -> Iterator[Row]:
    """Measure the host's time of a call on small arrays, which the device is faster with."""
    loss = nbloss.Huber()
    y, z, g = (cuda.to_device(np.zeros(1000, np.float32)) for _ in range(3))
    arrays = [Interface(a) for a in (y, z, g)]
    for name, (a, b, c) in {"numba arrays": (y, z, g), "bare interfaces": arrays}.items():
        best = math.inf
        for _ in range(20):
            cuda.synchronize()
            start = time.perf_counter()
            for _ in range(times):
                loss.gradient(a, b, out=c)
            best = min(best, (time.perf_counter() - start) / times)
        print(f"host time of a call, three {name}: {1e6 * best:.2f} us", flush=True)
        yield {"kind": "call", "case": f"gradient of 1000, {name}", "shape": "1000", "way": "nbloss", "us": 1e6 * best}


class Interface:
    """An array with an interface and nothing else, on a stream."""

    def __init__(self, a: Any, stream: int = 1) -> None:
        self._owner, self._stream, self._of = a, stream, dict(a.__cuda_array_interface__)

    @property
    def __cuda_array_interface__(self) -> Row:
        return {**self._of, "version": 3, "stream": self._stream}


def of_graphs() -> Iterator[Row]:
    """Capture a call as a CUDA graph, change the arrays, launch the graph and compare."""
    from cuda.core import Device

    loss, rng = nbloss.Huber(), np.random.default_rng()
    row: Row = {"kind": "graph", "case": "value and gradient, captured", "shape": "4096", "way": "nbloss"}
    first, second = rng.random((2, 4096), np.float32), rng.random((2, 4096), np.float32)
    owners = [cuda.to_device(x) for x in (*first, np.zeros(4096, np.float32), np.zeros(()))]
    device = Device()
    device.set_current()
    stream = device.create_stream()
    y, z, g, mean = (Interface(a, int(stream.handle)) for a in owners)
    loss.value_and_gradient(y, z, out=(mean, g))  # makes room for sums, and compiles
    stream.sync()
    builder = stream.create_graph_builder().begin_building()
    loss.value_and_gradient(y, z, out=(mean, g))
    graph = builder.end_building().complete()
    for owner, x in zip(owners, second, strict=False):
        owner.copy_to_device(x)
    graph.launch(stream)
    stream.sync()
    wanted = loss.value_and_gradient(*second)
    got = owners[3].copy_to_host(), owners[2].copy_to_host()
    worst = max(distance(a, np.asarray(b), tuple(second)) for a, b in zip(got, wanted, strict=True))
    print(f"a captured call: {worst:.3g} ulp from the CPU", flush=True)
    yield {**row, "error": "" if worst <= MOST_ULPS else f"{worst:.3g} ulp from the CPU"}


def attempt(make: Callable[[], Iterator[Row]]) -> list[Row]:
    """Return the rows, or one with what went wrong."""
    try:
        return list(make())
    except Exception as error:
        traceback.print_exc()
        return [{"kind": "failed", "case": getattr(make, "__name__", ""), "error": brief(error)}]


# All


def environment() -> Row:
    """Return what the figures depend on."""
    found: Row = {"date": datetime.date.today().isoformat(), "python": sys.version.split()[0]}
    found["nbloss"] = nbloss.__version__
    for name in ("numba", "numba-cuda", "cuda-core", "numpy", "cupy-cuda13x", "cupy-cuda12x", "torch"):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = ""
    if not config.ENABLE_CUDASIM:
        from cuda.core import Device

        device = Device()
        found |= {"gpu": device.name, "capability": ".".join(map(str, device.compute_capability))}
    return found


def level_2_cache() -> int:
    """Return the bytes of the level-2 cache."""
    from cuda.core import Device

    try:
        return int(Device().properties.l2_cache_size)
    except Exception:
        return 64 << 20


def write(path: pathlib.Path, rows: Sequence[Row], place: Row) -> None:
    """Write the rows, and what they depend on, as CSV."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*names, *place], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            cut = {name: f"{x:.5g}" if isinstance(x, float) else x for name, x in row.items()}
            writer.writerow(cut | place)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="check and measure")
    parser.add_argument("--check", action="store_true", help="compare every loss with the CPU")
    parser.add_argument("--measure", action="store_true", help="measure")
    parser.add_argument("--only", default="", help="losses whose class has this in its name")
    parser.add_argument("--size", type=int, default=0, help="float32 numbers of an array (many times the L2 cache)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--into", type=pathlib.Path, default=pathlib.Path(__file__).parent / "results")
    options = parser.parse_args(arguments)
    if not (options.all or options.check or options.measure):
        parser.error("say --all, --check or --measure")
    if not cuda.is_available():
        print("no CUDA device, or no driver for it, was found: nothing was checked or measured", file=sys.stderr)
        return 2
    config.CUDA_LOW_OCCUPANCY_WARNINGS = 0
    place = environment()
    print(", ".join(f"{name} {x}" for name, x in place.items() if x), flush=True)
    options.into.mkdir(parents=True, exist_ok=True)
    failed = 0
    if options.all or options.check:
        checks = check(options.only)
        failed = sum(row["ok"] != "yes" for row in checks)
        write(options.into / "gpu-checks.csv", checks, place)
        print(f"{len(checks) - failed} of {len(checks)} checks passed", flush=True)
    if options.all or options.measure:
        n = options.size or 1 << max(26, (2 * level_2_cache()).bit_length())
        rng = np.random.default_rng()
        rows: list[Row] = []
        parts: list[Callable[[], Iterator[Row]]] = [
            lambda: of_calls(1000),
            of_graphs,
            lambda: of_pointwise(rng, n, options.rounds, options.only),
            lambda: of_rows(rng, n, options.rounds, options.only),
        ]
        for part in parts:
            rows += attempt(part)
            write(options.into / "gpu.csv", rows, place)  # so that what is known stays, whatever comes
        (options.into / "gpu.svg").write_text(chart(rows, f"{place.get('gpu', '')}, {place['date']}"))
        failed += sum(bool(row.get("error")) for row in rows)
        for row in rows:
            if row.get("goal") and not row["of copy"] >= row["goal"]:
                print(f"below the goal: {row['case']} {row['shape']}: {row['of copy']:.2f}, not {row['goal']}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
