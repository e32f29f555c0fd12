"""Recipes for data that have none: an architecture, or another set's recipe, on any data set."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from zoo import data, registry
from zoo.data.own import SIZE, resolve, say
from zoo.data.own_pair import pair_source
from zoo.data.pairs import PAIR
from zoo.errors import InvalidInputError, RecipeError
from zoo.recipe import DataSpec, Recipe
from zoo.runs import recipe_of
from zoo.transfer import POLICY, check_transfer, from_words, parent_size, transferred

VALIDATION = 0.15
# Below so many examples none can be spared, nor from classes that might lose theirs.
LEAST_TO_VALIDATE = 40
LEAST_OF_A_CLASS = 5
STEPS = 600
BATCH_SIZE = 64
# Of domains none is held out but for the sample pictures; they are learned in so many steps.
SHOWN = 16
PAIR_STEPS = 5000

Images = str | Path | Sequence[str | Path]


def recipe_on(
    base: str | Recipe, source: Images, size: int | None = None, skip_bad: bool = False
) -> Recipe:
    """Returns the recipe that trains an architecture or another recipe on a source of images.

    Args:
        base: An architecture, a recipe, or its name.
        source: As `zoo.data.own.resolve` takes it, for a translation a pair of domains: its name,
            or two folders of images. It is prepared where that is needed.
        size: Height and width that images of a new source are resized to; by default those that
            the architecture's recipes train on.
        skip_bad: Leave out, and list, what cannot be used of the source.

    Raises:
        UnknownModelError: for a name that is neither.
        InvalidInputError, DataUnavailableError: as `resolve`.
        RecipeError: for a translation without a pair of domains, and a pair for anything else.
    """
    if not isinstance(source, str | Path):
        source = source[0] if len(source) == 1 else pair_source(source)
    if isinstance(base, str) and base in registry.recipes():
        base = registry.recipes().get(base)
    named = base.architecture if isinstance(base, Recipe) else base
    task = registry.architectures().get(named).task
    pair = str(source).startswith(PAIR) or str(source) in data.PAIRS
    if pair != (task == "translation"):
        raise RecipeError(
            "pairs of domains are for translation, and it learns from nothing else: name two "
            "folders of images, or train a recipe that `zoo list --task translation` shows"
        )
    if isinstance(base, Recipe):
        dataset = resolve(source, size or input_size(base.architecture, base), skip_bad)
        return recipe_for(base.architecture, dataset, base)
    architecture = registry.architectures().get(base).name
    dataset = resolve(source, size or input_size(architecture), skip_bad)
    known = f"{architecture}.{dataset}"
    if known in registry.recipes():
        return registry.recipes().get(known)
    return recipe_for(architecture, dataset)


def recipe_to_train(
    base: str | Recipe,
    source: Images | None = None,
    parent: str | None = None,
    policy: str | None = None,
    *,
    skip_bad: bool = False,
    resume: bool = False,
) -> Recipe:
    """Returns what a user asks to be trained.

    Args:
        base: A recipe or its name; with a source also an architecture.
        source: Images to train on in place of the recipe's, as `recipe_on` takes them.
        parent: A stored model to begin from.
        policy: What of it is taken and learns on, as `zoo.transfer.transferred` takes it.
        skip_bad: As for `recipe_on`.
        resume: As for `zoo.runs.recipe_of`.

    Raises:
        InvalidInputError: for a policy without a parent.
        UnknownModelError, RecipeError, DataUnavailableError: as the functions named.
    """
    if policy is not None and parent is None:
        raise InvalidInputError("transfer needs a stored model to begin from (--from, from_model)")
    policy = policy or POLICY
    # What is wrong with these is said before a folder of images is read.
    size = parent_size(parent) if parent else None
    check_transfer(from_words(parent, policy) if parent else {})
    if source is not None:
        base = recipe_on(base, source, size, skip_bad)
    recipe = recipe_of(base, resume) if isinstance(base, str) else base
    return transferred(recipe, parent, policy) if parent else recipe


def recipe_for(architecture: str, dataset: str, base: Recipe | None = None) -> Recipe:
    """Returns a recipe for a prepared data set, with what suits a small one where nothing is said.

    Args:
        architecture: An architecture for classification, unless there is a base or a pair.
        dataset: Name of a prepared data set or, for a translation, of a pair of domains.
        base: A recipe whose settings are kept, all but the data. Its batch is kept to a quarter
            of the examples.

    Raises:
        RecipeError: for an architecture whose training needs more than labelled images.
    """
    pair = dataset in data.PAIRS
    count, fewest = _counts(dataset)
    # Each domain has its own share of a batch and of what is held out.
    own = fewest if pair else count
    spared = own >= LEAST_TO_VALIDATE and fewest >= LEAST_OF_A_CLASS
    validation = round(VALIDATION * own) if spared else 0
    validation = min(validation, SHOWN) if pair else validation
    largest = max(1, (own - validation) // 4)
    spec = DataSpec(dataset, validation=validation)
    name = f"{architecture}.{dataset}"
    if base is None and pair:
        base = _for_domains(architecture, count - validation, largest)
    if base is not None:
        suffix = base.name.removeprefix(f"{base.architecture}.{base.data.name}")
        batch_size = min(base.batch_size, largest)
        if batch_size < base.batch_size:
            say(f"batch_size is {batch_size}, not {base.batch_size}, for {own} images")
        return dataclasses.replace(base, name=name + suffix, data=spec, batch_size=batch_size)
    chosen = registry.architectures().get(architecture)
    if chosen.task != "classification":
        raise RecipeError(
            f"{architecture} is no classifier; name one of its recipes, as `zoo list` shows them"
        )
    batch_size = min(BATCH_SIZE, largest)
    steps = (count - validation) // batch_size
    return Recipe(
        name=name,
        architecture=architecture,
        data=spec,
        method=chosen.default_method,
        augmentation=[
            {"name": "RandomFlip", "mode": "horizontal"},
            {"name": "RandomTranslation", "height_factor": 0.1, "width_factor": 0.1},
        ],
        optimizer={"name": "AdamW", "learning_rate": 1e-3, "weight_decay": 1e-2},
        schedule={"name": "cosine", "warmup": 0.1},
        batch_size=batch_size,
        epochs=max(10, math.ceil(STEPS / steps)),
    )


def _for_domains(architecture: str, count: int, largest_batch: int) -> Recipe:
    """Returns a translation's recipe for the largest images, fit for so many of one's own.

    Networks and losses are the architecture's own, but as wide as the recipe's.
    """
    base = max(_recipes_of(architecture), key=_size)
    steps = count // min(base.batch_size, largest_batch)
    return dataclasses.replace(
        base,
        network={key: value for key, value in base.network.items() if key == "width"},
        method=registry.architectures().get(architecture).default_method,
        epochs=max(10, math.ceil(PAIR_STEPS / steps)),
    )


def input_size(architecture: str, base: Recipe | None = None) -> int:
    """Returns the height of the images that a recipe, or an architecture's recipes, train on.

    Of several it is the largest; where there are none, 64.
    """
    return max(map(_size, [base] if base else _recipes_of(architecture)), default=SIZE)


def _recipes_of(architecture: str) -> list[Recipe]:
    recipes = [registry.recipes().get(name) for name in registry.recipes()]
    return [one for one in recipes if one.architecture == architecture]


def _size(recipe: Recipe) -> int:
    """Returns the height of the images that a recipe trains on."""
    return data.get(data.sets_of(recipe.data.name)[0]).shape[0]


def _counts(dataset: str) -> tuple[int, int]:
    """Returns the number of training examples, and that of the class with the fewest.

    Of a pair of domains they are those of the larger and of the smaller one.
    """
    if dataset in data.PAIRS:
        pair = data.load_pair(dataset, "train")
        counts = [len(images) for key, images in pair.items() if key.endswith("/image")]
        return max(counts), min(counts)
    train = data.load(dataset, "train")
    if "label" not in train:
        return len(train["image"]), len(train["image"])
    label = train["label"]
    return len(label), int(np.bincount(label, minlength=len(data.get(dataset).labels)).min())
