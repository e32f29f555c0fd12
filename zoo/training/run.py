"""A run: one training of one recipe in a folder of its own, which can be stopped and resumed."""

from __future__ import annotations

import dataclasses
import fcntl
import importlib.metadata
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from zoo import data, files, paths, registry, store
from zoo.card import Card
from zoo.errors import CorruptModelError, RecipeError, ZooError
from zoo.pipelines import make_pipeline, pipeline_of
from zoo.recipe import Recipe
from zoo.training.build import build_model
from zoo.training.callbacks import History, Keeper, SampleGrid, history_csv
from zoo.training.checkpoint import load_checkpoint
from zoo.training.engine import MultiPlayerModel


@dataclasses.dataclass
class Run:
    """A training and what it left.

    Args:
        recipe: What was trained.
        folder: Holds recipe.json, checkpoint.npz, history.csv and samples.
        history: One dictionary of logged values for each epoch that is done.
        model: The trained game, once `fit_run` has returned.
        stored: Where the store keeps the result, once it does.
    """

    recipe: Recipe
    folder: Path
    history: History = dataclasses.field(default_factory=list)
    model: MultiPlayerModel | None = None
    stored: Path | None = None

    @property
    def finished(self) -> bool:
        """Whether every epoch is done and the result is stored."""
        return (self.folder / "finished").is_file()


def runs_folder(name: str) -> Path:
    """Returns the folder that holds all runs of a recipe."""
    return paths.home() / "runs" / name


def new_run(recipe: Recipe) -> Run:
    """Makes the folder of a new run."""
    parent = runs_folder(recipe.name)
    parent.mkdir(parents=True, exist_ok=True)
    number = max((int(p.name) for p in parent.iterdir() if p.name.isdigit()), default=0) + 1
    while True:
        folder = parent / str(number)
        try:
            folder.mkdir()
            break
        except FileExistsError:
            number += 1
    files.write_text(folder / "recipe.json", recipe.to_json())
    return Run(recipe, folder)


def unfinished_runs(name: str) -> Iterator[Run]:
    """Yields the runs of a recipe's name that are not finished, newest first.

    A folder whose recipe cannot be read is left out: nothing could be resumed from it.
    """
    numbers = (int(path.name) for path in runs_folder(name).glob("*") if path.name.isdigit())
    for number in sorted(numbers, reverse=True):
        folder = runs_folder(name) / str(number)
        try:
            text = (folder / "recipe.json").read_text(encoding="utf-8")
            run = Run(Recipe.from_dict(json.loads(text)), folder)
        except (OSError, ValueError, RecipeError):
            continue
        if not run.finished:
            yield run


def last_run(name: str, recipe: Recipe | None = None) -> Run:
    """Returns the newest run that is not finished.

    Args:
        name: The recipe's name.
        recipe: If given, only a run of exactly this recipe.

    Raises:
        ZooError: when there is none.
        RecipeError: when there are only runs of other settings.
    """
    runs = list(unfinished_runs(name))
    if not runs:
        raise ZooError(f"there is no unfinished run of {name} to resume; train without --resume")
    if recipe is None:
        return runs[0]
    for run in runs:
        if run.recipe == recipe:
            return run
    raise RecipeError(
        f"run {runs[0].folder.name} of {name} was begun with "
        f"{_difference(runs[0].recipe, recipe)}; resume it with the same settings, or with none"
    )


def fit_run(run: Run, verbose: int | str = "auto", callbacks: Any = ()) -> Run:
    """Trains a run to its last epoch, from its checkpoint if it has one.

    The result does not depend on how often it was stopped on the way.

    Args:
        run: From `new_run` or `last_run`.
        verbose: As for `keras.Model.fit`; "auto" is a bar on a terminal, else a line an epoch.
        callbacks: Further Keras callbacks.

    Raises:
        RecipeError: when the recipe cannot be trained.
        ZooError: when another process trains this run, or a loss is not finite.
    """
    recipe = run.recipe
    with _lock(run.folder):
        train, validation = training_arrays(recipe)
        steps = steps_per_epoch(recipe, len(train["image"]))
        classes = len(data.get(recipe.data.name).labels)
        model = build_model(recipe, train["image"], classes, steps)
        checkpoint = run.folder / "checkpoint.npz"
        if checkpoint.is_file():
            run.history = load_checkpoint(checkpoint, model)["history"]
        done = len(run.history)
        if done < recipe.epochs:
            from zoo.data.feed import evaluation_batches, training_batches

            keeper = [Keeper(run.folder, run.history)]
            grid = [SampleGrid(run.folder / "samples")] if model.draws_samples else []
            model.fit(
                training_batches(train, recipe.batch_size, recipe.seed, done, recipe.epochs),
                validation_data=evaluation_batches(validation, 500) if validation else None,
                epochs=recipe.epochs,
                initial_epoch=done,
                steps_per_epoch=steps,
                shuffle=False,
                verbose=_verbosity(verbose),
                callbacks=[*keeper, *grid, *callbacks],
            )
        run.model = model
    return run


def training_arrays(recipe: Recipe) -> tuple[data.Arrays, data.Arrays | None]:
    """Returns the training and the validation arrays of a recipe."""
    arrays = data.load(recipe.data.name, "train")
    validation = None
    if recipe.data.validation:
        arrays, validation = data.cut_validation(arrays, recipe.data.validation)
    if recipe.data.limit is not None:
        arrays = {key: value[: recipe.data.limit] for key, value in arrays.items()}
    return arrays, validation


def steps_per_epoch(recipe: Recipe, examples: int) -> int:
    """Returns the number of whole batches in an epoch.

    Raises:
        RecipeError: when there is not one, or when an epoch would not end with an execution of
            several steps, for Keras would then run on into the next.
    """
    steps = examples // recipe.batch_size
    if not steps:
        raise RecipeError(
            f"batch_size {recipe.batch_size} is above the {examples} training examples"
        )
    if steps % recipe.steps_per_execution:
        raise RecipeError(
            f"steps_per_execution {recipe.steps_per_execution} does not divide the {steps} steps "
            "of an epoch"
        )
    return steps


def publish(run: Run, root: Path | None = None) -> Run:
    """Measures what a run trained and stores it with its card, once.

    Args:
        run: From `fit_run`.
        root: Where to store; by default `$ZOO_HOME/models`.
    """
    from zoo import evaluation, report

    assert run.model is not None, "publish takes what fit_run returned"
    networks = run.model.published_networks()
    card = make_card(run, networks)
    with _lock(run.folder):
        # A kill may have come between storing the version and writing that down.
        run.stored = _stored(card, root or store.roots()[0])
        if run.stored is None:
            measured = evaluation.measure(make_pipeline(card, networks))
            extras = {
                **measured.pictures,
                "history.csv": history_csv(run.history).encode(),
                "history.png": report.history_png(run.history),
            }
            card = dataclasses.replace(card, metrics=measured.metrics)
            run.stored = store.save(card, networks, extras, root=root)
        files.write_text(run.folder / "finished", f"{card.name}@{run.stored.name}\n")
    return run


def _stored(card: Card, root: Path) -> Path | None:
    """Returns the version that holds this very run, if there is one."""
    for path in (root / card.name).glob("*/card.json"):
        try:
            found = store.read_card(path.parent).training.get("checkpoint_sha256")
        except CorruptModelError:
            # Another version's damage; `zoo verify` reports it.
            continue
        if path.parent.name.isdigit() and found == card.training["checkpoint_sha256"]:
            return path.parent
    return None


def make_card(run: Run, networks: Mapping[str, keras.Model]) -> Card:
    """Writes down what a run made; metrics are added when they are measured."""
    recipe = run.recipe
    architecture = registry.architectures().get(recipe.architecture)
    dataset = data.get(recipe.data.name)
    inputs, output = pipeline_of(architecture.task).describe(networks, dataset.labels)
    count = len(training_arrays(recipe)[0]["image"])
    seconds = sum(epoch["seconds"] for epoch in run.history)
    steps = count // recipe.batch_size * len(run.history)
    return Card(
        name=recipe.name,
        task=architecture.task,
        family=architecture.family,
        paper=architecture.paper,
        recipe=recipe.to_dict(),
        data={
            "name": dataset.name,
            "split": "train",
            "n": count,
            "sha256": data.split_checksum(dataset.name, "train"),
        },
        metrics=(),
        input=inputs,
        output=output,
        networks={},
        parameters={name: network.count_params() for name, network in networks.items()},
        training={
            "epochs": len(run.history),
            "seconds": round(seconds),
            "images_per_second": round(steps * recipe.batch_size / max(seconds, 1e-9)),
            "backend": keras.backend.backend(),
            "checkpoint_sha256": files.sha256(run.folder / "checkpoint.npz"),
        },
        licence=dataset.licence,
        versions={p: importlib.metadata.version(p) for p in ("keras", "tensorflow", "numpy")},
    )


def _difference(begun: Recipe, wanted: Recipe) -> str:
    old, new = begun.to_dict(), wanted.to_dict()
    changed = [f"{key}={old[key]!r}, not {new[key]!r}" for key in old if old[key] != new[key]]
    return "; ".join(changed)


def _verbosity(verbose: int | str) -> int | str:
    if verbose != "auto":
        return verbose
    return 1 if sys.stdout.isatty() else 2


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Holds a run for this process; the system lets go of it however the process ends."""
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ZooError(f"another process is training {folder}") from error
        yield
