"""How kernels find the elements of rows, of any dtype and layout, where they lie.

An array with one element a row has an operand as in :mod:`nbloss._cuda.layout`, strided along the rows. An array with
more of them has the same and, fourth, its strides along the axes of a row.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from nbloss._arrays import coalesce
from nbloss._cuda.arrays import View
from nbloss._cuda.layout import alone, decoder, encoder, on_device, place_of, strided


def arrange_rows(z: View, arrays: Sequence[Any]) -> tuple[tuple[int, ...], tuple[Any, ...], tuple[Any, ...]]:
    """Return the lengths of axes in the order in which the rows of *z* lie, and forms and operands along these axes.

    Each of *arrays* is a view whose first axes are those of the rows, a number or None.
    """
    lead = z.shape[:-1]
    rank = len(lead)
    views = [a for a in arrays if isinstance(a, View)]
    lengths, strides = coalesce(lead, [*(a.strides[:rank] for a in views), z.strides[:-1]])
    remaining = iter(strides)
    forms, operands = [], []
    for a in arrays:
        if isinstance(a, View):
            form, operand = strided(a, _steps(next(remaining), a))
            operand = (*operand, _steps(a.strides[rank:], a)) if len(a.shape) > rank else operand
        else:
            form, operand = alone(a)
        forms.append(form)
        operands.append(operand)
    return tuple(lengths), tuple(forms), tuple(operands)


def _steps(strides: Sequence[int], a: View) -> tuple[int, ...]:
    return tuple(stride // a.dtype.itemsize for stride in strides)


@functools.cache
def starter(form: Any) -> Callable[..., Any]:
    """Return the function that gives where row i of an operand begins, from i and the lengths of the axes."""
    if form is None:
        return on_device(lambda a, i, lengths: 0)
    place = place_of(form.rank)
    return on_device(lambda a, i, lengths: a[1] + place(i, lengths, a[2]))


@functools.cache
def class_reader(form: Any) -> Callable[..., Any]:
    """Return the function that gives the element of class k, from where its row begins."""
    if form is None:
        return on_device(lambda a, start, k: None)
    decode = decoder(form.dtype)
    return on_device(lambda a, start, k: decode(a[0][start + k * a[3][0]]))


@functools.cache
def class_writer(form: Any) -> Callable[..., Any]:
    """Return the function that makes x the element of class k, from where its row begins."""
    if form is None:
        return on_device(lambda a, start, k, x: None)
    encode = encoder(form.dtype)

    def write(a: Any, start: Any, k: Any, x: Any) -> None:
        a[0][start + k * a[3][0]] = encode(x)

    return on_device(write)


@functools.cache
def pair_writer(form: Any) -> Callable[..., Any]:
    """Return the function that makes x the element of the classes j and k, from where its row begins."""
    encode = encoder(form.dtype)

    def write(a: Any, start: Any, j: Any, k: Any, x: Any) -> None:
        a[0][start + (j * a[3][0] + k * a[3][1])] = encode(x)

    return on_device(write)


def walker(form: Any, visit: Callable[..., Any], ahead: bool) -> Callable[..., Any]:
    """Return the function that calls *visit* with each element of a row that is a thread's, its class, and *more*.

    What visits write to cannot be told from what they read, so each would wait for its element after the other: with
    *ahead*, a thread asks for four at a time.
    """
    get = class_reader(form)

    def walk(a: Any, start: Any, lane: Any, team: Any, classes: Any, more: Any) -> None:
        k = lane
        if ahead:
            while k + 3 * team < classes:
                first, second = get(a, start, k), get(a, start, k + team)
                third, fourth = get(a, start, k + 2 * team), get(a, start, k + 3 * team)
                visit(first, k, more)
                visit(second, k + team, more)
                visit(third, k + 2 * team, more)
                visit(fourth, k + 3 * team, more)
                k += 4 * team
        while k < classes:
            visit(get(a, start, k), k, more)
            k += team

    return on_device(walk)
