"""Jensen-Shannon divergence."""

from dataclasses import dataclass
from typing import Any

from nbloss._math import log, log1p
from nbloss.families.rowwise import Rowwise
from nbloss.loss import choice, param
from nbloss.losses.multiclass._reference import log_of, softmax, targets
from nbloss.losses.multiclass.cross_entropy import BASE


@dataclass(frozen=True)
class JensenShannon(Rowwise):
    r"""The mean of the divergences of two distributions from their mean: symmetric, and at most log 2.

    .. math:: \ell(t, p) = \frac12 \sum_k \Bigl( t_k \log \frac{t_k}{m_k} + p_k \log \frac{p_k}{m_k} \Bigr),
              \qquad m_k = \frac{t_k + p_k}{2}, \qquad 0 \log 0 = 0

    Targets are rows of probabilities in [0, 1], or labels. Predictions are probabilities in [0, 1], used as they are,
    or logits. There is no kink. The gradient by a probability is :math:`\frac12 \log (p_k / m_k)`, minus infinity where
    a class of probability 0 occurs; it is 0 where a class neither occurs nor has a probability. The link is the
    identity or the softmax.

    Parameters
    ----------
    from_logits : bool, default=False
        Whether predictions are logits or probabilities.
    base : float or None, default=None
        The base of the logarithm, above 1; None: natural.

    References
    ----------
    J. Lin, *Divergence Measures Based on the Shannon Entropy*, IEEE Trans. Inf. Theory 37 (1991), 145-151.
    """

    from_logits: bool = choice(False, False, True)
    base: float | None = param(None, BASE, optional=True)

    sparse = False

    @staticmethod
    def formula(t: float, x: float, p: float, q: float, from_logits: bool) -> tuple[float, float, float]:
        real = type(x)
        zero, half, one, two = real(0), real(0.5), real(1), real(2)
        both = t + p
        if both == zero:
            return zero, zero, zero
        # with d = (t - p) / (t + p), t is m (1 + d) and p is m (1 - d)
        d = (t - p) / both
        is_near = abs(d) < half
        log_t = log1p(d)
        log_p = log1p(-d) if is_near else log(two * (p / both))
        near = half * both * (log1p(-d * d) + d * log1p(two * d / (one - d)))
        far = (t * log_t if t != zero else zero) + (p * log_p if p != zero else zero)
        value, slope = half * (near if is_near else far), half * log_p
        bend = half * (t / both)  # times p the second derivative by p
        if from_logits:
            return value, p * slope if p != zero else zero, p * (slope + bend) if p != zero else zero
        return value, slope, bend / p if t != zero else zero

    @staticmethod
    def reference(m: Any, y: Any, z: Any, from_logits: Any, base: Any) -> Any:
        total = 0
        for t, p in zip(targets(y, z), softmax(m, z) if from_logits else z, strict=True):
            mean = (t + p) / 2
            total += (t * (m.log(t) - m.log(mean)) if t != 0 else 0) + (
                p * (m.log(p) - m.log(mean)) if mean != 0 else 0
            )
        return total / 2 / log_of(m, base)

    def minimiser(self, masses: Any, total: float) -> Any:
        raise TypeError("JensenShannon has no constant prediction in closed form: give boosting a start of its own")
