"""Mixed precision: layers compute in bfloat16, weights and losses stay float32."""

from __future__ import annotations

import keras


def set_precision(network: keras.Model, policy: str) -> None:
    """Sets in what numbers a network's layers compute; its weights are float32 in any case.

    Under `mixed_bfloat16` (Micikevicius et al. 2018, sec. 3.1: master weights; bfloat16 has the
    range of float32, so no loss is scaled) the layers that give the outputs stay float32, and with
    them the losses, as does the normalisation of pixels, for which 8 bits are too few.

    Args:
        network: A functional network.
        policy: `float32` or `mixed_bfloat16`.
    """
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            set_precision(layer, policy)
        elif _stays_exact(layer, network):
            layer.dtype_policy = "float32"
        else:
            layer.dtype_policy = policy


def _stays_exact(layer: keras.Layer, network: keras.Model) -> bool:
    gives_output = any(layer.output is output for output in network.outputs)
    return gives_output or isinstance(layer, keras.layers.InputLayer | keras.layers.Normalization)
