"""The functions a user calls. Each imports what it needs when it is called."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import registry, store
from zoo.backend import import_backend
from zoo.cards import Card, Metric
from zoo.errors import CorruptModelError, InvalidInputError, UnknownModelError
from zoo.runs import last_run

if TYPE_CHECKING:
    from zoo.pipelines import Pipeline
    from zoo.recipe import Recipe
    from zoo.runs import Run
    from zoo.training.folds import Folds


def list_models(
    pattern: str = "*", *, task: str | None = None, pretrained: bool = False
) -> list[str]:
    """Lists names that match a shell wildcard, in natural order.

    Args:
        pattern: Such as `resnet*` or `*.fashion_mnist`.
        task: Only models of this task.
        pretrained: Only stored models, which `load` takes; otherwise also architectures, which
            `create` takes, and recipes, which `train` takes.

    Raises:
        InvalidInputError: for an unknown task.
    """
    if task is not None and task not in registry.TASKS:
        raise InvalidInputError(f"task must be {', '.join(registry.TASKS)}, got {task!r}")
    names: dict[str, str | None] = {name: _task(name) for name in store.names(pattern)}
    if not pretrained:
        for name in registry.architectures().names(pattern):
            names[name] = registry.architectures().get(name).task
        for name in registry.recipes().names(pattern):
            architecture = registry.recipes().get(name).architecture
            names[name] = registry.architectures().get(architecture).task
    return registry.natural_sort(n for n in names if task in (None, names[n]))


def _task(name: str) -> str | None:
    """Returns the task of a stored model, None for one whose card is damaged."""
    try:
        return store.read_card(name).task
    except CorruptModelError:
        return None


def card(name: str | Path) -> Card:
    """Returns the card of a stored model: its newest version, or the one after an `@`."""
    with _hint(name):
        return store.read_card(name)


def load(name: str | Path, runtime: str = "keras", precision: str = "float32") -> Pipeline:
    """Loads a stored model, ready to use.

    Args:
        name: `resnet20.fashion_mnist` for the newest version, `resnet20.fashion_mnist@1` for one
            version, or the path of a version's folder.
        runtime: What computes: `keras`; or `saved_model`, `onnx` or `openvino`, for which the model
            is exported once, and which need no Keras from then on; or `auto`, of these the fastest
            one on this machine for each function and size of batch. `docs/runtimes.md` says more.
        precision: `float32`; or `int8` for a classifier on OpenVINO, where it was measured to lose
            less than 0.3 points of accuracy on the validation split.

    Returns:
        A pipeline of the model's task: a `Classifier`, a `Generator`, of diffusion a
        `DiffusionGenerator`, an `Autoencoder`, of a variational one a `VariationalAutoencoder`, or
        a `Translator`.

    Raises:
        UnknownModelError: when nothing is stored under the name, with near names.
        CorruptModelError: when a file is not the one that was stored.
        InvalidInputError: for a runtime or a precision that there is none of, whose package is
            missing, or that is not offered for the model.
        ZooError: when the model cannot be exported.
    """
    from zoo.pipelines import make_pipeline, pipeline_of
    from zoo.runtime.functions import require_runtime

    require_runtime(runtime, precision)
    if runtime == "keras":
        with _hint(name):
            stored = store.load(name)
        return make_pipeline(*stored)
    with _hint(name):
        card = store.verify(name)
    from zoo.runtime.exported import open_functions

    kind = pipeline_of(card.task, card.networks)
    return kind(card, open_functions(name, runtime, precision))


@contextlib.contextmanager
def _hint(name: str | Path) -> Iterator[None]:
    """Adds to an unknown name, where it is a recipe's, how to make the model."""
    try:
        yield
    except UnknownModelError as error:
        if str(name) in registry.recipes():
            kind = f"stored model (train it with `zoo train {name}`)"
            raise UnknownModelError(str(name), [], kind=kind) from error
        raise


def evaluate(name: str | Path, data: str | None = None) -> tuple[Metric, ...]:
    """Measures a stored model again, on the test splits of the data on its card.

    Args:
        name: As for `load`.
        data: For a classifier, other images of as many classes to measure it on: a prepared data
            set, of which the test split counts, or a folder of class folders, a CSV or an npz. Of
            these all images count, or those that are said to be for testing; nothing is kept.

    Raises:
        UnknownModelError, CorruptModelError: as for `load`.
        DataUnavailableError: when the data set is not prepared.
        InvalidInputError: for images that cannot be read or do not fit the model.
    """
    from zoo import evaluation

    return evaluation.evaluate(name, data).metrics


def train(
    recipe: str | Recipe,
    *,
    data: str | Path | Sequence[str | Path] | None = None,
    from_model: str | None = None,
    transfer: str | None = None,
    resume: bool = False,
    root: Path | None = None,
    verbose: int | str = "auto",
    devices: int | None = None,
    **overrides: Any,
) -> Run:
    """Trains a recipe, measures the result and stores it as a new version.

    Args:
        recipe: The name of a registered recipe, or a recipe; with `data` also an architecture.
        data: Images to train on in place of the recipe's: a prepared data set, a folder of class
            folders, a CSV, an npz; for a generator's or an autoencoder's recipe also a folder of
            pictures; for a translation two folders of images. `zoo.data.own.prepare` says more.
        from_model: A stored model of the same architecture to begin from.
        transfer: With it, what is taken and learns on: `scratch`, `freeze`, `finetune`, which is
            the default, or `hybrid:STAGE`; `zoo.transfer.transferred` says more of them.
        resume: Continue its last unfinished run; for a name without overrides, with the settings
            it was begun with. The result equals that of an unbroken run.
        root: Where to store the result; by default `$ZOO_HOME/models`.
        verbose: As for `keras.Model.fit`; "auto" is a bar on a terminal, else a line an epoch.
        devices: How many devices share each batch, on JAX; None is all there are.
        **overrides: Top-level fields of the recipe to replace, such as `epochs=2`. For deeper
            ones see `Recipe.override`.

    Returns:
        The run, with its history and the folder of the stored version. Of several processes that
        train together, the first stores.

    Raises:
        RecipeError: when the recipe cannot be trained.
        DataUnavailableError: when its data set is not prepared.
        ZooError: when its backend cannot be used, memory is full, or another process is gone.
    """
    from zoo.own_recipe import recipe_to_train

    chosen = recipe_to_train(recipe, data, from_model, transfer, resume=resume)
    said = data or from_model or set(overrides) - {"backend"}
    as_begun = resume and isinstance(recipe, str) and not said
    chosen = chosen.override(overrides)
    backend = chosen.backend
    if as_begun and "keras" not in sys.modules:
        backend = last_run(chosen.name).recipe.backend
    import_backend(backend)
    from zoo.training import distribution
    from zoo.training.publish import publish
    from zoo.training.run import begin_run, fit_run

    run = fit_run(begin_run(chosen, resume, as_begun), verbose=verbose, devices=devices)
    distribution.leave()
    return publish(run, root=root) if distribution.is_chief() else run


def cross_validate(
    recipe: str | Recipe,
    folds: int = 5,
    *,
    resume: bool = False,
    verbose: int | str = "auto",
    devices: int | None = None,
    **overrides: Any,
) -> Folds:
    """Trains a classifier's recipe once for each fold of the training split.

    Nothing is stored in the store of models, and no test split is read.

    Args:
        recipe: The name of a registered recipe, or a recipe.
        folds: How many; each is held out once.
        resume: Take up the last unfinished cross-validation with these settings; folds that are
            done are not trained again.
        verbose: As for `train`.
        devices: As for `train`.
        **overrides: As for `train`.

    Returns:
        The accuracy (`values`) and the loss (`losses`) on each fold, with the accuracies' `mean`
        and sample `deviation`.

    Raises:
        InvalidInputError: for a number of folds that the examples do not allow.
        RecipeError, DataUnavailableError, ZooError: as for `train`.
    """
    chosen = registry.recipes().get(recipe) if isinstance(recipe, str) else recipe
    chosen = chosen.override(overrides)
    import_backend(chosen.backend)
    from zoo.training.folds import fit_folds

    return fit_folds(chosen, folds, resume=resume, verbose=verbose, devices=devices)
