"""Runs jobs in processes of their own, so that no kernel that fails or hangs takes those after it along.

A process writes down what each of its jobs gives, a line for each. Where one ends before its time, or is silent for
too long, its job counts as failed, and another process goes on with the next.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Row = dict[str, Any]

PATIENCE = 240
"""Seconds without a word after which a process is taken to hang."""


LATE = "not done: out of time"
"""The error of what there was no time for."""

BETWEEN = 77
"""What a process ends with that cannot go on with its next job, after it has written down the last one."""


class Worker:
    """A process that works on every so many-th job, and goes on in another one where it ends too early."""

    def __init__(self, command: Sequence[str], names: Sequence[str], share: list[int], file: pathlib.Path) -> None:
        self._command, self._names, self._jobs, self._file = command, names, share, file
        self._read = 0
        self._process: subprocess.Popen[bytes] | None = None
        file.touch()
        self._start()

    def _start(self) -> None:
        self._heard = time.monotonic()
        if not self._jobs:
            self._process = None
            return
        jobs = ",".join(map(str, self._jobs))
        # one thread of the CPU each: there are as many processes as cores
        environment = {**os.environ, "NUMBA_NUM_THREADS": "1"}
        command = [*self._command, "--jobs", jobs, "--lines", str(self._file)]
        self._process = subprocess.Popen(command, env=environment)

    @property
    def is_done(self) -> bool:
        return not self._jobs

    def news(self) -> Iterator[tuple[str, list[Row]]]:
        """Give what was found since the last time."""
        text = self._file.read_bytes()
        complete = text[: text.rfind(b"\n") + 1]
        for line in complete[self._read :].splitlines():
            self._heard = time.monotonic()
            found = json.loads(line)
            self._jobs.remove(found["job"])
            yield self._names[found["job"]], found["rows"]
        self._read = len(complete)
        process = self._process
        if not self._jobs or process is None:
            return
        silent = time.monotonic() - self._heard > PATIENCE
        if process.poll() is not None or silent:
            self.stop()
            if len(text) > self._read or self._file.stat().st_size > len(text):
                return  # there is more to read first
            if process.returncode != BETWEEN:
                job = self._jobs.pop(0)
                why = f"no word for {PATIENCE} s" if silent else f"the process ended with {process.returncode}"
                yield self._names[job], [{"error": why}]
            self._start()

    def stop(self) -> list[str]:
        """End the process; return the names of the jobs that are left."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        return [self._names[job] for job in self._jobs]


def run(
    command: Sequence[str],
    names: Sequence[str],
    processes: int,
    deadline: float,
    done: set[str],
    take: Callable[[str, list[Row]], None],
) -> None:
    """Let *processes* do the jobs with these names, but for those *done*, and *take* what they find.

    What is late is not done.
    """
    with tempfile.TemporaryDirectory() as folder:
        jobs = [i for i, name in enumerate(names) if name not in done]
        workers = [
            Worker(command, names, jobs[i::processes], pathlib.Path(folder, f"{i}.jsonl"))
            for i in range(min(processes, len(jobs)))
        ]
        try:
            while not all(worker.is_done for worker in workers):
                for worker in workers:
                    for name, rows in worker.news():
                        take(name, rows)
                if time.monotonic() > deadline:
                    break
                time.sleep(0.1)
        finally:
            left = [name for worker in workers for name in worker.stop()]
        for name in left:
            take(name, [{"error": LATE}])


def work(jobs: Sequence[Callable[[], Iterator[Row]]], chosen: str, lines: str) -> None:
    """Do the chosen ones of the jobs, in a process that :func:`run` has started."""
    with open(lines, "a") as file:
        for number in map(int, chosen.split(",")):
            rows: list[Row] = []
            is_broken = False
            try:
                for row in jobs[number]():
                    rows.append(row)
            except Exception as error:
                rows.append({"error": brief(error)})
                is_broken = is_fatal(error)
            file.write(json.dumps({"job": number, "rows": rows}, default=str) + "\n")
            file.flush()
            if is_broken:
                os._exit(BETWEEN)


def brief(error: BaseException) -> str:
    """Return the first line of an error."""
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]


def is_fatal(error: BaseException) -> bool:
    """Whether nothing on the device works any more in this process."""
    return "CUDA_ERROR" in str(error) and "OUT_OF_MEMORY" not in str(error)


def started_by(*script: str) -> list[str]:
    """Return the command that starts a script."""
    return [sys.executable, *script]
