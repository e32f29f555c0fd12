"""The fixed networks that a student learns from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops
from keras.config import floatx

from zoo.layers.test_time import without_views
from zoo.networks import features_of, main_output, split_outputs, with_layers
from zoo.training.engine import Parents
from zoo.training.teachers import teacher_roles


class Teachers:
    """Networks that answer and never change: no player owns them, nothing of them is kept.

    A game has them in this object, which Keras does not look into. Hence they are neither in the
    game's variables nor in its checkpoints: a run that is resumed loads them again.

    Args:
        parents: `{role: {"network": classifier}}`; those whose roles begin with `teacher` teach.
        student: The network that learns; its images and classes must be theirs.
        layers: Layers of the first teacher whose outputs are wanted.
        views: Whether a teacher that was stored with test-time views looks at all of them. What is
            asked of layers is that of one view in any case.

    Raises:
        ValueError: without a teacher, for one that is no classifier, or one of other images or of
            another number of classes.
        InvalidInputError: for an unknown layer, with the layers that there are.
    """

    def __init__(
        self,
        parents: Parents,
        student: keras.Model,
        layers: Sequence[str] = (),
        views: bool = False,
    ) -> None:
        roles = teacher_roles(parents)
        if not roles:
            raise ValueError(
                "a student needs a teacher: set parents.teacher.model to a stored classifier, "
                "such as resnet20.fashion_mnist"
            )
        self.networks: dict[str, keras.Model] = {}
        for role in roles:
            if "network" not in parents[role]:
                raise ValueError(f"{role} must be a classifier, got {', '.join(parents[role])}")
            whole = main_output(parents[role]["network"])
            _require_fit(role, whole, student)
            self.networks[role] = whole if views else without_views(whole)
            # Images may be smaller for a while, as the student's are then.
            self.networks[role].input_spec = None
        first = self.networks[roles[0]]
        # One pass gives logits and layers, unless the logits are those of several views.
        self._joint = first is without_views(first)
        self._seen: keras.Model | None = None
        if layers:
            self._seen = with_layers(first, layers) if self._joint else features_of(first, layers)
            self._seen.input_spec = None

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Returns the shapes of the layers that are wanted, without the batch."""
        if self._seen is None:
            return {}
        outputs = self._seen.output[1] if self._joint else self._seen.output
        return {name: tuple(output.shape[1:]) for name, output in outputs.items()}

    def logits(self, images: Any) -> Any:
        """Returns the answers of all teachers, (teachers, batch, classes)."""
        return ops.stack([_fixed(one(images, training=False)) for one in self.networks.values()])

    def __call__(self, images: Any) -> tuple[Any, dict[str, Any]]:
        """Returns the answers of all teachers and the layers of the first one, by name."""
        if self._seen is None:
            return self.logits(images), {}
        if not self._joint:
            return self.logits(images), _each_fixed(self._seen(images, training=False))
        output, layers = self._seen(images, training=False)
        others = [one(images, training=False) for one in list(self.networks.values())[1:]]
        return ops.stack([_fixed(one) for one in (output, *others)]), _each_fixed(layers)


def _require_fit(role: str, teacher: keras.Model, student: keras.Model) -> None:
    theirs, own = teacher.input_shape[1:], student.input_shape[1:]
    if theirs != own:
        raise ValueError(f"{role} takes images of {_size(theirs)}, the student of {_size(own)}")
    classes = split_outputs(student.output)[0].shape[-1]
    if teacher.output_shape[-1] != classes:
        raise ValueError(
            f"{role} tells {teacher.output_shape[-1]} classes apart, the student {classes}"
        )


def _size(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


def _fixed(value: Any) -> Any:
    """Whatever numbers a teacher computes in, the student's losses are in one kind."""
    return ops.stop_gradient(ops.cast(value, floatx()))


def _each_fixed(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _fixed(value) for name, value in values.items()}
