"""Calls that are like one before: the same launches, with the addresses of other arrays.

What a call launches depends on the loss, the method, and the shapes, strides, dtypes, streams and alignment of its
arrays alone. So the first call of a kind is watched while it goes its usual way, and a :class:`Plan` is made of its
launches: kernels, grids, arguments, and which of these are addresses, of which array. The next call of this kind only
looks at its arrays, makes room for results and launches.
"""

from __future__ import annotations

import contextlib
import operator
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

from numba import config

from nbloss._cuda import arrays as places
from nbloss._cuda import device
from nbloss._cuda.arrays import Kept, turn
from nbloss._cuda.launch import Launch, watched

MOST = 256
"""So many plans a loss keeps, before it begins anew."""

SIMULATED = bool(config.ENABLE_CUDASIM)

Key = list[Any]


def replay(loss: Any, want: str, y_true: Any, y_pred: Any, sample_weight: Any, reduction: str, out: Any) -> Any:
    """Return the result of a call of `loss._evaluate`, or None where this must go its usual way."""
    if SIMULATED or watched.tape is not None:  # the former within the call that is watched
        return None
    key: Key = [want, reduction]
    addresses: list[int] = []
    bits = 0
    given = [y_true, y_pred, sample_weight]
    if out is not None:
        given += out if type(out) is tuple else (out,)
    if type(y_pred) is tuple or type(y_true) is tuple:
        given = [part for x in given for part in (x if type(x) is tuple else (x,))]
        key.append(tuple([len(x) if type(x) is tuple else 1 for x in (y_true, y_pred)]))
    for x in given:
        if x is None:
            key.append(None)
            continue
        if _tensors and type(x) in _tensors:
            address = _read_tensor(x, key)
        else:
            try:
                interface = x.__cuda_array_interface__
            except AttributeError:
                if type(x) is not float and type(x) is not int:
                    return None
                key.append(x)
                continue
            get = interface.get
            typestr = interface["typestr"]
            address, is_readonly = interface["data"]
            key += (interface["shape"], typestr, get("strides"), get("stream"), is_readonly)
            if typestr in _AMBIGUOUS:
                key.append(str(getattr(x, "dtype", "")))
            if "mask" in interface and interface["mask"] is not None:
                return None
        if address is None:
            return None
        bits |= address
        addresses.append(address)
    if not addresses:
        return None
    device.make_ready()
    if device.count() > 1:
        number = device.owner_of(addresses[-1])
        if number != device.ordinal():
            return None
        key.append(number)
    key.append(not bits & 15)
    key.append(type(y_pred))
    try:
        plan = loss.__dict__["_plans"].get(tuple(key))
    except (KeyError, TypeError):  # the first call; or what describes an array is no tuple
        plan = None
    if plan is None:
        arrays = [x for x in given if x is not None and type(x) is not float and type(x) is not int]
        return _watch(loss, key, arrays, addresses, (want, y_true, y_pred, sample_weight, reduction, out))
    return plan.run(y_pred, addresses, out) if plan is not UNPLANNED else None


def _watch(loss: Any, key: Key, arrays: list[Any], addresses: list[int], call: tuple[Any, ...]) -> Any:
    """Let a call go its usual way, and keep a plan of it."""
    torch = sys.modules.get("torch")
    if torch is not None:
        kinds = {type(x) for x in arrays if isinstance(x, torch.Tensor)} - _tensors
        if kinds:
            _tensors.update(kinds)
            return None
    plans = loss.__dict__.setdefault("_plans", {})
    tape = watched.tape = Tape(arrays, addresses, call[-1])
    try:
        result = loss._evaluate(*call)
    finally:
        watched.tape = None
    if len(plans) >= MOST:
        plans.clear()
    with contextlib.suppress(TypeError):
        plans[tuple(key)] = tape.plan(result)
    return result


_AMBIGUOUS = frozenset(("<f2", "<V2", "|V2"))  # may be bfloat16
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


class Step(NamedTuple):
    """One launch of a plan."""

    stream: Any
    config: Any
    kernel: Any
    arguments: list[Any]
    addresses: list[tuple[int, int, int]]
    """Which arguments are addresses: places, the numbers of the arrays, and how far behind their first elements."""


class Plan:
    """What a call of one kind does.

    Parameters
    ----------
    steps : list of Step
    rooms : list of tuple
        Shapes, dtypes and strides of the arrays to make, which are numbered after those given.
    stream : int
        The stream that these are for.
    apart : list of tuple
        Numbers of two arrays, and between which differences of their addresses they may share memory.
    result : callable
        What makes the result of `out=` and of the arrays made; None where the result is `out=` itself.
    kept : list
        What owns memory that the kernels use besides.
    """

    __slots__ = ("_apart", "_kept", "_launch", "_result", "_rooms", "_steps", "_stream")

    def __init__(
        self, steps: list[Step], rooms: list[tuple[Any, ...]], stream: int,
        apart: list[tuple[int, int, int, int]], result: Callable[[Any, list[Any]], Any] | None, kept: list[Any],
    ) -> None:  # fmt: skip
        self._steps, self._rooms, self._stream = steps, rooms, stream
        self._apart, self._result, self._kept, self._launch = apart, result, kept, device.launcher()

    def run(self, like: Any, addresses: list[int], out: Any) -> Any:
        """Launch; return the result, or None if an output may share memory with another array."""
        for i, j, low, high in self._apart:
            if low < addresses[i] - addresses[j] < high:
                return None
        rooms: list[Any] = []
        if self._rooms:
            like = like[0] if type(like) is tuple else like
            for shape, dtype, strides in self._rooms:
                room = places.room(shape, dtype, strides, like, self._stream)
                rooms.append(room)
                addresses.append(_address(room))
        launch = self._launch
        if len(self._steps) == 1:
            stream, where, kernel, template, at = self._steps[0]
            arguments = template[:]  # another thread may be here, too
            for place, number, offset in at:
                arguments[place] = addresses[number] + offset
            launch(stream, where, kernel, *arguments)
        else:
            with turn:
                for stream, where, kernel, arguments, at in self._steps:
                    for place, number, offset in at:
                        arguments[place] = addresses[number] + offset
                    launch(stream, where, kernel, *arguments)
        return out if self._result is None else self._result(out, rooms)


UNPLANNED = Plan.__new__(Plan)
"""Stands for what no plan can be made of."""


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
        self._steps.append(Step(launch.stream, launch.config, launch.kernel, launch.arguments, at))

    def note_room(self, made: Any, layout: tuple[Any, ...], stream: int) -> None:
        """Take down that an array was made."""
        if not isinstance(made, tuple):
            self._numbers[id(made)] = len(self._arrays) + len(self._made)
            self._addresses.append(_address(made))
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
        if self._out is None:
            maker = self._maker(result)
            if maker is None:
                self.spoil()
        elif result is not self._out and not (type(result) is tuple and all(map(operator.is_, result, self._out))):
            self.spoil()
        if self._is_spoilt or not self._steps:
            return UNPLANNED
        return Plan(self._steps, self._rooms, self._stream, apart, maker, self._kept)

    def _maker(self, result: Any) -> Callable[[Any, list[Any]], Any] | None:
        """Return what makes a result like this one of the arrays that are made."""
        made = {id(a): i for i, a in enumerate(self._made)}
        if id(result) in made:
            number = made[id(result)]
            return lambda out, rooms: rooms[number]
        if not isinstance(result, tuple):
            return None
        makers = [self._maker(part) for part in result]
        return None if None in makers else lambda out, rooms: tuple([make(out, rooms) for make in makers])  # type: ignore[misc]


def _address(a: Any) -> int:
    """Return the address of the first element of an array."""
    if hasattr(a, "data_ptr"):
        return int(a.data_ptr())
    return a.__cuda_array_interface__["data"][0] or 0
