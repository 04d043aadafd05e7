"""Binary cross-entropy of every class, for rows with several labels."""

from dataclasses import dataclass
from typing import Any

from nbloss.families.rowwise import SIGMOID, Rowwise
from nbloss.loss import REAL, UNIT, Domain
from nbloss.losses.binary._cross_entropy import from_logit
from nbloss.losses.multiclass._reference import targets


@dataclass(frozen=True)
class MultiLabelSoftMargin(Rowwise):
    r"""The mean over the classes of the binary cross-entropy of each: for rows with any number of labels.

    .. math:: \ell(t, z) = -\frac1K \sum_k \bigl( t_k \log p_k + (1 - t_k) \log (1 - p_k) \bigr),
              \qquad p_k = \frac{1}{1 + e^{-z_k}}

    Targets are rows of labels 0 and 1, or of probabilities in [0, 1]; a label stands for the row in which it alone is
    1. Predictions are logits; the link is the sigmoid. There is no kink. The gradient is :math:`(p_k - t_k) / K`, the
    Hessian :math:`p_k (1 - p_k) / K`, and the classes do not mix.

    References
    ----------
    D. R. Cox, *The Regression Analysis of Binary Sequences*, J. R. Stat. Soc. B 20 (1958), 215-242.
    """

    sparse = False
    averaged = True
    link = SIGMOID

    @property
    def domain(self) -> Domain:
        return Domain(UNIT, REAL)

    @staticmethod
    def formula(t: float, x: float, p: float, q: float) -> tuple[float, float, float]:
        one = type(x)(1)
        return from_logit(x, t, one, one - t, one, False)

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        pairs = zip(targets(y, z), z, strict=True)
        return sum(t * m.log(1 + m.exp(-x)) + (1 - t) * m.log(1 + m.exp(x)) for t, x in pairs) / len(z)

    def minimiser(self, masses: Any, total: float) -> Any:
        return masses / total
