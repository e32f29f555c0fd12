"""How a search stands: what is done, what runs, the best so far, what is left of its budget."""

from __future__ import annotations

import collections
import fcntl
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuning.results import Search, TrialResult, format_value, format_values, open_search
from zoo.report import text_table

if TYPE_CHECKING:
    from tuning.recorder import Recorder

# In this order; what is not there is not named.
STATUSES = ("completed", "stopped", "failed", "skipped", "running", "interrupted")


def show(folders: Sequence[Path], as_json: bool = False) -> str:
    """Returns what is known of searches, one after the other.

    Args:
        folders: Of the searches, as `tuning.folder` gives them.
        as_json: As a JSON list rather than as text.

    Raises:
        ZooError: when one of them is damaged.
    """
    found = [status_of(open_search(folder)) for folder in folders]
    if as_json:
        return json.dumps(found, indent=2)
    if not found:
        return "nothing was searched yet; `zoo tune NAME` begins a search"
    return "\n\n".join(_text(one) for one in found)


def status_of(search: Search) -> dict[str, Any]:
    """Returns how a search stands, as plain data."""
    active = is_active(search.folder)
    now = time.time()
    best = next(iter(search.ranked()), None)
    return {
        "name": search.name,
        "algorithm": search.algorithm,
        "folder": str(search.folder),
        "active": active,
        "trials": counts(search, active),
        "best": None if best is None else _best(search, best),
        "running": [_running(search, trial) for trial in search.trials if trial.status == "running"]
        if active
        else [],
        "workers": [
            {
                "id": worker.id,
                "host": worker.host,
                "pid": worker.pid,
                "seen_seconds_ago": round(max(0.0, now - worker.seen), 1),
                "trial": worker.trial,
            }
            for worker in (search.workers if active else ())
        ],
        "budget": budget(search),
    }


def counts(search: Search, active: bool) -> dict[str, int]:
    """Returns how many trials have each status; in a search at rest none runs."""
    found = collections.Counter(shown_status(trial, active) for trial in search.trials)
    return {status: found[status] for status in STATUSES if found[status]}


def shown_status(trial: TrialResult, active: bool) -> str:
    """Returns a trial's status: one that a kill cut off is interrupted, whatever was written."""
    if trial.status in ("running", "idle") and not active:
        return "interrupted"
    return "running" if trial.status == "idle" else trial.status


def budget(search: Search) -> dict[str, dict[str, float]]:
    """Returns what a search has spent of each limit it was given: `{limit: {spent, limit}}`."""
    limits = search.meta.get("budget") or {}
    spent = {
        "trials": sum(trial.status != "skipped" for trial in search.trials),
        "hours": round(search.meta.get("seconds", 0.0) / 3600, 3),
        "total_epochs": sum(len(trial.history) for trial in search.trials),
    }
    return {
        name: {"spent": used, "limit": limits[name]}
        for name, used in spent.items()
        if limits.get(name) is not None
    }


def is_active(folder: Path) -> bool:
    """Whether a process runs the search now: it then holds the lock beside its folder."""
    lock = folder.with_name(f".{folder.name}.lock")
    if not lock.is_file():
        return False
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def progress_line(recorder: Recorder) -> str:
    """Returns one line for whoever watches a search: how far, and the best so far.

    It is said after every trial, and so reads the oracle's trials and one row, not the database.
    """
    from tuning.oracles import status_of as status_of_trial
    from tuning.oracles.base import Status

    oracle, limits = recorder.oracle, recorder.budget
    found = collections.Counter(map(status_of_trial, oracle.trials.values()))
    done = sum(found[status] for status in ("completed", "stopped", "failed"))
    parts = [f"{done} of {limits.trials} trials"]
    parts += [f"{found[status]} {status}" for status in STATUSES[1:] if found[status]]
    best = next(iter(oracle.ranked(Status.COMPLETED)), None)
    if best is not None:
        name = oracle.objective.name
        spread = recorder.database.trial(best.trial_id).deviations.get(name)
        value = f"{best.score:.4f}" + ("" if spread is None else f" ±{spread:.4f}")
        parts.append(f"best {name} {value} (trial {best.trial_id})")
    if limits.hours is not None:
        parts.append(f"{recorder.seconds / 3600:.1f} of {limits.hours:g} hours")
    if limits.total_epochs is not None:
        parts.append(f"{recorder.epochs:,} of {limits.total_epochs:,} epochs")
    return ", ".join(parts)


def duration(seconds: float) -> str:
    """Returns a time as people say it: 42 s, 7 min, 3 h 05 min."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"


def _best(search: Search, trial: TrialResult) -> dict[str, Any]:
    return {
        "trial": trial.trial,
        "objective": search.objective,
        "direction": search.direction,
        "value": trial.value,
        "deviation": trial.deviations.get(search.objective),
        "epochs": trial.epochs,
        "hyperparameters": trial.hyperparameters,
    }


def _running(search: Search, trial: TrialResult) -> dict[str, Any]:
    last = trial.history[-1] if trial.history else None
    return {
        "trial": trial.trial,
        "worker": trial.worker,
        "execution": last.execution if last else 0,
        "epoch": last.epoch if last else 0,
        "value": last.metrics.get(search.objective) if last else None,
    }


def _text(found: dict[str, Any]) -> str:
    state = "running" if found["active"] else "at rest"
    trials = ", ".join(f"{count} {status}" for status, count in found["trials"].items())
    lines = [
        f"{found['name']}, {found['algorithm']}: {state}",
        f"  trials   {trials or 'none yet'}",
    ]
    best = found["best"]
    if best is not None:
        spread = "" if best["deviation"] is None else f" ±{best['deviation']:.4f}"
        lines.append(
            f"  best     {best['objective']} {best['value']:.4f}{spread}, trial {best['trial']} "
            f"after {best['epochs']} epochs: {format_values(best['hyperparameters'])}"
        )
    for name, part in found["budget"].items():
        what = name.replace("_", " ")
        lines.append(f"  budget   {format_value(part['spent'])} of {part['limit']:g} {what}")
    if found["running"]:
        rows = [
            [one["trial"], str(one["worker"] or "-"), str(one["epoch"]), _value(one["value"])]
            for one in found["running"]
        ]
        header = ["trial", "worker", "epochs done", best["objective"] if best else "value"]
        lines += ["  " + line for line in text_table(header, rows).splitlines()]
    waiting = [worker["id"] for worker in found["workers"] if worker["trial"] is None]
    if waiting:
        lines.append(f"  waiting  {', '.join(waiting)}")
    return "\n".join(lines)


def _value(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
