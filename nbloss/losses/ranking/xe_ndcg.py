"""Cross-entropy surrogate of NDCG."""

from dataclasses import dataclass
from typing import Any, ClassVar

from nbloss._hash import unit
from nbloss.families.grouped import Shares
from nbloss.loss import REAL, Domain, Interval, label

HIGHEST = 1000.0  # the sum of 2**label of as many rows as there may be is a float64


@dataclass(frozen=True)
class XeNDCG(Shares):
    r"""Cross-entropy between the labels' shares of a list's gain and the softmax of its predictions.

    .. math:: \ell = -\sum_i \frac{2^{y_i} - \gamma_i}{\sum_j (2^{y_j} - \gamma_j)} \log \rho_i, \qquad
              \rho_i = \frac{e^{z_i}}{\sum_j e^{z_j}}

    It bounds a transform of NDCG for every :math:`\gamma` in [0, 1]. The authors, and LightGBM's ``rank_xendcg``, draw
    them anew, uniformly, in each round of training. **Here the loss is a function of its arguments**: by default every
    :math:`\gamma` is 1/2, their mean. With a `seed`, that of row i of the arrays is a hash of the seed and i in [0, 1):
    the upper 53 bits of ``mix(mix(seed) + i)``, where mix is the function of SplitMix64, on every device. A loss with
    another seed in each round, ``XeNDCG(seed=round)``, trains as the authors do.

    There is one loss for each group of `groups`, which are the sizes of lists such as the results of queries, one after
    the other; by default all rows are one list. Labels are real numbers from 0 to 1000. Predictions are scores, any
    real numbers, for which the link is the identity. The least loss of a list is the entropy of the shares; a list
    without rows has the loss 0. nan, and labels outside, make all results of their list nan.

    Gradient and Hessian are exact: :math:`\rho_i - t_i`, where t are the shares, and :math:`\rho_i (1 - \rho_i)`.
    LightGBM has the same Hessian, and adds two terms to the gradient that stand for the Hessian's other elements.

    `sample_weight` has a weight for each group, or for each row, which is what LightGBM takes. A group's weight
    multiplies its loss, so "none" is the losses of the groups times their weights, and "mean" divides by the sum of
    these. A row's weight multiplies its derivatives, and the weight of its group is the mean of those of its rows:
    where they differ inside a group, the gradient is, as in LightGBM, not that of the value. Rows of weight 0 are no
    part of their list. `init_score` is a TypeError: only differences of predictions count.

    Parameters
    ----------
    seed : int or None, default=None
        What the :math:`\gamma` are made of, or None for 1/2.

    References
    ----------
    S. Bruch, *An Alternative Cross Entropy Loss for Learning-to-Rank*, WWW 2021, 118-126 (arXiv:1911.09798, 2019).
    """

    names: ClassVar[tuple[str, ...]] = ("xe_ndcg", "xendcg", "rank_xendcg")

    seed: int | None = label()

    @property
    def domain(self) -> Domain:
        return Domain(Interval(0, HIGHEST), REAL)

    @staticmethod
    def formula(t: float, x: float, p: float, q: float) -> tuple[float, float, float]:
        return -t * x if t != type(t)(0) else type(t)(0), p - t, p * q

    @staticmethod
    def reference(m: Any, y: Any, z: Any, seed: Any) -> Any:
        if not z:
            return 0
        mass = [m.jet(2) ** a - (0.5 if seed is None else unit(seed, i)) for a, i in y]
        # log(sum of exp(z)) - z of each row, in which nothing cancels
        return sum(a * m.log(sum(m.exp(x - b) for x in z)) for a, b in zip(mass, z, strict=True)) / sum(mass)
