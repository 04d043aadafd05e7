"""Everything that only a CUDA device can show: right results on it, and their speed.

    python bench/gpu.py --all

checks every loss against the CPU, then measures; it writes ``results/gpu.csv``, ``results/gpu-checks.csv`` and the
chart ``results/gpu.svg``, with the name of the device, and ends with an error if a check failed. It needs a device,
NumPy, numba and numba-cuda; CuPy and PyTorch are measured beside where they are installed. What fails, crashes or
hangs is written down, and the rest goes on; results are written as they come. ``--check`` and ``--measure`` do one
half each, and ``--minutes 9`` ends either in time: what was not done is written down as such, and a later run with
``--resume`` does it, with the same devices and versions.

Checks run in as many processes as there are cores, since most of their time goes into compilation. All that is
measured is compiled before, in the same way; then it is measured by one process alone.

Bandwidth is that of the bytes that the arrays have, each read or written once, by the medians of event times, with
arrays larger than the level-2 cache, of fresh random numbers; beside it, that of a copy within the device by the
driver, taken in turn in the same rounds.
"""

from __future__ import annotations

import argparse
import functools
import math
import os
import pathlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

import _gpu_checks
import _gpu_rivals
import _gpu_workers
import numpy as np
from _gpu_chart import chart
from _gpu_checks import MOST_ULPS, distance, verdict
from _gpu_results import environment, kept, write
from numba import config, cuda

import nbloss
from nbloss.families.paired import Paired
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
            yield {"kind": kind, "case": name, "shape": shape, "way": way, "error": _gpu_workers.brief(error)}
            if _gpu_workers.is_fatal(error):
                raise
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


Job = tuple[str, Callable[[], Iterator[Row]]]


def of_pointwise(rng: Any, n: int, rounds: int, only: str) -> Iterator[Job]:
    """Give measurements of gradient and Hessian, and the mean, of every loss in float32, and of some in float64."""
    for loss in nbloss.ALL:
        if not issubclass(loss, Pointwise) or issubclass(loss, Paired) or only not in loss.__name__:
            continue
        for dtype in (np.float32, np.float64) if loss.__name__ in ("Huber", "BinaryCrossEntropy") else (np.float32,):
            name = f"{loss.__name__} {np.dtype(dtype).name}"
            yield name, functools.partial(_of_one, rng, loss(), n, dtype, rounds)


def _of_one(rng: Any, loss: Any, n: int, dtype: Any, rounds: int) -> Iterator[Row]:
    size = n * 4 // np.dtype(dtype).itemsize
    y, z = map(cuda.to_device, numbers(rng, loss, size, dtype))
    g, h, mean = cuda.device_array_like(z), cuda.device_array_like(z), cuda.device_array((), np.float64)
    name = f"{type(loss).__name__} {np.dtype(dtype).name}"
    ways: dict[str, Callable[[], Any]] = {"nbloss": lambda: loss.gradient_and_hessian(y, z, out=(g, h))}
    yield from measured(
        "pointwise", f"{name} gradient and Hessian", (size,), 4 * z.nbytes,
        ways | _gpu_rivals.ways(_gpu_rivals.derivatives, loss, y, z), rounds,
    )  # fmt: skip
    ways = {"nbloss": lambda: loss.value(y, z, out=mean)}
    yield from measured("sums", f"{name} mean", (size,), 2 * z.nbytes, ways, rounds)
    ways = {"nbloss": lambda: loss.value_and_gradient(y, z, out=(mean, g))}
    ways |= _gpu_rivals.ways(_gpu_rivals.training, loss, y, z)
    yield from measured("sums", f"{name} mean and gradient", (size,), 3 * z.nbytes, ways, rounds)


def of_rows(rng: Any, n: int, rounds: int, only: str) -> Iterator[Job]:
    """Give measurements of the cross-entropy for many numbers of classes, and of other losses of rows for 1000."""
    for loss in nbloss.ALL:
        if not issubclass(loss, Rowwise) or only not in loss.__name__:
            continue
        for classes in CLASSES if loss is nbloss.CrossEntropy else (1000,):
            yield f"{loss.__name__} {classes}", functools.partial(_of_rows, rng, loss(), n, classes, rounds)


def _of_rows(rng: Any, loss: Any, n: int, classes: int, rounds: int) -> Iterator[Row]:
    classes = next((len(x) for x in loss.parameters.values() if isinstance(x, tuple)), classes)
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
    rivals = _gpu_rivals.ways(_gpu_rivals.training, loss, y, z)
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


def measurements(options: argparse.Namespace) -> list[Job]:
    """Return names and measurements."""
    rng, n = np.random.default_rng(), options.size or 1 << max(26, (2 * level_2_cache()).bit_length())
    first: list[Job] = [("calls", lambda: of_calls(1000)), ("graphs", of_graphs)]
    return [
        *first,
        *of_pointwise(rng, n, options.rounds, options.only),
        *of_rows(rng, n, options.rounds, options.only),
    ]


# All


def level_2_cache() -> int:
    """Return the bytes of the level-2 cache."""
    from cuda.core import Device

    try:
        return int(Device().properties.l2_cache_size)
    except Exception:
        return 64 << 20


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    if not cuda.is_available():
        print("no CUDA device, or no driver for it, was found: nothing was checked or measured", file=sys.stderr)
        return 2
    config.CUDA_LOW_OCCUPANCY_WARNINGS = 0
    if options.jobs:
        found = measurements(options) if options.measure else _gpu_checks.jobs(options.only, options.elements)
        _gpu_workers.work([job for _, job in found], options.jobs, options.lines)
        return 0
    place = environment()
    print(", ".join(f"{name} {x}" for name, x in place.items() if x), flush=True)
    options.into.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + 60 * options.minutes
    failed = 0
    if options.all or options.check:
        failed += check(options, place, deadline)
    if options.all or options.measure:
        failed += measure(options, place, deadline)
    return 1 if failed else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="check and measure")
    parser.add_argument("--check", action="store_true", help="compare every loss with the CPU")
    parser.add_argument("--measure", action="store_true", help="measure")
    parser.add_argument("--only", default="", help="losses whose class has this in its name")
    parser.add_argument("--resume", action="store_true", help="do what an earlier run into this folder has not done")
    parser.add_argument("--minutes", type=float, default=math.inf, help="begin nothing after so many")
    parser.add_argument("--processes", type=int, default=min(32, os.cpu_count() or 1), help="for what is compiled")
    parser.add_argument("--elements", type=int, default=1000, help="of the arrays of checks")
    parser.add_argument("--size", type=int, default=0, help="float32 numbers measured (many times the L2 cache)")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--into", type=pathlib.Path, default=pathlib.Path(__file__).parent / "results")
    parser.add_argument("--jobs", default="", help=argparse.SUPPRESS)  # of a process that another one starts
    parser.add_argument("--lines", default="", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if not (options.all or options.check or options.measure):
        parser.error("say --all, --check or --measure")
    return options


def check(options: argparse.Namespace, place: Row, deadline: float) -> int:
    """Check everything; return how much is not as it must be."""
    path = options.into / "gpu-checks.csv"
    rows = kept(path, place) if options.resume else []
    started = time.monotonic()

    def take(name: str, found: list[Row]) -> None:
        for row in map(verdict, found):
            print(f"{row['ok']:4}{row.get('ulps', math.nan):10.3g} ulp  {row.get('arrays', '')}  {name}", flush=True)
            if row.get("error"):
                print(f"    {row['error']}", flush=True)
            rows.append({"job": name} | row)
        write(path, rows, place)

    names = [name for name, _ in _gpu_checks.jobs(options.only, options.elements)]
    done = {row["job"] for row in rows}
    _gpu_workers.run(_again("--check", options), names, options.processes, deadline, done, take)
    failed = [row for row in rows if row["ok"] != "yes"]
    print(f"{len(rows) - len(failed)} of {len(rows)} checks passed in {time.monotonic() - started:.0f} s", flush=True)
    for row in failed:
        print(f"failed: {row['job']}, {row.get('arrays', '')}, {row.get('ulps')} ulp, {row.get('error')}", flush=True)
    return len(failed)


def measure(options: argparse.Namespace, place: Row, deadline: float) -> int:
    """Measure everything; return how much could not be."""
    names = [name for name, _ in measurements(options)]
    path = options.into / "gpu.csv"
    rows = kept(path, place) if options.resume else []
    done = {row["job"] for row in rows}
    started = time.monotonic()

    def take(name: str, found: list[Row]) -> None:
        rows.extend({"job": name} | row for row in found)
        write(path, rows, place)
        (options.into / "gpu.svg").write_text(chart(rows, f"{place.get('gpu', '')}, {place['date']}"))

    # the same of small arrays, so that all kernels are on the disk
    _gpu_workers.run(
        _again("--measure", options, "--size", "65536", "--rounds", "1"), names, options.processes, deadline, done,
        lambda name, found: None,
    )  # fmt: skip
    print(f"compiled in {time.monotonic() - started:.0f} s", flush=True)
    large = ["--rounds", str(options.rounds), "--size", str(options.size)]
    _gpu_workers.run(_again("--measure", options, *large), names, 1, deadline, done, take)
    print(f"compiled and measured in {time.monotonic() - started:.0f} s", flush=True)
    for row in rows:
        if row.get("error"):
            print(f"failed: {row['job']}, {row.get('way', '')}: {row['error']}", flush=True)
        elif row.get("goal") and not row["of copy"] >= row["goal"]:
            print(f"below the goal: {row['case']} {row['shape']}: {row['of copy']:.2f}, not {row['goal']}", flush=True)
    return sum(bool(row.get("error")) for row in rows)


def _again(*options: Any) -> list[str]:
    """Return the command that does a part of the work in a process of its own."""
    what, given, *more = options
    return _gpu_workers.started_by(
        *START, what, "--only", given.only, "--elements", str(given.elements), *more
    )  # fmt: skip


START: tuple[str, ...] = (str(pathlib.Path(__file__).resolve()),)
"""What a process that works on a part is started with."""


if __name__ == "__main__":
    sys.exit(main())
