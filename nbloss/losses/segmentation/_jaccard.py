"""What the Lovász losses share: the Jaccard loss of a set of mispredicted pixels, and how it grows."""

import itertools
from collections.abc import Sequence
from typing import Any


def increment(is_positive: bool, intersection: int, union: int) -> float:
    """Return by how much the Jaccard loss grows when one more pixel is mispredicted.

    Before, *intersection* and *union* count the pixels in both of the mask and the prediction, and in either. A pixel
    of the mask leaves the intersection, any other one joins the union: the difference of ``1 - intersection / union``
    is one quotient of each, without cancellation. The loss of nothing is 0, also where the union is empty.
    """
    if is_positive:
        return 1 / union
    return intersection / (union * (union + 1.0)) if union > 0 else 1.0


def of_level_sets(errors: Sequence[Any], mask: Sequence[bool]) -> Any:
    """Return the Lovász extension of the Jaccard loss as an integral over the sets of pixels whose error is above t.

    Among equal errors, the earlier pixel counts as the larger: of the derivatives at a tie, this fixes one.
    """
    falling = sorted(range(len(errors)), key=errors.__getitem__, reverse=True)  # stable, also in reverse
    total, union = 0, sum(mask)
    for mispredicted, (i, following) in enumerate(itertools.zip_longest(falling, falling[1:]), 1):
        union += not mask[i]
        step = errors[i] if following is None else errors[i] - errors[following]
        total = total + step * mispredicted / union
    return total
