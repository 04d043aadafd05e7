"""The pages "coming from ..." and the recipes of docs/ecosystem.md, with the libraries themselves."""

from __future__ import annotations

import os
import re
import types
import warnings
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"  # with JAX, classes must be last

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # those of others while they are imported
    import jax
    import keras
    import optax
    import torch

import numpy as np
import pytest

import nbloss
from tests.coming_from import ARRAYS, DOCS, EXPECTED

jax.config.update("jax_enable_x64", True)
keras.config.set_floatx("float64")

TENSORS = {name: torch.tensor(np.asarray(x)) for name, x in ARRAYS.items()}
"""Of the same numbers; labels are whole numbers, everything else float64."""
ALIASES = {
    "KLD": "kl_divergence", "MAE": "mean_absolute_error", "MAPE": "mean_absolute_percentage_error",
    "MSE": "mean_squared_error", "MSLE": "mean_squared_logarithmic_error",
}  # fmt: skip
LOSSES = types.SimpleNamespace(**vars(keras.losses), **{a: getattr(keras.losses, b) for a, b in ALIASES.items()})
TF = types.SimpleNamespace(keras=types.SimpleNamespace(losses=LOSSES))
CLAMPS = 1e-6
"""How much Keras moves what it clamps, and by its constants against a division by 0."""


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")  # so says the table, too
@pytest.mark.parametrize("call", [call for call in EXPECTED["from-pytorch"] if call.startswith("torch.")])
def test_pytorch_is_as_the_table_says(call: str) -> None:
    found = eval(call, {"torch": torch, **TENSORS})
    np.testing.assert_allclose(np.asarray(found), EXPECTED["from-pytorch"][call], rtol=1e-12)


@pytest.mark.parametrize("call", EXPECTED["from-keras"])
def test_keras_is_as_the_table_says(call: str) -> None:
    found = eval(call, {"tf": TF, **ARRAYS})
    np.testing.assert_allclose(np.asarray(found), EXPECTED["from-keras"][call], rtol=CLAMPS)


@pytest.mark.parametrize("call", EXPECTED["from-optax"])
def test_optax_is_as_the_table_says(call: str) -> None:
    arrays = {name: jax.numpy.asarray(x) for name, x in ARRAYS.items()}
    found = eval(call, {"optax": optax, "np": np, **arrays})
    np.testing.assert_allclose(found, EXPECTED["from-optax"][call], rtol=1e-12)


def recipe(library: str) -> dict[str, Any]:
    """Return the names that a recipe of the page defines."""
    text = (DOCS / "ecosystem.md").read_text()
    blocks = re.findall(r"^```\{code-block\} python\n:class: recipe\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    (code,) = (block for block in blocks if f"import {library}\n" in block)
    names: dict[str, Any] = {"__name__": "block"}
    exec(compile(code, "ecosystem.md", "exec"), names)
    return names


def test_recipe_of_pytorch() -> None:
    function = recipe("torch")["Loss"]
    a, b = TENSORS["a"], TENSORS["b"].clone().requires_grad_()
    ours = function.apply(b, a, nbloss.Huber(delta=0.5))
    (3 * ours).backward()
    found, b.grad = b.grad, None
    theirs = torch.nn.functional.huber_loss(b, a, delta=0.5)
    (3 * theirs).backward()
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(found, b.grad)
    assert torch.autograd.gradcheck(lambda x: function.apply(x, a, nbloss.PseudoHuber()), (b,))


def test_recipe_of_jax() -> None:
    value = recipe("jax")["value"]
    a, b = ARRAYS["a"], ARRAYS["b"]

    @jax.jit
    def ours(x: Any) -> Any:
        return 3 * value(nbloss.PseudoHuber(delta=0.5), a, x)

    def theirs(x: Any) -> Any:
        return 3 * jax.numpy.mean(0.25 * (jax.numpy.sqrt(1 + ((x - a) / 0.5) ** 2) - 1))

    found, slope = jax.value_and_grad(ours)(b)
    expected, expected_slope = jax.value_and_grad(theirs)(b)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    np.testing.assert_allclose(slope, expected_slope, rtol=1e-12)
