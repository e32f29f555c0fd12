"""The denoiser and its parts: shapes, closed forms, what depends on what, what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.denoisers import untrained
from zoo.errors import InvalidInputError
from zoo.models.diffusion.blocks import ScaleAndShift, SelfAttention
from zoo.models.diffusion.schedules import NoiseSchedule
from zoo.models.diffusion.time import DiffusionTime, diffusion_of
from zoo.models.diffusion.unet import denoiser
from zoo.training.precision import set_precision

RNG = np.random.default_rng(0)


def given(shape: tuple[int, ...], classes: int = 0, n: int = 3) -> dict[str, np.ndarray]:
    inputs = {
        "sample": RNG.normal(size=(n, *shape)).astype("float32"),
        "timestep": np.linspace(0, 999, n).astype("float32"),
    }
    if classes:
        inputs["label"] = np.eye(classes, dtype="float32")[np.arange(n) % classes]
    return inputs


def answer(network: Any, inputs: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(network(inputs, training=False)))


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((28, 28, 1), {"multipliers": [1, 2, 2]}),
        ((28, 28, 1), {"patch": 2, "attention": [7]}),
        ((7, 7, 4), {"multipliers": [1, 1, 2, 2], "blocks": 2}),
        ((5, 6, 2), {"multipliers": [1, 2], "dropout": 0.1}),
        ((1, 1, 3), {"multipliers": [1, 2]}),
        ((8, 8, 3), {"multipliers": [2]}),
    ],
)
@pytest.mark.parametrize("classes", [0, 3])
def test_sides_of_any_size_come_back(
    shape: tuple[int, ...], options: dict[str, Any], classes: int
) -> None:
    network = denoiser(shape, classes=classes, width=8, **options)
    inputs = given(shape, classes)
    assert set(network.input) == set(inputs)
    out = answer(network, inputs)
    assert out.shape == inputs["sample"].shape
    # It begins with next to nothing of noise whose deviation is 1, and every part of it can learn.
    assert 0 < np.abs(out).max() < 1e-2


def test_attention_is_where_it_is_asked_for() -> None:
    def heights(**options: Any) -> list[int]:
        network = denoiser((28, 28, 1), width=8, multipliers=[1, 2, 2], **options)
        attention = [one for one in network.layers if isinstance(one, SelfAttention)]
        return sorted(one.output.shape[1] for one in attention)

    assert heights() == [7]
    # One block down, two up, and the middle one.
    assert heights(attention=[7]) == [7] * 4
    assert heights(attention=[14, 7]) == [7] * 4 + [14] * 3


def test_the_answer_depends_on_time_and_label() -> None:
    network = untrained(multipliers=[1, 2])
    inputs = given((8, 8, 1), 3)
    inputs["sample"][:] = inputs["sample"][:1]
    same = {**inputs, "timestep": np.full(3, 500, "float32"), "label": np.eye(3)[[0, 0, 0]]}
    out = answer(network, same)
    np.testing.assert_allclose(out[0], out[2], atol=1e-5)
    for name, other in (("timestep", [500, 501, 900]), ("label", np.eye(3))):
        out = answer(network, {**same, name: np.asarray(other, "float32")})
        for one, another in ((0, 1), (1, 2), (0, 2)):
            assert np.abs(out[one] - out[another]).max() > 1e-5, name


def test_zeros_for_a_label_say_nothing() -> None:
    """Whatever was learned of the classes, it is not in the answer; with a label it is."""
    network = untrained()
    inputs = given((8, 8, 1), 3)
    unlabelled = {**inputs, "label": np.zeros((3, 3), "float32")}
    before = [answer(network, one) for one in (unlabelled, inputs)]
    (embedding,) = network.get_layer("classes").weights
    embedding.assign(RNG.normal(size=embedding.shape))
    after = [answer(network, one) for one in (unlabelled, inputs)]
    np.testing.assert_array_equal(before[0], after[0])
    assert np.abs(before[1] - after[1]).max() > 1e-3


def test_an_answer_does_not_depend_on_the_batch() -> None:
    network = untrained()
    inputs = given((8, 8, 1), 3)
    alone = [answer(network, {k: v[i : i + 1] for k, v in inputs.items()}) for i in range(3)]
    np.testing.assert_allclose(np.concatenate(alone), answer(network, inputs), atol=1e-5)


def test_time_is_a_row_of_waves() -> None:
    times = np.array([0.0, 1.0, 499.5, 999.0], "float32")
    frequencies = 10_000.0 ** -(np.arange(4) / 4)
    angles = times[:, None] * frequencies
    expected = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
    np.testing.assert_allclose(answer_of_time(1000, times), expected, atol=2e-4)
    # Of a schedule of other length the same share of the way gives the same.
    np.testing.assert_allclose(answer_of_time(50, times / 20), expected, atol=2e-4)


def answer_of_time(steps: int, times: np.ndarray) -> np.ndarray:
    layer = DiffusionTime({"name": "cosine", "steps": steps}, "v", 8)
    return np.asarray(keras.ops.convert_to_numpy(layer(times)))


def test_half_precision_still_tells_timesteps_apart() -> None:
    network = untrained()
    set_precision(network, "mixed_bfloat16")
    time = next(layer for layer in network.layers if isinstance(layer, DiffusionTime))
    waves = time(np.arange(990, 1000).astype("float32"))
    values = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(waves, "float32")))
    assert len(np.unique(values, axis=0)) == 10
    assert keras.backend.standardize_dtype(network.output.dtype) == "float32"
    assert np.isfinite(answer(network, given((8, 8, 1), 3))).all()


def test_attention_follows_its_closed_form() -> None:
    """One head, from the formula; and pixels that change places take their answers along."""
    layer = SelfAttention(heads=1)
    x = RNG.normal(size=(2, 3, 4, 6)).astype("float32")
    layer.build(x.shape)
    for weight in layer.weights:
        weight.assign(RNG.normal(size=weight.shape))
    inward, outward = (np.asarray(keras.ops.convert_to_numpy(w)) for w in layer.weights)
    tokens = x.reshape(2, 12, 6)
    query, key, value = np.split(tokens @ inward, 3, axis=-1)
    scores = np.exp(query @ key.transpose(0, 2, 1) / np.sqrt(6))
    scores /= scores.sum(axis=-1, keepdims=True)
    expected = (scores @ value @ outward).reshape(x.shape)
    found = np.asarray(keras.ops.convert_to_numpy(layer(x)))
    np.testing.assert_allclose(found, expected, rtol=2e-3, atol=2e-3)
    order = RNG.permutation(12)
    moved = tokens[:, order].reshape(x.shape)
    found_moved = np.asarray(keras.ops.convert_to_numpy(layer(moved)))
    np.testing.assert_allclose(
        found_moved.reshape(2, 12, 6), found.reshape(2, 12, 6)[:, order], rtol=1e-3, atol=1e-3
    )


def test_maps_are_scaled_and_shifted_by_channel() -> None:
    x = RNG.normal(size=(2, 3, 4, 5)).astype("float32")
    factors = RNG.normal(size=(2, 10)).astype("float32")
    expected = x * (1 + factors[:, None, None, :5]) + factors[:, None, None, 5:]
    found = keras.ops.convert_to_numpy(ScaleAndShift()([x, factors]))
    np.testing.assert_allclose(np.asarray(found), expected, rtol=1e-5)


def test_schedule_and_prediction_travel_with_the_network(tmp_path: Path) -> None:
    schedule = {"name": "scaled_linear", "steps": 200, "zero_terminal_snr": True}
    network = untrained(schedule=schedule, prediction="sample")
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    inputs = given((8, 8, 1), 3)
    inputs["timestep"] /= 10
    for other in (network, loaded, keras.models.clone_model(network)):
        assert diffusion_of(other) == (NoiseSchedule.from_config(schedule), "sample")
    np.testing.assert_array_equal(answer(loaded, inputs), answer(network, inputs))
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="plain")
    with pytest.raises(InvalidInputError, match="plain is no denoiser"):
        diffusion_of(plain)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"width": 6}, ValueError, "width must be a multiple of 4, got 6"),
        ({"multipliers": []}, ValueError, "multipliers must be 1 or more, at least one"),
        ({"blocks": 0}, ValueError, "blocks must be at least 1"),
        ({"dropout": 1.0}, ValueError, r"dropout must be in \[0, 1\)"),
        ({"patch": 3}, ValueError, "patch must divide the sides 28 and 28, got 3"),
        ({"heads": 3, "width": 8}, ValueError, "heads must divide the 16 channels, got 3"),
        ({"schedule": "cosin"}, InvalidInputError, "did you mean cosine"),
        ({"prediction": "noise"}, InvalidInputError, "prediction must be epsilon, v, sample"),
        (
            {"schedule": {"name": "linear", "zero_terminal_snr": True}, "prediction": "epsilon"},
            InvalidInputError,
            "alpha is 0; choose prediction v or sample",
        ),
    ],
)
def test_networks_that_cannot_be_are_refused(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        denoiser((28, 28, 1), **options)
