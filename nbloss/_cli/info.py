"""``nbloss info``: what is installed, what the machine has, and what would be used."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import platform
import sys
from typing import Any

PACKAGES = (
    "nbloss", "numba", "llvmlite", "numpy", "numba-cuda", "cupy-cuda13x", "cupy-cuda12x", "tbb", "mpmath", "matplotlib",
    "xgboost", "lightgbm", "catboost", "scikit-learn", "torch", "jax", "dask",
)  # fmt: skip


def run(as_json: bool) -> int:
    """Print what :func:`collect` finds."""
    found = collect()
    if as_json:
        print(json.dumps(found, indent=2))
        return 0
    for title, facts in found.items():
        print(title)
        for name, value in facts.items():
            print(f"  {name:18} {value}")
    return 0


def collect() -> dict[str, dict[str, Any]]:
    """Return facts by title and name; what JSON knows only."""
    return {
        "versions": _versions(),
        "processor": _processor(),
        "threads": _threads(),
        "cache": _cache(),
        "cuda": _cuda(),
    }


def _versions() -> dict[str, Any]:
    import nbloss

    found = {"python": platform.python_version(), "system": platform.platform(), "nbloss": nbloss.__version__}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> dict[str, Any]:
    path = pathlib.Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    facts: dict[str, str] = {}
    for line in lines:
        name, _, text = line.partition(":")
        facts.setdefault(name.strip(), text.strip())  # those of the first core
    flags = facts.get("flags", facts.get("Features", "")).split()
    import llvmlite.binding as llvm

    return {
        "name": facts.get("model name", platform.processor() or platform.machine()),
        "cores": os.cpu_count(),
        "cores to use": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "vectors": next((x for x in ("avx512f", "avx2", "sve", "asimd") if x in flags), "unknown"),
        "compiled for": llvm.get_host_cpu_name(),
    }


def _threads() -> dict[str, Any]:
    import numba

    import nbloss

    nbloss.Huber()  # numba's own number is known only once it is loaded
    n = nbloss.get_num_threads()
    return {
        "a call uses": n,
        "numba has": numba.config.NUMBA_NUM_THREADS,
        "layer": numba.config.THREADING_LAYER,
        "why": _why(),
    }


def _why() -> str:
    for name in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name):
            return f"{name}={os.environ[name]}"
    return "the cores that this process may use"


def _cache() -> dict[str, Any]:
    from nbloss._compile import cache_folder

    folder = cache_folder()
    if folder is None:
        return {"folder": None, "why": "none of its places can be written: every process compiles anew"}
    files = [file for file in folder.rglob("*") if file.is_file()]
    megabytes = sum(file.stat().st_size for file in files) / 1e6
    why = "NUMBA_CACHE_DIR" if os.environ.get("NUMBA_CACHE_DIR") else "the first place that can be written"
    return {"folder": str(folder), "files": len(files), "megabytes": round(megabytes, 1), "why": why}


def _cuda() -> dict[str, Any]:
    if os.environ.get("NUMBA_ENABLE_CUDASIM") == "1":
        return {"used": False, "why": "NUMBA_ENABLE_CUDASIM=1: numba's simulator stands in for a device"}
    try:
        importlib.metadata.version("numba-cuda")
    except importlib.metadata.PackageNotFoundError:
        return {"used": False, "why": 'numba-cuda is not installed: pip install "nbloss[cuda]"'}
    try:
        from numba import cuda

        if not cuda.is_available():
            return {"used": False, "why": "numba-cuda finds no driver or no device"}
        device = cuda.get_current_device()
        name = device.name.decode() if isinstance(device.name, bytes) else str(device.name)
        return {
            "used": True,
            "why": "for arrays that live on it",
            "device": name,
            "capability": ".".join(map(str, device.compute_capability)),
            "multiprocessors": device.MULTIPROCESSOR_COUNT,
        }
    except Exception as error:  # whatever a broken driver raises
        return {"used": False, "why": f"{type(error).__name__}: {error}".splitlines()[0]}


if __name__ == "__main__":
    sys.exit(run(False))
