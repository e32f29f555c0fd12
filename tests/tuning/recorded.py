"""Searches as their folders keep them, written without training anything."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuning.database import FILE, Database
from zoo import registry

RATE = "optimizer.learning_rate"
SPACE: dict[str, list[Any]] = {
    RATE: ["Float", {"min_value": 1e-4, "max_value": 1e-1, "sampling": "log"}],
    "depth": ["Int", {"min_value": 1, "max_value": 3, "sampling": "linear"}],
    "normalization": ["Choice", {"values": ["batch", "layer", "none"]}],
}
ACCURACY = ("val_accuracy", "max", "validation")
PARAMETERS = ("parameters", "min", "model")
BEGUN = 1_800_000_000.0
_RECORDED = {"stopped": "STOPPED", "failed": "FAILED", "skipped": "FAILED", "running": "RUNNING"}


@dataclasses.dataclass
class Planted:
    """A trial to write down.

    Args:
        values: Its hyperparameters.
        status: As the row has it.
        curves: Of each execution, the leading objective after each epoch.
        objectives: Its values at the end; by default the last one of the first curve.
        first: The number of the first epoch.
        deviations, reason, continues: As in the row.
    """

    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    status: str = "completed"
    curves: Sequence[Sequence[float]] = ()
    objectives: Mapping[str, float] | None = None
    first: int = 1
    deviations: Mapping[str, float] = dataclasses.field(default_factory=dict)
    reason: str | None = None
    continues: str | None = None


def recorded(
    folder: Path,
    planted: Sequence[Planted],
    objectives: Sequence[Sequence[str]] = (ACCURACY,),
    meta: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    begun: float = BEGUN,
) -> Path:
    """Writes search.json and search.sqlite of a search of mlp.fashion_mnist; returns its folder."""
    base = registry.recipes().get("mlp.fashion_mnist").override(overrides or {})
    settings = {
        "name": base.name,
        "algorithm": folder.name,
        "seed": 1,
        "objectives": [list(one) for one in objectives],
        "recipe": base.override({"epochs": 3}).to_dict(),
        "base": base.to_dict(),
        "space": SPACE,
        "executions": 1,
        "folds": 0,
        "stopping": "median",
        "data": "0" * 64,
    }
    folder.mkdir(parents=True)
    (folder / "search.json").write_text(json.dumps(settings), encoding="utf-8")
    database = Database(folder / FILE)
    with database.transaction():
        database.set_meta(begun=begun, seconds=90.0, versions={"keras": "3"}, **(meta or {}))
        for number, one in enumerate(planted):
            _write(database, f"{number:04}", one, objectives[0][0], begun + 60 * number)
    database.close()
    return folder


def _write(database: Database, trial: str, one: Planted, leading: str, now: float) -> None:
    values = {**one.values, **({"tuner/trial_id": one.continues} if one.continues else {})}
    record: dict[str, Any] = {
        "trial_id": trial,
        "hyperparameters": {"space": [], "values": values},
        "status": "RUNNING",
    }
    recipe = registry.recipes().get("mlp.fashion_mnist").override({"epochs": 3})
    rate = {RATE: one.values[RATE]} if RATE in one.values else {}
    database.save({}, [record])
    database.begin(
        trial,
        worker="tuner0",
        recipe=recipe.override(rate).to_dict(),
        versions={"keras": "3"},
        now=now,
    )
    for execution, curve in enumerate(one.curves):
        for epoch, value in enumerate(curve, one.first):
            database.add_epoch(trial, execution, epoch, {"loss": 1.0, leading: value}, 1.0, now)
    if one.status == "running":
        return
    ended = one.objectives
    if ended is None and one.status in ("completed", "stopped") and one.curves:
        ended = {leading: one.curves[0][-1]}
    database.save({}, [{**record, "status": _RECORDED.get(one.status, "COMPLETED")}])
    database.end(
        trial,
        objectives=ended,
        deviations=one.deviations,
        reason=one.reason,
        skipped=one.status == "skipped",
        now=now + 30,
    )


def completed(value: float, **values: Any) -> Planted:
    """A trial of one epoch that ended with a value of the leading objective."""
    return Planted(values, curves=[[value]])
