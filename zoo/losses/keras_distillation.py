"""The same losses for `keras.distillation.Distiller`.

Example:
    keras.distillation.Distiller(
        teacher, student, [SoftTargets(4.0), AttentionTransfer("stage2", "stage2")]
    )
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import keras
from keras import ops

from zoo.losses import distillation, features, relations


@keras.saving.register_keras_serializable("zoo")
class SoftTargets(keras.distillation.DistillationLoss):
    """The mean over the batch of `distillation.soft_kl`.

    Keras' `LogitsDistillation` is the same where its loss is a `keras.losses.KLDivergence()`; by
    the name `kl_divergence` it takes logits for probabilities (Keras 3.15).

    Args:
        temperature: T, above 0.

    Raises:
        ValueError: for another temperature.
    """

    def __init__(self, temperature: float = 4.0) -> None:
        self.temperature = distillation.above_zero("temperature", temperature)

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        return ops.mean(distillation.soft_kl(teacher_outputs, student_outputs, self.temperature))

    def get_config(self) -> dict[str, Any]:
        return {"temperature": self.temperature}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SoftTargets:
        return cls(**config)


class OfLayers(keras.distillation.FeatureDistillation):
    """Base of the losses between two layers; the mean over the batch.

    Args:
        teacher_layer_name: A layer of the teacher; None for its output.
        student_layer_name: A layer of the student.
    """

    function: ClassVar[staticmethod[[Any, Any], Any]]

    def __init__(
        self, teacher_layer_name: str | None = None, student_layer_name: str | None = None
    ) -> None:
        super().__init__("mse", teacher_layer_name, student_layer_name)

    def compute_loss(self, teacher_outputs: Any, student_outputs: Any, **kwargs: Any) -> Any:
        return ops.mean(self.function(teacher_outputs, student_outputs))

    def get_config(self) -> dict[str, Any]:
        return {
            "teacher_layer_name": self.teacher_layer_name,
            "student_layer_name": self.student_layer_name,
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> OfLayers:
        return cls(**config)


@keras.saving.register_keras_serializable("zoo")
class LogitMSE(OfLayers):
    """`distillation.logit_mse`, of the networks' outputs where no layers are named."""

    function = staticmethod(distillation.logit_mse)


@keras.saving.register_keras_serializable("zoo")
class Hint(OfLayers):
    """`features.hint`, of layers of as many channels: a distiller of Keras has no projector."""

    function = staticmethod(features.hint)


@keras.saving.register_keras_serializable("zoo")
class AttentionTransfer(OfLayers):
    """`features.attention_transfer`."""

    function = staticmethod(features.attention_transfer)


@keras.saving.register_keras_serializable("zoo")
class RelationalDistance(OfLayers):
    """`relations.rkd_distance`."""

    function = staticmethod(relations.rkd_distance)


@keras.saving.register_keras_serializable("zoo")
class RelationalAngle(OfLayers):
    """`relations.rkd_angle`."""

    function = staticmethod(relations.rkd_angle)


@keras.saving.register_keras_serializable("zoo")
class SimilarityPreserving(OfLayers):
    """`relations.similarity_preserving`."""

    function = staticmethod(relations.similarity_preserving)
