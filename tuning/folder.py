"""The folder of a search: whose it is, and that one process at a time works in it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import data
from zoo.errors import RecipeError, ZooError
from zoo.recipe import Recipe

if TYPE_CHECKING:
    import keras_tuner


def describe(
    recipe: Recipe,
    algorithm: str,
    trials: int,
    seed: int,
    objective: tuple[str, str],
    hp: keras_tuner.HyperParameters,
) -> dict[str, Any]:
    """Returns what makes a search the same search, as plain data."""
    record = {
        "algorithm": algorithm,
        "seed": seed,
        "objective": list(objective),
        # Hyperband lays its rounds out for a number of trials; the others only stop at it.
        "trials": trials if algorithm == "hyperband" else None,
        "recipe": recipe.to_dict(),
        "space": {one.name: [type(one).__name__, one.get_config()] for one in hp.space},
        "data": data.split_checksum(recipe.data.name, "train"),
    }
    return json.loads(json.dumps(record))


def check_same(folder: Path, record: Mapping[str, Any]) -> None:
    """Refuses to mix trials of two searches.

    Raises:
        RecipeError: naming the first thing that differs.
    """
    path = folder / "search.json"
    if not path.is_file():
        if (folder / "oracle.json").is_file():
            raise ZooError(f"the search in {folder} has lost its search.json; use --fresh")
        return
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        changed = _difference(stored, record)
    except (ValueError, AttributeError) as error:
        raise ZooError(f"the search in {folder} is damaged; start anew with --fresh") from error
    if changed:
        raise RecipeError(
            f"the {record['algorithm']} search of {record['recipe']['name']} was begun with "
            f"{changed}; use the same settings to go on, or --fresh to start anew"
        )


def _difference(stored: Any, wanted: Any, path: str = "") -> str:
    """Describes the first difference between two pieces of plain data, or returns nothing."""
    if isinstance(stored, dict) and isinstance(wanted, dict):
        for key in [*wanted, *(key for key in stored if key not in wanted)]:
            inner = f"{path}.{key}" if path else str(key)
            if key not in stored or key not in wanted:
                return f"{'no ' if key not in stored else ''}{inner}"
            found = _difference(stored[key], wanted[key], inner)
            if found:
                return found
        return ""
    return "" if stored == wanted else f"{path}={stored!r}, not {wanted!r}"


def remove(folder: Path) -> None:
    """Deletes a search: renamed first, so that a kill cannot leave half of it in its place."""
    if folder.is_dir():
        folder.rename(folder.with_name(f".removed-{folder.name}-{time.time_ns()}"))
    for leftover in folder.parent.glob(f".removed-{folder.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Holds a search for this process; the system lets go of it however the process ends."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the folder: the lock must outlive a fresh start.
    with folder.with_name(f".{folder.name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ZooError(f"another process runs the search in {folder}") from error
        yield
