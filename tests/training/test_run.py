"""Runs: what is kept, what is refused, what augmentation does."""

from __future__ import annotations

import fcntl
import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from zoo import registry
from zoo.errors import CorruptModelError, RecipeError, ZooError
from zoo.recipe import Recipe
from zoo.runs import Run, last_run, new_run, resolved
from zoo.training.broken import BrokenTrainingError
from zoo.training.build import pixel_statistics
from zoo.training.publish import make_card, publish
from zoo.training.run import fit_run


def recipe(**settings: Any) -> Recipe:
    small = {"data.limit": 64, "data.validation": 32, "batch_size": 32, "epochs": 2}
    return registry.recipes().get("mlp.fashion_mnist").override({**small, **settings})


def test_pixel_statistics_are_those_of_floats() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2300, 4, 3, 3)).astype(np.uint8)
    images[:1500, :, :, 1] //= 3
    found = pixel_statistics(images)
    np.testing.assert_allclose(found["mean"], images.mean((0, 1, 2)), atol=1e-4)
    np.testing.assert_allclose(found["std"], images.std((0, 1, 2)), atol=1e-4)


def test_a_run_keeps_recipe_state_and_history(sample_home: Path) -> None:
    run = fit_run(new_run(recipe()), verbose=0)
    assert Recipe.from_dict(json.loads((run.folder / "recipe.json").read_text())) == resolved(
        recipe()
    )
    lines = (run.folder / "history.csv").read_text().splitlines()
    assert lines[0] == "epoch,accuracy,loss,val_accuracy,val_loss,seconds"
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2"]


def test_a_generator_draws_a_grid_each_epoch(sample_home: Path) -> None:
    small = {"data.limit": 32, "batch_size": 16, "epochs": 2}
    run = fit_run(new_run(registry.recipes().get("dcgan.fashion_mnist").override(small)), verbose=0)
    names = sorted(path.name for path in (run.folder / "samples").iterdir())
    assert names == ["epoch_001.png", "epoch_002.png"]


def test_a_loss_that_is_not_finite_ends_the_run_and_keeps_the_last_good_epoch(
    sample_home: Path,
) -> None:
    run = new_run(recipe(optimizer={"name": "SGD", "learning_rate": 1e30}, schedule={}))
    words = "the loss of player network is not finite from step 2 on, in epoch 1; nothing was kept"
    with pytest.raises(BrokenTrainingError, match=words) as raised:
        fit_run(run, verbose=0)
    assert raised.value.step == 2
    assert not (run.folder / "checkpoint.npz").exists()


def test_a_broken_epoch_is_not_trained_to_its_end(
    sample_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second of eight steps breaks; every third is looked at."""
    monkeypatch.setattr("zoo.training.callbacks.LOOK_EVERY", 3)
    settings = {"optimizer": {"name": "SGD", "learning_rate": 1e30}, "schedule": {}}
    run = new_run(recipe(**settings, **{"data.limit": 256}))
    steps: list[int] = []
    count = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: steps.append(1))
    with pytest.raises(BrokenTrainingError, match="is not finite from step 2 on, in epoch 1"):
        fit_run(run, verbose=0, callbacks=[count])
    assert len(steps) == 3


def test_an_epoch_of_several_passes(sample_home: Path) -> None:
    """Twice three passes over 64 examples in batches of 20: nine steps an epoch."""
    repeated = recipe(**{"data.repeat": 3, "data.validation": 0, "batch_size": 20})
    run = fit_run(new_run(repeated), verbose=0)
    assert run.model is not None
    assert int(run.model.step) == 18 and run.model.total_steps == 18
    card = make_card(run, run.model.published_networks())
    assert card.data["n"] == 64 and card.training["epochs"] == 2


def test_a_game_that_breaks_names_step_player_and_checkpoint(sample_home: Path) -> None:
    """The discriminator's weights become NaN before the third epoch of two steps each."""
    small = {"data.limit": 32, "batch_size": 16, "epochs": 5}
    run = new_run(registry.recipes().get("dcgan.fashion_mnist").override(small))

    class Break(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 2:
                variable = self.model.discriminator.trainable_variables[-1]
                variable.assign(variable * float("nan"))

    with pytest.raises(ZooError) as raised:
        fit_run(run, verbose=0, callbacks=[Break()])
    checkpoint = run.folder / "checkpoint.npz"
    assert str(raised.value) == (
        "the loss of player discriminator is not finite from step 5 on, in epoch 3; "
        f"epoch 2 is kept; the last good checkpoint is {checkpoint}"
    )
    with np.load(checkpoint) as archive:
        assert json.loads(archive["record"].tobytes())["epoch"] == 2
        assert all(np.isfinite(archive[key]).all() for key in archive.files)
    resumed = fit_run(last_run(run.recipe.name, run.recipe), verbose=0)
    assert len(resumed.history) == 5


def test_two_processes_cannot_train_one_run(sample_home: Path) -> None:
    run = new_run(recipe())
    with (run.folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ZooError, match="another process is training"):
            fit_run(run, verbose=0)


def test_resuming_needs_the_same_settings(sample_home: Path) -> None:
    run = new_run(recipe())
    name = run.recipe.name
    assert last_run(name).folder == last_run(name, recipe()).folder == run.folder
    with pytest.raises(RecipeError, match="begun with epochs=2, not 5"):
        last_run(name, recipe(epochs=5))
    other = new_run(recipe(epochs=5))
    assert last_run(name).folder == other.folder
    assert last_run(name).recipe.epochs == 5
    assert last_run(name, recipe()).folder == run.folder
    for folder in (run.folder, other.folder):
        (folder / "finished").write_text("")
    with pytest.raises(ZooError, match="no unfinished run"):
        last_run(name)


def test_a_run_is_stored_once(sample_home: Path) -> None:
    """A kill between storing a version and writing that down does not store it again."""
    run = publish(fit_run(new_run(recipe(epochs=1)), verbose=0))
    assert run.stored is not None
    (run.folder / "finished").unlink()
    damaged = run.stored.parent / "99"
    damaged.mkdir()
    (damaged / "card.json").write_text("{")
    again = publish(fit_run(last_run(run.recipe.name), verbose=0))
    assert again.stored == run.stored
    assert again.finished


@pytest.mark.parametrize("steps", [2, 4])
def test_executions_of_several_steps_must_divide_an_epoch(sample_home: Path, steps: int) -> None:
    """Keras would run on into the next epoch, whose batches are others."""
    chosen = recipe(**{"data.limit": 96, "steps_per_execution": steps})
    with pytest.raises(RecipeError, match=f"{steps} does not divide the 3 steps"):
        fit_run(new_run(chosen), verbose=0)
    fit_run(new_run(recipe(**{"data.limit": 128, "steps_per_execution": steps})), verbose=0)


def test_keras_callbacks_may_read_and_set_the_rate(sample_home: Path) -> None:
    settings = {"data.limit": 32, "data.validation": 0, "batch_size": 16, "epochs": 2}
    gan = registry.recipes().get("dcgan.fashion_mnist").override(settings)
    gan = gan.override({"schedule": {}, "players": {"generator": {"learning_rate": 4e-4}}})
    schedule = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    plateau = keras.callbacks.ReduceLROnPlateau(monitor="generator_loss", mode="min")
    model = fit_run(new_run(gan), verbose=0, callbacks=[schedule, plateau]).model
    assert model is not None
    rates = {p: float(o.learning_rate) for p, o in model.optimizer.players.items()}
    assert rates == pytest.approx({"discriminator": 5e-5, "generator": 1e-4})


def test_a_damaged_checkpoint_is_named(sample_home: Path) -> None:
    run = fit_run(new_run(recipe(epochs=1)), verbose=0)
    path = run.folder / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(CorruptModelError, match="cannot be read"):
        fit_run(Run(recipe(epochs=1), run.folder), verbose=0)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"batch_size": 65}, "batch_size 65 is above the 64 training examples"),
        ({"data.validation": 512}, "below the 512 examples, got 512"),
        ({"method": {"name": "supervisd"}}, "did you mean supervised"),
        ({"method": {"label_smoothing": 0.1}}, "method needs a name"),
        ({"method.label_smothing": 0.1}, "did you mean label_smoothing"),
        ({"method.label_smoothing": 2}, "label_smoothing must be in"),
        ({"ema": {"net": 0.9}}, "ema names 'net'; the networks are network"),
        ({"players": {"generator": {}}}, "players names 'generator'"),
        (
            {"augmentation": [{"name": "RandomFlop"}]},
            "unknown augmentation 'RandomFlop'; did you mean",
        ),
        ({"augmentation": [{"name": "RandomFlip", "way": 1}]}, "no option 'way'"),
        ({"network.units": "many"}, "mlp: "),
        ({"architecture": "mlpp", "name": "mlpp.fashion_mnist"}, "did you mean mlp"),
        ({"data.name": "mnits", "name": "mlp.mnits"}, "did you mean mnist"),
        ({"data.name": "mnist"}, "for mlp on mnist is mlp.mnist or begins with mlp.mnist-"),
        ({"architecture": "resnet20"}, "for resnet20 on fashion_mnist is resnet20.fashion_mnist"),
        ({"seed": 2**32}, "seed must be 0 to"),
        ({"schedule": {"name": "cosine", "warmup": 7}}, "schedule.warmup is a share from 0 to 1"),
        ({"schedule": {"name": "cosine", "rate": 7}}, "no option 'rate'"),
        ({"network.network": 5}, "network takes a dictionary of options, got 5"),
    ],
)
def test_recipes_that_cannot_be_trained_say_why(
    sample_home: Path, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ZooError, match=words):
        fit_run(new_run(recipe(**settings)), verbose=0)
