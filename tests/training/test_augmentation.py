"""Augmentation: a function of seed and step, each image by itself, labels mixed as images are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from tests.steps import train_once
from zoo import registry
from zoo.errors import RecipeError
from zoo.training.augmentation import build_augmentation, further_arrays
from zoo.training.build import build_model
from zoo.training.engine import Batch, MultiPlayerModel

IMAGES = np.random.default_rng(0).integers(0, 256, (32, 28, 28, 1), np.uint8)
LABELS = np.arange(32) % 10
STEPS_PER_EPOCH = 4


def built(
    augmentation: list[dict[str, Any]], **settings: Any
) -> tuple[MultiPlayerModel, Callable[[Batch], Batch]]:
    recipe = registry.recipes().get("mlp.fashion_mnist")
    recipe = recipe.override({"network.units": [8], "augmentation": augmentation, **settings})
    model = build_model(recipe, IMAGES, 10, STEPS_PER_EPOCH)
    augment = build_augmentation(recipe, model, STEPS_PER_EPOCH, classes=10)
    assert augment is not None
    return model, augment


def batch_of(images: np.ndarray, **more: np.ndarray) -> Batch:
    return {
        key: keras.ops.convert_to_tensor(value)
        for key, value in {"image": images.astype("float32"), "label": LABELS, **more}.items()
    }


def arrays_of(batch: Batch) -> dict[str, np.ndarray]:
    return {key: np.asarray(keras.ops.convert_to_numpy(value)) for key, value in batch.items()}


SHIFT = {"name": "RandomTranslation", "height_factor": 0.2, "width_factor": 0.2}
EVERY = [
    [{"name": "RandomFlip", "mode": "horizontal"}, SHIFT],
    [{"name": "RandomErasing", "factor": 1.0}],
    [{"name": "RandAugment", "value_range": [0, 255]}],
    [{"name": "PixelNoise", "stddev": 8.0}],
    [{"name": "MixUp"}],
    [{"name": "CutMix"}],
]


@pytest.mark.parametrize("parts", EVERY, ids=lambda parts: parts[0]["name"])
def test_it_depends_on_seed_and_step_alone(parts: list[dict[str, Any]]) -> None:
    def at(step: int, seed: int = 1) -> dict[str, np.ndarray]:
        model, augment = built(parts, seed=seed)
        model.step.assign(7)
        augment(batch_of(IMAGES))
        model.step.assign(step)
        return arrays_of(augment(batch_of(IMAGES)))

    first, again = at(0), at(0)
    for key, value in first.items():
        np.testing.assert_array_equal(value, again[key])
    assert first["image"].shape == IMAGES.shape
    assert first["image"].min() >= 0 and first["image"].max() <= 255
    assert not np.array_equal(first["image"], IMAGES)
    assert not np.array_equal(first["image"], at(1)["image"])
    assert not np.array_equal(first["image"], at(0, seed=2)["image"])


def test_every_image_is_moved_by_itself_and_each_way_on_its_own() -> None:
    point = np.zeros((32, 28, 28, 1), np.uint8)
    point[:, 14, 14] = 255
    options = {"fill_mode": "constant", "interpolation": "nearest"}
    _, augment = built([{**SHIFT, **options}])
    moved = arrays_of(augment(batch_of(point)))["image"]
    places = np.array([np.argwhere(image[..., 0] > 128)[0] for image in moved])
    assert len({tuple(place) for place in places}) > 16
    down, right = (places - 14).T
    assert abs(np.corrcoef(down, right)[0, 1]) < 0.5


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_labels_are_mixed_as_images_are(name: str) -> None:
    # Each image is filled with 25 times its label: a mixed one tells the shares by its mean.
    filled = np.broadcast_to(LABELS[:, None, None, None] * 25.0, IMAGES.shape)
    _, augment = built([{"name": name}])
    mixed = arrays_of(augment(batch_of(filled)))
    assert mixed["label"].shape == (32, 10)
    np.testing.assert_allclose(mixed["label"].sum(1), 1, rtol=1e-5)
    assert ((mixed["label"] > 0.02).sum(1) == 2).any()
    told = mixed["label"] @ np.arange(10) * 25
    # A cut is of whole pixels, its share is not: a row and a column of 28 may be missing.
    slack = 1e-3 if name == "MixUp" else 225 * 2 / 28
    np.testing.assert_allclose(mixed["image"].mean((1, 2, 3)), told, atol=slack)


def test_a_method_trains_on_mixed_labels() -> None:
    model, _ = built([{"name": "CutMix"}, {"name": "MixUp"}])
    logs = train_once(model, {"image": IMAGES, "label": LABELS})
    assert np.isfinite(float(logs["loss"]))


RESIZE = {"name": "ProgressiveResize", "side": 14, "until": 0.5}


def test_images_are_small_until_a_share_of_the_run() -> None:
    recipe = registry.recipes().get("small_cnn.fashion_mnist").override({"augmentation": [RESIZE]})
    model = build_model(recipe, IMAGES, 10, STEPS_PER_EPOCH)
    augment = build_augmentation(recipe, model, STEPS_PER_EPOCH, classes=10)
    assert augment is not None
    sides = []
    for share in (0.0, 0.49, 0.5, 1.0):
        model.step.assign(round(share * model.total_steps))
        images = arrays_of(augment(batch_of(IMAGES)))["image"]
        sides.append(images.shape[1])
    np.testing.assert_array_equal(images, IMAGES)
    small = model.takes_any_size
    assert sides == ([14, 14, 28, 28] if small else [28] * 4)
    if small:
        model.step.assign(0)
        images = arrays_of(augment(batch_of(IMAGES)))["image"]
        halves = IMAGES.reshape(32, 14, 2, 14, 2, 1).mean((2, 4))
        # Antialiasing weighs neighbours of the four pixels too.
        assert np.corrcoef(images.ravel(), halves.ravel())[0, 1] > 0.8


def test_a_network_trains_on_images_that_grow() -> None:
    settings = {"augmentation": [RESIZE], "epochs": 2, "batch_size": 16, "ema": {}}
    recipe = registry.recipes().get("small_cnn.fashion_mnist").override(settings)
    model = build_model(recipe, IMAGES, 10, 2)
    feed = model.training_feed({"image": IMAGES, "label": LABELS}, 16, 1, 0, 2)
    seen = model.fit(feed, epochs=2, steps_per_epoch=2, shuffle=False, verbose=0)
    assert np.isfinite(seen.history["loss"]).all()


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([RESIZE, SHIFT], "ProgressiveResize must be the last augmentation"),
        ([{**RESIZE, "until": 0}], "until in"),
        ([{**RESIZE, "sides": 3}], "sides"),
    ],
)
def test_a_resize_that_cannot_be_is_refused(parts: list[dict[str, Any]], expected: str) -> None:
    with pytest.raises(RecipeError, match=expected):
        built(parts)


def test_streams_are_augmented_apart_and_the_main_one_as_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The draws of `image` are what they are without other streams; those of a and b differ."""
    recipe = registry.recipes().get("mlp.fashion_mnist").override({"augmentation": [SHIFT]})
    model, augment = built([SHIFT])
    expected = arrays_of(augment(batch_of(IMAGES)))["image"]
    monkeypatch.setattr(type(model), "images", ("image", "a/image", "b/image"))
    apart = build_augmentation(recipe, model, STEPS_PER_EPOCH, 10)
    assert apart is not None
    floats = batch_of(IMAGES)["image"]
    batch = arrays_of(apart(dict.fromkeys(model.images, floats)))
    np.testing.assert_array_equal(batch["image"], expected)
    for one, other in (("image", "a/image"), ("image", "b/image"), ("a/image", "b/image")):
        assert not np.array_equal(batch[one], batch[other])


def test_each_stream_has_first_flips_of_its_own() -> None:
    recipe = registry.recipes().get("mlp.fashion_mnist")
    recipe = recipe.override({"augmentation": [{"name": "AlternatingFlip"}]})
    both = {"a/image": IMAGES, "b/image": IMAGES}
    flips = further_arrays(recipe, both)
    assert {key.partition("/")[0] for key in flips} == {"a", "b"}
    one, other = flips.values()
    assert one.shape == other.shape == (32,) and not np.array_equal(one, other)


def test_the_alternating_flip_shows_both_sides_in_any_two_epochs() -> None:
    model, augment = built([{"name": "AlternatingFlip"}])
    recipe = registry.recipes().get("mlp.fashion_mnist")
    flipping = recipe.override({"augmentation": [{"name": "AlternatingFlip"}]})
    further = further_arrays(flipping, {"image": IMAGES})
    seen = []
    for epoch in range(3):
        model.step.assign(epoch * STEPS_PER_EPOCH + 1)
        batch = arrays_of(augment(batch_of(IMAGES, **further)))
        assert set(batch) == {"image", "label"}
        seen.append(batch["image"])
    mirrored = IMAGES[:, :, ::-1].astype("float32")
    flipped = [(epoch == mirrored).all((1, 2, 3)) for epoch in seen]
    np.testing.assert_array_equal(seen[0] + seen[1], mirrored + IMAGES)
    np.testing.assert_array_equal(seen[0], seen[2])
    assert 8 < flipped[0].sum() < 24


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"name": "RandomFlop"}, "unknown augmentation 'RandomFlop'; did you mean"),
        ({"name": "AlternatingFlip", "mode": "horizontal"}, "AlternatingFlip has no options"),
        ({"name": "PixelNoise", "stddev": -1}, "stddev must be at least 0, got -1"),
    ],
)
def test_what_cannot_be_done_says_why(part: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        built([part])


def test_a_game_without_labels_mixes_none() -> None:
    recipe = registry.recipes().get("dcgan.fashion_mnist").override({"augmentation": EVERY[4]})
    with pytest.raises(RecipeError, match="MixUp mixes labels, and"):
        build_model(recipe, IMAGES, 10, STEPS_PER_EPOCH)
