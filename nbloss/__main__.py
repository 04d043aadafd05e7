"""The command line: ``nbloss``, or ``python -m nbloss``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

MISSING, UNKNOWN = 1, 2


class _Parser(argparse.ArgumentParser):
    """A parser whose errors are one line; it makes those of the commands, too."""

    def error(self, message: str) -> NoReturn:
        self.exit(UNKNOWN, f"nbloss: {message}; see: {self.prog} --help\n")


def _version() -> str:
    import nbloss

    return nbloss.__version__


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in *arguments*, by default those of the process; return the exit status."""
    parser = _Parser(prog="nbloss", description="Loss functions compiled by numba.")
    parser.add_argument("--version", action="version", version=f"nbloss {_version()}")
    commands = parser.add_subparsers(required=True, metavar="command", dest="command")
    info = commands.add_parser("info", help="versions, processor, threads, cache, GPU, and what would be used")
    info.add_argument("--json", action="store_true", help="for programs")
    losses = commands.add_parser("list", help="the losses by task, with what each has")
    losses.add_argument("task", nargs="?", help="only those of this task")
    losses.add_argument("--json", action="store_true", help="for programs")
    show = commands.add_parser("show", help="what one loss is, with a small picture")
    show.add_argument("name")
    bench = commands.add_parser("bench", help="this machine: losses against loops that only read and write")
    bench.add_argument("loss", nargs="*")
    warmup = commands.add_parser("warmup", help="compile losses ahead, with their defaults")
    warmup.add_argument("loss", nargs="+")
    warmup.add_argument("--dtype", action="append", choices=("float64", "float32"), help="by default both")
    commands.add_parser("demo", help="boost trees on real data, check the kernels, and time them")
    given = parser.parse_args(arguments)
    try:
        return _run(given)
    except ModuleNotFoundError as error:
        extra = "demo" if given.command == "demo" else "plot" if error.name == "matplotlib" else "test"
        return _fail(MISSING, f'{given.command} needs {error.name}, which comes with: pip install "nbloss[{extra}]"')
    except BrokenPipeError:  # what reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except ValueError as error:
        return _fail(UNKNOWN, str(error))
    except OSError as error:  # LightGBM finds no OpenMP
        return _fail(
            MISSING, f"{given.command} needs a library of the system (on Debian: apt install libgomp1): {error}"
        )


def _run(given: argparse.Namespace) -> int:
    if given.command == "demo":
        from nbloss import _demo

        _demo.main()
        return 0
    if given.command == "info":
        from nbloss._cli import info

        return info.run(given.json)
    if given.command == "bench":
        from nbloss._cli import bench

        return bench.run(given.loss)
    if given.command == "warmup":
        from nbloss._cli import warmup

        return warmup.run(given.loss, given.dtype or ("float64", "float32"))
    from nbloss._cli import losses

    return losses.run_list(given.task, given.json) if given.command == "list" else losses.run_show(given.name)


def _fail(status: int, words: str) -> int:
    print(f"nbloss: {' '.join(words.split())}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
