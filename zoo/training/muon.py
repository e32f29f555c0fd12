"""Muon for convolutional networks."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable("zoo")
class ConvMuon(keras.optimizers.Muon):
    """Keras' `Muon`, which leaves convolutions to AdamW, extended to their kernels.

    A kernel (height, width, inputs, filters) is a matrix with a column for each filter. Its update
    is orthogonalised by Newton's and Schulz's iteration, and before each step the kernel is scaled
    to the norm sqrt(filters): the rate is then an angle by which filters turn (Jordan 2024,
    airbench94_muon; Muon: Jordan et al. 2024). Dense kernels and vectors learn by AdamW.

    Args:
        **options: As for `keras.optimizers.Muon`.
    """

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        return len(variable.shape) != 4

    def _muon_update_step(self, gradient: Any, variable: keras.Variable, lr: Any, m: Any) -> None:
        filters = variable.shape[-1]
        lr = ops.cast(lr, variable.dtype)
        self.assign(m, ops.add(gradient, m * self.momentum))
        moved = ops.add(gradient, self.momentum * m) if self.nesterov else m
        rows = ops.reshape(moved, (math.prod(variable.shape[:-1]), filters))
        turn = self.zeropower_via_newtonschulz5(rows, self.ns_steps)
        scaled = variable * (math.sqrt(filters) / (ops.sqrt(ops.sum(ops.square(variable))) + 1e-7))
        self.assign(variable, scaled - lr * ops.reshape(turn, variable.shape))
