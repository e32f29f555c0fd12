"""`tune`: begin a search, or take it up where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tuning.custom_space import parse_space
from tuning.folder import check_same, describe, locked, remove
from tuning.results import Search, TrialResult
from tuning.spaces import Space, space_of
from zoo import data, files, paths, registry
from zoo.errors import RecipeError, did_you_mean, nearest
from zoo.recipe import Recipe

if TYPE_CHECKING:
    import keras_tuner

ALGORITHMS = ("hyperband", "random", "bayesian", "grid")

# What a search maximises or minimises, by task. Always with its direction: KerasTuner guesses
# wrong for many names. Always a `val_` value: the test split is for the stored model alone.
OBJECTIVES = {"classification": ("val_accuracy", "max")}

_VALIDATION = 5000


def tune(
    recipe: str | Recipe,
    algorithm: str = "hyperband",
    trials: int = 8,
    *,
    epochs: int | None = None,
    seed: int | None = None,
    overrides: Iterable[str] | Mapping[str, Any] = (),
    space: Space | Iterable[str] | None = None,
    fresh: bool = False,
    say: Callable[[str], None] = print,
    bar: bool = False,
) -> Search:
    """Searches the hyperparameters of a recipe.

    The search is kept in `$ZOO_HOME/tuning/<name>/<algorithm>` after every trial and every epoch.
    Calling this again with the same settings takes it up; a finished one is returned as it is.

    Args:
        recipe: The name of a registered recipe, or a recipe.
        algorithm: `hyperband`, `random`, `bayesian` or `grid`.
        trials: Most trainings. For hyperband going on with a trial counts as one more, and a
            search is laid out for one number; the others take a larger number later.
        epochs: Most epochs of a trial; by default the recipe's.
        seed: Decides which values are tried; by default the recipe's seed.
        overrides: Settings of the recipe, as for `Recipe.override`.
        space: A function from hyperparameters and the recipe to a recipe; or texts such as
            `optimizer.learning_rate=log:1e-4:1e-1`; by default the family's space.
        fresh: Delete what was found before and start anew.
        say: Takes each line of progress.
        bar: Show Keras' progress bar rather than a line for each epoch.

    Raises:
        RecipeError: for a recipe, space or setting that cannot be searched, or one that differs
            from those of the stored search.
        DataUnavailableError: when the data set is not prepared.
        ZooError: when another process runs this search, or its files are damaged.
    """
    base = registry.recipes().get(recipe) if isinstance(recipe, str) else recipe
    base = base.override(overrides)
    if algorithm not in ALGORITHMS:
        near = did_you_mean(nearest(algorithm, ALGORITHMS))
        raise RecipeError(f"algorithm must be {', '.join(ALGORITHMS)}, got {algorithm!r}{near}")
    if trials < 1:
        raise RecipeError(f"trials must be at least 1, got {trials}")
    name, direction = _objective_of(base)
    chosen_seed = base.seed if seed is None else seed
    if not 0 <= chosen_seed < 2**32:
        raise RecipeError(f"seed must be from 0 to 2^32 - 1, got {chosen_seed}")
    if space is None:
        space = space_of(base)
    elif not callable(space):
        space = parse_space(space, base)
    trial_base = _trial_recipe(base, epochs)

    import keras_tuner

    from tuning.hypermodel import RecipeHyperModel
    from tuning.oracles import make_oracle
    from tuning.tuner import RecipeTuner

    hp = keras_tuner.HyperParameters()
    space(hp, trial_base)
    folder = paths.home() / "tuning" / base.name / algorithm
    record = describe(trial_base, algorithm, trials, chosen_seed, (name, direction), hp)
    with locked(folder):
        if not fresh:
            check_same(folder, record)
        models = RecipeHyperModel(trial_base, space)
        if fresh or not (folder / "search.json").is_file():
            # Builds one model, so that an option no network takes is one error now, with nothing
            # deleted, and not as many failed trials later.
            models.build(hp.copy())
            if fresh:
                remove(folder)
            files.write_text(folder / "search.json", json.dumps(record, indent=2))
        objective = keras_tuner.Objective(name, direction)
        oracle = make_oracle(algorithm, objective, hp, trials, trial_base.epochs, chosen_seed)
        tuner = RecipeTuner(oracle, models, folder, say, bar)
        ended = len(oracle.end_order)
        say(
            f"{algorithm} search of {base.name}: trials at most {trials}, epochs at most "
            f"{trial_base.epochs}, {name} ({direction}) on {trial_base.data.validation} images of "
            f"the train split{f'; trials done: {ended}' if ended else ''}"
        )
        tuner.search(verbose=0)
        search = Search(
            recipe=base,
            space=space,
            algorithm=algorithm,
            seed=chosen_seed,
            objective=name,
            direction=direction,
            folder=folder,
            trials=_results(oracle, trial_base),
        )
    if len(search.trials) < trials and not any(t.status == "failed" for t in search.trials):
        say(f"\nthe space is exhausted after {len(search.trials)} trials")
    return search


def _objective_of(recipe: Recipe) -> tuple[str, str]:
    architectures = registry.architectures()
    task = architectures.get(recipe.architecture).task
    if task not in OBJECTIVES:
        tasks = {
            name: architectures.get(registry.recipes().get(name).architecture).task
            for name in registry.recipes()
        }
        able = [name for name, its in tasks.items() if its in OBJECTIVES]
        raise RecipeError(
            f"{recipe.name} is for {task}, for which there is no objective yet; "
            f"these can be tuned: {', '.join(able)}"
        )
    return OBJECTIVES[task]


def _trial_recipe(base: Recipe, epochs: int | None) -> Recipe:
    """Returns the base recipe as trials train it: so many epochs, and with a validation split."""
    settings: dict[str, Any] = {"epochs": base.epochs if epochs is None else epochs}
    if not base.data.validation:
        count = data.get(base.data.name).splits["train"]
        settings["data.validation"] = min(_VALIDATION, count // 5)
    return base.override(settings)


def _results(oracle: keras_tuner.Oracle, trial_base: Recipe) -> tuple[TrialResult, ...]:
    from tuning.tuner import own_values, trial_epochs

    names = {"COMPLETED": "completed", "FAILED": "failed"}
    return tuple(
        TrialResult(
            trial=trial.trial_id,
            status=names.get(trial.status, "interrupted"),
            value=float(trial.score) if trial.status == "COMPLETED" else None,
            epochs=trial_epochs(trial, trial_base),
            hyperparameters=own_values(trial),
            continues=trial.hyperparameters.values.get("tuner/trial_id"),
            reason=trial.message if trial.status == "FAILED" else None,
        )
        for trial in oracle.trials.values()
    )
