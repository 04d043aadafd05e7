"""Lovász hinge."""

from dataclasses import dataclass
from typing import Any

from nbloss.families.ordered import Margins
from nbloss.loss import choice, label
from nbloss.losses.segmentation import _jaccard


@dataclass(frozen=True)
class LovaszHinge(Margins):
    r"""Intersection over union of a mask, made convex: the Lovász extension of the Jaccard loss, of hinge errors.

    .. math:: \ell = \sum_k \max(0, e_{\pi_k}) \left(\Delta(\{\pi_1, \ldots, \pi_k\})
              - \Delta(\{\pi_1, \ldots, \pi_{k-1}\})\right), \qquad \Delta(M) = \frac{|M|}{|P \cup M|},
              \qquad e_i = 1 - s_i z_i

    The order :math:`\pi` is that of falling errors, and P is the mask: the pixels of positive label. Labels are 0 and 1
    or -1 and 1: s is 1 where y > 0, else -1. Predictions are scores, any real numbers, for which the link is the
    identity. Where all scores are 1 or -1, the loss is 2 (1 - IoU).

    There is one loss for the whole array, or for each image. A set without pixels that count has the loss 0.

    Among equal errors, the earlier pixel comes first: the gradient is one of those that the loss has there, the same on
    every run. At an error of 0 it is 0; the Hessian is 0 everywhere. nan in a score or a label that counts makes all
    results of its set nan.

    Weights of pixels have no meaning here: `sample_weight` is a ValueError.

    Parameters
    ----------
    per_image : bool, default=False
        Whether each entry of the first axis is a set of its own, with its own loss.
    ignore_index : int or None, default=None
        Pixels with this label are left out of everything; their gradient is 0.

    References
    ----------
    M. Berman, A. Rannen Triki, M. B. Blaschko, *The Lovász-Softmax Loss: A Tractable Surrogate for the Optimization of
    the Intersection-Over-Union Measure in Neural Networks*, CVPR 2018, 4413-4421.
    """

    per_image: bool = choice(False, True, False)
    ignore_index: int | None = label()

    increment = staticmethod(_jaccard.increment)

    @staticmethod
    def reference(m: Any, y: Any, z: Any, per_image: Any, ignore_index: Any) -> Any:
        pairs = [(bool(a > 0), b) for a, b in zip(y, z, strict=True) if ignore_index is None or a != ignore_index]
        errors = [max(0, 1 - b if positive else 1 + b) for positive, b in pairs]
        return _jaccard.of_level_sets(errors, [positive for positive, _ in pairs])
