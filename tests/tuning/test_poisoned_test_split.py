"""No search can see a test split: each is made unreadable, and every measure goes on as before."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from tests.steps import FEWER
from tests.stored_parents import with_parents
from tuning.objectives import objectives_of, search_recipe
from tuning.repeats import examples_of
from zoo import data, registry
from zoo.data.feed import first_images
from zoo.errors import DataUnavailableError

# A recipe of each kind, small, with all objectives that are measured after an epoch.
KINDS: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "classification": ("mlp.fashion_mnist", {"network.units": [8]}, ["val_accuracy", "val_loss"]),
    "generation": (
        "gan.mnist",
        {"network": {"latent_dim": 4, "units": [8]}},
        ["val_fd", "val_kid", "val_kid_pixels"],
    ),
    "translation": (
        "cyclegan.mnist_usps",
        {"network": {"width": 8, "blocks": 1, "downsamplings": 1}},
        ["val_fd", "val_kid", "val_kid_pixels"],
    ),
    "adaptation": (
        "lenet5.mnist_to_mnist_m-dann",
        {},
        ["val_target_information", "val_source_accuracy", "oracle_target_accuracy"],
    ),
    "variational": (
        "dense_vae.mnist",
        {"network.units": [8], "network.latent_dim": 2},
        ["val_loss", "val_kid_pixels"],
    ),
    "reconstruction": ("dense_autoencoder.mnist", {"network.units": [8]}, ["val_loss"]),
    "diffusion": ("ddpm.fashion_mnist", FEWER["ddpm"], ["val_loss", "val_kid_pixels"]),
    "latent diffusion": ("ldm.mnist", FEWER["ldm"], ["val_loss"]),
    "distillation": ("mlp.mnist-kd", {"network.units": [8]}, ["val_accuracy"]),
}
QUICK = ("classification", "generation", "translation", "adaptation", "variational")


def poison(home: Path) -> None:
    """Writes what nobody can read in the place of every test split."""
    for name in ("mnist", "fashion_mnist", "cifar10", "usps", "mnist_m"):
        for split in data.get(name).splits:
            if split != "train":
                (home / "data" / name / f"{split}.npz").write_bytes(b"poison")


@pytest.mark.parametrize(
    "kind",
    [one if one in QUICK else pytest.param(one, marks=pytest.mark.full) for one in KINDS],
)
def test_every_objective_is_measured_without_the_test_split(kind: str, sample_home: Path) -> None:
    from zoo.training.build import build_model
    from zoo.training.run import data_checksum

    name, settings, names = KINDS[kind]
    small = {"data.validation": 64, "batch_size": 32, "epochs": 1}
    recipe = with_parents(registry.recipes().get(name).override({**settings, **small}))
    poison(sample_home)
    with pytest.raises(DataUnavailableError, match="damaged"):
        data.load("mnist", "test")
    recipe = search_recipe(recipe)
    objectives = objectives_of(recipe, names)
    (examples,) = examples_of(recipe)
    assert data_checksum(recipe.data)
    classes = len(data.labels(recipe.data))
    game = build_model(recipe, first_images(examples.training), classes, 1)
    # As `fit` does after each epoch.
    logs = game.evaluate(examples.validation, batch_size=64, verbose=0, return_dict=True)
    for objective in objectives:
        if objective.measured:
            value = objective.measure(game, examples, recipe)
        else:
            value = logs[objective.name.removeprefix("val_")]
        assert math.isfinite(value), objective.name
