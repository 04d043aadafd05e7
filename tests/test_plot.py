"""Law: every loss can be drawn, and what is drawn are its numbers."""

from __future__ import annotations

import itertools

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

import nbloss
from nbloss import _plot

matplotlib.use("Agg")


@pytest.mark.parametrize("loss", nbloss.ALL, ids=lambda loss: loss.__name__)
def test_every_loss_can_be_drawn(loss: type[nbloss.Loss]) -> None:
    """With a curve for each scene, which is finite but for a few points, and not the same as another."""
    axes = loss().plot()
    scenes = loss()._picture().scenes
    for axis in axes:
        assert len(axis.get_lines()) == len(scenes)
        for line in axis.get_lines():
            assert np.isfinite(line.get_ydata()).mean() > 0.9
    values = [line.get_ydata() for line in axes[0].get_lines()]
    assert all(not np.array_equal(a, b) for a, b in itertools.combinations(values, 2))
    plt.close(axes[0].figure)


HELD = (nbloss.LambdaRank,)
"""Losses of which a part is held constant in the derivatives."""
AT_KINKS = 0.02


@pytest.mark.parametrize("loss", [x for x in nbloss.ALL if x not in HELD], ids=lambda loss: loss.__name__)
def test_gradients_drawn_are_the_slopes_of_the_values(loss: type[nbloss.Loss]) -> None:
    """Where nothing moves with the number of the axis, and but for a few points at kinks."""
    usual = loss()
    picture = usual._picture()
    for scene in picture.scenes:
        first, second = map(scene.y_pred, picture.over)
        if (
            sum(np.sum(np.not_equal(a, b)) for a, b in zip(np.atleast_1d(first), np.atleast_1d(second), strict=True))
            > 1
        ):
            continue  # the probabilities of other classes make room
        x, (value, gradient, hessian) = _plot.curves_of(usual, scene, picture.over)
        for curve, slope in ((value, gradient), (gradient, hessian)):
            found = np.gradient(curve, x)[1:-1]
            far = np.abs(found - slope[1:-1]) > 0.02 * (1 + np.nanmax(np.abs(slope)))
            assert far.mean() < AT_KINKS, scene.words


def test_an_image_a_row_and_labels_that_are_left_out() -> None:
    for loss in (
        nbloss.Dice(per_image=True),
        nbloss.LovaszSoftmax(per_image=True, classes=(0, 3), from_logits=False),
        nbloss.CrossEntropy(ignore_index=0, class_weight=(1.0, 2.0, 3.0, 4.0)),
        nbloss.KLDivergence(log_input=True, log_target=True),
        nbloss.MultiQuantile((0.5,)),
    ):
        axes = loss.plot()
        assert np.isfinite(axes[0].get_lines()[0].get_ydata()).all()
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
    with pytest.raises(ValueError, match="Hinge has no parameter 'gamma': it has none"):
        nbloss.Hinge().plot(gamma=[1])
    with pytest.raises(ValueError, match="one parameter with several values"):
        nbloss.BinaryFocal().plot(gamma=[1], alpha=[0.5])
