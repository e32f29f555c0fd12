"""Recipes for data that have none: an architecture, or another set's recipe, on any data set."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from zoo import data, registry
from zoo.data.catalogue import record_of
from zoo.data.own import resolve
from zoo.data.own_arrays import SIZE, say
from zoo.data.own_pair import pair_source
from zoo.data.pairs import PAIR
from zoo.errors import InvalidInputError, RecipeError
from zoo.recipe import DataSpec, Recipe
from zoo.runs import recipe_of
from zoo.transfer import POLICY, check_transfer, from_words, parent_card, transferred

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
            or two folders of images; for a generator or an autoencoder also a folder of pictures
            alone. It is prepared where that is needed.
        size: Height and width that images of a new source are resized to; by default those that
            the architecture's recipes train on. A source that is prepared keeps its size, for runs
            and stored models go by its one name; a line on standard error says so.
        skip_bad: Leave out, and list, what cannot be used of the source.

    Raises:
        UnknownModelError: for a name that is neither.
        InvalidInputError, DataUnavailableError: as `resolve`.
        RecipeError: for a translation without a pair of domains, and a pair for anything else; for
            an architecture that needs a recipe. It comes before an image is read.
    """
    if not isinstance(source, str | Path):
        source = source[0] if len(source) == 1 else pair_source(source)
    if isinstance(base, str) and base in registry.recipes():
        base = registry.recipes().get(base)
    named = base.architecture if isinstance(base, Recipe) else base
    task = registry.architectures().get(named).task
    shift = _is_shift(str(source))
    if shift != (isinstance(base, Recipe) and _is_shift(base.data.name)):
        raise RecipeError(
            "a shift between two domains is for a recipe of adaptation, and that learns from "
            "nothing else: train one such as small_cnn.mnist_to_usps-cdan"
        )
    pair = (str(source).startswith(PAIR) or str(source) in data.PAIRS) and not shift
    if pair != (task == "translation"):
        raise RecipeError(
            "pairs of domains are for translation, and it learns from nothing else: name two "
            "folders of images, or train a recipe that `zoo list --task translation` shows"
        )
    architecture = registry.architectures().get(named).name
    recipe = base if isinstance(base, Recipe) else None
    known = f"{architecture}.{source}"
    if recipe is None and task == "generation" and known not in registry.recipes():
        raise RecipeError(
            f"{architecture} is no classifier; name one of its recipes, as `zoo list` shows them"
        )
    size = size or input_size(architecture, recipe)
    dataset = resolve(source, size, skip_bad, labelled=task == "classification")
    _tell_of_size(architecture, dataset, size)
    if recipe is None and known in registry.recipes():
        return registry.recipes().get(known)
    return recipe_for(architecture, dataset, recipe)


def _is_shift(name: str) -> bool:
    return name in data.PAIRS and isinstance(data.PAIRS.get(name), data.Shift)


def _tell_of_size(architecture: str, dataset: str, size: int) -> None:
    """Says where images of the user's own were prepared in another size than would be taken."""
    record = record_of(dataset)
    if record.get("source") is None or record["options"]["size"] == size:
        return
    again = f"{shlex.quote(record['source'])} --name {dataset}_{size} --size {size}"
    say(
        f"{architecture} gets {dataset} as it was prepared, {record['options']['size']} pixels "
        f"high and wide, not {size}; `zoo data prepare {again}` makes a set of those beside it"
    )


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
    size = None
    if source is None and isinstance(base, str):
        base = recipe_of(base, resume)
    if parent is not None:
        # What is wrong with these is said before a folder of images is read.
        check_transfer(from_words(parent, policy))
        size = int(parent_card(parent, _architecture_of(base)).input["shape"][0])
    if source is not None:
        base = recipe_on(base, source, size, skip_bad)
    assert isinstance(base, Recipe)
    return base if parent is None else transferred(base, parent, policy)


def recipe_for(architecture: str, dataset: str, base: Recipe | None = None) -> Recipe:
    """Returns a recipe for a prepared data set, with what suits a small one where nothing is said.

    Args:
        architecture: An architecture for classification, unless there is a base or a pair.
        dataset: Name of a prepared data set or, for a translation, of a pair of domains.
        base: A recipe whose settings are kept, all but the data; a generator's passes over them in
            an epoch are kept too. Its batch is kept to a quarter of the examples.
    """
    pair = dataset in data.PAIRS
    chosen = registry.architectures().get(architecture)
    # Losses of a game on held-out images say nothing; those for testing are held out already.
    generates = chosen.task == "generation"
    count, fewest = _counts(dataset)
    # Each domain has its own share of a batch and of what is held out.
    own = fewest if pair else count
    spared = not generates and own >= LEAST_TO_VALIDATE and fewest >= LEAST_OF_A_CLASS
    validation = round(VALIDATION * own) if spared else 0
    validation = min(validation, SHOWN) if pair else validation
    largest = max(1, (own - validation) // 4)
    repeat = base.data.repeat if base is not None and generates else 1
    spec = DataSpec(dataset, validation=validation, repeat=repeat)
    name = f"{architecture}.{dataset}"
    if base is None and pair:
        base = _for_domains(architecture, count - validation, largest)
    if base is not None:
        suffix = base.name.removeprefix(f"{base.architecture}.{base.data.name}")
        batch_size = min(base.batch_size, largest)
        if batch_size < base.batch_size:
            say(f"batch_size is {batch_size}, not {base.batch_size}, for {own} images")
        for role, parent in base.parents.items():
            say(
                f"{name} is built on {parent['model']}, as {base.name} is; "
                f"`--set parents.{role}.model=NAME` names another"
            )
        return dataclasses.replace(base, name=name + suffix, data=spec, batch_size=batch_size)
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


def _architecture_of(base: str | Recipe) -> str:
    """Returns the architecture of a recipe, of a recipe's name, or of its own name."""
    if isinstance(base, str) and base in registry.recipes():
        base = registry.recipes().get(base)
    return registry.architectures().get(base).name if isinstance(base, str) else base.architecture


def _size(recipe: Recipe) -> int:
    """Returns the height of the images that a recipe trains on."""
    return data.get(data.sets_of(recipe.data.name)[0]).shape[0]


def _counts(dataset: str) -> tuple[int, int]:
    """Returns the number of training examples, and that of the class with the fewest.

    Of a pair of domains they are those of the larger and of the smaller one.
    """
    if dataset in data.PAIRS:
        domains = data.PAIRS.get(dataset).domains.values()
        pair = [data.training_count(domain) for domain in domains]
        return max(pair), min(pair)
    counts = data.class_counts(dataset, "train")
    return int(counts.sum()), int(counts.min())
