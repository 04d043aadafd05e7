"""Tversky loss."""

from dataclasses import dataclass
from typing import Any

from nbloss.loss import NON_NEGATIVE, choice, param
from nbloss.losses.segmentation._overlap import Overlap


@dataclass(frozen=True)
class Tversky(Overlap):
    r"""One minus an overlap that counts false positives and false negatives at rates of their own.

    .. math:: \ell(y, z) = 1 - \frac{\sum_i p_i y_i + s}
              {\max(\sum_i p_i y_i + \alpha \sum_i p_i (1 - y_i) + \beta \sum_i (1 - p_i) y_i + s, \varepsilon)},
              \qquad p_i = \frac{1}{1 + e^{-z_i}}

    Sets, classes, empty targets, the tie in the maximum and links are those of :class:`Dice`, which it is for
    :math:`\alpha = \beta = 1/2` and s = 0 (up to :math:`\varepsilon`); for :math:`\alpha = \beta = 1` it is
    :class:`Jaccard`.

    Parameters
    ----------
    alpha : float, default=0.5
        The rate of false positives; at least 0.
    beta : float, default=0.5
        The rate of false negatives; at least 0.
    smooth : float, default=0.0
        s, added to both sides of the fraction; at least 0.
    eps : float, default=1e-7
        The least denominator; at least 0. With 0, two empty regions give nan.
    from_logits : bool, default=True
        Whether predictions are logits z or probabilities p, in [0, 1].
    per_image : bool, default=False
        Whether each entry of the first axis is a set of its own, with a loss of its own.

    References
    ----------
    A. Tversky, *Features of Similarity*, Psychol. Rev. 84 (1977), 327-352;
    S. S. M. Salehi, D. Erdogmus, A. Gholipour, *Tversky Loss Function for Image Segmentation Using 3D Fully
    Convolutional Deep Networks*, MLMI 2017, 379-387, as a loss.
    """

    alpha: float = param(0.5, NON_NEGATIVE)
    beta: float = param(0.5, NON_NEGATIVE)
    smooth: float = param(0.0, NON_NEGATIVE)
    eps: float = param(1e-7, NON_NEGATIVE)
    from_logits: bool = choice(True, True, False)
    per_image: bool = choice(False, True, False)

    @property
    def numbers(self) -> tuple[float, ...]:
        return 1.0, self.alpha, self.beta, self.smooth, self.eps, 1.0

    @staticmethod
    def reference(
        m: Any, target: Any, predictions: Any, alpha: Any, beta: Any, smooth: Any, eps: Any, from_logits: Any,
        per_image: Any,
    ) -> Any:  # fmt: skip
        return Overlap.mean(Overlap.overlap(m, target, predictions, 1, alpha, beta, smooth, eps, from_logits))
