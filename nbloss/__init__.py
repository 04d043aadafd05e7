"""Loss functions as fast as the hardware: value, gradient and Hessian for NumPy and CUDA arrays.

>>> import nbloss
>>> loss = nbloss.Huber(delta=1.5)
>>> float(loss([0.0, 1.0], [0.5, 4.0]))
1.75
>>> loss.gradient([0.0, 1.0], [0.5, 4.0])
array([0.5, 1.5])
"""

from __future__ import annotations

from typing import Any

from nbloss import links as links
from nbloss import math as math
from nbloss import reference as reference
from nbloss._threads import get_num_threads as get_num_threads
from nbloss._threads import set_num_threads as set_num_threads
from nbloss._warmup import warmup as warmup
from nbloss.checking import check as check
from nbloss.custom import pointwise as pointwise
from nbloss.functions import binary_entropy as binary_entropy
from nbloss.functions import class_weights as class_weights
from nbloss.functions import entropy as entropy
from nbloss.functions import information as information
from nbloss.functions import log_softmax as log_softmax
from nbloss.functions import pcoc as pcoc
from nbloss.functions import sigmoid as sigmoid
from nbloss.functions import softmax as softmax
from nbloss.loss import Domain as Domain
from nbloss.loss import Interval as Interval
from nbloss.loss import Loss as Loss
from nbloss.losses.binary.asymmetric_loss import AsymmetricLoss as AsymmetricLoss
from nbloss.losses.binary.balanced_binary_cross_entropy import BalancedBinaryCrossEntropy as BalancedBinaryCrossEntropy
from nbloss.losses.binary.binary_cross_entropy import BinaryCrossEntropy as BinaryCrossEntropy
from nbloss.losses.binary.binary_focal import BinaryFocal as BinaryFocal
from nbloss.losses.binary.brier import Brier as Brier
from nbloss.losses.binary.cross_entropy_lambda import CrossEntropyLambda as CrossEntropyLambda
from nbloss.losses.binary.exponential import Exponential as Exponential
from nbloss.losses.binary.hinge import Hinge as Hinge
from nbloss.losses.binary.hinge_embedding import HingeEmbedding as HingeEmbedding
from nbloss.losses.binary.perceptron import Perceptron as Perceptron
from nbloss.losses.binary.squared_hinge import SquaredHinge as SquaredHinge
from nbloss.losses.distribution.gamma import Gamma as Gamma
from nbloss.losses.distribution.negative_binomial import NegativeBinomial as NegativeBinomial
from nbloss.losses.distribution.poisson import Poisson as Poisson
from nbloss.losses.distribution.tweedie import Tweedie as Tweedie
from nbloss.losses.multiclass.categorical_hinge import CategoricalHinge as CategoricalHinge
from nbloss.losses.multiclass.cross_entropy import CrossEntropy as CrossEntropy
from nbloss.losses.multiclass.focal import Focal as Focal
from nbloss.losses.multiclass.generalized_cross_entropy import GeneralizedCrossEntropy as GeneralizedCrossEntropy
from nbloss.losses.multiclass.jensen_shannon import JensenShannon as JensenShannon
from nbloss.losses.multiclass.kl_divergence import KLDivergence as KLDivergence
from nbloss.losses.multiclass.multi_label_margin import MultiLabelMargin as MultiLabelMargin
from nbloss.losses.multiclass.multi_label_soft_margin import MultiLabelSoftMargin as MultiLabelSoftMargin
from nbloss.losses.multiclass.multi_margin import MultiMargin as MultiMargin
from nbloss.losses.multiclass.nll import NLL as NLL
from nbloss.losses.multiclass.poly1_cross_entropy import Poly1CrossEntropy as Poly1CrossEntropy
from nbloss.losses.multiclass.symmetric_cross_entropy import SymmetricCrossEntropy as SymmetricCrossEntropy
from nbloss.losses.ranking.lambda_rank import LambdaRank as LambdaRank
from nbloss.losses.ranking.ranknet import RankNet as RankNet
from nbloss.losses.ranking.xe_ndcg import XeNDCG as XeNDCG
from nbloss.losses.regression.absolute_error import AbsoluteError as AbsoluteError
from nbloss.losses.regression.absolute_percentage_error import AbsolutePercentageError as AbsolutePercentageError
from nbloss.losses.regression.expectile import Expectile as Expectile
from nbloss.losses.regression.fair import Fair as Fair
from nbloss.losses.regression.half_squared_error import HalfSquaredError as HalfSquaredError
from nbloss.losses.regression.huber import Huber as Huber
from nbloss.losses.regression.log_cosh import LogCosh as LogCosh
from nbloss.losses.regression.multi_quantile import MultiQuantile as MultiQuantile
from nbloss.losses.regression.pseudo_huber import PseudoHuber as PseudoHuber
from nbloss.losses.regression.quantile import Quantile as Quantile
from nbloss.losses.regression.root_mean_squared_error import RootMeanSquaredError as RootMeanSquaredError
from nbloss.losses.regression.smooth_l1 import SmoothL1 as SmoothL1
from nbloss.losses.regression.squared_error import SquaredError as SquaredError
from nbloss.losses.regression.squared_logarithmic_error import SquaredLogarithmicError as SquaredLogarithmicError
from nbloss.losses.regression.zero_one import ZeroOne as ZeroOne
from nbloss.losses.segmentation.dice import Dice as Dice
from nbloss.losses.segmentation.focal_tversky import FocalTversky as FocalTversky
from nbloss.losses.segmentation.jaccard import Jaccard as Jaccard
from nbloss.losses.segmentation.lovasz_hinge import LovaszHinge as LovaszHinge
from nbloss.losses.segmentation.lovasz_softmax import LovaszSoftmax as LovaszSoftmax
from nbloss.losses.segmentation.tversky import Tversky as Tversky
from nbloss.losses.similarity.cosine_embedding import CosineEmbedding as CosineEmbedding
from nbloss.losses.similarity.cosine_similarity import CosineSimilarity as CosineSimilarity
from nbloss.losses.similarity.margin_ranking import MarginRanking as MarginRanking
from nbloss.losses.similarity.triplet_margin import TripletMargin as TripletMargin
from nbloss.losses.survival.aft import AFT as AFT
from nbloss.losses.survival.cox import Cox as Cox

__version__ = "0.1.0"

ALL: tuple[type[Loss], ...] = tuple(
    x for x in tuple(globals().values()) if isinstance(x, type) and issubclass(x, Loss) and x is not Loss
)
"""Every loss class: those imported above."""

__all__ = [
    "ALL",
    "Domain",
    "Interval",
    "Loss",
    "check",
    "get",
    "get_num_threads",
    "links",
    "math",
    "pointwise",
    "reference",
]
__all__ += ["set_num_threads", "warmup"]
__all__ += ["binary_entropy", "class_weights", "entropy", "information", "log_softmax", "pcoc", "sigmoid", "softmax"]
__all__ += [loss.__name__ for loss in ALL]


def get(name: str, **parameters: Any) -> Loss:
    """Return the loss of that name, for configuration files.

    Parameters
    ----------
    name : str
        The class name in snake case, such as ``"smooth_l1"``, or one of the customary names in the classes' `names`,
        such as ``"mse"``.
    **parameters
        Passed to the class.

    Raises
    ------
    ValueError
        If no loss has this name, or more than one.
    """
    if name == "l2":
        raise ValueError("'l2' is ambiguous: say 'squared_error' (SquaredError) or 'rmse' (RootMeanSquaredError)")
    known = {known_as: loss for loss in ALL for known_as in (_snake_case(loss.__name__), *loss.names)}
    if name not in known:
        import difflib  # only here: it would double the time of the import

        near = difflib.get_close_matches(str(name), known, n=3)
        words = f"such as {', '.join(map(repr, near))}" if near else "which nbloss.ALL has"
        raise ValueError(f"name must be that of a loss, {words}, got {name!r}")
    return known[name](**parameters)


def _snake_case(name: str) -> str:
    """Return *name* with words joined by underscores: SmoothL1 is smooth_l1, and KLDivergence kl_divergence."""

    def begins_word(i: int) -> bool:
        return name[i].isupper() and (not name[i - 1].isupper() or name[i + 1 : i + 2].islower())

    return "".join(f"_{c}" if i and begins_word(i) else c for i, c in enumerate(name)).lower()
