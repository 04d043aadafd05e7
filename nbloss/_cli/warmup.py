"""``nbloss warmup``: compile ahead what calls will need."""

from __future__ import annotations

from collections.abc import Sequence

import nbloss
from nbloss._cli.losses import find


def run(names: Sequence[str], dtypes: Sequence[str]) -> int:
    """Compile the losses of these names, with their defaults."""
    for name in names:
        nbloss.warmup(find(name)(), list(dtypes))
    print(f"ready: {', '.join(names)}, {', '.join(dtypes)}")
    return 0
