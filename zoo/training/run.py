"""A run: begun or taken up again, and trained to its last epoch."""

from __future__ import annotations

import contextlib
import importlib.metadata
import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import keras

from zoo import data, registry
from zoo.backend import import_backend
from zoo.data.feed import epoch_length, first_images
from zoo.errors import RecipeError, ZooError
from zoo.recipe import DataSpec, Recipe
from zoo.runs import History, Run, last_run, locked, new_run, runs_folder
from zoo.training import distribution
from zoo.training.augmentation import further_arrays
from zoo.training.build import build_model
from zoo.training.callbacks import BEST, CHECKPOINT, Keeper, SampleGrid, kept
from zoo.training.checkpoint import read_checkpoint, restore
from zoo.training.engine import MultiPlayerModel
from zoo.training.stopping import is_over

_DATA_SET, _PAIR, _SHIFT = "one data set", "a pair of domains", "a shift between two domains"


def begin_run(recipe: Recipe, resume: bool, as_begun: bool = False) -> Run:
    """Makes a run or finds the one to resume. Of several processes one does, the others follow.

    Args:
        recipe: What to train.
        resume: Whether to take up its last unfinished run.
        as_begun: Whether that run's own settings hold in place of the recipe's.

    Raises:
        ZooError, RecipeError: when there is nothing to resume, as `last_run` says; when the
            processes were not started alike; or when what is to judge the result is not stored.
    """
    from zoo.evaluation.common import require_judges

    if distribution.process_count() > 1:
        distribution.require_agreement(
            {
                "recipe": recipe.to_dict(),
                "choice between a new run and --resume": [resume, as_begun],
                "set of versions": versions(),
                "data set": data_checksum(recipe.data),
            }
        )
    begun = []

    def begin() -> dict[str, Any]:
        require_judges(recipe)
        wanted = None if as_begun else recipe
        run = last_run(recipe.name, wanted) if resume else new_run(recipe)
        if recipe.backend not in (None, run.recipe.backend):
            raise RecipeError(
                f"run {run.folder.name} of {recipe.name} was begun on {run.recipe.backend}; "
                f"it cannot go on on {recipe.backend}"
            )
        begun.append(run)
        return run.recipe.to_dict()

    settings = distribution.chief_decides(begin)
    if begun:
        return begun[0]
    return Run(Recipe.from_dict(settings), runs_folder(recipe.name) / "written by process 0")


def fit_run(
    run: Run,
    verbose: int | str = "auto",
    callbacks: Any = (),
    devices: int | None = None,
    arrays: tuple[data.Arrays, data.Arrays | None] | None = None,
) -> Run:
    """Trains a run to its last epoch, from its checkpoint if it has one.

    The result does not depend on how often it was stopped on the way.

    Args:
        run: From `new_run` or `last_run`.
        verbose: As for `keras.Model.fit`; "auto" is a bar on a terminal, else a line an epoch.
        callbacks: Further Keras callbacks.
        devices: How many devices share each batch, on JAX; None is all there are.
        arrays: Training and validation examples in place of those that the recipe names.

    Raises:
        RecipeError: when the recipe cannot be trained.
        ZooError: when another process trains this run, a loss is not finite, the device's memory
            is full, or one of several processes is gone.
    """
    recipe = run.recipe
    if recipe.ensemble:
        from zoo.training.ensembles import fit_members

        return fit_members(run, verbose, callbacks, devices, arrays)
    import_backend(recipe.backend)
    chief = distribution.is_chief()
    with (
        locked(run.folder) if chief else contextlib.nullcontext(),
        _explained(run),
        distribution.data_parallel(recipe.batch_size, devices) as run.devices,
    ):
        train, validation = arrays or training_arrays(recipe)
        steps = steps_per_epoch(recipe, epoch_length(train))
        classes = len(data.labels(recipe.data))
        model = build_model(recipe, first_images(train), classes, steps)
        model.watch(validation or train)
        run.history = _take_up(run, model)
        grid = [SampleGrid(run.folder / "samples")] if model.draws_samples else []
        verbose = _verbosity(verbose) if chief else 0
        fit_model(model, run, train, validation, recipe.epochs, [*grid, *callbacks], verbose)
        if recipe.early_stopping:
            _take_up(run, model, BEST)
        run.model = model
    return run


def fit_model(
    model: MultiPlayerModel,
    run: Run,
    train: data.Arrays,
    validation: data.Arrays | None,
    epochs: int,
    callbacks: Any,
    verbose: int | str,
) -> None:
    """Trains a built model from where a run's history ends up to an epoch, and keeps each epoch.

    Args:
        model: From `build_model`, with the state that belongs to the history.
        run: Whose folder and history grow.
        train: Examples to learn from.
        validation: Examples to measure after each epoch, if any.
        epochs: The last epoch; early stopping may come before.
        callbacks: Further Keras callbacks.
        verbose: As for `keras.Model.fit`.
    """
    recipe, done, count = run.recipe, len(run.history), epoch_length(train)
    if done >= epochs or is_over(run.history, recipe.early_stopping):
        return
    examples = {**train, **further_arrays(recipe, train), **model.further_arrays(train)}
    if not run.history:
        model.begin(train)
        restore(model, None)
    with model.graph_precision(recipe.precision):
        model.fit(
            model.training_feed(
                examples, recipe.batch_size, recipe.seed, done, epochs, recipe.data.repeat
            ),
            validation_data=(validation,) if validation else None,
            validation_batch_size=500,
            epochs=epochs,
            initial_epoch=done,
            steps_per_epoch=steps_per_epoch(recipe, count),
            shuffle=False,
            verbose=verbose,
            callbacks=[Keeper(run, _circumstances(recipe)), *callbacks],
        )


def _take_up(run: Run, model: MultiPlayerModel, name: str = CHECKPOINT) -> History:
    """Puts the state of a run's checkpoint, if it has one, into a model; returns the history."""
    checkpoint = run.folder / name
    values = None

    def read() -> History:
        nonlocal values
        if not checkpoint.is_file():
            return []
        values, record = read_checkpoint(checkpoint, model)
        run.compile_seconds = record.get("compile_seconds", 0.0)
        _compare(record, run)
        return record["history"]

    history = distribution.chief_decides(read)
    restore(model, values)
    return history


@contextlib.contextmanager
def _explained(run: Run) -> Iterator[None]:
    """Turns the errors of a device and of other processes into one line."""
    try:
        yield
    except ZooError:
        raise
    except Exception as error:
        if MultiPlayerModel.is_out_of_memory(error):
            raise ZooError(
                f"the memory of the device ({MultiPlayerModel.device()}) is full; "
                f"{kept(len(run.history))}; choose a batch_size below {run.recipe.batch_size} "
                "or a smaller network"
            ) from error
        if distribution.is_lost_process(error):
            raise ZooError(
                f"another process is gone; {kept(len(run.history))} by process 0; "
                "start all processes again with --resume"
            ) from error
        raise


def versions() -> dict[str, str]:
    """Returns the versions of what decides the result of a training to the last bit."""
    backend = {"tensorflow": ["tensorflow"], "jax": ["jax", "jaxlib"]}[keras.backend.backend()]
    return {name: importlib.metadata.version(name) for name in ("keras", *backend, "numpy")}


def _circumstances(recipe: Recipe) -> dict[str, Any]:
    """Returns what else decides the result of a training: the versions, and what was learned."""
    return {"versions": versions(), "data_sha256": data_checksum(recipe.data)}


def data_checksum(spec: DataSpec) -> str:
    """Returns the checksum of what is learned from: of its set and, where it names one, of another.

    Raises:
        DataUnavailableError: when one of them is not prepared.
    """
    sets = [spec.name] if spec.images is None else [spec.name, spec.images]
    return " ".join(data.split_checksum(name, "train") for name in sets)


def _compare(record: Mapping[str, Any], run: Run) -> None:
    """Refuses to go on with other data than a run began with, and tells of other versions."""
    now = _circumstances(run.recipe)
    if record.get("data_sha256", now["data_sha256"]) != now["data_sha256"]:
        raise ZooError(
            f"{run.recipe.data.name} has changed since run {run.folder.name} of "
            f"{run.recipe.name} was begun; it cannot go on: train anew, without --resume"
        )
    begun = record.get("versions", {})
    changed = [
        f"{name} {begun[name]}, now {version}"
        for name, version in now["versions"].items()
        if begun.get(name, version) != version
    ]
    if changed:
        print(
            f"zoo: the run was begun with {'; '.join(changed)}; it goes on, "
            "but may not end with the very weights of an unbroken run",
            file=sys.stderr,
        )


def training_arrays(recipe: Recipe) -> tuple[data.Arrays, data.Arrays | None]:
    """Returns the training and the validation arrays of a recipe.

    Raises:
        RecipeError: when the data are not of the kind that the architecture learns from.
        DataUnavailableError: when they are not prepared.
    """
    architecture = registry.architectures().get(recipe.architecture)
    source = data.source(recipe.data.name)
    method = recipe.method.get("name", architecture.method)
    game: Any = registry.load_object(registry.methods().get(method).model)
    who, wanted = architecture.name, _DATA_SET
    if architecture.task == "translation":
        wanted = _PAIR
    elif "target/image" in game.images:
        who, wanted = f"the method {method}", _SHIFT
    if _kind_of(source) != wanted:
        alike = [name for name in data.PAIRS if _kind_of(data.PAIRS.get(name)) == wanted]
        there = f"; there are {', '.join(alike)}" if alike else ""
        raise RecipeError(f"{who} learns from {wanted}, not {source.name}{there}")
    if _learns_from_labels(architecture) and not data.labels(recipe.data):
        raise RecipeError(f"{architecture.name} learns from labels, and {source.name} has none")
    if recipe.data.images is not None and not _learns_without_labels(recipe):
        raise RecipeError(
            f"the images of {recipe.data.images} come without labels; learn from a teacher alone, "
            'as method={"name": "distillation", "alpha": 0} does'
        )
    return data.training_examples(recipe.data)


def _kind_of(source: data.DataSet | data.Pair) -> str:
    if isinstance(source, data.Shift):
        return _SHIFT
    return _PAIR if isinstance(source, data.Pair) else _DATA_SET


def _learns_from_labels(architecture: registry.Architecture) -> bool:
    """A classifier does, and so does a generator that is built for a number of classes.

    One whose builders are content with 0 of them does without.
    """
    if architecture.task == "classification":
        return True
    builders = map(registry.load_object, architecture.networks.values())
    classes = [inspect.signature(builder).parameters.get("classes") for builder in builders]
    return any(one is not None and one.default != 0 for one in classes)


def _learns_without_labels(recipe: Recipe) -> bool:
    """A method of teachers does that gives labels no weight."""
    if recipe.method.get("alpha") != 0 or not recipe.parents:
        return False
    method = registry.methods().get(recipe.method.get("name", ""))
    return "parents" in inspect.signature(registry.load_object(method.model)).parameters


def steps_per_epoch(recipe: Recipe, examples: int) -> int:
    """Returns the number of whole batches in an epoch, which is one pass or `data.repeat`.

    Raises:
        RecipeError: when there is not one, or when an epoch would not end with an execution of
            several steps, for Keras would then run on into the next.
    """
    steps = recipe.data.repeat * examples // recipe.batch_size
    if not steps:
        raise RecipeError(
            f"batch_size {recipe.batch_size} is above the {examples} training examples"
        )
    if steps % (recipe.steps_per_execution or 1):
        raise RecipeError(
            f"steps_per_execution {recipe.steps_per_execution} does not divide the {steps} steps "
            "of an epoch"
        )
    return steps


def _verbosity(verbose: int | str) -> int | str:
    if verbose != "auto":
        return verbose
    return 1 if sys.stdout.isatty() else 2
