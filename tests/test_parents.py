"""Parents: stored models that are a fixed part of a new one, the same for good once a run began."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.store.common import make_card
from zoo import store
from zoo.errors import CorruptModelError, RecipeError, UnknownModelError
from zoo.parents import load_parents, pinned_parents
from zoo.recipe import DataSpec, Recipe
from zoo.registry import Architecture
from zoo.report import card_readme
from zoo.runs import last_run, new_run
from zoo.training.build import build_networks

PARENT = "mlp.mnist-part"


def part(seed: int, units: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(units)])


def store_parent(seed: int) -> Path:
    """Stores a version of a model of two networks."""
    return store.save(make_card(PARENT), {"encoder": part(seed, 3), "decoder": part(seed + 10, 4)})


def child(parents: Mapping[str, Any] | None = None, **fields: Any) -> Recipe:
    chosen = {"autoencoder": {"model": PARENT}} if parents is None else dict(parents)
    return Recipe("mlp.mnist", "mlp", DataSpec("mnist"), parents=chosen, **fields)


def test_a_recipe_with_parents_is_plain_data() -> None:
    recipe = child({"autoencoder": {"model": PARENT, "sha256": {"encoder": "12"}}})
    assert Recipe.from_dict(json.loads(recipe.to_json())) == recipe
    changed = recipe.override(["parents.autoencoder.model=mlp.mnist-other@2"])
    assert changed.parents["autoencoder"]["model"] == "mlp.mnist-other@2"
    assert Recipe("mlp.mnist", "mlp", DataSpec("mnist")).parents == {}


@pytest.mark.parametrize(
    ("parents", "said"),
    [
        ({"autoencoder": PARENT}, "parents must be dict of dict"),
        ({"autoencoder": {}}, "parents.autoencoder.model must be a stored model's name, got None"),
        ({"autoencoder": {"model": 3}}, "must be a stored model's name, got 3"),
        ({"teacher": {"modle": PARENT}}, "parents.teacher has no 'modle'; did you mean model?"),
        ({"teacher": {"model": PARENT, "sha256": "12"}}, "parents.teacher.sha256 must be a digest"),
        ({"teacher": {"model": PARENT, "sha256": {"a": 1}}}, "must be a digest for each network"),
    ],
)
def test_a_mistake_is_one_line(parents: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError) as refused:
        child(parents)
    assert said in str(refused.value) and "\n" not in str(refused.value)


def test_a_run_keeps_the_version_that_it_began_with(private_home: Path) -> None:
    folder = store_parent(seed=0)
    begun = new_run(child()).recipe
    digests = {
        network: hashlib.sha256((folder / f"{network}.keras").read_bytes()).hexdigest()
        for network in ("encoder", "decoder")
    }
    expected = {"autoencoder": {"model": f"{PARENT}@1", "sha256": digests}}
    assert begun.parents == expected
    store_parent(seed=1)
    assert last_run("mlp.mnist").recipe.parents == expected
    assert pinned_parents(begun) == begun
    assert pinned_parents(child()).parents["autoencoder"]["model"] == f"{PARENT}@2"
    # A recipe without parents is the very same.
    assert pinned_parents(child({})) == child({})


def test_a_missing_parent_names_the_command_that_makes_it(
    private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.paths.shipped_models", lambda: private_home / "nothing")
    with pytest.raises(RecipeError) as refused:
        new_run(child({"teacher": {"model": "dcgan.mnist"}}))
    assert str(refused.value) == (
        "mlp.mnist is built on dcgan.mnist, which is not stored; `zoo train dcgan.mnist` makes it"
    )
    with pytest.raises(RecipeError, match=r"which is not stored; `zoo train gan.mnist` makes it"):
        new_run(child({"teacher": {"model": "gan.mnist@1"}}))
    store_parent(seed=0)
    with pytest.raises(UnknownModelError, match=r"'mlp.mnist-prat'; did you mean mlp.mnist-part"):
        new_run(child({"teacher": {"model": "mlp.mnist-prat"}}))
    with pytest.raises(UnknownModelError, match=r"there are mlp.mnist-part@1"):
        new_run(child({"teacher": {"model": f"{PARENT}@7"}}))
    assert not (private_home / "runs").exists()


def test_an_autoencoder_of_other_images_is_refused_before_a_run_begins(private_home: Path) -> None:
    for channels in (3, 1):
        card = make_card(PARENT, task="reconstruction", input={"shape": [28, 28, channels]})
        store.save(card, {"encoder": part(0, 3), "decoder": part(1, 4)})
    with pytest.raises(RecipeError) as refused:
        new_run(child({"autoencoder": {"model": f"{PARENT}@1"}}))
    assert str(refused.value) == (
        f"mnist has images of shape [28, 28, 1], but parents.autoencoder.model, {PARENT}@1, is for "
        "[28, 28, 3]; train one on mnist and name it with `--set parents.autoencoder.model=NAME`"
    )
    assert not (private_home / "runs").exists()
    assert new_run(child()).recipe.parents["autoencoder"]["model"] == f"{PARENT}@2"


def test_its_networks_are_loaded_and_never_learn(private_home: Path) -> None:
    store_parent(seed=0)
    recipe = pinned_parents(child())
    networks = load_parents(recipe.parents)["autoencoder"]
    assert set(networks) == {"encoder", "decoder"}
    for name, network in networks.items():
        assert network.trainable_variables == []
        expected = part({"encoder": 0, "decoder": 10}[name], network.output_shape[-1])
        for one, other in zip(network.weights, expected.weights, strict=True):
            np.testing.assert_array_equal(np.asarray(one.value), np.asarray(other.value))


def test_another_model_in_its_place_is_refused(private_home: Path) -> None:
    store_parent(seed=0)
    changed = {"parents.autoencoder.sha256.encoder": "0" * 64}
    recipe = pinned_parents(child()).override(changed)
    said = r"mlp.mnist-part@1 is not the model that the recipe was pinned to \(sha256 differs\)"
    with pytest.raises(CorruptModelError, match=said):
        load_parents(recipe.parents)


def body(parents: Mapping[str, Mapping[str, keras.Model]], units: int = 5) -> keras.Model:
    """Builds a network on what a parent knows."""
    x = keras.Input((2,))
    return keras.Model(x, keras.layers.Dense(units)(parents["autoencoder"]["encoder"](x)))


def test_a_builder_gets_them_by_name(private_home: Path) -> None:
    store_parent(seed=0)
    where = f"{__name__}:body"
    architecture = Architecture("child", "classification", "mlp", "", {"network": where}, "")
    parents = load_parents(child().parents)
    built = build_networks(architecture, {"parents": parents, "images": None}, {"units": 6})
    assert built["network"].output_shape == (None, 6)
    assert len(built["network"].trainable_variables) == 2


def test_the_readme_says_what_it_is_built_on(private_home: Path, tmp_path: Path) -> None:
    store_parent(seed=0)
    recipe = pinned_parents(child())
    readme = card_readme(make_card("mlp.mnist", recipe=recipe.to_dict()), tmp_path)
    line = next(line for line in readme.splitlines() if line.startswith("| autoencoder |"))
    assert f"of {PARENT}@1" in line
    for digest in recipe.parents["autoencoder"]["sha256"].values():
        assert digest in line
    assert "autoencoder |" not in card_readme(make_card("mlp.mnist"), tmp_path)
