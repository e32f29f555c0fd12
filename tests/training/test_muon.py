"""ConvMuon: kernels turn by orthogonal steps, all else is Keras' AdamW part of Muon."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from zoo.training.muon import ConvMuon
from zoo.training.optimizers import build_optimizer

RNG = np.random.default_rng(0)
SHAPE = (3, 3, 4, 8)
OPTIONS = {"momentum": 0.6, "weight_decay": 0.0, "adam_weight_decay": 0.0}


def stepped(
    optimizer: keras.optimizers.Optimizer, value: np.ndarray, gradient: np.ndarray
) -> np.ndarray:
    variable = keras.Variable(value)
    optimizer.build([variable])
    optimizer.apply([ops.convert_to_tensor(gradient)])
    return np.array(ops.convert_to_numpy(variable))


def test_a_kernel_turns_by_the_gradients_orthogonal_factor() -> None:
    kernel, gradient = (RNG.normal(size=SHAPE).astype("float32") for _ in range(2))
    moved = stepped(
        ConvMuon(0.1, ns_steps=12, muon_a=2.0, muon_b=-1.5, muon_c=0.5, **OPTIONS), kernel, gradient
    )
    # These coefficients converge to the orthogonal factor; Muon's own stop near it.
    left, _, right = np.linalg.svd(gradient.reshape(36, 8), full_matrices=False)
    scaled = kernel * np.sqrt(8) / np.linalg.norm(kernel)
    np.testing.assert_allclose(moved, scaled - 0.1 * (left @ right).reshape(SHAPE), atol=2e-3)


def test_momentum_is_nesterovs() -> None:
    kernel, first, second = (RNG.normal(size=SHAPE).astype("float32") for _ in range(3))
    converging = {"ns_steps": 12, "muon_a": 2.0, "muon_b": -1.5, "muon_c": 0.5}
    optimizer = ConvMuon(0.1, **converging, **OPTIONS)
    variable = keras.Variable(kernel)
    optimizer.build([variable])
    for gradient in (first, second):
        before = np.array(ops.convert_to_numpy(variable))
        optimizer.apply([ops.convert_to_tensor(gradient)])
    buffer = 0.6 * first + second
    left, _, right = np.linalg.svd((second + 0.6 * buffer).reshape(36, 8), full_matrices=False)
    scaled = before * np.sqrt(8) / np.linalg.norm(before)
    expected = scaled - 0.1 * (left @ right).reshape(SHAPE)
    np.testing.assert_allclose(ops.convert_to_numpy(variable), expected, atol=2e-3)


def test_a_dense_kernel_learns_by_adamw() -> None:
    kernel, gradient = (RNG.normal(size=(5, 3)).astype("float32") for _ in range(2))
    muon = stepped(ConvMuon(0.1, adam_lr_ratio=0.5, **OPTIONS), kernel, gradient)
    adam = stepped(keras.optimizers.AdamW(0.05, weight_decay=0.0), kernel, gradient)
    np.testing.assert_allclose(muon, adam, rtol=1e-5)


def test_a_recipe_names_it_and_its_configuration_makes_it_again() -> None:
    made = build_optimizer({"name": "ConvMuon", "learning_rate": 0.2, **OPTIONS}, {}, 10)
    again = keras.optimizers.deserialize(keras.optimizers.serialize(made))
    assert isinstance(again, ConvMuon)
    assert again.get_config() == made.get_config()
