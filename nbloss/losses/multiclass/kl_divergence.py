"""Kullback-Leibler divergence."""

from dataclasses import dataclass
from typing import Any

from nbloss._math import exp, log, log1p
from nbloss.families.rowwise import EXP, Rowwise
from nbloss.loss import REAL, UNIT, Domain, choice, param
from nbloss.losses.multiclass._reference import log_of, log_softmax, targets
from nbloss.losses.multiclass.cross_entropy import BASE


@dataclass(frozen=True)
class KLDivergence(Rowwise):
    r"""How much a distribution t diverges from p: the cross-entropy without the entropy of the target.

    .. math:: \ell(t, p) = \sum_k t_k \log \frac{t_k}{p_k}, \qquad 0 \log 0 = 0

    Targets are rows of probabilities in [0, 1], or labels. Predictions are probabilities in [0, 1], their logarithms,
    or logits. Rows are used as they are, also if they do not sum to 1. There is no kink; the value is infinite where a
    class of probability 0 occurs.

    The gradient is :math:`-t_k / p_k` by a probability, :math:`-t_k` by its logarithm, and
    :math:`p_k \sum_j t_j - t_k` by a logit. The link is the identity, the exponential or the softmax. A mean is taken
    over the rows (which PyTorch calls "batchmean").

    Parameters
    ----------
    from_logits : bool, default=False
        Whether predictions are logits.
    log_input : bool, default=False
        Whether predictions are logarithms of probabilities; not together with `from_logits`.
    log_target : bool, default=False
        Whether rows of targets are logarithms of probabilities.
    base : float or None, default=None
        The base of the logarithm, above 1; None: natural.

    References
    ----------
    S. Kullback, R. A. Leibler, *On Information and Sufficiency*, Ann. Math. Statist. 22 (1951), 79-86.
    """

    from_logits: bool = choice(False, False, True)
    log_input: bool = choice(False, False, True)
    log_target: bool = choice(False, False, True)
    base: float | None = param(None, BASE, optional=True)

    names = ("kl_div", "kld")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.from_logits and self.log_input:
            raise ValueError(
                "KLDivergence: from_logits and log_input must not both be True, got predictions of two kinds"
            )

    @property
    def domain(self) -> Domain:
        return Domain(REAL if self.log_target else UNIT, REAL if self.from_logits or self.log_input else UNIT)

    @property
    def link(self) -> Any:
        return EXP if self.log_input else super().link

    @property
    def takes_labels(self) -> bool:
        return not self.log_target

    @staticmethod
    def formula(
        t: float, x: float, p: float, q: float, from_logits: bool, log_input: bool, log_target: bool
    ) -> tuple[float, float, float]:
        zero, two = type(x)(0), type(x)(2)
        log_t = t if log_target else log(t)
        share = exp(t) if log_target else t
        occurs = share != zero
        if from_logits or log_input:
            return share * (log_t - x) if occurs else zero, -share, zero
        slope = share / p if occurs else zero
        # near 1, the logarithm of a ratio is that of 1 plus a difference, which is exact there
        ratio = log1p((share - p) / p) if share < two * p and p < two * share else log_t - log(p)
        return share * ratio if occurs else zero, -slope, slope / p if occurs else zero

    @staticmethod
    def reference(m: Any, y: Any, z: Any, from_logits: Any, log_input: Any, log_target: Any, base: Any) -> Any:
        t = [m.exp(x) for x in y] if log_target else targets(y, z)
        logs = log_softmax(m, z) if from_logits else z if log_input else [m.log(p) for p in z]
        return sum(a * (m.log(a) - x) for a, x in zip(t, logs, strict=True) if a != 0) / log_of(m, base)
