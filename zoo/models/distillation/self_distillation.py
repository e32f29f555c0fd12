"""A network teaches its own shallow layers (Zhang et al. 2019, Be your own teacher)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import keras
from keras import layers, ops
from keras.config import floatx

from zoo.losses.distillation import above_zero, soft_kl
from zoo.losses.features import hint
from zoo.networks import features_of, split_outputs, with_layers
from zoo.training.classification import Classification, agreement, shares
from zoo.training.engine import Batch, Losses

_STAGE = re.compile(r"stage\d+")
_FEATURES = "features"


@keras.saving.register_keras_serializable("zoo")
class SelfDistillation(Classification):
    """Classifiers on shallow stages learn from labels and from the deepest, the network itself.

    The sum of: CE(labels) of the network; for each shallow classifier (1 - alpha) CE(labels) +
    alpha T^2 KL of its softened outputs to the network's (equations 3 and 4); and, with a weight,
    the distance of its features to the network's (equation 5), here of normed vectors. The last two
    do not move the network's own outputs. Shallow classifiers are a bottleneck and a dense layer;
    they take part in training alone.

    Args:
        network: A classifier with the layer `features`.
        heads: The shallow classifiers; None builds one for each stage.
        stages: Layers to put them on; by default `stage1`, `stage2`, … but the last.
        alpha: Share of what a shallow classifier learns from the network, in [0, 1].
        temperature: T, above 0.
        hint_weight: Weight of the features, at least 0.
        label_smoothing: As for `Classification`.

    Raises:
        ValueError: for an option out of range, or a network without stages.
        InvalidInputError: for an unknown layer, with the layers that there are.
    """

    players = {"network": ("network", "heads")}
    rounds: tuple[tuple[str, ...], ...] = (("network",),)
    logged: tuple[str, ...] = ("accuracy", "shallow_accuracy")

    def __init__(
        self,
        network: keras.Model,
        heads: keras.Model | None = None,
        *,
        stages: Sequence[str] = (),
        alpha: float = 0.3,
        temperature: float = 3.0,
        hint_weight: float = 0.03,
        label_smoothing: float = 0.0,
        **kwargs: Any,
    ) -> None:
        if not 0 <= alpha <= 1:
            raise ValueError(f"alpha must be in [0, 1], got {alpha}")
        if hint_weight < 0:
            raise ValueError(f"hint_weight must be 0 or more, got {hint_weight}")
        above_zero("temperature", temperature)
        chosen = tuple(stages) or shallow_stages(network)
        parts = features_of(network, (*chosen, _FEATURES)).output
        if heads is None:
            classes = split_outputs(network.output)[0].shape[-1]
            width = parts[_FEATURES].shape[-1]
            heads = build_heads({name: parts[name].shape[1:] for name in chosen}, width, classes)
        super().__init__(
            {"network": network, "heads": heads}, label_smoothing=label_smoothing, **kwargs
        )
        self.stages = list(chosen)
        self.alpha = alpha
        self.temperature = temperature
        self.hint_weight = hint_weight

    def compute_losses(
        self, batch: Batch, players: Sequence[str], training: bool = True
    ) -> tuple[Losses, Losses]:
        whole = with_layers(self.network, (*self.stages, _FEATURES))
        outputs, inner = whole(batch["image"], training=training)
        shallow = self.heads({name: inner[name] for name in self.stages}, training=training)
        logits = ops.stop_gradient(split_outputs(outputs)[0])
        features = ops.stop_gradient(ops.cast(inner[_FEATURES], floatx()))
        targets = shares(batch["label"], logits.shape[-1])
        loss = self.label_loss(outputs, batch["label"], training)
        for name in self.stages if training else ():
            own = ops.cast(shallow[f"{name}_logits"], floatx())
            loss += (1 - self.alpha) * self.label_loss(own, batch["label"], training)
            loss += self.alpha * ops.mean(soft_kl(logits, own, self.temperature))
            seen = ops.cast(shallow[f"{name}_features"], floatx())
            loss += self.hint_weight * ops.mean(hint(features, seen))
        right = [agreement(shallow[f"{name}_logits"], targets) for name in self.stages]
        logs = {
            "accuracy": agreement(outputs, targets),
            "shallow_accuracy": sum(right) / len(right),
        }
        return {"network": loss}, logs


def shallow_stages(network: keras.Model) -> tuple[str, ...]:
    """Returns the names of a network's stages but the last.

    Raises:
        ValueError: where there are fewer than two.
    """
    stages = [layer.name for layer in network.layers if _STAGE.fullmatch(layer.name)]
    if len(stages) < 2:
        raise ValueError(
            f"{network.name} has {len(stages)} stages, and shallow classifiers need two; name "
            "layers for them in stages"
        )
    return tuple(stages[:-1])


def build_heads(shapes: dict[str, tuple[int, ...]], width: int, classes: int) -> keras.Model:
    """Builds the shallow classifiers.

    Args:
        shapes: Of the layers they are on, without the batch: maps or vectors.
        width: Length of their features, that of the network's own.
        classes: Number of classes.

    Returns:
        A model from `{name: layer}` to `{name_features: (batch, width), name_logits: (batch,
        classes)}`.
    """
    inputs, outputs = {}, {}
    for name, shape in shapes.items():
        x = inputs[name] = keras.Input(tuple(shape), name=name)
        if len(shape) == 3:
            # The bottleneck: as wide as the features, which are compared.
            x = layers.Conv2D(width, 3, 2, "same", use_bias=False, kernel_initializer="he_normal")(
                x
            )
            x = layers.ReLU()(layers.BatchNormalization()(x))
            x = layers.GlobalAveragePooling2D(name=f"{name}_features")(x)
        else:
            x = layers.Dense(width, activation="relu", name=f"{name}_features")(x)
        outputs[f"{name}_features"] = x
        outputs[f"{name}_logits"] = layers.Dense(classes, name=f"{name}_logits")(x)
    return keras.Model(inputs, outputs, name="heads")
