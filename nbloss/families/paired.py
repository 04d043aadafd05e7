"""Losses in which every element stands alone, with two targets each."""

from __future__ import annotations

import itertools
import math
from typing import Any, ClassVar

import numpy as np

from nbloss import _arrays
from nbloss._plot import Picture
from nbloss.families.pointwise import Pointwise, _scene
from nbloss.reference import Part


class Paired(Pointwise):
    """A loss of one prediction and two targets, which come as a tuple of two arrays, element by element.

    The formula takes the second target after the prediction; the first of :attr:`numbers` stands in its place. The
    domain is that of the first one: outside of that of the second, the formula gives nan. The reference takes a tuple
    of two targets and a tuple of one prediction.
    """

    pair: ClassVar[str]
    """What the two are, for messages."""

    may_be_alone: ClassVar[bool] = False
    """Whether one array will do, for which the first of the numbers stands in for the second one."""

    def _targets(self, y_true: Any) -> tuple[Any, ...]:
        if self.may_be_alone and type(y_true) is not tuple:
            return (y_true,)
        if type(y_true) is not tuple or len(y_true) != 2:
            got = f"a tuple of {len(y_true)}" if type(y_true) is tuple else type(y_true).__name__
            raise TypeError(f"y_true must be a tuple of two arrays, {self.pair}, got {got}")
        return y_true

    def _example(self, size: int, target: Any, dtype: Any, classes: int) -> tuple[Any, Any, Any, dict[str, Any]]:
        y, z, shape, options = super()._example(size, target, dtype, classes)
        return (y if self.may_be_alone else (y + 1, y + 1)), z, shape, options

    def _picture(self) -> Picture:
        if self.may_be_alone:
            return super()._picture()
        words = {"time 2": (2.0, 2.0), "after 2": (2.0, math.inf), "before 2": (0.0, 2.0), "from 1 to 3": (1.0, 3.0)}
        return Picture("prediction", (-3.0, 4.0), tuple(itertools.starmap(_scene, words.items())))

    def parts(self, y_true: Any, y_pred: Any) -> tuple[tuple[int, ...], list[Part]]:
        """Return the shape of the losses and the elements, for the oracle."""
        z = np.asarray(y_pred, np.float64)
        targets = [np.asarray(y, np.float64) for y in self._targets(y_true)]
        for y in targets:
            _arrays.check_shapes(y, z)
        if len(targets) == 1:
            targets.append(np.full(z.shape, self.numbers[0]))
        pairs = zip(*(y.reshape(-1).tolist() for y in targets), strict=True)
        return z.shape, [Part(pair, ((x,),)) for pair, x in zip(pairs, z.reshape(-1).tolist(), strict=True)]

    def holds(self, part: Part) -> bool:
        """Whether an element lies in the domain, for the oracle."""
        return all(y in self.domain.target for y in part.target) and part.predictions[0][0] in self.domain.prediction


def needs_pairs(loss: Any) -> bool:
    """Whether *loss* needs two targets an element."""
    return isinstance(loss, Paired) and not loss.may_be_alone
