"""The winner of a search becomes a version in the store, retrained, with its lineage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tuning.results import Search
from zoo import store
from zoo.errors import CorruptModelError, RecipeError, UnknownModelError
from zoo.recipe import Recipe
from zoo.report import stored_lines
from zoo.runs import new_run, resolved, unfinished_runs


def promote(
    search: Search,
    *,
    say: Callable[[str], None] = print,
    verbose: int | str = "auto",
    root: Path | None = None,
) -> Path:
    """Trains the best trial's recipe for the base recipe's epochs, measures and stores it.

    Stopped and called again, it goes on with the retraining it had begun; what is stored already
    is not made twice.

    Args:
        search: From `tune`.
        say: Takes each line of progress.
        verbose: As for `keras.Model.fit`.
        root: Where to store; by default `$ZOO_HOME/models`.

    Returns:
        The folder of the stored version; its card's recipe has the lineage.

    Raises:
        ZooError: when no trial completed.
    """
    recipe = resolved(search.winner())
    stored = _stored(recipe, root)
    if stored is not None:
        say(
            f"\ntrial {search.best.trial} is stored already: "
            f"{recipe.name}@{stored.name} in {stored}"
        )
        return stored

    from zoo.training.publish import publish
    from zoo.training.run import fit_run

    run = next((r for r in unfinished_runs(recipe.name) if r.recipe == recipe), None)
    what = f"the retraining of trial {search.best.trial} for {recipe.epochs} epochs"
    say(f"\n{what} {'goes on' if run else 'begins'}")
    done = publish(fit_run(run or new_run(recipe), verbose=verbose), root=root)
    assert done.stored is not None
    for line in stored_lines(store.read_card(done.stored), done.stored):
        say(line)
    return done.stored


def _stored(recipe: Recipe, root: Path | None) -> Path | None:
    """Returns the newest stored version that was made from exactly this recipe, if any."""
    parent = (root or store.roots()[0]) / recipe.name
    numbers = sorted(int(path.name) for path in parent.glob("*") if path.name.isdigit())
    for number in reversed(numbers):
        folder = parent / str(number)
        try:
            if Recipe.from_dict(store.read_card(folder).recipe) == recipe:
                return folder
        except (RecipeError, UnknownModelError, CorruptModelError):
            continue
    return None
