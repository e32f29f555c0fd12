"""Translation games against the papers: norms, pool, losses by hand, sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from tests.steps import train_once, values
from zoo import registry
from zoo.data.domains import turn
from zoo.data.feed import first_images
from zoo.errors import RecipeError
from zoo.layers.instance_norm import InstanceNormalization
from zoo.layers.padding import ReflectionPadding
from zoo.models.translation import cyclegan, discogan
from zoo.models.translation.cyclegan import CycleGAN
from zoo.models.translation.discogan import DiscoGAN
from zoo.models.translation.game import TranslationGame
from zoo.models.translation.moments import mapped, principal_axes
from zoo.models.translation.pool import exchange
from zoo.recipe import DataSpec, Recipe
from zoo.training.build import build_model
from zoo.training.run import training_arrays

SHAPE = (8, 8, 1)
Numbers = dict[str, tuple[float, float]]


def affine(scale: float, shift: float) -> keras.Model:
    """A network of two weights: scale · images + shift."""
    images = keras.Input(SHAPE, name="images")
    layer = keras.layers.Conv2D(1, 1)
    network = keras.Model(images, layer(images))
    layer.set_weights([np.full((1, 1, 1, 1), scale, np.float32), np.array([shift], np.float32)])
    return network


# Of such that no absolute difference of whole pixels is 0, where it has no slope.
NUMBERS = {"g_ab": (0.9, 0.08), "g_ba": (1.2, -0.15), "d_a": (0.5, 0.3), "d_b": (-0.7, 0.2)}


def game(kind: type[TranslationGame], rate: float = 0.0, **options: Any) -> TranslationGame:
    model = kind(**{name: affine(*pair) for name, pair in NUMBERS.items()}, **options)
    model.compile({player: keras.optimizers.SGD(rate) for player in model.players})
    return model


def batch(seed: int = 0, count: int = 4) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        key: rng.integers(0, 256, (count, *SHAPE), dtype=np.uint8) for key in ("a/image", "b/image")
    }


def by_hand(images: dict[str, np.ndarray], numbers: Numbers = NUMBERS) -> dict[str, np.ndarray]:
    """All that the networks make of a batch, in NumPy."""

    def network(name: str, x: np.ndarray) -> np.ndarray:
        scale, shift = numbers[name]
        return scale * x + shift

    a, b = (images[key] / 127.5 - 1.0 for key in ("a/image", "b/image"))
    made_a, made_b = network("g_ba", b), network("g_ab", a)
    return {
        "a": a,
        "b": b,
        "back_a": network("g_ba", made_b),
        "back_b": network("g_ab", made_a),
        "same_a": network("g_ba", a),
        "same_b": network("g_ab", b),
        "real_a": network("d_a", a),
        "real_b": network("d_b", b),
        "fake_a": network("d_a", made_a),
        "fake_b": network("d_b", made_b),
        "made_a": made_a,
        "made_b": made_b,
    }


def of_cyclegan(x: dict[str, np.ndarray]) -> dict[str, float]:
    adversarial = np.mean((x["fake_b"] - 1) ** 2) + np.mean((x["fake_a"] - 1) ** 2)
    cycle = np.mean(np.abs(x["back_a"] - x["a"])) + np.mean(np.abs(x["back_b"] - x["b"]))
    identity = np.mean(np.abs(x["same_a"] - x["a"])) + np.mean(np.abs(x["same_b"] - x["b"]))
    judged = sum(
        np.mean((x[f"real_{d}"] - 1) ** 2) + np.mean(x[f"fake_{d}"] ** 2) for d in ("a", "b")
    )
    return {
        "generators_loss": adversarial + 10 * cycle + 10 * 0.5 * identity,
        "discriminators_loss": judged / 2,
        "reconstruction_loss": cycle,
        "identity_loss": identity,
    }


def of_discogan(x: dict[str, np.ndarray], cycle: float = 1.0) -> dict[str, float]:
    def entropy(logits: np.ndarray, real: bool) -> float:
        shares = 1 / (1 + np.exp(-logits))
        return float(-np.mean(np.log(shares if real else 1 - shares)))

    back = np.mean((x["back_a"] - x["a"]) ** 2) + np.mean((x["back_b"] - x["b"]) ** 2)
    return {
        "generators_loss": entropy(x["fake_a"], True) + entropy(x["fake_b"], True) + cycle * back,
        "discriminators_loss": sum(
            entropy(x[f"real_{d}"], True) + entropy(x[f"fake_{d}"], False) for d in ("a", "b")
        ),
        "reconstruction_loss": back,
    }


KINDS = pytest.mark.parametrize(
    ("kind", "losses"), [(CycleGAN, of_cyclegan), (DiscoGAN, of_discogan)]
)


def logged(model: TranslationGame, images: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(value) for name, value in train_once(model, images).items()}


@KINDS
def test_the_losses_are_the_papers(kind: type[TranslationGame], losses: Callable) -> None:
    images = batch()
    assert logged(game(kind), images) == pytest.approx(losses(by_hand(images)), rel=1e-5)


@KINDS
def test_each_player_goes_down_its_own_loss(kind: type[TranslationGame], losses: Callable) -> None:
    """A step of rate 1 is the negative slope of the player's loss, by finite differences."""
    images, gap = batch(), 1e-6
    model = game(kind, rate=1.0)
    train_once(model, images)
    for player, networks in model.players.items():
        for name in networks:
            after = [float(value.ravel()[0]) for value in values(getattr(model, name).weights)]
            for place, found in enumerate(after):
                sides = []
                for sign in (1, -1):
                    moved = list(NUMBERS[name])
                    moved[place] += sign * gap
                    numbers = {**NUMBERS, name: (moved[0], moved[1])}
                    sides.append(losses(by_hand(images, numbers))[f"{player}_loss"])
                slope = (sides[0] - sides[1]) / (2 * gap)
                assert abs(slope) > 1e-3
                assert found - NUMBERS[name][place] == pytest.approx(-slope, rel=1e-3, abs=1e-5)


def test_the_way_back_counts_little_during_the_warmup() -> None:
    images = batch()
    model = game(DiscoGAN, cycle=10.0, warmup=0.5)
    model.total_steps = 2
    for cycle in (0.1, 10.0):
        expected = of_discogan(by_hand(images), cycle)["generators_loss"]
        # The trackers are means over an epoch.
        model.reset_metrics()
        assert logged(model, images)["generators_loss"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match=r"warmup must be in \[0, 1\], got 2"):
        game(DiscoGAN, warmup=2.0)


def sequential(
    pool: list[np.ndarray], size: int, images: Any, coins: Any, slots: Any
) -> np.ndarray:
    """The pool of the paper's code, image after image."""
    shown = []
    for image, coin, slot in zip(images, coins, slots, strict=True):
        if len(pool) < size:
            pool.append(image)
            shown.append(image)
        elif coin < 0.5:
            place = int(slot * size)
            shown.append(pool[place])
            pool[place] = image
        else:
            shown.append(image)
    return np.array(shown)


@pytest.mark.parametrize(("size", "count"), [(5, 3), (4, 9), (50, 16)])
def test_the_pool_is_that_of_a_loop_over_images(size: int, count: int) -> None:
    rng = np.random.default_rng(0)
    pool, filled = np.zeros((size, 2), np.float32), np.int32(0)
    kept: list[np.ndarray] = []
    for _ in range(6):
        images = rng.normal(size=(count, 2)).astype(np.float32)
        coins, slots = (rng.random(count, np.float32) for _ in range(2))
        expected = sequential(kept, size, images, coins, slots)
        answer = exchange(*map(keras.ops.convert_to_tensor, (pool, filled, images, coins, slots)))
        shown, pool, filled = (keras.ops.convert_to_numpy(one) for one in answer)
        np.testing.assert_array_equal(shown, expected)
        np.testing.assert_array_equal(pool[: len(kept)], kept)
        assert filled == len(kept)


def test_the_discriminators_learn_from_the_pool_and_training_alone_fills_it() -> None:
    model = game(CycleGAN, pool=6)
    images, filled = batch(), model._pools["b"][1]
    model.compute_losses(
        {k: v.astype("float32") for k, v in images.items()}, ("discriminators",), False
    )
    assert int(filled.value) == 0
    train_once(model, images)
    assert int(filled.value) == 4
    pool = keras.ops.convert_to_numpy(model._pools["b"][0].value)
    np.testing.assert_allclose(pool[:4], by_hand(images)["made_b"], rtol=1e-5, atol=1e-6)
    for seed in range(1, 5):
        train_once(model, batch(seed))
    known = [by_hand(batch(seed))["made_b"] for seed in range(5)]
    pool = keras.ops.convert_to_numpy(model._pools["b"][0].value)
    gaps = np.abs(pool[:, None] - np.concatenate(known)[None]).max(axis=(2, 3, 4))
    assert (gaps.min(axis=1) < 1e-5).all()
    ages = gaps.argmin(axis=1) // 4
    assert len(set(ages.tolist())) > 1  # translations of several steps


def test_instance_norm_is_keras_group_norm_of_single_channels_and_sees_no_batch_mates() -> None:
    x = np.random.default_rng(0).normal(3, 2, (4, 6, 5, 7)).astype(np.float32)
    ours = np.asarray(keras.ops.convert_to_numpy(InstanceNormalization()(x)))
    keras_own = keras.layers.GroupNormalization(-1, epsilon=1e-5, center=False, scale=False)
    np.testing.assert_allclose(ours, keras.ops.convert_to_numpy(keras_own(x)), atol=2e-5)
    alone = keras.ops.convert_to_numpy(InstanceNormalization()(x[2:3]))
    np.testing.assert_allclose(alone, ours[2:3], atol=1e-6)
    np.testing.assert_allclose(ours.mean(axis=(1, 2)), 0, atol=1e-5)


def assert_rows_are_alone(network: keras.Model) -> None:
    """A training pass gives a row what it gives it in another batch."""
    shape = (6, *network.input_shape[1:])
    rows = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    together = keras.ops.convert_to_numpy(network(rows, training=True))
    alone = keras.ops.convert_to_numpy(network(rows[:2], training=True))
    np.testing.assert_allclose(together[:2], alone, atol=1e-5)


def test_a_training_pass_of_a_generator_does_not_depend_on_batch_mates() -> None:
    network = cyclegan.generator((16, 16, 1), width=4, blocks=1)
    assert_rows_are_alone(network)
    for part in (network, cyclegan.discriminator((16, 16, 1), width=4)):
        kinds = {type(layer) for layer in part.layers}
        assert InstanceNormalization in kinds and keras.layers.BatchNormalization not in kinds
        assert not part.non_trainable_variables


def test_with_a_skip_a_generator_adds_to_the_image() -> None:
    keras.utils.set_random_seed(0)
    network = cyclegan.generator((8, 8, 1), width=2, blocks=1, downsamplings=1, skip=True)
    images = np.random.default_rng(0).uniform(-1, 1, (3, 8, 8, 1)).astype("float32")
    images[0, 0, :2, 0] = -1, 1
    last = next(one for one in reversed(network.layers) if isinstance(one, keras.layers.Conv2D))
    last.set_weights([np.zeros_like(weights) for weights in last.get_weights()])
    made = keras.ops.convert_to_numpy(network(images))
    np.testing.assert_allclose(made, 0.9 * images, atol=1e-5)


def test_reflection_padding_is_numpys() -> None:
    x = np.random.default_rng(0).normal(size=(2, 5, 6, 3)).astype(np.float32)
    padded = keras.ops.convert_to_numpy(ReflectionPadding(3)(x))
    np.testing.assert_array_equal(padded, np.pad(x, [(0, 0), (3, 3), (3, 3), (0, 0)], "reflect"))


@pytest.mark.parametrize(
    ("side", "depth", "patch"),
    [(28, None, 16), (28, 0, 10), (32, None, 16), (128, None, 34), (256, None, 70)],
)
def test_a_patch_has_the_size_that_is_stated(side: int, depth: int | None, patch: int) -> None:
    """The receptive field of one logit, from kernels and strides."""
    network = cyclegan.discriminator((side, side, 3), width=2, depth=depth)
    field = 1
    for layer in reversed(network.layers):
        if isinstance(layer, keras.layers.Conv2D):
            field = (field - 1) * layer.strides[0] + layer.kernel_size[0]
    assert field == patch


def test_the_generator_of_six_blocks_has_the_papers_parameters() -> None:
    """c7s1-64, d128, d256, 6 R256, u128, u64, c7s1-3, with kernels of 4 on the way up."""
    convolutions = 49 * 3 * 64 + 9 * 64 * 128 + 9 * 128 * 256 + 12 * 9 * 256 * 256
    up = 16 * 256 * 128 + 16 * 128 * 64 + 49 * 64 * 3 + 3
    assert cyclegan.generator((128, 128, 3)).count_params() == convolutions + up


@pytest.mark.parametrize("side", [28, 32, 64])
def test_discogan_fits_its_sizes_and_every_pixel_sees_every_other(side: int) -> None:
    network = discogan.generator((side, side, 1), width=4, latent_dim=8)
    assert network.output_shape == (None, side, side, 1)
    assert (None, 1, 1, 8) in [layer.output.shape for layer in network.layers]
    assert discogan.discriminator((side, side, 1), width=4).output_shape == (None, 1)


def test_a_deep_generator_does_not_depend_on_batch_mates_in_training_either() -> None:
    network = discogan.generator((32, 32, 1), width=4, latent_dim=8)
    assert_rows_are_alone(network)
    assert not network.non_trainable_variables


def test_a_linear_generator_holds_the_planted_mapping_and_both_is_the_sum() -> None:
    """Matrices of the turn: a quarter round and inverted, but for the tanh."""
    rows = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 1), dtype=np.uint8)
    images = rows / 127.5 - 1.0
    pixels = np.arange(64).reshape(1, 8, 8, 1)
    matrix = np.zeros((64, 64), np.float32)
    matrix[np.rot90(pixels, axes=(1, 2)).ravel(), np.arange(64)] = -1.0
    linear = discogan.generator((8, 8, 1), latent_dim=64, mapping="linear")
    linear.set_weights([np.eye(64, dtype=np.float32), matrix, np.zeros(64, np.float32)])
    found = keras.ops.convert_to_numpy(linear(images))
    np.testing.assert_allclose(found, np.tanh(turn(rows) / 127.5 - 1.0), atol=1e-5)
    shape = (16, 16, 1)
    deep, line, both = (discogan.generator(shape, 4, 8, m) for m in ("deep", "linear", "both"))
    assert both.count_params() == deep.count_params() + line.count_params()
    add = next(layer for layer in both.layers if isinstance(layer, keras.layers.Add))
    ones = np.ones((1, *shape), np.float32)
    one, other = keras.Model(both.input, add.input)(ones)
    found = keras.ops.convert_to_numpy(both(ones))
    np.testing.assert_allclose(found, np.tanh(keras.ops.convert_to_numpy(one + other)), atol=1e-5)
    with pytest.raises(ValueError, match="mapping must be deep, linear, both, got 'flat'"):
        discogan.generator(shape, mapping="flat")


def test_moments_find_a_planted_mapping_without_pairs() -> None:
    """Of skewed factors with unlike variances; then the game begins with it."""
    rng = np.random.default_rng(0)
    factors = rng.exponential(size=(4000, 6)) * np.array([6.0, 5.0, 4.0, 3.0, 2.0, 1.0]) / 40
    basis = np.linalg.qr(rng.normal(size=(256, 6)))[0].T
    images = (128 + 500 * factors @ basis).clip(0, 255).astype(np.uint8).reshape(-1, 16, 16, 1)
    a, b = images[:2000], turn(images[2000:])
    axes = [principal_axes(one / 127.5 - 1.0, 6) for one in (a, b)]
    down, up, bias = mapped(*axes)
    rows = images[2000:].reshape(2000, -1) / 127.5 - 1.0
    truth = b.reshape(2000, -1) / 127.5 - 1.0
    error = np.mean(np.square(rows @ down @ up + bias - truth))
    assert error < 0.1 * np.var(truth - truth.mean(axis=0))
    networks = {
        name: discogan.generator((16, 16, 1), 4, 6, mapping="linear") for name in ("g_ab", "g_ba")
    }
    networks |= {name: discogan.discriminator((16, 16, 1), 4) for name in ("d_a", "d_b")}
    model = DiscoGAN(**networks, start="moments")
    model.begin({"a/image": a, "b/image": b})
    found = keras.ops.convert_to_numpy(model.g_ab(images[2000:2010] / 127.5 - 1.0))
    expected = np.tanh(2 * (rows[:10] @ down @ up + bias)).reshape(-1, 16, 16, 1)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    with pytest.raises(ValueError, match="needs generators with network"):
        game(DiscoGAN, start="moments")
    with pytest.raises(ValueError, match="start must be random or moments, got 'zero'"):
        game(DiscoGAN, start="zero")


def test_sizes_that_do_not_fit_are_one_line() -> None:
    with pytest.raises(ValueError, match="divisible by 4, of 16 pixels at least, got 30x28"):
        cyclegan.generator((30, 28, 1))
    with pytest.raises(ValueError, match="halve down to 4 to 8 pixels, such as 28, 32 or 64"):
        discogan.generator((50, 50, 1))
    with pytest.raises(ValueError, match="the loss wasserstein needs a penalty"):
        game(CycleGAN, loss="wasserstein")
    with pytest.raises(ValueError, match="identity and pool must be 0 or more"):
        game(CycleGAN, pool=-1)
    with pytest.raises(ValueError, match="cycle must be 0 or more"):
        game(DiscoGAN, cycle=-1.0)


def test_a_pair_is_for_translation_and_a_data_set_for_the_others(sample_home: Any) -> None:
    digits = Recipe("cyclegan.mnist", "cyclegan", DataSpec("mnist"))
    with pytest.raises(RecipeError, match="learns from a pair of domains, not mnist; there are"):
        training_arrays(digits)
    both = Recipe("small_cnn.mnist_usps", "small_cnn", DataSpec("mnist_usps"))
    with pytest.raises(RecipeError, match="small_cnn learns from one data set, not mnist_usps"):
        training_arrays(both)
    bare = Recipe("small_cnn.cmp_facades", "small_cnn", DataSpec("cmp_facades"))
    with pytest.raises(RecipeError, match="learns from labels, and cmp_facades has none"):
        training_arrays(bare)


def test_samples_show_originals_above_their_translations(sample_home: Any) -> None:
    recipe = registry.recipes().get("discogan.mnist_inverted")
    recipe = recipe.override({"network.width": 4, "data.validation": 12})
    train, held = training_arrays(recipe)
    assert held is not None
    model = build_model(recipe, first_images(train), 2, steps_per_epoch=2)
    model.watch(held)
    before = values(model.variables)
    images = model.sample(64)
    assert all(map(np.array_equal, before, values(model.variables)))
    assert images.shape == (64, 28, 28, 1) and images.dtype == np.uint8
    np.testing.assert_array_equal(images[:8], held["a/image"][:8])
    np.testing.assert_array_equal(images[16:24], held["b/image"][:8])
    np.testing.assert_array_equal(images[32:36], held["a/image"][8:])
    for row, key, network in ((8, "a/image", "g_ab"), (24, "b/image", "g_ba")):
        translated = model.published_networks()[network](held[key][:8] / 127.5 - 1.0)
        pixels = (np.asarray(keras.ops.convert_to_numpy(translated)) + 1) * 127.5
        np.testing.assert_allclose(images[row : row + 8], pixels, atol=0.51)
