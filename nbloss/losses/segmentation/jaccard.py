"""Jaccard loss."""

from dataclasses import dataclass
from typing import Any

from nbloss.loss import NON_NEGATIVE, choice, param
from nbloss.losses.segmentation._overlap import Overlap


@dataclass(frozen=True)
class Jaccard(Overlap):
    r"""One minus the intersection of two regions over their union.

    .. math:: \ell(y, z) = 1 - \frac{\sum_i p_i y_i + s}
              {\max(\sum_i p_i + \sum_i y_i - \sum_i p_i y_i + s, \varepsilon)}, \qquad p_i = \frac{1}{1 + e^{-z_i}}

    Sets, classes, empty targets, the tie in the maximum and links are those of :class:`Dice`. For hard predictions it
    is one minus IoU.

    Parameters
    ----------
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
    P. Jaccard, *The Distribution of the Flora in the Alpine Zone*, New Phytol. 11 (1912), 37-50.
    """

    smooth: float = param(0.0, NON_NEGATIVE)
    eps: float = param(1e-7, NON_NEGATIVE)
    from_logits: bool = choice(True, True, False)
    per_image: bool = choice(False, True, False)

    names = ("iou",)

    @property
    def numbers(self) -> tuple[float, ...]:
        return 1.0, 1.0, 1.0, self.smooth, self.eps, 1.0

    @staticmethod
    def reference(
        m: Any, target: Any, predictions: Any, smooth: Any, eps: Any, from_logits: Any, per_image: Any
    ) -> Any:
        return Overlap.mean(Overlap.overlap(m, target, predictions, 1, 1, 1, smooth, eps, from_logits))
