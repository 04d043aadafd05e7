"""Lovász-softmax loss."""

from dataclasses import dataclass
from typing import Any, ClassVar

from nbloss.families.ordered import Classes
from nbloss.loss import REAL, UNIT, Domain, choice, classes, label
from nbloss.losses.segmentation import _jaccard


@dataclass(frozen=True)
class LovaszSoftmax(Classes):
    r"""Mean intersection over union of the classes, made continuous: the Lovász extension of the Jaccard loss.

    .. math:: \ell = \frac{1}{|C|} \sum_{c \in C} \sum_k e_{\pi_k} \left(\Delta(\{\pi_1, \ldots, \pi_k\})
              - \Delta(\{\pi_1, \ldots, \pi_{k-1}\})\right), \qquad \Delta(M) = \frac{|M|}{|P_c \cup M|},
              \qquad e_i = \begin{cases} 1 - p_{ic} & i \in P_c \\ p_{ic} & \text{else} \end{cases}

    For each class c, the order :math:`\pi` is that of falling errors :math:`e`, and :math:`P_c` are the pixels of its
    label. Predictions have the classes on the last axis; p is their softmax or, with ``from_logits=False``, the
    predictions themselves. Targets are one whole number a row, of any dtype. From one-hot probabilities, the loss is
    the mean of 1 - IoU over the classes that count.

    There is one loss for the whole array, or for each image. A set without pixels or without classes that count has the
    loss 0. A class of which no pixel has the label adds its largest probability, if it counts.

    Gradient and Hessian hold the order fixed. Among equal errors, the earlier pixel comes first: the gradient is one of
    those that the loss has there, the same on every run. From logits, both go through the softmax: the Hessian is the
    exact diagonal. From probabilities, the Hessian is 0. nan or a probability outside [0, 1] in a row that counts makes
    all results of its set nan. The link is the softmax, or the identity from probabilities.

    Weights of pixels have no meaning here: `sample_weight` is a ValueError. So is a label that is none: out of range,
    or no whole number; on a CUDA device, all results of its set are nan.

    Parameters
    ----------
    classes : {"present", "all"} or tuple of int, default="present"
        The classes that count: those that occur in the set, all, or those of these numbers.
    per_image : bool, default=False
        Whether each entry of the first axis is a set of its own, with its own loss.
    ignore_index : int or None, default=None
        Pixels with this label, which may be that of a class, are left out of everything; their gradient is 0.
    from_logits : bool, default=True
        Whether predictions are logits or probabilities.

    References
    ----------
    M. Berman, A. Rannen Triki, M. B. Blaschko, *The Lovász-Softmax Loss: A Tractable Surrogate for the Optimization of
    the Intersection-Over-Union Measure in Neural Networks*, CVPR 2018, 4413-4421.
    """

    names: ClassVar[tuple[str, ...]] = ("lovasz",)

    classes: str | tuple[int, ...] = classes("present", "present", "all")
    per_image: bool = choice(False, True, False)
    ignore_index: int | None = label()
    from_logits: bool = choice(True, True, False)

    increment = staticmethod(_jaccard.increment)

    @property
    def domain(self) -> Domain:
        return Domain(REAL, REAL if self.from_logits else UNIT)

    @staticmethod
    def reference(m: Any, y: Any, z: Any, classes: Any, per_image: Any, ignore_index: Any, from_logits: Any) -> Any:
        many = len(z) // len(y) if y else 0
        rows = [z[i * many : (i + 1) * many] for i, label in enumerate(y) if label != ignore_index]
        labels = [label for label in y if label != ignore_index]
        losses = []
        for k in range(many):
            mask = [label == k for label in labels]
            if not (any(mask) if classes == "present" else classes == "all" or k in classes):
                continue
            errors = []
            for row, positive in zip(rows, mask, strict=True):
                odds = sum(m.exp(x - row[k]) for j, x in enumerate(row) if j != k) if from_logits else None
                p = row[k] if odds is None else 1 / (1 + odds)
                errors.append(1 - p if positive else p)
            losses.append(_jaccard.of_level_sets(errors, mask))
        return sum(losses) / len(losses) if losses else 0
