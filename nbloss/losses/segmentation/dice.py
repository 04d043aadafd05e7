"""Dice loss."""

from dataclasses import dataclass
from typing import Any

from nbloss.loss import NON_NEGATIVE, choice, param
from nbloss.losses.segmentation._overlap import Overlap


@dataclass(frozen=True)
class Dice(Overlap):
    r"""One minus twice the overlap of two regions, as a share of the sum of their sizes.

    .. math:: \ell(y, z) = 1 - \frac{2 \sum_i p_i y_i + s}{\max(\sum_i p_i + \sum_i y_i + s, \varepsilon)},
              \qquad p_i = \frac{1}{1 + e^{-z_i}}

    The sums run over the whole array, or over each image; sample weights multiply their terms. Targets are labels 0 and
    1 or probabilities, in [0, 1]. If y_pred has one axis more, of K classes, the targets are labels 0 to K - 1, p is
    the softmax of a row, and the loss is the mean over the classes that occur in the set; it is nan where none does.

    An empty target costs 1 with any prediction, an empty one too, unless s > 0. Where the two terms of the maximum are
    equal, the derivatives are those of the sums. The gradient runs through the sums, and the Hessian is its exact
    diagonal. The link is the sigmoid of each element; for classes, take a softmax, since y_pred alone does not tell.

    From probabilities, y_pred is p itself, in [0, 1], and the link is the identity.

    Parameters
    ----------
    smooth : float, default=0.0
        s, added to both sides of the fraction; at least 0.
    eps : float, default=1e-7
        The least denominator; at least 0. With 0, two empty regions give nan.
    from_logits : bool, default=True
        Whether predictions are logits z or probabilities p.
    per_image : bool, default=False
        Whether each entry of the first axis is a set of its own, with a loss of its own.

    References
    ----------
    L. R. Dice, *Measures of the Amount of Ecologic Association Between Species*, Ecology 26 (1945), 297-302;
    F. Milletari, N. Navab, S.-A. Ahmadi, *V-Net*, 3DV 2016, 565-571, as a loss.
    """

    smooth: float = param(0.0, NON_NEGATIVE)
    eps: float = param(1e-7, NON_NEGATIVE)
    from_logits: bool = choice(True, True, False)
    per_image: bool = choice(False, True, False)

    @property
    def numbers(self) -> tuple[float, ...]:
        return 2.0, 1.0, 1.0, self.smooth, self.eps, 1.0

    @staticmethod
    def reference(
        m: Any, target: Any, predictions: Any, smooth: Any, eps: Any, from_logits: Any, per_image: Any
    ) -> Any:
        return Overlap.mean(Overlap.overlap(m, target, predictions, 2, 1, 1, smooth, eps, from_logits))
