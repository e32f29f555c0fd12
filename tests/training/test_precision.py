"""bfloat16 for the layers, float32 for weights, losses and what is stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.steps import train_once
from zoo import registry, store
from zoo.errors import RecipeError
from zoo.recipe import Recipe
from zoo.runs import new_run
from zoo.training.build import build_model
from zoo.training.publish import publish
from zoo.training.run import fit_run, training_arrays

NAMES = ["mlp.fashion_mnist", "resnet20.fashion_mnist", "dcgan.fashion_mnist"]


def recipe(name: str, **settings: Any) -> Recipe:
    few = {"data.limit": 64, "data.validation": 0, "batch_size": 32, "epochs": 2}
    mixed = {"precision": "mixed_bfloat16"}
    return registry.recipes().get(name).override({**few, **mixed, **settings})


@pytest.mark.parametrize("name", NAMES)
def test_layers_compute_in_bfloat16_and_all_else_is_float32(sample_home: Path, name: str) -> None:
    chosen = recipe(name)
    arrays = training_arrays(chosen)[0]
    model = build_model(chosen, arrays["image"], 10, 2)
    computed = set()
    for network in model.network_names:
        layers = getattr(model, network).layers
        computed |= {layer.compute_dtype for layer in layers if layer.trainable_weights}
        assert getattr(model, network).output.dtype == "float32"
        assert {layer.compute_dtype for layer in layers if layer.name == "normalize"} <= {"float32"}
    assert "bfloat16" in computed
    assert {variable.dtype for variable in model.weights} <= {"float32", "int32"}
    seen: list[str] = []
    compute = model.compute_losses

    def watch(*arguments: Any, **options: Any) -> Any:
        losses, logs = compute(*arguments, **options)
        seen.extend(keras.backend.standardize_dtype(loss.dtype) for loss in losses.values())
        return losses, logs

    model.compute_losses = watch  # type: ignore[method-assign]
    train_once(model, {key: value[:32] for key, value in arrays.items()})
    assert set(seen) == {"float32"}


def test_what_is_stored_computes_in_float32(sample_home: Path) -> None:
    run = publish(fit_run(new_run(recipe("mlp.fashion_mnist")), verbose=0))
    assert run.stored is not None
    card, networks = store.load(run.stored)
    assert card.recipe["precision"] == "mixed_bfloat16"
    assert {layer.compute_dtype for layer in networks["network"].layers} == {"float32"}


def test_it_learns_what_float32_learns(sample_home: Path) -> None:
    """Eight epochs on 512 images: the losses lie within a few per cent of each other."""
    settings = {"data.limit": 512, "epochs": 8, "augmentation": [], "network.dropout": 0.0}
    last = {}
    for precision in ("float32", "mixed_bfloat16"):
        chosen = recipe("mlp.fashion_mnist", **settings, precision=precision)
        last[precision] = fit_run(new_run(chosen), verbose=0).history[-1]["loss"]
    assert last["mixed_bfloat16"] == pytest.approx(last["float32"], rel=0.1)
    assert last["mixed_bfloat16"] != last["float32"]
    assert np.isfinite(last["mixed_bfloat16"])


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(RecipeError, match="precision must be float32 or mixed_bfloat16"):
        recipe("mlp.fashion_mnist", precision="float16")
