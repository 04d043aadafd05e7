"""Multi-class margin loss."""

from dataclasses import dataclass
from typing import Any

from nbloss._lines import at, put
from nbloss._math import plus
from nbloss.families.linewise import Linewise
from nbloss.loss import choice, param
from nbloss.losses.multiclass._margin import gap, multiple, unit_of, whole


@dataclass(frozen=True)
class MultiMargin(Linewise):
    r"""Hinge losses of the class against each of the others, those of Weston and Watkins, divided by K as in PyTorch.

    .. math:: \ell(y, z) = \frac{1}{K} \sum_{i \neq y} \max(0, \tau - z_y + z_i)^p

    Targets are labels, 0 to K - 1; rows of targets are an error. Predictions are scores, any real numbers, for which
    the link is the identity. The divisor is the number of classes, K, although the sum has K - 1 terms; the classes'
    weights of PyTorch are sample weights here, by which ``reduction="mean"`` divides, and PyTorch does not.

    At the kinks, where :math:`\tau - z_y + z_i = 0`, that term adds nothing to gradient and Hessian. The Hessian is 0
    for p = 1; for p = 2 its diagonal is 2 / K for each of the others whose term is positive, and their sum for y.
    Infinite scores count as equally huge ones.

    Parameters
    ----------
    margin : float, default=1.0
        The margin :math:`\tau` from which on the others cost nothing.
    p : {1, 2}, default=1
        The power of the terms.

    References
    ----------
    J. Weston, C. Watkins, *Support Vector Machines for Multi-Class Pattern Recognition*, ESANN 1999, 219-224.
    """

    margin: float = param(1.0)
    p: int = choice(1, 1, 2)

    labels_only = True

    @staticmethod
    def formula(t: Any, z: Any, gradient: Any, hessian: Any, classes: int, margin: float, p: int) -> float:
        unit = unit_of(z, classes, margin)
        own, most = multiple(z, t.label, unit), margin / unit
        share, total, lost, slopes, slopes_lost, count = 1.0 / classes, 0.0, 0.0, 0.0, 0.0, 0
        for k in range(classes):
            d = gap(multiple(z, k, unit), own, most)
            costs = (d > 0.0) & (k != t.label)
            d = d if costs else 0.0
            count += 1 if costs else 0
            if p == 1:
                total, lost = plus(total, lost, d)
                put(gradient, k, share if costs else 0.0)
                put(hessian, k, 0.0)
            else:
                total, lost = plus(total, lost, d * d)
                slopes, slopes_lost = plus(slopes, slopes_lost, d)
                put(gradient, k, (2.0 * d / classes) * unit)
                put(hessian, k, 2.0 * share if costs else 0.0)
        if p == 1:
            put(gradient, t.label, 0.0 - count / classes)
            return (whole(total, lost) / classes) * unit
        put(gradient, t.label, 0.0 - (2.0 * whole(slopes, slopes_lost) / classes) * unit)
        put(hessian, t.label, 2.0 * count / classes)
        return ((whole(total, lost) / classes) * unit) * unit

    @staticmethod
    def mixed(t: Any, hessian: Any, i: int, j: int) -> float:
        if i == t.label:
            return 0.0 - at(hessian, j)
        return 0.0 - at(hessian, i) if j == t.label else 0.0

    @staticmethod
    def reference(m: Any, y: Any, z: Any, margin: Any, p: Any) -> Any:
        return sum(max(0, margin - z[y] + x) ** p for i, x in enumerate(z) if i != y) / len(z)
