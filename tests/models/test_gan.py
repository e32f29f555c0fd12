"""The game of a generator and a discriminator: turns, options, labels, and that it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.steps import train_once, values
from zoo.errors import InvalidInputError, RecipeError, UnknownModelError
from zoo.layers.differentiable_augmentation import AUGMENTATIONS
from zoo.models.gan import cdcgan, dcgan, dense
from zoo.models.gan.gan import GAN
from zoo.recipe import DataSpec, Recipe
from zoo.training.build import build_method
from zoo.training.engine import assign_all
from zoo.training.run import training_arrays

SHAPE = (16, 16, 1)
RNG = np.random.default_rng(0)
BATCH = {
    "image": RNG.integers(0, 256, (12, *SHAPE)).astype("uint8"),
    "label": np.arange(12) % 3,
}


def game(virtual_batch: int = 0, minibatch_kernels: int = 0, **options: Any) -> GAN:
    keras.utils.set_random_seed(0)
    generator = dcgan.generator(SHAPE, latent_dim=4, width=2, virtual_batch=virtual_batch)
    discriminator = dcgan.discriminator(
        SHAPE, width=2, batch_norm=False, minibatch_kernels=minibatch_kernels
    )
    return compiled(GAN(generator, discriminator, **options))


@pytest.mark.parametrize(("stages", "side"), [(0, 10), (1, 22)])
def test_an_extra_stage_lets_a_feature_see_more_of_an_image(stages: int, side: int) -> None:
    network = dcgan.discriminator((28, 28, 1), width=2, batch_norm=False, extra_stages=stages)
    maps = network.get_layer("features").input
    _, height, breadth, channels = maps.shape
    look = keras.Model(network.input, maps)
    # A pixel is seen by the middle feature if that changes with it.
    images = np.tile(RNG.normal(size=(1, 28, 28, 1)).astype("float32"), (1 + 784, 1, 1, 1))
    images.reshape(-1, 784)[np.arange(1, 785), np.arange(784)] += 3
    of_middle = look.predict(images, verbose=0)[:, (height - 1) // 2, (breadth - 1) // 2]
    assert of_middle.shape == (785, channels)
    seen = np.abs(of_middle[1:] - of_middle[0]).max(-1).reshape(28, 28) > 1e-6
    assert (np.ptp(np.nonzero(seen), axis=1) + 1).tolist() == [side, side]


def linear_game(judging_rate: float, **options: Any) -> GAN:
    """A discriminator of one weight for each pixel: D(x) = w x, whose gradient is w everywhere."""
    keras.utils.set_random_seed(0)
    images = keras.Input(SHAPE)
    logits = keras.layers.Dense(1, use_bias=False)(keras.layers.Flatten()(images))
    model = GAN(
        dcgan.generator(SHAPE, latent_dim=4, width=2), keras.Model(images, logits), **options
    )
    rates = {"discriminator": judging_rate, "generator": 0.01}
    model.compile({player: keras.optimizers.SGD(rate) for player, rate in rates.items()})
    return model


def compiled(model: GAN, rate: float = 0.01) -> GAN:
    model.compile({player: keras.optimizers.SGD(rate) for player in model.players})
    return model


def fit_once(model: GAN) -> dict[str, list[float]]:
    """One step in a compiled function, as `fit` takes it; returns what it logs."""
    feed = model.training_feed(BATCH, len(BATCH["image"]), 0, 0, 1)
    return model.fit(feed, steps_per_epoch=1, shuffle=False, verbose=0).history


def moves(model: GAN, player: str) -> np.ndarray:
    """How far a step moves a player's variables, as one vector."""
    variables = model.player_variables(player)
    before = values(variables)
    fit_once(model)
    pairs = zip(values(variables), before, strict=True)
    return np.concatenate([(after - start).ravel() for after, start in pairs])


def turns(model: GAN) -> dict[str, int]:
    return {p: int(o.iterations.numpy()) for p, o in model.optimizer.players.items()}


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="steps run eagerly there")
def test_the_discriminator_has_k_turns_on_parts_of_the_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = game(discriminator_steps=3)
    seen: list[np.ndarray] = []
    judge = GAN._judge

    def watched(self: GAN, images: Any, *others: Any) -> Any:
        seen.append(np.asarray(images))
        return judge(self, images, *others)

    monkeypatch.setattr(GAN, "_judge", watched)
    train_once(model, BATCH)
    assert turns(model) == {"discriminator": 3, "generator": 1}
    # In each turn generated images, then real ones; in the end the generator's.
    assert [len(images) for images in seen] == [4] * 7
    real = np.concatenate(seen[1:6:2])
    np.testing.assert_allclose(real, BATCH["image"] / 127.5 - 1, atol=1e-6)
    fakes = [images.tobytes() for images in seen[0::2]]
    assert len(set(fakes)) == 4


def test_turns_must_divide_the_batch() -> None:
    with pytest.raises(RecipeError, match="batch_size must be a multiple of discriminator_steps 5"):
        train_once(game(discriminator_steps=5), BATCH)


@pytest.mark.parametrize(("share", "passes"), [("nothing", 2), ("images", 2), ("round", 1)])
def test_what_is_shared_is_computed_once(share: str, passes: int) -> None:
    """`images` draws once in place of twice; `round` has one round of both players."""
    model = game(share=share)
    drawn = []
    draw = model.generator.call

    def watched(*args: Any, **kwargs: Any) -> Any:
        drawn.append(1)
        return draw(*args, **kwargs)

    model.generator.call = watched
    logs = train_once(model, BATCH)
    assert len(drawn) == (2 if share == "nothing" else 1)
    assert len(model.rounds) == passes
    assert turns(model) == {"discriminator": 1, "generator": 1}
    assert all(np.isfinite(float(value)) for value in logs.values())


def test_one_round_moves_each_player_by_its_own_loss() -> None:
    """At the very start the discriminator moves alike however the rounds are cut."""
    before = values(game().discriminator.trainable_variables)
    moves = []
    for share in ("nothing", "round"):
        model = game(share=share)
        train_once(model, BATCH)
        after = values(model.discriminator.trainable_variables)
        moves.append(np.concatenate([(a - b).ravel() for a, b in zip(after, before, strict=True)]))
    assert moves[0] == pytest.approx(moves[1], rel=1e-3, abs=1e-6)


def test_a_lazy_penalty_weighs_as_much_in_the_mean() -> None:
    """Every third step has it, three times as heavy; an SGD without rate makes steps alike."""

    def logged(interval: int, steps: int) -> list[float]:
        model = compiled(game(penalty="r1", penalty_interval=interval), rate=1e-12)
        logs = []
        for _ in range(steps):
            model.reset_metrics()
            logs.append(float(train_once(model, BATCH)["penalty"]))
        return logs

    every = logged(1, 1)[0]
    assert every > 0
    assert logged(3, 4) == pytest.approx([3 * every, 0, 0, 3 * every], rel=1e-4)


def test_a_lazy_penalty_moves_a_compiled_step_by_its_closed_form() -> None:
    """R1 of w x is |w|^2 / 2: every second step moves w by -rate * weight * 2 w more."""
    found = []
    for weight in (0.0, 3.0):
        model = linear_game(0.01, penalty="r1", penalty_weight=weight, penalty_interval=2)
        start = values(model.variables)
        w = values(model.discriminator.variables)[0].ravel()
        for step in (4, 5):
            assign_all(model.variables, start)
            model.step.assign(step)
            found.append(moves(model, "discriminator"))
    due, at_another = found[2] - found[0], found[3] - found[1]
    np.testing.assert_allclose(due, -0.01 * 3 * 2 * w, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(at_another, 0, atol=1e-7)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": "hinge"},
        {"loss": "least_squares"},
        {"loss": "minimax"},
        {"loss": "wasserstein", "penalty": "gradient_penalty"},
        {"feature_matching": "features"},
        {"minibatch_kernels": 3},
        {"virtual_batch": 4},
        {"augment": "color,translation,cutout"},
    ],
)
def test_a_step_of_every_game_moves_both_players(options: dict[str, Any]) -> None:
    model = game(**options)
    variables = {player: model.player_variables(player) for player in model.players}
    before = {player: values(own) for player, own in variables.items()}
    logs = fit_once(model)
    assert all(np.isfinite(value).all() for value in logs.values())
    for player, own in variables.items():
        after = values(own)
        assert all(np.isfinite(value).all() for value in after)
        moved = [not np.array_equal(a, b) for a, b in zip(before[player], after, strict=True)]
        # The last bias may stay: what real and generated examples say of it can cancel.
        assert sum(moved) >= len(moved) - 1, (player, moved)


def test_a_penalty_enters_the_loss_with_its_weight() -> None:
    plain, weighed = (train_once(game(penalty="r1", penalty_weight=w), BATCH) for w in (0.0, 7.0))
    difference = float(weighed["discriminator_loss"]) - float(plain["discriminator_loss"])
    assert difference == pytest.approx(7 * float(plain["penalty"]), rel=1e-2)


def test_labels_go_to_both_players() -> None:
    """With all else equal, labels that differ change what is drawn and what is judged."""
    keras.utils.set_random_seed(0)
    networks = cdcgan.generator(SHAPE, 3, 4, width=2), cdcgan.discriminator(SHAPE, 3, width=2)
    model = compiled(GAN(*networks), rate=1e-12)
    one = train_once(model, BATCH)["discriminator_loss"]
    twin = compiled(GAN(*networks), rate=1e-12)
    other = train_once(twin, {**BATCH, "label": (BATCH["label"] + 1) % 3})["discriminator_loss"]
    assert float(one) != float(other)
    assert model.classes == 3 and model.latent_dim == 4
    drawn = model.sample(6)
    np.testing.assert_array_equal(drawn, model.sample(6))
    assert drawn.shape == (6, *SHAPE)


@pytest.mark.parametrize("share", ["nothing", "images", "round"])
def test_real_and_generated_images_are_altered_in_every_round(
    share: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(AUGMENTATIONS, "halve", lambda images, seed: images * 0.5)
    model = game(augment="halve", share=share)
    drawn: list[np.ndarray] = []
    judged: list[np.ndarray] = []
    draw, judge = model.generator.call, GAN._judge

    def drawing(*args: Any, **kwargs: Any) -> Any:
        images = draw(*args, **kwargs)
        drawn.append(np.asarray(images))
        return images

    def judging(self: GAN, images: Any, *others: Any) -> Any:
        judged.append(np.asarray(images))
        return judge(self, images, *others)

    model.generator.call = drawing
    monkeypatch.setattr(GAN, "_judge", judging)
    batch = model.prepare_batch(BATCH, training=True)
    for number, players in enumerate(model.rounds):
        model._round = number
        model.compute_losses(batch, players, training=True)
    real, fake = BATCH["image"] / 127.5 - 1, drawn[0]
    expected = {"nothing": [fake, real, drawn[-1]], "images": [fake, fake, real]}
    for seen, whole in zip(judged, expected.get(share, [fake, real]), strict=True):
        np.testing.assert_allclose(seen, whole / 2, atol=1e-6)
    judged.clear()
    model.compute_losses(batch, model.rounds[0], training=False)
    assert all(np.abs(seen).max() > 0.5 for seen in judged[1:])


def test_the_generator_learns_through_what_is_altered(monkeypatch: pytest.MonkeyPatch) -> None:
    """To a linear discriminator that stands still, images halved are half the gradient."""
    monkeypatch.setitem(AUGMENTATIONS, "halve", lambda images, seed: images * 0.5)
    monkeypatch.setitem(AUGMENTATIONS, "blacken", lambda images, seed: images * 0.0)
    found = {
        name: moves(linear_game(1e-12, loss="hinge", augment=name), "generator")
        for name in ("", "halve", "blacken")
    }
    assert np.abs(found[""]).max() > 1e-4
    np.testing.assert_allclose(found["halve"], found[""] / 2, rtol=1e-3, atol=1e-7)
    assert not found["blacken"].any()


def test_drawn_images_follow_their_label() -> None:
    """Planted: images of class 0 are dark, of mean 40, those of class 1 bright, of mean 215."""
    keras.utils.set_random_seed(1)
    label = np.arange(512) % 2
    grey = np.where(label, 215, 40)[:, None, None, None]
    images = (grey + np.random.default_rng(0).normal(0, 10, (512, *SHAPE))).astype("uint8")
    model = GAN(
        cdcgan.generator(SHAPE, 2, 4, width=4),
        cdcgan.discriminator(SHAPE, 2, width=4, batch_norm=False),
        penalty="r1",
        penalty_weight=0.1,
        ema={"generator": 0.95},
    )
    model.compile({p: keras.optimizers.Adam(2e-3, beta_1=0.5) for p in model.players})
    feed = model.training_feed({"image": images, "label": label}, 32, 1, 0, 8)
    model.fit(feed, epochs=8, steps_per_epoch=16, shuffle=False, verbose=0)
    means = model.sample(64).mean((1, 2, 3))
    np.testing.assert_allclose(means[0::2], 40, atol=25)
    np.testing.assert_allclose(means[1::2], 215, atol=25)
    assert model.sample_columns == 2


def test_an_averaged_generator_has_statistics_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first batch norm sees K z, z from N(0, I): of variance |K_i|^2 at pixel i, mean 0."""
    monkeypatch.setattr("zoo.models.gan.gan._STANDING", 30)
    raw, averaged = game(), game(ema={"generator": 0.9})
    for model in (raw, averaged):
        train_once(model, BATCH)
    before = values(averaged.generator.non_trainable_variables)
    network = averaged.published_networks()["generator"]
    kernel = next(one for one in network.layers if isinstance(one, keras.layers.Dense)).kernel
    norms = [one for one in network.layers if isinstance(one, keras.layers.BatchNormalization)]
    mean, variance = norms[0].get_weights()[2:]
    of_pixels = (np.asarray(kernel) ** 2).sum(0).reshape(16, -1)
    np.testing.assert_allclose(variance, of_pixels.mean(0), rtol=0.1)
    np.testing.assert_allclose(mean, 0, atol=0.1 * of_pixels.max() ** 0.5)
    assert {norm.momentum for norm in norms} == {0.99}
    again = averaged.published_networks()["generator"]
    assert all(map(np.array_equal, network.get_weights(), again.get_weights()))
    assert all(map(np.array_equal, before, values(averaged.generator.non_trainable_variables)))
    plain = raw.published_networks()["generator"].get_weights()
    assert all(map(np.array_equal, plain, raw.generator.get_weights()))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"loss": "wasserstein"}, ValueError, "wasserstein needs a penalty, such as gradient_"),
        ({"penalty": "r1", "minibatch_kernels": 2}, ValueError, "lets examples see each other"),
        ({"loss": "hinges"}, UnknownModelError, "did you mean hinge"),
        ({"loss": "hinge", "real_label": 0.9}, ValueError, "hinge has no real_label"),
        ({"discriminator_steps": 0}, ValueError, "must be at least 1"),
        ({"share": "all"}, ValueError, "share must be nothing, images, round, got 'all'"),
        ({"share": "round", "discriminator_steps": 2}, ValueError, "needs discriminator_steps=1"),
        ({"feature_matching": "feature"}, InvalidInputError, "did you mean features"),
        ({"augment": "colour"}, ValueError, "augment names color"),
    ],
)
def test_options_that_cannot_be_are_refused(
    options: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        game(**options)


def test_a_penalty_is_refused_where_batch_norm_lets_examples_see_each_other() -> None:
    networks = {
        "generator": dcgan.generator(SHAPE, latent_dim=4, width=2),
        "discriminator": dcgan.discriminator(SHAPE, width=2),
    }
    with pytest.raises(RecipeError, match=r"set network\.discriminator\.batch_norm=false"):
        build_method({"name": "gan", "penalty": "r1"}, networks)


def test_a_conditional_game_needs_labels(sample_home: Path) -> None:
    spec = DataSpec("cmp_facades")
    with pytest.raises(RecipeError, match="cdcgan learns from labels, and cmp_facades has none"):
        training_arrays(Recipe("cdcgan.cmp_facades", "cdcgan", spec))
    assert set(training_arrays(Recipe("dcgan.cmp_facades", "dcgan", spec))[0]) == {"image"}


def test_the_discriminator_is_published_on_demand() -> None:
    assert list(game().published_networks()) == ["generator"]
    both = game(publish_discriminator=True).published_networks()
    assert list(both) == ["generator", "discriminator"]


def test_the_default_game_learns_two_planted_clusters() -> None:
    """Images of two pixels, half of them near (60, 190), half near (190, 60)."""
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(0)
    centres = np.array([[60, 190], [190, 60]])
    pixels = centres[rng.integers(0, 2, 2048)] + rng.normal(0, 8, (2048, 2))
    images = pixels.round().astype("uint8").reshape(-1, 1, 2, 1)
    shape = (1, 2, 1)
    discriminator = dense.discriminator(shape, (48, 48), pieces=2, dropout=0.0)
    model = GAN(dense.generator(shape, 4, (48, 48)), discriminator, ema={"generator": 0.99})
    model.compile({p: keras.optimizers.Adam(2e-3, beta_1=0.5) for p in model.players})
    epochs = 20
    feed = model.training_feed({"image": images}, 64, 1, 0, epochs)
    model.fit(feed, epochs=epochs, steps_per_epoch=32, shuffle=False, verbose=0)
    drawn = model.sample(500).reshape(-1, 2).astype(float)
    distances = np.linalg.norm(drawn[:, None] - centres[None], axis=-1)
    near = distances < 40
    assert near.any(1).mean() > 0.8
    assert near.mean(0).min() > 0.2
