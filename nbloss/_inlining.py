"""How functions that kernels inline are compiled: typed and lowered, and then left to the kernels.

numba optimises each function by itself and makes machine code of it, then once more as a part of each function that
calls it, and so on up to the kernel. Of functions that only kernels call, all but the last of that is for nothing: it
is half of the time that a kernel with a few dozen of them takes to compile.
"""

from __future__ import annotations

from typing import Any

from llvmlite.binding import create_new_module_pass_manager
from numba import _dynfunc
from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import register_pass
from numba.core.typed_passes import NativeLowering


class _Instructions(JITCodeLibrary):
    """Instructions of a function as they were made, not even joined with those of the functions that it calls.

    Only variables leave the memory where numba puts them: LLVM tidies up branches before it does that, and branches
    tidied around loads and stores stay branches, so that loops around many of them would not be vectorised.
    """

    def add_llvm_module(self, ll_module: Any) -> None:
        ll_module.data_layout = self._codegen._data_layout
        passes = create_new_module_pass_manager()
        passes.add_sroa_pass()
        passes.run(ll_module, self._codegen._pass_builder())
        self._final_module.link_in(ll_module)

    def finalize(self) -> None:
        self._finalized = True

    def with_callees(self) -> tuple[Any, ...]:
        """Return all that must be linked into a kernel which calls the function."""
        return (self, *self._linking_libraries)


@register_pass(mutates_CFG=True, analysis_only=False)
class _Lowering(NativeLowering):
    _name = "nbloss_lowering_of_inlined"

    def run_pass(self, state: Any) -> bool:
        state.library = _Instructions(state.targetctx.codegen(), state.func_id.func_qualname)
        state.flags.no_compile = True
        super().run_pass(state)
        lowered, address = state["cr"], 0
        # what Python would call; nobody does, but numba knows functions by such objects
        entry = _dynfunc.make_function(
            lowered.fndesc.lookup_module(), state.func_id.func_name, "", address, lowered.env, (state.library,)
        )
        state.targetctx.insert_user_function(entry, lowered.fndesc, state.library.with_callees())
        state["cr"] = lowered._replace(cfunc=entry)
        return True


class Inlined(Compiler):
    """numba's compiler for functions of which no machine code of their own is wanted."""

    def define_pipelines(self) -> list[Any]:
        [manager] = super().define_pipelines()
        manager.passes = [(_Lowering if step is NativeLowering else step, name) for step, name in manager.passes]
        manager.finalize()
        return [manager]
