"""Several classifiers as one network."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
from keras import ops


def averaged(members: Sequence[keras.Model]) -> keras.Model:
    """Builds the network whose scores are the mean of its members' scores (Breiman 1996).

    Its outputs are the logarithms of that mean, so that softmax gives the mean itself.

    Args:
        members: Classifiers from the same images to logits of the same classes; they become part
            of the network and are renamed.

    Returns:
        A model from `images` to logits of shape (batch, classes), without a layer `features`.
    """
    images, logits = _side_by_side(members)
    scores = ops.stack([ops.log_softmax(one) for one in logits], axis=1)
    return keras.Model(
        images, ops.logsumexp(scores, axis=1) - math.log(len(members)), name="bagging"
    )


def voted(members: Sequence[keras.Model], weights: Sequence[float]) -> keras.Model:
    """Builds the network in which each member has a weighted vote for one class.

    Its outputs are the sums of the votes. With the weights of SAMME their softmax is the estimate
    of the classes' probabilities in Zhu et al. (2009, section 2), exp(f_k / (K - 1)) over its sum.

    Args:
        members: As for `averaged`.
        weights: One for each member.
    """
    images, logits = _side_by_side(members)
    classes = logits[0].shape[-1]
    votes = [ops.one_hot(ops.argmax(one, axis=-1), classes) for one in logits]
    total = sum(weight * vote for weight, vote in zip(weights, votes, strict=True))
    return keras.Model(images, total, name="samme")


def _side_by_side(
    members: Sequence[keras.Model],
) -> tuple[keras.KerasTensor, list[keras.KerasTensor]]:
    images = keras.Input(members[0].input_shape[1:], name="images")
    for number, member in enumerate(members, start=1):
        member.name = f"member{number}"
    return images, [member(images) for member in members]
