"""Losses of sets of elements, on a CUDA device: a kernel that adds up, one that finishes, one that writes derivatives.

Blocks of threads add up parts of a set, each in an order that depends on its size alone, and leave their sums in a
scratch; a block for each set adds these in a tree and finishes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import cuda, float64

from nbloss._arrays import DOUBLE, divide, real_of
from nbloss._compile import inlined
from nbloss._cuda.arrays import View, in_order, memory
from nbloss._cuda.blocks import BLOCK, MOST, blocks_for, ends, rounded, tree
from nbloss._cuda.launch import compiled
from nbloss._cuda.layout import arrange, in_c_order, reader, spread, writer
from nbloss._cuda.pointwise import as_weight_of
from nbloss._cuda.sums import divided, scratch
from nbloss._cuda.tuples import adder, caster, putter, taker
from nbloss._program import SetProgram


def run(
    program: SetProgram, want: str, mean: bool, per_image: bool, y: Any, z: View, w: Any, outs: Sequence[View]
) -> None:
    """Evaluate a loss of sets: of each entry of the first axis if *per_image*, else of the whole arrays.

    *want* has a letter for each array in *outs*: "v", "g", "h" for the values, gradients and Hessians, "s" for the sum
    of the values or, with *mean*, their plain mean. A gradient beside it is scaled as it is.
    """
    y, w = (spread(a, z.shape) for a in (y, w))
    placed = dict(zip(want, outs, strict=True))
    gradient, hessian = placed.get("g"), placed.get("h")
    sets = z.shape[0] if per_image else 1
    size = z.size // max(sets, 1)
    arrays = [y, z, w, gradient, hessian]
    real = DOUBLE if program.in_double else real_of(z.dtype)
    with in_order(z, y, w, *outs) as stream:
        lengths, forms, operands = in_c_order(z.shape, arrays) if per_image else arrange(z, arrays)
        chunks = max(1, min(MOST // max(1, min(sets, MOST)), -(-size // BLOCK)))
        partial, values = scratch(sets * chunks * program.sums, z), scratch(sets, z)
        finished = scratch(sets * program.coefficients, z)
        if sets:
            kernel = _kernel(program, "summing", real, forms[:3])
            kernel[rounded(sets * chunks), BLOCK, stream](sets, size, chunks, lengths, *operands[:3], memory(partial))
            kernel = _kernel(program, "finishing", real, ())
            kernel[rounded(sets), BLOCK, stream](
                sets, chunks, program.numbers, memory(partial), memory(values), memory(finished)
            )
        if z.size and (gradient is not None or hessian is not None):
            scale = divide(1.0, sets) if mean and "s" in placed else 1.0
            kernel = _kernel(program, "deriving", real, forms)
            kernel[blocks_for(z.size), BLOCK, stream](z.size, size, lengths, *operands, memory(finished), scale)
        reduce(values, sets, mean, placed, stream)


def reduce(values: View, sets: int, mean: bool, placed: dict[str, View], stream: Any) -> None:
    """Write the values of the sets, their sum or their mean, to where they are wanted."""
    if "s" in placed:
        divided(values, float(sets) if mean else 1.0, placed["s"], stream)
    elif "v" in placed and sets:
        out = placed["v"]
        lengths, (form,), (operand,) = in_c_order(out.shape, [out])
        _copying(form)[blocks_for(sets), BLOCK, stream](sets, lengths, memory(values), operand)


def _copying(form: Any) -> Any:
    kernel = _copies.get(form)
    if kernel is None:
        write = writer(form)

        def copy(size, lengths, a, b):  # type: ignore[no-untyped-def]
            i = cuda.grid(1)
            while i < size:
                write(b, i, lengths, a[i])
                i += cuda.gridsize(1)

        kernel = _copies[form] = compiled(copy, "copying")
    return kernel


_copies: dict[Any, Any] = {}


def _kernel(program: SetProgram, role: str, real: np.dtype[Any], forms: tuple[Any, ...]) -> Any:
    key = ("cuda", role, real, forms)
    kernel = program.kernels.get(key)
    if kernel is None:
        made = {"summing": summing, "finishing": finishing, "deriving": deriving}[role](program, real, forms)
        kernel = program.kernels[key] = compiled(made, f"{program.terms.__qualname__}.{role}")
    return kernel


def summing(program: SetProgram, real: np.dtype[Any], forms: tuple[Any, ...]) -> Any:
    """Return the kernel that adds up weighted terms, for each block of threads: nan for what is outside the domain."""
    f, choices, width, nan, kind = inlined(program.terms), program.choices, program.sums, math.nan, real.type
    (low_y, high_y), (low_z, high_z) = (ends(interval, real) for interval in program.domain)
    read_y, read_z, read_w = (reader(form) for form in forms)
    as_weight, add, put, none = as_weight_of(forms[2]), adder(width), putter(width), (0.0,) * width
    numbers, is_weighted = caster(np.float64, width), forms[2] is not None

    def kernel(sets, size, chunks, lengths, y, z, w, partial):  # type: ignore[no-untyped-def]
        sums = cuda.local.array(width, float64)
        b = cuda.blockIdx.x
        while b < sets * chunks:
            total = numbers(none)
            i = b % chunks * BLOCK + cuda.threadIdx.x
            while i < size:
                at = b // chunks * size + i
                target, prediction = kind(read_y(y, at, lengths)), kind(read_z(z, at, lengths))
                inside = (low_y <= target) & (target <= high_y) & (low_z <= prediction) & (prediction <= high_z)
                weight = float64(as_weight(read_w(w, at, lengths))) if is_weighted else float64(1)
                total = add(total, f(target, prediction, *choices), weight)
                if weight != 0 and not inside:
                    total = add(total, total, nan)
                i += chunks * BLOCK
            put(sums, 0, total)
            for k in range(width):
                x = tree(sums[k])
                if cuda.threadIdx.x == 0:
                    partial[b * width + k] = x
            b += cuda.gridDim.x

    return kernel


def finishing(program: SetProgram, real: np.dtype[Any], forms: tuple[Any, ...]) -> Any:
    """Return the kernel that adds up the sums of the blocks, and makes losses and coefficients of them."""
    f, choices, width, count = inlined(program.finish), program.choices, program.sums, program.coefficients
    take, put, nan = taker(width), putter(count), math.nan

    def kernel(sets, chunks, numbers, partial, values, finished):  # type: ignore[no-untyped-def]
        sums = cuda.local.array(width, float64)
        s = cuda.blockIdx.x
        while s < sets:
            for k in range(width):
                mine = float64(0)
                for c in range(cuda.threadIdx.x, chunks, BLOCK):
                    mine += partial[(s * chunks + c) * width + k]
                sums[k] = tree(mine)
            if cuda.threadIdx.x == 0:
                found = f(*take(sums, 0), *numbers, *choices)
                values[s] = found[0]
                put(finished, s * count, found[1:])
                if found[0] != found[0]:
                    for k in range(count):
                        finished[s * count + k] = nan
            s += cuda.gridDim.x

    return kernel


def deriving(program: SetProgram, real: np.dtype[Any], forms: tuple[Any, ...]) -> Any:
    """Return the kernel that writes gradients, multiplied by a scale, and Hessians."""
    f, choices, count = inlined(program.slopes), program.choices, program.coefficients
    kind: Any = real.type
    read_y, read_z, read_w = (reader(form) for form in forms[:3])
    write_gradient, write_hessian = (writer(form) for form in forms[3:])
    as_weight, is_weighted, take, cast = as_weight_of(forms[2]), forms[2] is not None, taker(count), caster(kind, count)

    def kernel(total, size, lengths, y, z, w, gradient, hessian, finished, scale):  # type: ignore[no-untyped-def]
        i = cuda.grid(1)
        while i < total:
            weight = float64(as_weight(read_w(w, i, lengths))) if is_weighted else float64(1)
            found = cast(take(finished, i // size * count))
            g, a, b = f(kind(read_y(y, i, lengths)), kind(read_z(z, i, lengths)), *found, *choices)
            write_gradient(gradient, i, lengths, g * weight * scale if weight != 0 else float64(0))
            write_hessian(hessian, i, lengths, (a + b * weight) * weight if weight != 0 else float64(0))
            i += cuda.gridsize(1)

    return kernel
