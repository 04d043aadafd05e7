"""LambdaRank."""

from dataclasses import dataclass
from typing import Any, ClassVar

from nbloss.families.grouped import Places
from nbloss.loss import POSITIVE, REAL, Domain, Interval, choice, count, gains, param
from nbloss.losses.ranking._logistic import logistic

HIGHEST = 1000.0  # the sum of 2**label of as many rows as there may be is a float64


@dataclass(frozen=True)
class LambdaRank(Places):
    r"""Logistic loss of pairs, each weighted by how much NDCG would change if the two changed places.

    .. math:: \ell = \sum_{y_i > y_j} W_{ij} \log\left(1 + e^{-\sigma (z_i - z_j)}\right), \qquad
              W_{ij} = c \, \frac{|G_i - G_j|}{D} \left|\frac{1}{\log_2(1 + r_i)} - \frac{1}{\log_2(1 + r_j)}\right|

    Here r are the places, from 1, of the rows in the order of falling predictions (of equal ones, the first in the
    array comes first), :math:`G = 2^y - 1` or `label_gain` are the gains, and D is the largest DCG that labels allow in
    the first `truncation_level` places. Pairs count of which one stands in these. With ``norm=True``, c is
    :math:`\log_2(1 + \Lambda) / \Lambda` divided, unless all predictions of the list are equal, by
    :math:`0.01 + |z_i - z_j|`, where :math:`\Lambda` is twice the sum of the derivatives' sizes before that factor;
    else it is 1.

    **The weights W are held constant** at the predictions given: value, gradient and Hessian are exactly those of this
    weighted sum with W as a number. LambdaRank's gradient is that of no function of fixed form, so the value is not one
    to compare between two predictions, as a metric is.

    There is one loss for each group of `groups`, which are the sizes of lists such as the results of queries, one after
    the other; by default all rows are one list. Labels are real numbers from 0 to 1000; with `label_gain`, they are
    whole numbers below its length, and others are a ValueError in host memory. Predictions are scores, any real
    numbers, for which the link is the identity. The Hessian is its exact diagonal. nan, and labels outside, make all
    results of their list nan. The defaults and formulas are those of LightGBM's ``lambdarank``, which rounds the
    logistic function to a table; XGBoost's ``rank:ndcg`` has twice the Hessian.

    `sample_weight` has a weight for each group, or for each row, which is what LightGBM takes. A group's weight
    multiplies its loss, so "none" is the losses of the groups times their weights, and "mean" divides by the sum of
    these. A row's weight multiplies its derivatives, and the weight of its group is the mean of those of its rows:
    where they differ inside a group, the gradient is, as in LightGBM, not that of the value. Rows of weight 0 are no
    part of their list. `init_score` is a TypeError: only differences of predictions count.

    Parameters
    ----------
    sigma : float, default=1
        How steep the loss of a pair is, above 0.
    truncation_level : int or None, default=30
        How many places count, from 1; None for all.
    norm : bool, default=True
        Whether to normalise the weights, so that lists count alike.
    label_gain : tuple of float or None, default=None
        The gain of each label from 0, or None for :math:`2^y - 1`.

    References
    ----------
    C. Burges, R. Ragno, Q. V. Le, *Learning to Rank with Nonsmooth Cost Functions*, NIPS 2006, 193-200.
    C. Burges, *From RankNet to LambdaRank to LambdaMART: An Overview*, Microsoft Research, MSR-TR-2010-82, 2010.
    """

    names: ClassVar[tuple[str, ...]] = ("lambdarank",)

    sigma: float = param(1.0, POSITIVE)
    truncation_level: int | None = count(30)
    norm: bool = choice(True, True, False)
    label_gain: tuple[float, ...] | None = gains()

    formula = staticmethod(logistic)

    @property
    def domain(self) -> Domain:
        return Domain(Interval(0, HIGHEST), REAL)

    @staticmethod
    def importance(gap: float, discount: float, distance: float, norm: bool) -> float:
        weight = gap * discount
        return weight / (type(gap)(0.01) + distance) if norm else weight

    @staticmethod
    def reference(m: Any, y: Any, z: Any, sigma: Any, truncation_level: Any, norm: Any, label_gain: Any) -> Any:
        n = len(z)
        held = [m.held(x) for x in z]
        if label_gain is None:
            gain, better = [m.jet(2) ** a - 1 for a in y], y
        else:
            gain = better = [next(x for k, x in enumerate(label_gain) if a == k) for a in y]
        places = [1 + sum(held[j] > held[i] or (j < i and held[j] == held[i]) for j in range(n)) for i in range(n)]
        last = n if truncation_level is None else truncation_level
        ideal = sorted(range(n), key=lambda i: better[i], reverse=True)
        best = sum(gain[i] * m.log(2) / m.log(1 + k) for k, i in enumerate(ideal[:last], 1))
        is_even = all(x == held[0] for x in held)
        pairs, steep = [], 0
        for i in range(n):
            for j in range(n):
                if better[i] > better[j] and min(places[i], places[j]) <= last:
                    discounts = [m.log(2) / m.log(1 + places[k]) for k in (i, j)]
                    weight = (gain[i] - gain[j]) * abs(discounts[0] - discounts[1]) / best
                    if norm and not is_even:
                        weight = weight / (m.jet(1) / 100 + abs(held[i] - held[j]))
                    pairs.append((weight, z[i] - z[j]))
                    steep = steep + 2 * weight * sigma / (1 + m.exp(sigma * (held[i] - held[j])))
        factor = m.log1p(steep) / m.log(2) / steep if norm and pairs and steep > 0 else 1
        return factor * sum(weight * m.log1p(m.exp(-sigma * d)) for weight, d in pairs)
