"""Searches that train: what they see, what they refuse, how they go on."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuning import tune
from tuning.search import ALGORITHMS
from zoo import registry
from zoo.cli import tune as command
from zoo.errors import DataUnavailableError, RecipeError, ZooError
from zoo.recipe import Recipe

from .helpers import QUICK, quiet


def folder(home: Path, algorithm: str) -> Path:
    return home / "tuning" / "mlp.fashion_mnist" / algorithm


def history(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@pytest.mark.full
def test_a_round_of_hyperband_equals_a_training_that_never_stopped(
    quick_tune: Callable[..., Any],
) -> None:
    """Weights, averages, schedule and the optimizer's moments all go on."""
    from zoo.runs import new_run
    from zoo.training.run import fit_run

    changed = {"schedule": {"name": "cosine", "warmup": 0.2}, "ema": {"network": 0.9}}
    search = quick_tune("hyperband", 3, epochs=3, overrides=changed)
    last = search.trials[-1]
    assert last.epochs == 3
    assert last.continues in {trial.trial for trial in search.trials[:-1]}
    kept = search.folder / f"trial_{last.trial}"
    recipe = Recipe.from_dict(json.loads((kept / "recipe.json").read_text()))
    run = fit_run(new_run(recipe), verbose=0)
    assert history(kept / "history.csv") == history(run.folder / "history.csv")
    assert last.value == run.history[-1]["val_accuracy"]


def test_a_search_needs_no_test_split(
    quick_tune: Callable[..., Any], sample_home: Path, tmp_path: Path
) -> None:
    (sample_home / "data" / "fashion_mnist" / "test.npz").unlink()
    search = quick_tune("random", 2)
    assert [trial.status for trial in search.trials] == ["completed"] * 2
    assert all(0 <= trial.value <= 1 for trial in search.trials)


def test_a_diverging_trial_is_recorded_and_the_search_goes_on(
    quick_tune: Callable[..., Any],
) -> None:
    search = quick_tune(
        "grid",
        3,
        epochs=1,
        overrides={"optimizer": {"name": "SGD", "learning_rate": 0.1}},
        space=["optimizer.learning_rate=choice:0.1,1e38,0.01"],
    )
    assert [trial.status for trial in search.trials] == ["completed", "failed", "completed"]
    failed = search.trials[1]
    assert failed.value is None
    assert "in epoch 1" in failed.reason and "\n" not in failed.reason
    assert "Traceback" in (search.folder / f"trial_{failed.trial}" / "error.txt").read_text()
    assert search.best.trial != failed.trial
    assert search.to_dict()["trials"][-1]["rank"] is None


def test_no_completed_trial_is_one_clear_line(quick_tune: Callable[..., Any]) -> None:
    search = quick_tune("grid", 1, epochs=1, space=["optimizer.learning_rate=choice:1e38"])
    with pytest.raises(
        ZooError, match=r"none of the 1 trials completed; the last reason: .*epoch 1"
    ):
        search.winner()


@pytest.mark.full
def test_one_command_is_one_search(quick_tune: Callable[..., Any]) -> None:
    """Done trials stay, more of them may be asked for, and another search is not mixed in."""
    lines: list[str] = []
    first = quick_tune("random", 1, epochs=1)
    more = quick_tune("random", 2, epochs=1, say=lines.append)
    assert more.trials[0] == first.trials[0] and len(more.trials) == 2
    assert sum("epoch 1/1" in line for line in lines) == 1
    lines.clear()
    assert quick_tune("random", 2, epochs=1, say=lines.append).trials == more.trials
    assert not any("epoch 1/1" in line for line in lines)
    changes: list[tuple[dict[str, Any], str]] = [
        ({"seed": 9}, "seed=1, not 9"),
        ({"epochs": 2}, "recipe.epochs=1, not 2"),
        ({"overrides": {"seed": 2}, "seed": 1}, "recipe.seed=1, not 2"),
        ({"space": ["batch_size=int:8:64"]}, "no space.batch_size"),
    ]
    for changed, message in changes:
        with pytest.raises(RecipeError, match=f"begun with {message}.*--fresh") as raised:
            quick_tune("random", 2, **{"epochs": 1, **changed})
        assert "\n" not in str(raised.value)
    fresh = quick_tune("random", 1, epochs=1, seed=9, fresh=True)
    assert len(fresh.trials) == 1
    assert fresh.trials[0].hyperparameters != first.trials[0].hyperparameters
    assert [path.name for path in fresh.folder.parent.iterdir() if "removed" in path.name] == []


def test_hyperband_is_laid_out_for_one_number_of_trials(quick_tune: Callable[..., Any]) -> None:
    quick_tune("hyperband", 1, epochs=1)
    with pytest.raises(RecipeError, match="trials=1, not 2"):
        quick_tune("hyperband", 2, epochs=1)


def test_two_processes_do_not_share_a_search(
    quick_tune: Callable[..., Any], sample_home: Path
) -> None:
    from tuning.folder import locked

    with locked(folder(sample_home, "random")), pytest.raises(ZooError, match="another process"):
        quick_tune("random", 1)
    assert not folder(sample_home, "random").exists()


def test_a_recipe_without_validation_gets_one(sample_home: Path) -> None:
    from tuning.search import _trial_recipe

    base = registry.recipes().get("mlp.fashion_mnist")
    cut = _trial_recipe(base.override({"data.validation": 0}), 3)
    assert (cut.data.validation, cut.epochs) == (5000, 3)
    assert _trial_recipe(base, None) == base


def test_an_option_no_network_takes_fails_before_the_first_trial(
    quick_tune: Callable[..., Any], sample_home: Path
) -> None:
    for fresh in (False, True):
        # A fresh start that cannot start deletes nothing.
        folder(sample_home, "grid").mkdir(parents=True, exist_ok=True)
        (folder(sample_home, "grid") / "trial_0").touch()
        with pytest.raises(RecipeError, match="did you mean dropout"):
            quick_tune("grid", 2, space=["network.dropuot=float:0:0.5"], fresh=fresh)
        assert [p.name for p in folder(sample_home, "grid").iterdir()] == ["trial_0"]


def test_the_command_offers_every_algorithm() -> None:
    assert command.ALGORITHMS == ALGORITHMS


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("mlp.fashion_mnist", "hyperbond"), {}, "did you mean hyperband"),
        (("mlp.fashion_mnist", "random", 0), {}, "trials must be at least 1"),
        (("mlp.fashion_mnist",), {"epochs": 0}, "epochs must be at least 1"),
        (("mlp.fashion_mnist",), {"seed": -1}, "seed must be from 0"),
        (("dcgan.fashion_mnist",), {}, "generation.*these can be tuned: .*mlp.fashion_mnist"),
    ],
)
def test_what_cannot_be_searched_is_one_clear_line(
    arguments: tuple[Any, ...], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(RecipeError, match=message) as raised:
        tune(*arguments, say=quiet, **options)
    assert "\n" not in str(raised.value)


def test_data_that_is_not_here_is_said_first(private_home: Path) -> None:
    with pytest.raises(DataUnavailableError, match="zoo data prepare"):
        tune("mlp.fashion_mnist", overrides=QUICK, say=quiet)


class Killed(BaseException):
    """Stands for the process ending here."""


@pytest.mark.full
@pytest.mark.parametrize("lines", [1, 3])
def test_a_search_stopped_in_any_trial_goes_on(quick_tune: Callable[..., Any], lines: int) -> None:
    """In its very first epoch, and in the middle of a trial that continues another."""
    seen: list[str] = []

    def stop(line: str) -> None:
        seen.append(line)
        if sum(line.startswith("  epoch") for line in seen) == lines:
            raise Killed

    with pytest.raises(Killed):
        quick_tune("hyperband", 3, epochs=3, say=stop)
    assert any(line.startswith("  goes on with") for line in seen) == (lines > 2)
    later: list[str] = []
    resumed = quick_tune("hyperband", 3, epochs=3, say=later.append)
    # Two trials of one epoch and two more for the better one; no epoch twice.
    assert sum(line.startswith("  epoch") for line in later) == 4 - lines
    unbroken = quick_tune("hyperband", 3, epochs=3, fresh=True)
    assert resumed.trials == unbroken.trials


def test_a_full_disk_stops_the_search_and_fails_no_trial(
    quick_tune: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from zoo.training import callbacks

    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(callbacks, "save_checkpoint", full)
        with pytest.raises(ZooError, match="No space left on device; the same command goes on"):
            quick_tune("random", 1, epochs=1)
    assert [trial.status for trial in quick_tune("random", 1, epochs=1).trials] == ["completed"]


def test_trials_keep_the_dtype_policy_and_need_no_tensorboard(
    quick_tune: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    monkeypatch.setitem(sys.modules, "tensorboard", None)
    policies: list[str] = []

    def space(hp: Any, recipe: Recipe) -> Recipe:
        policies.append(keras.config.dtype_policy().name)
        return recipe.override({"optimizer.learning_rate": hp.Float("rate", 1e-3, 1e-2)})

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        search = quick_tune("random", 2, epochs=1, space=space)
    finally:
        keras.config.set_dtype_policy(before)
    assert set(policies) == {"mixed_bfloat16"}
    assert [trial.status for trial in search.trials] == ["completed"] * 2
