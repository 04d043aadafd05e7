"""Calls that are like one before: the same launches, with the addresses of other arrays.

What a call launches depends on the loss, the method, and the shapes, strides, dtypes, streams and alignment of its
arrays alone; and on the sizes of groups. So the first call of a kind is watched while it goes its usual way, and a
:class:`~nbloss._cuda.steps.Plan` is made of its launches: kernels, grids, arguments, and which of these are addresses,
of which array. The next call of this kind only looks at its arrays, makes room for results and launches.
"""

from __future__ import annotations

import math
import operator
import sys
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import config

from nbloss._cuda import arrays as places
from nbloss._cuda import device
from nbloss._cuda.arrays import KEPT_UP_TO, Kept
from nbloss._cuda.launch import Launch, watched
from nbloss._cuda.steps import UNPLANNED, Plan, Step, address_of

MOST = 256
"""So many plans a loss keeps, before it begins anew."""
MOST_OF_GROUPS = 32
"""A loss of groups keeps fewer, of which each keeps the sizes of its groups."""

SIMULATED = bool(config.ENABLE_CUDASIM)

Key = list[Any]


class Known(NamedTuple):
    """A plan, and what a call is like for which it is made."""

    how: tuple[Any, ...]
    """The reduction, how many arrays are given, and whether `out` is a tuple."""
    given: Sequence[tuple[type, Any, bool]]
    """Classes, and the interfaces of arrays, and whether these are read-only; or numbers and None as they came."""
    is_aligned: bool
    plan: Plan


def replay(
    loss: Any, want: str, y_true: Any, y_pred: Any, sample_weight: Any, reduction: str, out: Any,
    groups: tuple[Any, ...] = (),
) -> Any:  # fmt: skip
    """Return the result of a call of `loss._evaluate`, or None where this must go its usual way."""
    if out is None:
        given: Any = y_true, y_pred, sample_weight
    elif out.__class__ is tuple:
        given = y_true, y_pred, sample_weight, *out
    else:
        given = y_true, y_pred, sample_weight, out
    # the plan that was used last for this method, which most calls are like, is found without a key
    try:
        how, like, is_aligned, plan = loss.__dict__["_latest"][want]
    except KeyError:
        how = None
    # an array of words would be compared word by word
    if reduction.__class__ is str and how == (reduction, len(given), out.__class__ is tuple) and watched.is_idle:
        addresses: list[int] = []
        bits, is_alike = 0, False
        try:
            for x, (kind, was, is_readonly) in zip(given, like):  # noqa: B905  # a keyword takes its time
                if x.__class__ is not kind:
                    break
                if was.__class__ is dict:
                    now = x.__cuda_array_interface__
                    # a thread that writes here at the same time only makes this call look like another one
                    address, flag = was["data"] = now["data"]
                    if now != was or flag is not is_readonly:
                        break
                    bits |= address
                    addresses.append(address)
                elif x != was:
                    break
            else:
                is_alike = (not bits & 15) is is_aligned and not groups
        except (AttributeError, TypeError):  # it lies on no device, or nowhere since it is empty
            pass
        if is_alike:
            return plan.run(y_pred, addresses, out)
    return _found(loss, given, (want, y_true, y_pred, sample_weight, reduction, out, *groups))


def _known_by(groups: Any) -> tuple[Any, ...] | None:
    """Return what tells sizes of groups from others, or None where they are too many, or no array in host memory."""
    if type(groups) is list or type(groups) is tuple:
        try:
            groups = np.array(groups)
        except ValueError:  # it is ragged
            return None
    if type(groups) is not np.ndarray or groups.size > KEPT_UP_TO:
        return None
    return groups.dtype, groups.shape, groups.tobytes()


def _found(loss: Any, given: Sequence[Any], call: tuple[Any, ...]) -> Any:
    """Return the result of a call by a plan that is not the latest one, or is made here."""
    if SIMULATED or watched.tape is not None:  # the latter within the call that is watched
        return None
    want, y_true, y_pred, _, reduction, out, *groups = call
    how: tuple[Any, ...] = reduction, len(given), type(out) is tuple
    is_flat = type(y_pred) is not tuple and type(y_true) is not tuple
    key: Key = [want, *how, type(y_pred)]
    if not is_flat:
        given = [part for x in given for part in (x if type(x) is tuple else (x,))]
        if type(y_pred) is tuple:
            key += (len(y_pred), *map(type, y_pred))
        key.append(len(y_true) if type(y_true) is tuple else None)
    if groups and groups[0] is not None:
        sizes = _known_by(groups[0])
        if sizes is None:
            return None
        key += sizes
    addresses: list[int] = []
    interfaces: list[Any] = []
    bits = 0
    for x in given:
        if x is None:
            key.append(None)
            interfaces.append((type(x), x, False))
            continue
        address: int | None
        if _tensors and type(x) in _tensors:
            address = _read_tensor(x, key)
            interfaces.append((type(x), _OTHERWISE, False))
        else:
            try:
                interface = x.__cuda_array_interface__
            except AttributeError:
                if type(x) is not float and type(x) is not int:
                    return None
                key.append(x)
                interfaces.append((type(x), x, False))
                continue
            address, is_readonly = interface["data"]
            address = address or 0
            typestr = interface["typestr"]
            key += (interface["shape"], typestr, interface.get("strides"), interface.get("stream"), is_readonly)
            is_plain = typestr not in _AMBIGUOUS and type(interface) is dict
            interfaces.append((type(x), dict(interface) if is_plain else _OTHERWISE, is_readonly))
            if typestr in _AMBIGUOUS:
                key.append(str(getattr(x, "dtype", "")))
            if interface.get("mask") is not None:
                return None
        if address is None:
            return None
        bits |= address
        addresses.append(address)
    if not addresses:
        return None
    devices = device.make_ready()
    if devices > 1:
        number = device.owner_of(addresses[-1])
        if number != device.ordinal():
            return None
        key.append(number)
    key.append(not bits & 15)
    try:
        known = loss.__dict__.setdefault("_plans", {}).get(tuple(key))
    except TypeError:  # what describes an array is no tuple
        return None
    if known is None:
        arrays = [x for x in given if x is not None and type(x) is not float and type(x) is not int]
        return _watch(loss, key, Known(how, interfaces, not bits & 15, UNPLANNED), arrays, addresses, call)
    if known.plan is UNPLANNED:
        return None
    if is_flat and not groups and devices == 1 and all(was is not _OTHERWISE for _, was, _ in interfaces):
        loss.__dict__.setdefault("_latest", {})[want] = known
        watched.is_idle = True
    return known.plan.run(y_pred, addresses, out)


def _watch(
    loss: Any, key: Key, like: Known, arrays: list[Any], addresses: list[int], call: tuple[Any, ...]
) -> Any:  # fmt: skip
    """Let a call go its usual way, and keep a plan of it."""
    torch = sys.modules.get("torch")
    if torch is not None:
        kinds = {type(x) for x in arrays if isinstance(x, torch.Tensor)} - _tensors
        if kinds:
            _tensors.update(kinds)
            return None
    tape, was_idle = Tape(arrays, addresses, call[5]), watched.is_idle
    watched.tape, watched.is_idle = tape, False
    try:
        result = loss._evaluate(*call)
    finally:
        watched.tape, watched.is_idle = None, was_idle
    plans = loss.__dict__["_plans"]
    if len(plans) >= (MOST_OF_GROUPS if len(call) > 6 else MOST):
        plans.clear()
    plans[tuple(key)] = like._replace(plan=tape.plan(result))
    return result


_AMBIGUOUS = frozenset(("<f2", "<V2", "|V2"))  # may be bfloat16
_OTHERWISE = object()
"""Stands for an array that is told from others by more than its interface."""
_tensors: set[type] = set()
"""Classes of tensors of PyTorch, which say more by themselves, and sooner, than their interface, which has no stream.
"""


def _read_tensor(x: Any, key: Key) -> int | None:
    if not x.is_cuda or x.requires_grad:
        return None
    stream = sys.modules["torch"].cuda.current_stream(x.device).cuda_stream
    key += (x.shape, x.dtype, x.stride(), stream, x.is_conj(), x.is_neg())
    address: int = x.data_ptr()
    return address


class Tape:
    """What a call launches, and the arrays that it makes."""

    def __init__(self, arrays: list[Any], addresses: list[int], out: Any) -> None:
        self._arrays, self._addresses, self._out = arrays, list(addresses), out
        self._numbers = {id(a): i for i, a in enumerate(arrays)}
        self._steps: list[Step] = []
        self._rooms: list[tuple[Any, ...]] = []
        self._made: list[Any] = []
        self._kept: list[Any] = []
        self._stream = 0
        self._is_spoilt = len(self._numbers) < len(arrays)  # one array in two places: which of them is meant?

    def spoil(self) -> None:
        """Say that the call does something that is not in a plan."""
        self._is_spoilt = True

    def note(self, launch: Launch) -> None:
        """Take down a launch."""
        at = []
        for place, address, owner in launch.addresses:
            if type(owner) is Kept:
                self._kept.append(owner)
            elif id(owner) in self._numbers:
                number = self._numbers[id(owner)]
                at.append((place, number, address - self._addresses[number]))
            else:
                self.spoil()
        self._steps.append(Step(*launch[:6], at))

    def note_room(self, made: Any, layout: tuple[Any, ...], stream: int) -> None:
        """Take down that an array was made."""
        self._numbers[id(made)] = len(self._arrays) + len(self._made)
        self._addresses.append(address_of(made))
        self._made.append(made)
        self._rooms.append(layout)
        self._stream = stream

    def plan(self, result: Any) -> Plan:
        """Return the plan of the call that gave this *result*."""
        given = 0 if self._out is None else len(self._out) if type(self._out) is tuple else 1
        apart = []
        views = [places.extent(a) for a in self._arrays]
        for i in range(len(views) - given, len(views)):
            for j in range(i):
                (low, high), (start, stop) = views[i], views[j]
                if low < high and start < stop:
                    apart.append((i, j, start - high, stop - low))
        maker = None
        results = [i for i, a in enumerate(self._made) if self._out is None and any(a is b for b in _leaves(result))]
        if self._out is None:
            maker = self._maker(result, results)
            if maker is None:
                self.spoil()
        elif result is not self._out and not (type(result) is tuple and all(map(operator.is_, result, self._out))):
            self.spoil()
        if self._is_spoilt or not self._steps:
            return UNPLANNED
        steps, rooms = self._joined(results)
        return Plan(steps, len(self._arrays), rooms, self._stream, apart, maker, self._kept)

    def _maker(self, result: Any, results: list[int]) -> Callable[[Any, list[Any]], Any] | None:
        """Return what makes a result like this one of the arrays that are made."""
        for number, i in enumerate(results):
            if self._made[i] is result:
                return lambda out, rooms: rooms[number]
        if not isinstance(result, tuple):
            return None
        makers = [self._maker(part, results) for part in result]
        return None if None in makers else lambda out, rooms: tuple([make(out, rooms) for make in makers])  # type: ignore[misc]

    def _joined(self, results: list[int]) -> tuple[list[Step], list[tuple[Any, ...]]]:
        """Return the steps, with one array in the place of all that are made but not *results*, and what to make."""
        count = len(self._arrays)
        moved = {count + i: (count + number, 0) for number, i in enumerate(results)}
        rooms, total = [self._rooms[i] for i in results], 0
        for i, (shape, dtype, _) in enumerate(self._rooms):
            if i not in results:
                moved[count + i] = count + len(results), total
                total += -(-math.prod(shape) * dtype.itemsize // APART) * APART
        if len(moved) > len(results):
            rooms.append(((max(1, total),), np.dtype(np.uint8), (1,)))
        steps = []
        for step in self._steps:
            at = [(place, *moved.get(number, (number, 0)), offset) for place, number, offset in step.addresses]
            steps.append(step._replace(addresses=[(place, n, base + offset) for place, n, base, offset in at]))
        return steps, rooms


APART = 256
"""Arrays within another begin at multiples of so many bytes, as those that libraries make do."""


def _leaves(x: Any) -> list[Any]:
    return [leaf for part in x for leaf in _leaves(part)] if isinstance(x, tuple) else [x]
