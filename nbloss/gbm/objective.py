"""One objective for XGBoost, LightGBM and CatBoost."""

from __future__ import annotations

import dataclasses
import functools
import math
import threading
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nbloss._place import on_device
from nbloss.gbm import _data, _smoothed, hessians
from nbloss.gbm._curved import Curved, curved_rows
from nbloss.loss import Loss


@dataclasses.dataclass(frozen=True)
class Objective:
    r"""A loss as the objective of gradient boosting.

    The same object goes to ``xgboost.train(obj=)``, ``XGBRegressor(objective=)`` and its like,
    ``lightgbm.train({"objective": ...})``, ``LGBMRegressor(objective=)`` and its like, and to CatBoost's
    ``loss_function=``. Each calls it in its own way, and gets gradients and Hessians of the type, in the memory order
    and with the sign that it wants, times the sample weights. Labels, predictions and weights are never written to.

    Predictions are raw: margins, logits. No library finds where a custom objective starts: :mod:`nbloss.gbm.xgboost`,
    :mod:`nbloss.gbm.lightgbm` and :mod:`nbloss.gbm.catboost` train models that do.

    Parameters
    ----------
    loss : Loss
        The loss. CatBoost calls with parts of the rows, so there it must be a loss of elements or rows.
    hessian : {"exact", "gauss_newton", "upper_bound", "xgboost", "lightgbm"}, default="exact"
        What trees get as second derivatives. ``"exact"``: what they are. ``"gauss_newton"``: without the curvature of
        the link. ``"upper_bound"``: of a parabola, or of a matrix, that is nowhere less. ``"xgboost"`` and
        ``"lightgbm"``: what the built-in objective of that library takes. See :mod:`nbloss.gbm.hessians`. For absolute
        and quantile errors, XGBoost's from 3.4 on is also another gradient, which depends on all rows.
    hessian_floor : float or None, default=None
        The least Hessian of an element, before it is multiplied by its weight. None: what the loss needs, 1 if it has
        straight parts, 0.01 if it is flat or not convex somewhere, nothing if its Hessian is positive, and nothing for
        the conventions of libraries.
    check_finite : bool, default=True
        Whether labels or predictions that are not finite, and labels outside the domain, raise an error that names the
        first row. Rows of weight 0 are not looked at. CatBoost checks for itself. For arrays on a CUDA device, a number
        is read from it at each call, which waits for what was launched before.
    device : {"cpu", "cuda"}, default="cpu"
        Where predictions that XGBoost hands over in host memory are worked on. With ``"cuda"``, for training with
        XGBoost's ``device="cuda"``, they are copied to the current CUDA device, labels and weights once for each data
        set, and gradients stay there. Arrays that come on a device stay on it whatever this is.

    Raises
    ------
    ValueError
        If the loss has no such Hessian, and, when called, for numbers that are not finite.
    """

    loss: Loss
    hessian: str = "exact"
    hessian_floor: float | None = None
    check_finite: bool = dataclasses.field(default=True, kw_only=True)
    device: str = dataclasses.field(default="cpu", kw_only=True)

    no_jit = True  # or CatBoost would compile these methods with numba

    def __post_init__(self) -> None:
        if not isinstance(self.loss, Loss):
            raise TypeError(f"loss must be a loss, such as nbloss.Huber(), got {self.loss!r}")
        if self.hessian not in hessians.CONVENTIONS:
            raise ValueError(f"hessian must be one of {', '.join(hessians.CONVENTIONS)}, got {self.hessian!r}")
        if self.hessian_floor is not None and not math.isfinite(self.hessian_floor):
            raise ValueError(f"hessian_floor must be a finite number or None, got {self.hessian_floor!r}")
        if self.device not in ("cpu", "cuda"):
            raise ValueError(f"device must be 'cpu' or 'cuda', got {self.device!r}")
        _ = self._of_elements, self._factor, self._of_groups  # raises if there is no such Hessian

    @property
    def __name__(self) -> str:
        return type(self.loss).__name__

    def __deepcopy__(self, memo: Any) -> Objective:
        return self  # it never changes; scikit-learn's clone wants CatBoost's parameters to stay the same objects

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None, group: Any = None) -> tuple[Any, Any]:
        """Return gradient and Hessian, float32, as XGBoost and LightGBM ask for them.

        Parameters
        ----------
        y_true, y_pred : array_like
            Labels and raw predictions; or predictions and a ``DMatrix`` or ``Dataset``, which holds the rest.
        sample_weight : array_like, optional
            Weights of the rows.
        group : array_like, optional
            Sizes of the groups that rows are ranked in, for losses that rank.

        Returns
        -------
        tuple of array
            With a data set, arrays that the next such call from the same thread may write to: the libraries read them
            at once, and new ones every round would cost as much as what is in them. Else new arrays.
        """
        if not hasattr(y_pred, "get_label"):
            w = _data.none_if_empty(sample_weight)
            if self.device == "cuda":
                return self._from_host(None, y_true, y_pred, w, group)
            return self.derivatives(y_true, y_pred, w, groups=group)
        y, z, w, groups = _data.unpacked(self.loss, y_true, y_pred)
        if self.device == "cuda" or on_device(z):
            return self._from_host(y_pred, y, z, w, groups)
        room = self._room.__dict__
        out = room.get("out")
        if out is None or out[0].shape != z.shape or out[0].flags.f_contiguous != z.flags.f_contiguous:
            out = room["out"] = np.empty_like(z, np.float32), np.empty_like(z, np.float32)
        return self.derivatives(y, z, w, out, groups)

    @functools.cached_property
    def _room(self) -> threading.local:
        return threading.local()

    def derivatives(self, y: Any, z: Any, w: Any = None, out: Any = None, groups: Any = None) -> tuple[Any, Any]:
        """Return gradient and Hessian of targets, predictions, weights and sizes of groups.

        They are float32 and in the memory order of the predictions, or the pair of arrays given as `out`.
        """
        if on_device(z):
            return self._on_device(y, z, w, out, groups)
        y, w = _data.targets_for(self.loss, y, None if w is None else np.asarray(w))
        z = np.asarray(z)
        if out is None:
            out = np.empty_like(z, np.float32), np.empty_like(z, np.float32)
        if self._smooths:
            gradient, hessian = _smoothed.derivatives(self.loss, y, z, w, out)
        else:
            loss = self._for(z)
            gradient, hessian = loss.gradient_and_hessian(y, z, w, out=out, **_data.in_groups(loss, groups))
            if self._of_groups != 1:
                hessian *= self._of_groups
            self._raise_to_floor(hessian, y, w, groups)
        if self.check_finite:
            self._check(y, z, w, gradient)
        return gradient, hessian

    def _from_host(self, data: Any, y: Any, z: Any, w: Any, groups: Any) -> tuple[Any, Any]:
        """Do the same on a CUDA device, with labels and weights of the host, which are those of *data* if it is given.

        Predictions may be in either place; results are on the device.
        """
        from nbloss.gbm import _device

        if data is not None and not hasattr(data, "num_row"):
            raise ValueError("device must be 'cpu' for LightGBM, which takes gradients in host memory, got 'cuda'")
        y, w = _data.targets_for(self.loss, y, w)
        targets = y if isinstance(y, tuple) else (y,)
        arrays = [*targets, w]
        copies = [*map(_device.placed, arrays)] if data is None else self._cache.copies(data, arrays)
        out = None
        if not on_device(z):
            room, *both = _device.room_for(self._room.__dict__ if data is not None else {}, z)
            z, out = _device.placed(z, room), tuple(both)
        y = tuple(copies[:-1]) if isinstance(y, tuple) else copies[0]
        return self._on_device(y, z, copies[-1], out, groups)

    @functools.cached_property
    def _cache(self) -> Any:
        from nbloss.gbm._device import Cache

        return Cache()

    def _on_device(self, y: Any, z: Any, w: Any, out: Any, groups: Any) -> tuple[Any, Any]:
        """Return gradient and Hessian of arrays on a CUDA device."""
        from nbloss.families.rowwise import Rowwise
        from nbloss.gbm import _device

        if self._of_groups != 1:
            raise ValueError(f"hessian must be 'exact' for {self.loss!r} on a CUDA device, got {self.hessian!r}")
        y, w = _data.targets_for(self.loss, y, w)
        loss, floor = self._of_elements or self.loss, None if self._floor == -math.inf else self._floor
        if isinstance(loss, Rowwise) and loss.engine == "rowwise":
            loss = _curved_rows(loss, 1.0 if self._factor is None else self._factor(tuple(z.shape)[-1]), floor)
            floor = None
        if self._smooths:
            gradient, hessian = _smoothed.derivatives(self.loss, y, z, w, out)
        elif self._of_elements is not None or floor is None:
            gradient, hessian = loss.gradient_and_hessian(y, z, w, out=out, **_data.in_groups(loss, groups))
        else:
            given = {} if out is None else {"out": out[0]}
            gradient = loss.gradient(y, z, w, **given, **_data.in_groups(loss, groups))
            exact = loss.hessian(y, z, w, **_data.in_groups(loss, groups))
            hessian = _device.raised(exact, w, floor, None if out is None else out[1])
        if self.check_finite:
            _device.check(self.loss, y, z, w, gradient, self._of_elements is None)
        return gradient, hessian

    def _check(self, y: Any, z: Any, w: Any, gradient: Any) -> None:
        """Raise for the first row with a number that is not finite, and a weight other than 0."""
        from nbloss._cpu.finite import all_finite

        # the kernels of single elements have made a nan of whatever is not finite; others look at labels themselves
        seen = (gradient,) if self._of_elements is not None else (z,) if isinstance(y, tuple) else (z, np.asarray(y))
        if not all(map(all_finite, seen)):
            _data.raise_first(self.loss, y, z, w, gradient)

    @functools.cached_property
    def _of_elements(self) -> Loss | None:
        """The loss whose Hessian the kernel itself writes as it is wanted, if the loss is one of single elements."""
        from nbloss.families.pointwise import Pointwise

        if not isinstance(self.loss, Pointwise):
            return None
        rule = self._rule_of_elements()
        if rule is hessians.exact and self._floor == -math.inf and not self.check_finite:
            return self.loss
        return Curved(self.loss, rule, self._floor, self.check_finite)

    def _rule_of_elements(self) -> Any:
        """The rule by which the Hessian of a loss of single elements is made."""
        loss: Any = self.loss
        if self.hessian == "exact":
            return hessians.exact
        if self.hessian != "gauss_newton":
            return self._known(hessians.POINTWISE[self.hessian])
        if loss.link not in hessians.GAUSS_NEWTON:
            raise ValueError(f"hessian='gauss_newton' is known for the links identity, sigmoid and exp, got {loss}")
        return hessians.GAUSS_NEWTON[loss.link]

    @functools.cached_property
    def _factor(self) -> Callable[[int], float] | None:
        """What multiplies the Hessians of rows, from the number of classes; None for nothing."""
        if self._of_elements is not None or self._in_groups or self.hessian == "exact":
            return None
        if self.hessian == "xgboost" and self._name == "MultiQuantile":  # whose Hessian is its floor
            return None
        return self._known(hessians.ROWS.get(self.hessian, {}))

    @functools.cached_property
    def _smooths(self) -> bool:
        """Whether gradients, too, are those of the XGBoost that is installed, which depend on all rows."""
        return self.hessian == "xgboost" and self._name in _smoothed.LOSSES and _smoothed.is_built_in()

    @functools.cached_property
    def _of_groups(self) -> float:
        """What multiplies the Hessians of a loss of groups."""
        if not self._in_groups or self.hessian == "exact":
            return 1.0
        factor: float = self._known(hessians.GROUPS.get(self.hessian, {}))
        return factor

    @functools.cached_property
    def _in_groups(self) -> bool:
        from nbloss.families.grouped import Grouped

        return isinstance(self.loss, Grouped)

    def _known(self, known: Mapping[str, Any]) -> Any:
        name = self._name
        if name not in known:
            raise ValueError(
                f"hessian={self.hessian!r} is known for {', '.join(known) or 'no such loss'}, got {self.loss}"
            )
        return known[name]

    @property
    def _name(self) -> str:
        """The class of the loss, by which its facts are known; "" for a loss of a user, whatever it is called."""
        of_library = type(self.loss).__module__.startswith("nbloss.losses.")
        return type(self.loss).__name__ if of_library else ""

    @property
    def _floor(self) -> float:
        if self.hessian_floor is not None:
            return float(self.hessian_floor)
        return hessians.default_floor(self._name, self.hessian)

    def _for(self, z: Any) -> Loss:
        """Return the loss with which kernels write, for predictions *z*, the Hessian that is wanted."""
        if self._of_elements is not None:
            return self._of_elements
        return self.loss if self._factor is None else _curved_rows(self.loss, self._factor(z.shape[-1]))

    def _raise_to_floor(self, hessian: Any, y: Any, w: Any, groups: Any) -> None:
        """Give the Hessian of a loss that is not one of elements its floor, in place."""
        from nbloss._cpu.finite import reaches

        floor = self._floor
        if self._of_elements is not None or floor == -math.inf:
            return
        if reaches(hessian, floor if w is None else max(floor * w.min(), floor * w.max())):
            return  # as nearly always where the floor is as low as XGBoost's
        ignored = self.loss.parameters.get("ignore_index")
        if ignored is not None:
            w = (np.asarray(y) != ignored) * (1.0 if w is None else w)
        if w is not None and groups is not None and len(w) != len(hessian):
            w = np.repeat(w, groups)  # XGBoost's weights are of groups
        least = floor if w is None else (floor * w).reshape(w.shape + (1,) * (hessian.ndim - w.ndim))
        np.maximum(hessian, least, out=hessian, casting="same_kind")

    def calc_ders_range(self, approxes: Any, targets: Any, weights: Any) -> Any:
        """Return minus gradient and minus Hessian, an array of two columns, as CatBoost asks for them."""
        if self._smooths:
            raise ValueError(f"hessian must not be 'xgboost' for {self.loss!r} in CatBoost, which calls with some rows")
        n = len(approxes)
        targets, weights = _data.targets_for(self.loss, targets, weights)
        # with weights of the other sign, the kernel writes what CatBoost maximises
        minus = _minus_one(n) if weights is None else np.negative(weights)
        both = np.empty((2, n))
        self._for(approxes).gradient_and_hessian(targets, approxes, minus, out=(both[0], both[1]))
        return both.T

    @property
    def calc_ders_range_gpu(self) -> Any:
        """What CatBoost launches, like a kernel of numba, when it trains on a GPU; it needs the package numba-cuda.

        Raises
        ------
        ValueError
            If the loss is not one of single elements, each with one label: CatBoost has no others on a GPU.
        """
        return self._on_gpu

    @functools.cached_property
    def _on_gpu(self) -> Any:
        from nbloss.families.paired import Paired
        from nbloss.families.pointwise import Pointwise
        from nbloss.gbm._catboost_gpu import Derivatives

        loss, takes_exposures = self.loss, self._name == "CrossEntropyLambda"
        has_vectors = any(type(x) is tuple for x in loss.parameters.values())
        if not isinstance(loss, Pointwise) or has_vectors or (isinstance(loss, Paired) and not takes_exposures):
            raise ValueError(f"loss must be one of single elements, each with one label, for a GPU, got {loss!r}")
        ascending = Curved(loss, self._rule_of_elements(), self._floor, guarded=False, ascends=True)
        return Derivatives(ascending, takes_exposures)

    def calc_ders_multi(self, approxes: Any, target: Any, weight: Any) -> tuple[Any, Any]:
        """Return minus the gradient of one row, and minus the matrix of its second derivatives, for CatBoost."""
        minus = -1.0 if weight is None else -float(weight)
        if self._of_row is None:
            z, y, loss = np.asarray(approxes)[None], np.asarray([target]), self.loss
            matrix = loss.hessian_matrix(y, z, minus)[0]  # type: ignore[attr-defined]
            return loss.gradient(y, z, minus)[0].tolist(), matrix.tolist()
        z = np.ascontiguousarray(approxes, np.float64)
        classes = z.size
        if not (0 <= target < classes and target == int(target)) or target == self._ignored:
            from nbloss._cpu.arrays import check_labels

            check_labels(np.asarray(target), classes, self._ignored)
            target = minus = 0.0  # the row is left out
        out = np.empty((classes + 1, classes))
        self._of_row(z, int(target), minus, out)
        gradient, *matrix = out.tolist()
        return gradient, matrix

    @functools.cached_property
    def _of_row(self) -> Callable[..., None] | None:
        """What evaluates a single row without arrays of rows, if the loss is a sum over classes and takes labels."""
        from nbloss._cpu.one_row import derivatives_of_row
        from nbloss.families.rowwise import Rowwise

        loss = self.loss
        is_sum = isinstance(loss, Rowwise) and loss.engine == "rowwise" and loss.takes_labels
        return derivatives_of_row(loss._program) if is_sum else None  # type: ignore[attr-defined]

    @functools.cached_property
    def _ignored(self) -> int | None:
        ignored: int | None = self.loss.parameters.get("ignore_index")
        return ignored


_curved_rows = functools.lru_cache(maxsize=64)(curved_rows)


def _minus_one(n: int) -> Any:
    """Return a vector of -1, of which one is kept."""
    return _minus_ones(1 << (n - 1).bit_length())[:n]


@functools.cache
def _minus_ones(size: int) -> Any:
    ones = np.full(size, np.float32(-1))
    ones.flags.writeable = False
    return ones
