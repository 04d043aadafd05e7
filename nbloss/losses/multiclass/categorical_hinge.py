"""Categorical hinge loss."""

from dataclasses import dataclass
from typing import Any

from nbloss._lines import at, put
from nbloss._math import fma, plus
from nbloss.families.linewise import Linewise
from nbloss.losses.multiclass._margin import gap, multiple, unit_of
from nbloss.losses.multiclass._reference import targets


@dataclass(frozen=True)
class CategoricalHinge(Linewise):
    r"""Hinge loss of the class against the best of the others, that of Crammer and Singer as Keras writes it.

    .. math:: \ell(t, z) = \max\bigl( 0, \; \max_k (1 - t_k) z_k - \sum_k t_k z_k + 1 \bigr)

    Targets are labels, 0 to K - 1, or rows of numbers in [0, 1]; predictions are scores, any real numbers, for which
    the link is the identity. With a label, its own class counts as 0 in the maximum: the best of the others is 0 where
    all their scores are negative, so that this is the loss of Crammer and Singer for scores that are not.

    In the maximum the first of equal classes counts, and the derivative is its. At the kink, where all of it is 0, the
    gradient is 0; the Hessian is 0 everywhere. Infinite scores count as equally huge ones.

    References
    ----------
    K. Crammer, Y. Singer, *On the Algorithmic Implementation of Multiclass Kernel-based Vector Machines*, J. Mach.
    Learn. Res. 2 (2001), 265-292.
    """

    @staticmethod
    def formula(t: Any, z: Any, gradient: Any, hessian: Any, classes: int) -> float:
        unit = unit_of(z, classes, 1.0)
        positive, lost, negative, negative_lost, best = 0.0, 0.0, 0.0, 0.0, -1
        for k in range(classes):
            share, x = at(t, k), multiple(z, k, unit)
            product = fma(share, x, 0.0)  # which no compiler joins with the sums that it takes part in
            positive, lost = plus(positive, lost, product)
            lost += fma(share, x, -product)
            rest = 1.0 - share
            product = fma(rest, x, 0.0)
            product_lost = fma(rest, x, -product) + ((1.0 - rest) - share) * x
            if best < 0 or (product - negative) + (product_lost - negative_lost) > 0.0:
                negative, negative_lost, best = product, product_lost, k
        d = gap(negative, positive, 1.0 / unit) + (negative_lost - lost)
        for k in range(classes):
            slope = (1.0 - at(t, k) if k == best else 0.0) - at(t, k)
            put(gradient, k, slope if d > 0.0 else 0.0)
            put(hessian, k, 0.0)
        return max(d, 0.0) * unit

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        t = targets(y, z)
        positive = sum(a * x for a, x in zip(t, z, strict=True))
        negative = max((1 - a) * x for a, x in zip(t, z, strict=True))
        return max(0, negative - positive + 1)
