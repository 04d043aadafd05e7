"""Turns plain Python formulas into machine code and keeps it on disk: the only module that knows numba's cache.

numba keys a cached function by its own bytecode, its pickled closure and its argument types, but not by the functions
it calls nor by its compile options; and of an intrinsic it pickles a number that each process draws anew, so that
kernels closed over functions that call one would be found by no other process. Hence three habits, kept here: a closure
is known by :func:`nbloss._identity.identity`, the same in every process; the folder's name carries a hash of the
package's sources, so that no edit is served stale; every kernel has a name, and so an index file, of its own. A formula
that is kept as data, as :func:`nbloss.pointwise` makes it, is named by a hash of it, and so those of users are kept,
too.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import pathlib
import pickle
import shutil
import sys
import tempfile
import types
from collections.abc import Callable
from typing import Any

from numba import config, njit
from numba.core import serialize
from numba.core.caching import CompileResultCacheImpl, FunctionCache, IndexDataCacheFile, _CacheLocator
from numba.extending import overload, register_jitable

from nbloss import _graph, _lines, _math, _parallel
from nbloss._emit import let_compile
from nbloss._identity import identity
from nbloss._inlining import Inlined

INLINE = {"forceinline": True, "error_model": "numpy"}
"""For functions in a hot loop: one that stays a call, or may raise at a division, keeps LLVM from vectorising it."""

INLINED = INLINE | {"pipeline_class": Inlined}
"""The same for functions of which the CPU needs no machine code but that of kernels."""

PACKAGE = pathlib.Path(__file__).parent

IN_PYTHON = ("pointwise", "lists", "pairs")
"""Modules of kernels that also run as plain Python; others have vectors, or helpers that only numba can tell apart."""


@functools.cache
def fingerprint() -> str:
    """Hash of every source file of the package."""
    digest = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        digest.update(path.relative_to(PACKAGE).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def cache_folder() -> pathlib.Path | None:
    """Where machine code is kept: the first writable folder of three, or None where none is.

    ``NUMBA_CACHE_DIR`` if it is set, the package's own ``__pycache__``, the user's cache folder.
    Folders of other versions of the same sources, beside it, are dropped.
    """
    install = hashlib.sha256(str(PACKAGE).encode()).hexdigest()[:16]
    bases = [PACKAGE / "__pycache__"]
    with contextlib.suppress(RuntimeError):  # a user whom no list of users has, as in containers, has no home
        user = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path("~/.cache").expanduser())
        bases.append(user / "nbloss" / install)
    if config.CACHE_DIR:
        bases.insert(0, pathlib.Path(config.CACHE_DIR) / "nbloss" / install)
    for base in bases:
        folder = base / f"kernels-{fingerprint()}"
        try:
            is_new = not folder.exists()
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError:
            continue
        if is_new:
            for old in base.glob("kernels-*"):
                if old != folder:
                    shutil.rmtree(old, ignore_errors=True)
        return folder
    return None


def inlined(function: Callable[..., Any], options: dict[str, Any] = INLINE) -> Callable[..., Any]:
    """Let kernels of every target call *function* and the plain functions that it calls; it stays plain Python.

    The *options* are those of the CPU.
    """
    if function in _inlined or function in (*_math.PRIMITIVES, *_lines.PRIMITIVES):
        return function
    _inlined.add(function)
    program = getattr(function, "program", None)
    if program is not None:
        for name in _graph.called_by(program):
            inlined(getattr(_math, name), options)
        let_compile(function, program, INLINE)
    else:
        of_closure = [cell.cell_contents for cell in function.__closure__ or ()]
        for called in (*map(function.__globals__.get, function.__code__.co_names), *of_closure):
            if isinstance(called, types.FunctionType):
                inlined(called, options)
        register_jitable(**INLINE)(function)
        overload(function, target="cpu", strict=False, jit_options=options)(lambda *arguments, **named: function)
    return function


_inlined: set[Callable[..., Any]] = set()


def compiled(
    kernel: Callable[..., Any], signature: Any, formula: Callable[..., Any], *parts: Any, parallel: bool
) -> Any:
    """Compile *kernel*, made for *formula* and named by *parts*, for one signature, or load it from the disk.

    What is *parallel* comes as a function that goes through the gate of :mod:`nbloss._parallel`; its serial twin is
    compiled when it is first needed. With ``NUMBA_DISABLE_JIT``, kernels are plain Python, to be stepped through, but
    for those that work in registers.
    """
    if config.DISABLE_JIT:
        if kernel.__module__.rpartition(".")[2] not in IN_PYTHON:
            raise NotImplementedError(
                "NUMBA_DISABLE_JIT must not be set but for losses of elements and of ranked lists, since other kernels "
                f"are no Python, got it set to {config.DISABLE_JIT}"
            )
        return kernel
    name = ".".join(map(str, (formula.__module__, formula.__qualname__, *parts, "parallel" if parallel else "serial")))
    function = types.FunctionType(kernel.__code__, kernel.__globals__, name, kernel.__defaults__, kernel.__closure__)
    function.__qualname__ = name
    dispatcher = njit(parallel=parallel, error_model="numpy")(function)
    if formula.__module__.split(".")[0] == __package__ and cache_folder() is not None:  # other sources: no fingerprint
        dispatcher._cache = _DiskCache(function)
        dispatcher._cache.is_named_fully = formula.__module__ == _graph.__name__
    with _parallel.undivided:
        dispatcher.compile(signature)
    dispatcher.disable_compile()
    if not parallel:
        return dispatcher

    @functools.cache
    def twin() -> Any:
        return compiled(kernel, signature, formula, *parts, parallel=False)

    def through_gate(*arguments: Any) -> Any:
        return _parallel.run(dispatcher, twin, arguments)

    return through_gate


class _Locator(_CacheLocator):
    """Puts a kernel into :func:`cache_folder`."""

    def __init__(self, py_file: str) -> None:
        self._py_file = py_file

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> _Locator:
        return cls(py_file)

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return fingerprint()

    def get_disambiguator(self) -> str:
        return sys.platform


class _Impl(CompileResultCacheImpl):
    _locator_classes = (_Locator,)


class _Files(IndexDataCacheFile):
    """Files that tell whether they are whole and which kernel they hold.

    A computer that stops may leave a file without its end; processes of two kinds of machines that share a folder may
    take one name for two kernels. Such machine code would be run.
    """

    def save(self, key: Any, data: Any) -> None:
        body = serialize.dumps((key, data))
        super().save(key, (hashlib.sha256(body).digest(), body))

    def load(self, key: Any) -> Any:
        digest, body = super().load(key) or (None, b"")
        if digest != hashlib.sha256(body).digest():
            return None
        found, data = pickle.loads(body)
        return data if found == key else None


class _DiskCache(FunctionCache):
    """numba's cache of one function, for which a missing, full or damaged folder means to compile anew."""

    _impl_class = _Impl
    is_named_fully = False
    """Whether the name of the kernel tells all that it does, as that of a formula kept as data does."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__(function)
        self._cache_file = _Files(self._cache_path, self._impl.filename_base, fingerprint())

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        if self.is_named_fully:
            return sig, codegen.magic_tuple(), self._py_func.__qualname__
        try:
            made_of = identity(self._py_func)
        except TypeError:  # closed over what only numba's own key can tell apart
            return super()._index_key(sig, codegen)
        return sig, codegen.magic_tuple(), hashlib.sha256(repr(made_of).encode()).hexdigest()

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # whatever unpickling a damaged file raises
            with contextlib.suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        with contextlib.suppress(OSError):
            super().save_overload(sig, data)
