"""Cox's partial likelihood."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from nbloss import links
from nbloss._math import log, log1p
from nbloss.families.grouped import Hazards

FAR = 600.0  # beyond, the quotient of a sum and an exponential may overflow


@dataclass(frozen=True)
class Cox(Hazards):
    r"""Negative logarithm of Cox's partial likelihood of censored times, with Breslow's ties, weights and strata.

    .. math:: \ell = \sum_i w_i \delta_i \left(\log \sum_{t_j \ge t_i} w_j e^{z_j} - z_i\right)

    Targets are a tuple of two arrays, ``y_true=(time, event)``: times :math:`t`, any real numbers, also infinite ones,
    and events :math:`\delta`, 1 where the time is that of the event and 0 where the row was censored then; else a
    ValueError (on a CUDA device the stratum is nan). Predictions z are logarithms of hazard ratios, any real numbers,
    and the link is the exponential function.

    Rows whose times are equal are at risk together, whatever their order. Derivatives are exact: with
    :math:`S_i = \sum_{t_j \ge t_i} w_j e^{z_j}`,

    .. math:: g_k = w_k e^{z_k} \sum_{t_i \le t_k} \frac{w_i \delta_i}{S_i} - w_k \delta_k, \qquad
              h_k = w_k e^{z_k} \sum_{t_i \le t_k} \frac{w_i \delta_i}{S_i}
                    - w_k^2 e^{2 z_k} \sum_{t_i \le t_k} \frac{w_i \delta_i}{S_i^2}

    Neither overflows or vanishes for predictions far apart. It takes O(n log n) time.

    `groups` are the sizes of strata, whose rows stand one after the other; rows of different strata are never at risk
    together. By default all rows are one stratum. There is one loss for each stratum: "none" is the sum above for each,
    0 where nothing happened, "sum" adds them, and "mean" divides their sum by that of :math:`w_i \delta_i`, the number
    of events, as XGBoost's metric ``cox-nloglik`` does; without any event it is nan.

    `sample_weight` is a number or one for each row, and stands where the formula has w: a row of weight 2 counts as two
    rows with equal times, and a row of weight 0 as none. So weights multiply gradients, but the loss has a term more:
    the logarithm of the weights in the sums.

    nan in a time or prediction makes all results of its stratum nan. `init_score` is a TypeError: only differences of
    predictions count.

    References
    ----------
    D. R. Cox, *Regression Models and Life-Tables*, J. R. Stat. Soc. B 34 (1972), 187-220.
    N. E. Breslow, *Covariance Analysis of Censored Survival Data*, Biometrics 30 (1974), 89-99.
    """

    names: ClassVar[tuple[str, ...]] = ("coxph",)

    @property
    def link(self) -> Callable[..., Any]:
        return links.exp

    @staticmethod
    def formula(own: float, whole: float, lost: float, far: float) -> float:
        real = type(own)
        if far > real(FAR):
            return log(whole) + far
        rest = ((whole - own) + lost) / own
        return log1p(rest) if rest < real(1) else log(whole / own)

    @staticmethod
    def reference(m: Any, y: Any, z: Any) -> Any:
        rows = list(zip(y, z, strict=True))
        total = 0
        for (time, event, weight), x in rows:
            if event * weight != 0:
                at_risk = sum(w * m.exp(b - x) for (t, _, w), b in rows if t >= time and w != 0)
                total = total + weight * event * m.log(at_risk)
        return total
