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

from zoo import data, files, paths, registry
from zoo.card import Card
from zoo.errors import RecipeError, ZooError
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


def last_run(recipe: Recipe) -> Run:
    """Returns the newest run of a recipe that is not finished.

    Raises:
        ZooError: when there is none, or when it was made with other settings.
    """
    parent = runs_folder(recipe.name)
    numbers = sorted(int(path.name) for path in parent.glob("*") if path.name.isdigit())
    for number in reversed(numbers):
        run = Run(recipe, parent / str(number))
        if (run.folder / "recipe.json").is_file() and not run.finished:
            begun = Recipe.from_dict(json.loads((run.folder / "recipe.json").read_text()))
            if begun != recipe:
                raise RecipeError(
                    f"run {number} of {recipe.name} was begun with {_difference(begun, recipe)}; "
                    "resume it with the same settings"
                )
            return run
    raise ZooError(f"there is no unfinished run of {recipe.name} to resume; train without --resume")


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
        steps = len(train["image"]) // recipe.batch_size
        if not steps:
            raise RecipeError(
                f"batch_size {recipe.batch_size} is above the {len(train['image'])} "
                "training examples"
            )
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


def publish(run: Run, root: Path | None = None) -> Run:
    """Measures what a run trained and stores it with its card, once.

    Args:
        run: From `fit_run`.
        root: Where to store; by default `$ZOO_HOME/models`.
    """
    from zoo import evaluation, report, store

    assert run.model is not None, "publish takes what fit_run returned"
    networks = run.model.published_networks()
    card = make_card(run, networks)
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
