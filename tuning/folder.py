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

from tuning.database import FILE
from tuning.halving import LAID_OUT
from zoo import data, paths
from zoo.backend import backend_name
from zoo.errors import RecipeError, UnknownModelError, ZooError

if TYPE_CHECKING:
    import keras_tuner

    from tuning.plan import Plan

RECORD = "search.json"


def place(name: str, algorithm: str) -> Path:
    """Returns where the search of a recipe is kept, whether it is there or not."""
    return paths.home() / "tuning" / name / algorithm


def searches(name: str | None = None) -> list[Path]:
    """Returns the folders of the searches there are, of one recipe or of all, by name."""
    found = (paths.home() / "tuning").glob(f"{name or '*'}/*/{RECORD}")
    return sorted(path.parent for path in found if not path.parent.name.startswith("."))


def search_folder(name: str, algorithm: str | None = None) -> Path:
    """Returns the folder of a search that is there.

    Args:
        name: The recipe's.
        algorithm: May be left out where the recipe was searched by one alone.

    Raises:
        UnknownModelError: when there is none, with near names.
        ZooError: when there are several, or none of this algorithm.
    """
    found = searches(name)
    if not found:
        known = sorted({path.parent.name for path in searches()})
        raise UnknownModelError(name, known, kind="search")
    names = ", ".join(path.name for path in found)
    if algorithm is None:
        if len(found) > 1:
            raise ZooError(f"{name} was searched by {names}; choose one with --algorithm")
        return found[0]
    for path in found:
        if path.name == algorithm:
            return path
    raise ZooError(f"there is no {algorithm} search of {name}; there is {names}")


def describe(plan: Plan, hp: keras_tuner.HyperParameters) -> dict[str, Any]:
    """Returns what makes a search the same search, as plain data."""
    spec = plan.recipe.data
    sets = [spec.name] if spec.images is None else [spec.name, spec.images]
    space: dict[str, Any] = {}
    for one in hp.space:
        # A name may be there several times, under different conditions.
        key = one.name if one.name not in space else f"{one.name} ({len(space)})"
        space[key] = [type(one).__name__, one.get_config()]
    record = {
        "name": plan.base.name,
        "algorithm": plan.algorithm,
        "seed": plan.seed,
        "objectives": [one.to_list() for one in plan.objectives],
        "trials": plan.budget.trials if plan.algorithm in LAID_OUT else None,
        "recipe": plan.recipe.to_dict(),
        "base": plan.base.to_dict(),
        "executions": plan.executions,
        "folds": plan.folds,
        "stopping": plan.stopping,
        "space": space,
        "backend": plan.recipe.backend or backend_name(),
        "data": " ".join(data.split_checksum(name, "train") for name in sets),
    }
    return json.loads(json.dumps(record))


def check_same(folder: Path, record: Mapping[str, Any]) -> None:
    """Refuses to mix trials of two searches.

    Raises:
        RecipeError: naming the first thing that differs.
    """
    path = folder / RECORD
    if not path.is_file():
        if (folder / FILE).is_file():
            raise ZooError(f"the search in {folder} has lost its {RECORD}; use --fresh")
        return
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        changed = _difference(stored, record)
    except (ValueError, AttributeError) as error:
        raise ZooError(f"the search in {folder} is damaged; start anew with --fresh") from error
    if changed:
        raise RecipeError(
            f"the {record['algorithm']} search of {record['name']} was begun with "
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
