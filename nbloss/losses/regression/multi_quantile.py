"""Quantile losses of one target at several levels."""

import itertools
from dataclasses import dataclass
from typing import Any

from nbloss import _statistics
from nbloss._lines import at, put
from nbloss._math import fma
from nbloss.families.linewise import Linewise, line_map
from nbloss.loss import REAL, UNIT, Domain, choice, vector


@dataclass(frozen=True)
class MultiQuantile(Linewise):
    r"""Sum of the quantile losses of a row of predictions, one a level, of one target.

    .. math:: \ell(y, z) = \sum_k \begin{cases} (1 - \alpha_k) (z_k - y) & z_k > y \\ \alpha_k (y - z_k) & z_k \le y
              \end{cases}

    Targets are real numbers, one for each row; predictions have one number for each level on the last axis. The
    gradient is that of `Quantile` for each: 0 at the kinks, where :math:`z_k = y`. The Hessian is 0 everywhere. A
    weight multiplies a whole row, ``reduction="none"`` gives one loss for each row, and the mean is over rows: it is K
    times the mean of the quantile losses.

    Nothing keeps predictions for higher levels above those for lower ones. With `sort`, `inverse_link` puts each row in
    order, so that quantiles do not cross: rearranged, they are never farther from the true ones, nor is the loss ever
    larger. Value and derivatives are those of the predictions as they are.

    Parameters
    ----------
    alphas : tuple of float, default=(0.1, 0.5, 0.9)
        The levels, in [0, 1], which must increase.
    sort : bool, default=True
        Whether `inverse_link` puts the predictions of each row in order; else it returns them as they are.

    References
    ----------
    R. Koenker, G. Bassett, *Regression Quantiles*, Econometrica 46 (1978), 33-50.

    V. Chernozhukov, I. Fernández-Val, A. Galichon, *Quantile and Probability Curves Without Crossing*, Econometrica 78
    (2010), 1093-1125.
    """

    alphas: tuple[float, ...] = vector((0.1, 0.5, 0.9), UNIT)
    sort: bool = choice(True, True, False)

    real_targets = True

    def __post_init__(self) -> None:
        super().__post_init__()
        alphas = self.alphas if isinstance(self.alphas, tuple) else (self.alphas,)
        if any(a >= b for a, b in itertools.pairwise(alphas)):
            raise ValueError(f"MultiQuantile: alphas must increase, got {self.alphas!r}")
        object.__setattr__(self, "alphas", alphas)

    @property
    def numbers(self) -> tuple[Any, ...]:
        return self.alphas

    @property
    def choices(self) -> tuple[Any, ...]:
        return ()

    @property
    def domain(self) -> Domain:
        return Domain(REAL, REAL)

    @property
    def link(self) -> Any:
        return SORTED if self.sort else super().link

    @staticmethod
    def formula(t: Any, z: Any, gradient: Any, hessian: Any, classes: int, *alphas: float) -> float:
        total, lost = 0.0, 0.0
        for k in range(classes):
            r = at(z, k) - at(t, k)
            slope = 1.0 - alphas[k] if r > 0.0 else alphas[k]
            put(gradient, k, slope if r > 0.0 else -slope if r < 0.0 else 0.0)
            put(hessian, k, 0.0)
            x = fma(slope, abs(r), 0.0) if slope > 0.0 else 0.0  # 0 also for an infinite residual
            after = total + x
            lost += x - (after - total) if total >= x else total - (after - x)
            total = after
        return total + lost if lost == lost else total

    @staticmethod
    def reference(m: Any, y: Any, z: Any, alphas: Any, sort: Any) -> Any:
        return sum(a * max(0, y - x) + (1 - a) * max(0, x - y) for a, x in zip(alphas, z, strict=True))

    def minimiser(self, y: Any, w: Any) -> Any:
        return [_statistics.quantile(y, w, alpha) for alpha in self.alphas]


def sorted_line(t: Any, z: Any, line: Any, hessian: Any, classes: int) -> float:
    """Write the numbers of z to *line* in order."""
    for k in range(classes):
        x, i = at(z, k), k
        while i > 0 and at(line, i - 1) > x:
            put(line, i, at(line, i - 1))
            i -= 1
        put(line, i, x)
    return 0.0


SORTED = line_map(sorted_line)
