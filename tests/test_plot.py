"""Law: every pointwise loss can be drawn, and what is drawn are its numbers."""

from __future__ import annotations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

import nbloss
from nbloss.families.pointwise import Pointwise

matplotlib.use("Agg")


@pytest.mark.parametrize("loss", [x for x in nbloss.ALL if issubclass(x, Pointwise)], ids=lambda loss: loss.__name__)
def test_every_loss_can_be_drawn(loss: type[Pointwise]) -> None:
    axes = loss().plot()
    for axis in axes:
        for line in axis.get_lines():
            assert np.isfinite(line.get_ydata()).mean() > 0.9
    plt.close(axes[0].figure)


def test_curves_are_the_numbers_of_the_loss() -> None:
    axes = nbloss.Huber().plot(delta=[0.5, 2], over=(-1.0, 3.0))
    assert [axis.get_title() for axis in axes] == ["value", "gradient", "Hessian"]
    assert axes[0].get_xlabel() == "residual"
    assert [text.get_text() for text in axes[0].figure.legends[0].get_texts()] == ["delta=0.5", "delta=2"]
    for line, delta in zip(axes[1].get_lines(), (0.5, 2.0), strict=True):
        z = np.asarray(line.get_xdata())
        assert (z[0], z[-1]) == (-1, 3)
        np.testing.assert_array_equal(line.get_ydata(), nbloss.Huber(delta).gradient(np.zeros_like(z), z))
    plt.close(axes[0].figure)
    own = plt.subplots(1, 3)[1]
    assert nbloss.Hinge().plot(axes=own) is own and len(own[0].get_lines()) == 2
    plt.close(own[0].figure)


def test_errors() -> None:
    with pytest.raises(ValueError, match="Huber has no parameter 'gamma', only delta"):
        nbloss.Huber().plot(gamma=[1])
    with pytest.raises(ValueError, match="one parameter with several values"):
        nbloss.BinaryFocal().plot(gamma=[1], alpha=[0.5])
