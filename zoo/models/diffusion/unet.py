"""The U-Net that says what of a noisy image is noise (Ho et al. 2020, appendix B)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import layers

from zoo.models.diffusion import blocks as parts
from zoo.models.diffusion.time import DiffusionTime


def denoiser(
    input_shape: Sequence[int] = (28, 28, 1),
    classes: int = 0,
    schedule: str | Mapping[str, Any] = "cosine",
    prediction: str = "v",
    width: int = 32,
    multipliers: Sequence[int] = (1, 2),
    blocks: int = 1,
    attention: Sequence[int] = (),
    heads: int = 4,
    dropout: float = 0.0,
    patch: int = 1,
) -> keras.Model:
    """Builds the denoiser: down to small maps and up again, with shortcuts between equal sizes.

    Sides need not be even: 7 becomes 4 and 4 becomes 7 again.

    Args:
        input_shape: (height, width, channels) of the images or latents.
        classes: Number of classes that it can be told; 0 for none.
        schedule: Name or configuration of the `NoiseSchedule` to be trained with.
        prediction: What it answers, one of `PREDICTIONS`.
        width: Channels of the largest map, a multiple of 4.
        multipliers: Channels of each map as multiples of `width`, from the largest map on; each is
            half as high as the one before.
        blocks: Residual blocks on each map on the way down; up there is one more.
        attention: Heights of the maps that have self-attention. The smallest always has.
        heads: Heads of the attention.
        dropout: Share of the maps dropped within a block, in [0, 1).
        patch: Pixels along a side that are one position of the largest map (Luhman and Luhman
            2022): with 2 the work is a quarter. It divides both sides.

    Returns:
        A model of a dictionary: `sample` (batch, height, width, channels), `timestep` (batch,), and
        where there are classes `label` (batch, classes), one-hot, or zeros for no label. It gives
        what it predicts in the shape of `sample`.

    Raises:
        ValueError: for numbers that do not fit.
        InvalidInputError: for a schedule or a prediction that cannot be.
    """
    height, breadth, channels = input_shape
    _require(height, breadth, width, multipliers, blocks, dropout, patch)
    sample = keras.Input((height, breadth, channels), name="sample")
    timestep = keras.Input((), name="timestep")
    inputs = {"sample": sample, "timestep": timestep}

    time = DiffusionTime(schedule, prediction, width)(timestep)
    condition = layers.Dense(4 * width)(layers.Dense(4 * width, activation="silu")(time))
    if classes:
        inputs["label"] = keras.Input((classes,), name="label")
        # Without an offset: no label adds nothing.
        embedded = layers.Dense(4 * width, use_bias=False, name="classes")(inputs["label"])
        condition = layers.Add()([condition, embedded])
    condition = layers.Activation("silu")(condition)

    def block(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
        x = parts.residual(x, condition, filters, dropout)
        return parts.attended(x, heads) if x.shape[1] in attention else x

    if patch == 1:
        x = layers.Conv2D(width, 3, padding="same")(sample)
    else:
        x = layers.Conv2D(width, patch, strides=patch)(sample)
    shortcuts = [x]
    for level, multiplier in enumerate(multipliers):
        if level:
            x = parts.smaller(x)
            shortcuts.append(x)
        for _ in range(blocks):
            x = block(x, width * multiplier)
            shortcuts.append(x)
    x = parts.residual(x, condition, x.shape[-1], dropout)
    x = parts.attended(x, heads)
    x = parts.residual(x, condition, x.shape[-1], dropout)
    for multiplier in reversed(multipliers):
        high, wide = shortcuts[-1].shape[1:3]
        if x.shape[1:3] != (high, wide):
            x = parts.larger(x, high, wide, width * multiplier)
        for _ in range(blocks + 1):
            x = block(layers.Concatenate()([x, shortcuts.pop()]), width * multiplier)
    x = parts.active(x)
    last = {"kernel_initializer": parts.ALMOST_ZERO, "name": "predicted"}
    if patch == 1:
        x = layers.Conv2D(channels, 3, padding="same", **last)(x)
    else:
        x = layers.Conv2DTranspose(channels, patch, strides=patch, **last)(x)
    return keras.Model(inputs, x, name="denoiser")


def _require(
    height: int,
    breadth: int,
    width: int,
    multipliers: Sequence[int],
    blocks: int,
    dropout: float,
    patch: int,
) -> None:
    if width < 4 or width % 4:
        raise ValueError(f"width must be a multiple of 4, got {width}")
    if not multipliers or min(multipliers) < 1:
        raise ValueError(f"multipliers must be 1 or more, at least one, got {list(multipliers)}")
    if blocks < 1:
        raise ValueError(f"blocks must be at least 1, got {blocks}")
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), got {dropout}")
    if patch < 1 or height % patch or breadth % patch:
        raise ValueError(f"patch must divide the sides {height} and {breadth}, got {patch}")
