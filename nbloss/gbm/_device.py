"""Arrays on a CUDA device: what boosting needs of them that no loss does.

Nothing here is imported before an array on a device comes, or one is asked for.
"""

from __future__ import annotations

import threading
import weakref
from typing import Any, NamedTuple

import numpy as np

from nbloss import _cuda
from nbloss._cuda import staging
from nbloss._place import on_device
from nbloss.families.pointwise import Pointwise
from nbloss.gbm import _data

SINGLE, DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


class _Raised(Pointwise):
    """No loss: the greater of a prediction and of a floor times the target."""

    def __init__(self, floor: float) -> None:
        self.__dict__["floor"] = floor

    @classmethod
    def _fields(cls) -> tuple[Any, ...]:
        return ()

    @property
    def numbers(self) -> tuple[Any, ...]:
        return (self.floor,)  # type: ignore[attr-defined]

    @staticmethod
    def formula(y: Any, z: Any, floor: Any) -> tuple[Any, Any, Any]:
        least, zero = y * floor, type(z)(0)
        return least if z < least else z, zero, zero  # nan stays nan


class _Difference(Pointwise):
    """No loss: 0 where a number is finite, nan where it is not."""

    @classmethod
    def _fields(cls) -> tuple[Any, ...]:
        return ()

    @staticmethod
    def formula(y: Any, z: Any) -> tuple[Any, Any, Any]:
        zero = type(z)(0)
        return z - z, zero, zero


def raised(exact: Any, w: Any, floor: float, out: Any) -> Any:
    """Return Hessians that are at least *floor* times the weight of their row, in *out* or in new memory."""
    z = _cuda.as_array(exact, "hessian")
    result = _cuda.empty(z.shape, z.dtype, z, exact) if out is None else out
    y: Any = np.float64(1.0)
    if w is not None:
        y = _cuda.as_array(w, "sample_weight")
        if y.shape not in ((), z.shape[:1]):
            raise ValueError(f"sample_weight must be of rows where hessian_floor is given, got shape {y.shape}")
    run = _cuda.pointwise.run
    run(_Raised(floor)._program, "v", False, y, z, None, [_cuda.as_output(result)], z.dtype)
    return result


def check(loss: Any, y: Any, z: Any, w: Any, gradient: Any, whole: bool) -> None:
    """Raise for the first row with a number that is not finite and a weight other than 0, if there is one.

    With *whole*, predictions and labels are looked at besides the gradient. A number is read from the device, once all
    that was launched before is done; arrays only where it says that there is something to look for.
    """
    looked_at = [gradient, z, *(() if isinstance(y, tuple) else (y,))] if whole else [gradient]
    totals = [_zero_if_finite(x) for x in looked_at]  # all are launched before the first is waited for
    if all(float(_on_host(total)) == 0 for total in totals):
        return
    y = tuple(map(_on_host, y)) if isinstance(y, tuple) else _on_host(y)
    _data.raise_first(loss, y, _on_host(z), None if w is None else _on_host(w), _on_host(gradient))


def _zero_if_finite(x: Any) -> Any:
    """Return the sum of the differences of the numbers in an array and themselves, on its device."""
    z = _cuda.as_array(x, "an array")
    if z.dtype.kind in "biu":
        return 0.0
    total = _cuda.empty((), DOUBLE, z, x)
    real = SINGLE if z.dtype == SINGLE else DOUBLE
    _cuda.pointwise.run(_DIFFERENCE, "s", False, z, z, None, [_cuda.as_output(total)], real)
    return total


_DIFFERENCE = _Difference()._program


def _on_host(x: Any) -> Any:
    return staging.brought_back(x) if on_device(x) else np.asarray(x)


class _Placed(NamedTuple):
    """Arrays of the host, and copies of them on a device."""

    given: list[Any]
    copies: list[Any]


class Cache:
    """The labels and weights of data sets on a device, kept as long as the data sets live."""

    def __init__(self) -> None:
        self._placed: weakref.WeakKeyDictionary[Any, _Placed] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def copies(self, data: Any, arrays: list[Any]) -> list[Any]:
        """Return copies on the device of *arrays*, which are those of *data* now; what is there already is not copied.

        A data set tells nobody that its labels were changed, so they are compared.
        """
        with self._lock:
            before = self._placed.get(data)
            if before is not None and len(before.given) == len(arrays) and all(map(_same, before.given, arrays)):
                return before.copies
            copies = [placed(a) for a in arrays]
            # the library may write to what it gave
            self._placed[data] = _Placed([a if on_device(a) or a is None else a.copy() for a in arrays], copies)
            return copies


def _same(a: Any, b: Any) -> bool:
    """Whether two arrays are equal bit by bit: nan is equal to itself, and 0 is not -0."""
    if a is b:
        return a is None or not on_device(a)
    if a is None or b is None or on_device(a) or on_device(b):
        return False
    return a.shape == b.shape and a.dtype == b.dtype and np.array_equal(_bits(a), _bits(b))


def _bits(a: Any) -> Any:
    return np.ascontiguousarray(a).view(f"u{a.dtype.itemsize}")


def placed(a: Any, to: Any = None) -> Any:
    """Return an array of the host on the device, in the memory of *to* if that is given; others as they are."""
    return a if a is None or on_device(a) else staging.placed(a, to)


def room_for(rooms: dict[str, Any], z: Any) -> tuple[Any, Any, Any]:
    """Return arrays on the device for predictions like *z*, and for gradients and Hessians, kept in *rooms*."""
    key = "on the device"
    if key not in rooms or rooms[key][0].shape != z.shape or rooms[key][0].dtype != z.dtype:
        rooms[key] = tuple(staging.room(z.shape, dtype) for dtype in (z.dtype, SINGLE, SINGLE))
    found: tuple[Any, Any, Any] = rooms[key]
    return found
