"""Multi-label margin loss."""

import math
from dataclasses import dataclass
from typing import Any

from nbloss._lines import at, put
from nbloss._math import plus
from nbloss.families.linewise import Linewise
from nbloss.losses.multiclass._margin import gap, multiple, unit_of, whole
from nbloss.losses.multiclass._reference import targets


@dataclass(frozen=True)
class MultiLabelMargin(Linewise):
    r"""Hinge losses of each class that is a target against each that is none, divided by K as in PyTorch.

    .. math:: \ell(t, z) = \frac{1}{K} \sum_{j : t_j = 1} \, \sum_{i : t_i = 0} \max(0, 1 - z_j + z_i)

    Targets are rows of 0 and 1, of which several may be 1, or labels, 0 to K - 1, each of which means one target.
    Another number in a row makes the row nan. Predictions are scores, any real numbers, for which the link is the
    identity. The divisor is the number of classes, K, and not that of the pairs.

    PyTorch takes the numbers of the targets, padded with -1. They become rows of 0 and 1 by::

        rows = numpy.zeros((n, K), bool)
        listed = numpy.logical_and.accumulate(padded >= 0, axis=1)  # PyTorch stops at the first -1
        rows[numpy.nonzero(listed)[0], padded[listed]] = True

    At the kinks, where :math:`1 - z_j + z_i = 0`, that term adds nothing to the gradient; the Hessian is 0 everywhere.
    Infinite scores count as equally huge ones. The time is that of K times the number of targets.

    References
    ----------
    K. Crammer, Y. Singer, *A Family of Additive Online Algorithms for Category Ranking*, J. Mach. Learn. Res. 3 (2003),
    1025-1058.
    """

    @staticmethod
    def formula(t: Any, z: Any, gradient: Any, hessian: Any, classes: int) -> float:
        unit = unit_of(z, classes, 1.0)
        total, lost = 0.0, 0.0
        for k in range(classes):
            put(gradient, k, 0.0)
            put(hessian, k, 0.0)
            if at(t, k) != 0.0 and at(t, k) != 1.0:
                total = math.nan
        for j in range(classes):
            if at(t, j) == 1.0:
                own, count = multiple(z, j, unit), 0
                for i in range(classes):
                    d = gap(multiple(z, i, unit), own, 1.0 / unit)
                    costs = (d > 0.0) & (at(t, i) == 0.0)
                    total, lost = plus(total, lost, d if costs else 0.0)
                    count += 1 if costs else 0
                    if gradient is not None:  # which holds whole numbers until the end
                        put(gradient, i, at(gradient, i) + (1.0 if costs else 0.0))
                put(gradient, j, 0.0 - count)
        if gradient is not None:
            for k in range(classes):
                put(gradient, k, at(gradient, k) / classes)
        return (whole(total, lost) / classes) * unit

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        t = targets(y, z)
        wanted, others = ([x for a, x in zip(t, z, strict=True) if a == which] for which in (1, 0))
        return sum(max(0, 1 - (x - other)) for x in wanted for other in others) / len(z)

    def holds(self, part: Any) -> bool:
        return super().holds(part) and (not isinstance(part.target, tuple) or set(part.target) <= {0, 1})
