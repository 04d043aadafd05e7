"""Makes machine code of the steps of a formula, for the CPU and for CUDA: they go to LLVM as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from nbloss import _math
from nbloss._graph import CONDITIONS, Program, product

RELATIONS = {"lt": "<", "le": "<=", "eq": "==", "ne": "!="}


def let_compile(formula: Callable[..., Any], program: Program, options: dict[str, Any]) -> None:
    """Let kernels of every target call *formula*, a function of y, z and numbers that computes *program*."""

    @intrinsic
    def results(context: Any, y: Any, z: Any, numbers: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            y, z, numbers = arguments
            operands = [
                None if kind is types.none else builder.extract_value(numbers, i)
                for i, kind in enumerate(signature.args[2])
            ]
            found = _Emitter(context, builder, signature.args[1], y, z, operands).results(program)
            return context.make_tuple(builder, signature.return_type, found)

        return types.UniTuple(z, len(program[1]))(y, z, numbers), generate

    @overload(formula, strict=False, jit_options=options)
    def choose(y: Any, z: Any, *numbers: Any) -> Callable[..., Any]:
        return lambda y, z, *numbers: results(y, z, numbers)


class _Emitter:
    """Instructions for one call of a formula in a real type."""

    def __init__(self, context: Any, builder: Any, real: Any, y: Any, z: Any, numbers: Any) -> None:
        self.context, self.builder, self.real, self.y, self.z, self.numbers = context, builder, real, y, z, numbers
        self._called: dict[Any, Any] = {}

    def results(self, program: Program) -> list[Any]:
        """Return the LLVM values of the results."""
        steps, results = program
        values: list[Any] = []
        for operation, *rest in steps:
            values.append(self._emit(operation, rest, values))
        return [values[a] for a in results]

    def _constant(self, x: float) -> Any:
        return ir.Constant(self.context.get_value_type(self.real), x)

    def _emit(self, operation: str, rest: Any, values: list[Any]) -> Any:
        builder = self.builder
        if operation in ("y", "z"):
            return self.y if operation == "y" else self.z
        if operation == "number":
            return self.numbers[rest[0]]
        if operation == "constant":
            return self._constant(rest[0])
        if operation == "call":
            name, part, *operands = rest
            key = (name, *operands)  # functions of several results are called once
            if key not in self._called:
                self._called[key] = self._call(name, [values[a] for a in operands])
            found = self._called[key]
            return found if part is None else builder.extract_value(found, part)
        if operation == "pow":
            return product(values[rest[1]], rest[0], builder.fmul)
        a, *others = (values[operand] for operand in rest)
        if operation in CONDITIONS:
            compare = builder.fcmp_unordered if operation == "ne" else builder.fcmp_ordered
            return compare(RELATIONS[operation], a, others[0])
        if operation == "select":
            return builder.select(a, *others)
        if operation == "sign":
            zero = self._constant(0.0)
            below = builder.select(builder.fcmp_ordered("<", a, zero), self._negative(others[0]), zero)
            return builder.select(builder.fcmp_ordered(">", a, zero), others[0], below)
        if operation == "abs":
            return self._call("fabs", [a])
        if operation == "neg":
            return self._negative(a)
        return getattr(builder, f"f{operation}")(a, *others)

    def _negative(self, a: Any) -> Any:
        return self.builder.fsub(self._constant(-0.0), a)  # NVVM knows no fneg

    def _call(self, name: str, operands: list[Any]) -> Any:
        function = abs if name == "fabs" else getattr(_math, name)
        typing = self.context.typing_context
        function_type = typing.resolve_value_type(function)
        signature = typing.resolve_function_type(function_type, (self.real,) * len(operands), {})
        call = self.context.get_function(function_type, signature)
        self.context.add_linking_libs(getattr(call, "libs", ()))
        return call(self.builder, operands)
