"""The command line: ``python -m nbloss demo``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command in *arguments*, by default those of the process."""
    parser = argparse.ArgumentParser(prog="nbloss", description="Loss functions compiled by numba.")
    commands = parser.add_subparsers(required=True, metavar="command")
    demo = commands.add_parser("demo", help="boost trees on real data, check the kernels, and time them")
    demo.set_defaults(run=_run_demo)
    parser.parse_args(arguments).run()


def _run_demo() -> None:
    try:
        from nbloss import _demo
    except ModuleNotFoundError as error:
        sys.exit(f'nbloss demo needs {error.name}, which comes with: pip install ".[demo]"')
    except OSError as error:  # LightGBM finds no OpenMP
        sys.exit(f"nbloss demo needs a library of the system (on Debian: apt install libgomp1): {error}")
    _demo.main()


if __name__ == "__main__":
    main()
