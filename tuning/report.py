"""A search as one HTML file: everything that was found, readable without a network.

The page is `report.html` beside this file, with the data of the search in it.
"""

from __future__ import annotations

import datetime
import json
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tuning.importance import METHOD, importance_of
from tuning.results import Search, TrialResult, open_search
from tuning.status import budget, counts, duration, is_active, shown_status
from zoo import files

FILE = "report.html"
_TEMPLATE = Path(__file__).with_name("report.html")
_PLACE = "__REPORT__"


def write(folder: Path, path: Path | None = None) -> Path:
    """Writes the report of a search, also of one that is running.

    Args:
        folder: The search's.
        path: The file to write; by default `report.html` in the search's folder.

    Returns:
        The file.

    Raises:
        ZooError: when there is no search in the folder, or it is damaged.
    """
    target = path or folder / FILE
    files.write_text(target, page(report_of(open_search(folder))))
    return target


def page(report: Mapping[str, Any]) -> str:
    """Returns the page that shows a report."""
    text = json.dumps(_plain(report), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # Within a script element nothing but its end tag is markup, and no `<` can begin one.
    return _TEMPLATE.read_text(encoding="utf-8").replace(_PLACE, text.replace("<", "\\u003c"), 1)


def report_of(search: Search, now: float | None = None) -> dict[str, Any]:
    """Returns all that the page shows, as plain data.

    Args:
        search: As read.
        now: Seconds since 1970; by default the clock's.
    """
    active = is_active(search.folder)
    names = [goal.name for goal in search.objectives]
    begun = min((trial.begun for trial in search.trials if trial.begun is not None), default=0.0)
    ranked = search.ranked()
    best = ranked[0] if ranked else None
    return {
        "name": search.name,
        "algorithm": search.algorithm,
        "active": active,
        "objectives": [
            {"name": goal.name, "direction": goal.direction, "split": goal.split}
            for goal in search.objectives
        ],
        "counts": counts(search, active),
        "budget": budget(search),
        "epochs": sum(len(trial.history) for trial in search.trials),
        "seconds": sum(trial.seconds for trial in search.trials),
        "elapsed": search.meta.get("seconds"),
        "best": best.trial if best else None,
        "front": [trial.trial for trial in search.pareto()] if len(names) > 1 else [],
        "space": _space(search),
        "trials": _trials(search, names, begun, active),
        "importance": [
            {"objective": name, "line": found.line(), "shares": list(found.shares.items())}
            for name in names
            for found in [importance_of(search.trials, name)]
        ],
        "method": METHOD,
        "facts": _facts(search, time.time() if now is None else now),
        "commands": _commands(search),
        "recipe": best.recipe if best else None,
    }


def _space(search: Search) -> list[dict[str, Any]]:
    """Returns the axes of the hyperparameters: their kind, and their ends or choices.

    One that is there under several conditions, with ranges of their own, has one axis for all.
    """
    axes: dict[str, dict[str, Any]] = {}
    for key, (kind, config) in search.settings.get("space", {}).items():
        name = config.get("name", key)
        if kind in ("Float", "Int"):
            scale = "log" if config.get("sampling") == "log" else "linear"
            ends = [config["min_value"], config["max_value"]]
            known = axes.get(name, {})
            ends += [known[end] for end in ("low", "high") if end in known]
            axes[name] = {"name": name, "kind": scale, "low": min(ends), "high": max(ends)}
        elif kind in ("Choice", "Boolean"):
            values = config.get("values", [False, True])
            known = axes.get(name, {})
            choices = list(dict.fromkeys([*known.get("choices", []), *values]))
            axes[name] = {"name": name, "kind": "choice", "choices": choices}
    return list(axes.values())


def _trials(search: Search, names: list[str], begun: float, active: bool) -> list[dict[str, Any]]:
    curves = {trial.trial: {name: _curve(trial, name) for name in names} for trial in search.trials}
    for trial in search.trials:
        for name, curve in curves[trial.trial].items():
            # What goes on with a trial begins where that one ended.
            before = curves.get(trial.continues or "", {}).get(name)
            if before and curve:
                curve.insert(0, before[-1])
    return [
        {
            "id": trial.trial,
            "number": trial.number,
            "status": shown_status(trial, active),
            "objectives": trial.objectives,
            "deviations": trial.deviations,
            "epochs": trial.epochs,
            "seconds": trial.seconds,
            "ended": None if trial.ended is None else trial.ended - begun,
            "values": trial.hyperparameters,
            "continues": trial.continues,
            "seed": trial.seed,
            "worker": trial.worker,
            "reason": trial.reason,
            "curves": {name: curve for name, curve in curves[trial.trial].items() if curve},
        }
        for trial in search.trials
    ]


def _curve(trial: TrialResult, name: str) -> list[list[float]]:
    """Returns (epoch, value) of a trial; of several executions the mean of those that are there."""
    values: dict[int, list[float]] = {}
    for row in trial.history:
        value = row.metrics.get(name)
        if value is not None and math.isfinite(value):
            values.setdefault(row.epoch, []).append(value)
    return [[epoch, _short(sum(found) / len(found))] for epoch, found in sorted(values.items())]


def _facts(search: Search, now: float) -> list[list[str]]:
    settings, meta = search.settings, search.meta
    data = settings.get("data")
    versions = {key: value for trial in search.trials for key, value in trial.versions.items()}
    facts = [
        ("recipe", search.name),
        ("algorithm", search.algorithm),
        ("seed of the search", str(search.seed)),
        ("executions of a trial", str(settings.get("executions") or 1)),
        ("folds", str(settings.get("folds") or "none, one validation split")),
        ("early stopping of trials", str(settings.get("stopping") or "none")),
        ("budget", _pairs((meta.get("budget") or {}).items())),
        ("sha256 of the training data", str(data) if data else ""),
        ("begun", _date(meta.get("begun"))),
        ("time spent", duration(meta["seconds"]) if meta.get("seconds") else ""),
        ("machine", _text(meta.get("machine"))),
        ("versions", _pairs((versions or meta.get("versions") or {}).items())),
        ("written", _date(now)),
    ]
    return [[what, value] for what, value in facts if value]


def _commands(search: Search) -> list[list[str]]:
    which = f"{search.name} --algorithm {search.algorithm}"
    commands = [
        ["how it stands", f"zoo tune status {which}"],
        ["this report", f"zoo tune report {which}"],
        ["retrain the best, and store it if it wins", f"zoo tune promote {which}"],
    ]
    begun_by = search.meta.get("command")
    return [["go on", str(begun_by)], *commands] if begun_by else commands


def _pairs(items: Iterable[tuple[str, Any]]) -> str:
    found = [(key.replace("_", " "), value) for key, value in items if value is not None]
    return ", ".join(f"{key} {value}" for key, value in found)


def _text(value: Any) -> str:
    return _pairs(value.items()) if isinstance(value, dict) else str(value or "")


def _date(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _short(value: float) -> float:
    return float(f"{value:.6g}")


def _plain(value: Any) -> Any:
    """Returns data with None for every number that is not finite, which JSON does not have."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
