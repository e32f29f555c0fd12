"""The game of a generator and a discriminator: turns, options, labels, and that it learns."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from tests.steps import train_once, values
from zoo.errors import InvalidInputError, RecipeError, UnknownModelError
from zoo.models.gan import cdcgan, dcgan, dense
from zoo.models.gan.gan import GAN

SHAPE = (16, 16, 1)
RNG = np.random.default_rng(0)
BATCH = {
    "image": RNG.integers(0, 256, (12, *SHAPE)).astype("uint8"),
    "label": np.arange(12) % 3,
}


def game(**options: Any) -> GAN:
    keras.utils.set_random_seed(0)
    generator = dcgan.generator(SHAPE, latent_dim=4, width=2)
    discriminator = dcgan.discriminator(SHAPE, width=2, batch_norm=False)
    return compiled(GAN(generator, discriminator, **options))


def compiled(model: GAN, rate: float = 0.01) -> GAN:
    model.compile({player: keras.optimizers.SGD(rate) for player in model.players})
    return model


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


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
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
