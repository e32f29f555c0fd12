"""One step of a game outside `fit`, the same on every backend."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from zoo.training.engine import MultiPlayerModel

# Deep networks that tests make shallow and thin, by architecture; their parts are all there.
FEWER: dict[str, dict[str, Any]] = {
    "cyclegan": {"network.width": 8, "network.blocks": 1, "network.downsamplings": 1},
    "discogan": {"network.width": 4, "network.latent_dim": 16},
    # Thinner, a group norm would have groups of one channel, and the bias before it no gradient.
    "kl_autoencoder": {"network.width": 32},
    "ddpm": {"network.width": 8},
    "ldm": {"network.width": 8, "network.multipliers": [1], "network.blocks": 1},
}


def values(variables: list[Any]) -> list[np.ndarray]:
    """Copies the values of variables."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


def train_once(model: MultiPlayerModel, batch: dict[str, Any]) -> dict[str, Any]:
    """Runs `train_step` on a batch and returns its logs; the model has moved."""
    return _run(model, model.train_step, batch, with_optimizer=True)


def evaluate_once(model: MultiPlayerModel, batch: dict[str, Any]) -> dict[str, Any]:
    """Runs `test_step` on a batch and returns its logs."""
    return _run(model, model.test_step, batch, with_optimizer=False)


def _run(model: MultiPlayerModel, step: Any, batch: Any, with_optimizer: bool) -> dict[str, Any]:
    if keras.backend.backend() == "tensorflow":
        return step(batch)
    groups = [model.trainable_variables, model.non_trainable_variables]
    groups += [model.optimizer.variables] if with_optimizer else []
    groups += [model.metrics_variables]
    state = [[variable.value for variable in group] for group in groups]
    import jax

    # Outside a compiled function every operation would be compiled by itself.
    logs, state = jax.jit(step)(state, batch)
    for group, new in zip(groups, state, strict=True):
        for variable, value in zip(group, new, strict=True):
            variable.assign(value)
    return logs
