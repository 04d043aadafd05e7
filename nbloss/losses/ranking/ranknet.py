"""RankNet."""

from dataclasses import dataclass
from typing import Any, ClassVar

from nbloss.families.grouped import Pairs
from nbloss.loss import POSITIVE, param
from nbloss.losses.ranking._logistic import logistic


@dataclass(frozen=True)
class RankNet(Pairs):
    r"""Logistic loss of all pairs of a list of which one has the higher label: pairwise learning to rank.

    .. math:: \ell = \sum_{y_i > y_j} \log\left(1 + e^{-\sigma (z_i - z_j)}\right)

    There is one loss for each group of `groups`, which are the sizes of lists such as the results of queries, one after
    the other; by default all rows are one list. Labels are any real numbers: only their order counts, and pairs of
    equal labels cost nothing. Predictions are scores, any real numbers, for which the link is the identity. A list
    without pairs has the loss 0. The Hessian is its exact diagonal. A list of m rows takes O(m²) time. nan makes all
    results of its list nan.

    `sample_weight` has a weight for each group, or for each row, which is what LightGBM takes. A group's weight
    multiplies its loss, so "none" is the losses of the groups times their weights, and "mean" divides by the sum of
    these. A row's weight multiplies its derivatives, and the weight of its group is the mean of those of its rows:
    where they differ inside a group, the gradient is, as in LightGBM, not that of the value. Rows of weight 0 are no
    part of their list.

    With ``sigma=1``, this is XGBoost's ``rank:pairwise`` with all pairs and without normalisation, but for its Hessian,
    which has a factor 2, and CatBoost's ``PairLogit`` with all pairs. `init_score` is a TypeError: only differences of
    predictions count.

    Parameters
    ----------
    sigma : float, default=1
        How steep the loss is, above 0.

    References
    ----------
    C. Burges, T. Shaked, E. Renshaw, A. Lazier, M. Deeds, N. Hamilton, G. Hullender, *Learning to Rank using Gradient
    Descent*, ICML 2005, 89-96.
    """

    names: ClassVar[tuple[str, ...]] = ("ranknet",)

    sigma: float = param(1.0, POSITIVE)

    formula = staticmethod(logistic)

    @staticmethod
    def reference(m: Any, y: Any, z: Any, sigma: Any) -> Any:
        rows = list(zip(y, z, strict=True))
        return sum(m.log1p(m.exp(-sigma * (b - d))) for a, b in rows for c, d in rows if a > c)
