"""The winner of a search becomes a version in the store, if it beats the one that is there."""

from __future__ import annotations

import dataclasses
import shutil
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.objectives import Objective, objectives_of
from tuning.results import Search
from zoo import store
from zoo.errors import CorruptModelError, RecipeError, UnknownModelError, ZooError
from zoo.recipe import Recipe
from zoo.report import stored_lines
from zoo.runs import Run, new_run, resolved, unfinished_runs

if TYPE_CHECKING:
    from zoo.cards import Card

_FOLDER = "promotion"


@dataclasses.dataclass(frozen=True)
class Retraining:
    """A recipe trained once for each seed, and what came of it on the validation split."""

    values: dict[int, float]

    @property
    def mean(self) -> float:
        """Of the values of all seeds."""
        return statistics.fmean(self.values.values())

    @property
    def deviation(self) -> float | None:
        """Their sample deviation, over n - 1; None of one seed."""
        values = list(self.values.values())
        return statistics.stdev(values) if len(values) > 1 else None

    def best_seed(self, goal: Objective) -> int:
        """Returns the seed with the best value, the first of equal ones."""
        sign = 1 if goal.direction == "max" else -1
        return max(self.values, key=lambda seed: sign * self.values[seed])

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data, as the card keeps it."""
        return {
            "seeds": list(self.values),
            "values": list(self.values.values()),
            "mean": self.mean,
            "deviation": self.deviation,
        }

    def __str__(self) -> str:
        spread = "" if self.deviation is None else f" ±{self.deviation:.4f}"
        return f"{self.mean:.4f}{spread}"


def promote(
    search: Search,
    *,
    seeds: int = 3,
    force: bool = False,
    say: Callable[[str], None] = print,
    verbose: int | str = "auto",
    root: Path | None = None,
) -> Path | None:
    """Retrains the best trial and stores it, if it beats the stored version of its name.

    Both recipes are trained anew with the same seeds, on the same training and validation images
    and for their own epochs: what a search found is the best of many, and what a card says of an
    older version was measured on other images. The means decide; of the winner the seed that is
    best on the validation split is stored. The test split is read once it is chosen.

    Stopped and called again, this goes on with what it had begun; what is stored already is not
    made twice.

    Args:
        search: From `tune` or `tuning.results.open_search`.
        seeds: How often to train each recipe: with its own seed and those after it.
        force: Store the winner of the search also where the stored version is the better one.
        say: Takes each line of progress.
        verbose: As for `keras.Model.fit`.
        root: Where to store; by default `$ZOO_HOME/models`.

    Returns:
        The folder of the stored version, whose card has the lineage; None where the stored version
        is at least as good and stays.

    Raises:
        ZooError: when no trial completed, or what is stored is an ensemble.
        RecipeError: for fewer than one seed.
    """
    if seeds < 1:
        raise RecipeError(f"seeds must be at least 1, got {seeds}")
    winner = resolved(search.winner())
    trial, folder = f"trial {search.best.trial}", search.folder / _FOLDER
    goal = objectives_of(winner, [search.objective])[0]
    known = _stored(winner, root)
    if known is not None:
        shutil.rmtree(folder, ignore_errors=True)
        say(f"\n{trial} is stored already: {winner.name}@{known.name} in {known}")
        return known
    rival = incumbent(winner)
    mine = _retrained(winner, trial, goal, seeds, folder, say, verbose)
    theirs = None
    if rival is not None:
        theirs = _retrained(rival[1], rival[0], goal, seeds, folder, say, verbose)
    say(f"\n{trial}: {goal.name} {mine} on the validation split, {_times(seeds)}")
    loses = False
    if rival is not None and theirs is not None:
        loses = not goal.better(mine.mean, theirs.mean)
        say(f"{rival[0]}: {goal.name} {theirs}")
        say(f"{rival[0] if loses else trial} is the better one")
        if loses and not force:
            say("nothing is stored; --force stores the winner of the search all the same")
            return None
    record = {
        **mine.to_dict(),
        "chosen": mine.best_seed(goal),
        "incumbent": {"model": rival[0], **theirs.to_dict()} if rival and theirs else None,
        **({"forced": True} if loses else {}),
    }
    return _published(winner, record, folder, say, verbose, root)


def incumbent(winner: Recipe) -> tuple[str, Recipe] | None:
    """Returns the stored version that a winner must beat, and its recipe on the winner's data.

    Raises:
        ZooError: when it is an ensemble, which one model is not compared with.
        CorruptModelError, RecipeError: when its card cannot be read.
    """
    if winner.name not in store.names():
        return None
    card: Card = store.read_card(winner.name)
    reference = f"{card.name}@{card.version}"
    recipe = Recipe.from_dict(card.recipe)
    if recipe.ensemble:
        raise ZooError(
            f"{reference} is an ensemble, with which a single model is not compared; search under "
            "another name, with --set name=…"
        )
    return reference, dataclasses.replace(
        recipe,
        data=dataclasses.replace(winner.data, repeat=recipe.data.repeat),
        seed=winner.seed,
        backend=winner.backend,
        lineage={},
    )


def _retrained(
    recipe: Recipe,
    who: str,
    goal: Objective,
    seeds: int,
    folder: Path,
    say: Callable[[str], None],
    verbose: int | str,
) -> Retraining:
    """Trains a recipe with several seeds, or goes on with that."""
    say(f"\n{who} is trained for {recipe.epochs} epochs, {_times(seeds)}")
    values = {}
    for one in _with_seeds(recipe, seeds):
        values[one.seed] = _value(_trained(one, folder, verbose), goal)
        say(f"  seed {one.seed}: {goal.name} {values[one.seed]:.4f}")
    return Retraining(values)


def _with_seeds(recipe: Recipe, seeds: int) -> Iterator[Recipe]:
    for number in range(seeds):
        seed = (recipe.seed + number) % 2**32
        # Without a lineage: a search that went on has another one, and the same winner.
        yield dataclasses.replace(recipe, seed=seed, lineage={})


def _trained(recipe: Recipe, folder: Path, verbose: int | str) -> Run:
    """Returns a finished training of a recipe; one that was broken off goes on."""
    from zoo.training.run import fit_run

    wanted = resolved(recipe)
    begun = (run for run in unfinished_runs(recipe.name, folder) if run.recipe == wanted)
    return fit_run(next(begun, None) or new_run(wanted, folder), verbose=verbose)


def _value(run: Run, goal: Objective) -> float:
    """Returns the objective of the weights that would be stored."""
    if goal.measured:
        from tuning.repeats import examples_of

        assert run.model is not None
        # As trials are measured: a judge computes as it was made to.
        with run.model.graph_precision("float32"):
            return goal.measure(run.model, examples_of(run.recipe)[0], run.recipe)
    from zoo.training.stopping import best_epoch

    if goal.name not in run.history[-1]:
        logged = ", ".join(run.history[-1])
        raise ZooError(f"the training of {run.recipe.name} logs no {goal.name}; it logs {logged}")
    stopping = run.recipe.early_stopping
    epoch = best_epoch(run.history, stopping) if stopping else len(run.history)
    return float(run.history[epoch - 1][goal.name])


def _published(
    winner: Recipe,
    record: dict[str, Any],
    folder: Path,
    say: Callable[[str], None],
    verbose: int | str,
    root: Path | None,
) -> Path:
    """Stores the chosen training, with its lineage, and removes the others."""
    from zoo.training.publish import publish

    chosen = dataclasses.replace(winner, seed=record["chosen"], lineage={})
    run = _trained(chosen, folder, verbose)
    run.recipe = dataclasses.replace(run.recipe, lineage={**winner.lineage, "promotion": record})
    stored = publish(run, root=root).stored
    assert stored is not None
    shutil.rmtree(folder, ignore_errors=True)
    say(f"\nseed {record['chosen']} is the best on the validation split")
    for line in stored_lines(store.read_card(stored), stored):
        say(line)
    return stored


def _stored(winner: Recipe, root: Path | None) -> Path | None:
    """Returns the newest stored version that was promoted with exactly these settings, if any."""
    for place in [root] if root else store.roots():
        parent = place / winner.name
        numbers = sorted(int(path.name) for path in parent.glob("*") if path.name.isdigit())
        for number in reversed(numbers):
            folder = parent / str(number)
            try:
                recipe = Recipe.from_dict(store.read_card(folder).recipe)
            except (RecipeError, UnknownModelError, CorruptModelError):
                continue
            alike = dataclasses.replace(recipe, seed=winner.seed, lineage=winner.lineage)
            if "promotion" in recipe.lineage and alike == winner:
                return folder
    return None


def _times(seeds: int) -> str:
    return f"{seeds} seeds" if seeds > 1 else "one seed"
