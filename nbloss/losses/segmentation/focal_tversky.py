"""Focal Tversky loss."""

from dataclasses import dataclass
from typing import Any

from nbloss.loss import POSITIVE, param
from nbloss.losses.segmentation._overlap import Overlap
from nbloss.losses.segmentation.tversky import Tversky


@dataclass(frozen=True)
class FocalTversky(Tversky):
    r"""A power of the Tversky loss: below 1 it pulls harder at regions that are nearly right, above 1 less hard.

    .. math:: \ell(y, z) = t(y, z)^\gamma

    where t is the loss of :class:`Tversky`, of each class if there are classes. Sets, classes, empty targets, the tie
    in the maximum and links are those of :class:`Dice`. Where t is 0, the slopes by p are infinite for
    :math:`\gamma < 1`, and those by saturated logits 0.

    Parameters
    ----------
    alpha : float, default=0.5
        The rate of false positives; at least 0.
    beta : float, default=0.5
        The rate of false negatives; at least 0.
    smooth : float, default=0.0
        Added to both sides of the fraction; at least 0.
    eps : float, default=1e-7
        The least denominator; at least 0. With 0, two empty regions give nan.
    from_logits : bool, default=True
        Whether predictions are logits z or probabilities p, in [0, 1].
    per_image : bool, default=False
        Whether each entry of the first axis is a set of its own, with a loss of its own.
    gamma : float, default=0.75
        The exponent; above 0.

    References
    ----------
    N. Abraham, N. M. Khan, *A Novel Focal Tversky Loss Function with Improved Attention U-Net for Lesion Segmentation*,
    ISBI 2019, 683-687 (with the exponent :math:`1 / \gamma`).
    """

    gamma: float = param(0.75, POSITIVE)

    in_double = True

    @property
    def numbers(self) -> tuple[float, ...]:
        return 1.0, self.alpha, self.beta, self.smooth, self.eps, self.gamma

    @staticmethod
    def reference(  # type: ignore[override]  # it has a parameter more
        m: Any, target: Any, predictions: Any, alpha: Any, beta: Any, smooth: Any, eps: Any, from_logits: Any,
        per_image: Any, gamma: Any,
    ) -> Any:  # fmt: skip
        found = Overlap.overlap(m, target, predictions, 1, alpha, beta, smooth, eps, from_logits)
        return Overlap.mean([t**gamma for t in found])
