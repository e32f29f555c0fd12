"""A real process, killed with no chance to clean up, and the same command again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .helpers import QUICK, RATES

COMMAND = [
    *(sys.executable, "-u", "-m", "zoo.cli", "tune", "mlp.fashion_mnist"),
    *("--algorithm", "random", "--trials", "3"),
    *(part for key, value in QUICK.items() for part in ("--set", f"{key}={json.dumps(value)}")),
    *("--space", RATES[0]),
]


def test_a_killed_search_ends_as_the_unbroken_one(
    quick_tune: Callable[..., Any], sample_home: Path
) -> None:
    process = subprocess.Popen(
        COMMAND, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        # In the second trial, between its first epoch and its last.
        if "trial 2 (1)" in seen and line.startswith("  epoch 1/2"):
            break
    process.kill()
    process.wait()
    folder = sample_home / "tuning" / "mlp.fashion_mnist" / "random"
    first = (folder / "trial_0" / "trial.json").read_bytes()
    assert json.loads(first)["status"] == "COMPLETED", seen
    assert json.loads((folder / "trial_1" / "trial.json").read_text())["status"] == "RUNNING"

    again = subprocess.run([*COMMAND, "--json"], capture_output=True, text=True)
    assert again.returncode == 0, again.stderr
    resumed = json.loads(again.stdout)
    assert "trials done: 1" in again.stderr
    # Its first epoch was on disk; only the second was left to train.
    assert again.stderr.count("epoch 1/2") == 1 and again.stderr.count("epoch 2/2") == 2
    assert (folder / "trial_0" / "trial.json").read_bytes() == first

    unbroken = quick_tune("random", 3, fresh=True).to_dict()
    assert [trial["status"] for trial in resumed["trials"]] == ["completed"] * 3
    assert {**resumed, "promoted": None} == {**unbroken, "promoted": None}
