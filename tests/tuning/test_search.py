"""Searches that train: what they see, what they refuse, how they go on."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import zoo
from tuning import tune
from tuning.database import FILE, Database
from tuning.folder import search_folder, searches
from tuning.plan import ALGORITHMS, make_plan
from tuning.stopping import MedianRule
from zoo.cli import build_parser
from zoo.cli import tune as command
from zoo.errors import DataUnavailableError, RecipeError, UnknownModelError, ZooError
from zoo.recipe import Recipe

from .helpers import QUICK, RATES, quiet
from .searches import found, models, play, recorder_of


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


@pytest.mark.full
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


@pytest.mark.full
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
    assert Database(first.folder / FILE).meta()["budget"]["trials"] == 2
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


@pytest.mark.full
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
        (("mlp.fashion_mnist",), {"stopping": "mediam"}, "did you mean median"),
        (("mlp.fashion_mnist",), {"executions": 0}, "executions must be at least 1"),
        (("mlp.fashion_mnist",), {"objectives": ["val_acuracy"]}, "did you mean val_accuracy"),
        (("mlp.fashion_mnist",), {"hours": 0}, "hours must be above 0"),
        (("mlp.fashion_mnist",), {"workers": 0}, "workers must be at least 1"),
        (("mlp.fashion_mnist",), {"workers": 2, "in_process": True}, "leave out in_process"),
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


@pytest.mark.full
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


# What a search may spend.


def test_a_budget_that_is_used_up_ends_a_search_and_a_larger_one_goes_on(tmp_path: Path) -> None:
    """In the middle of the second trial, after its second epoch."""
    whole = play(tmp_path / "unbroken", trials=3)
    first = play(tmp_path / "small", trials=3, total_epochs=5)
    assert [(trial, epoch) for trial, _, epoch in first][-1] == ("0001", 2)
    assert [row[2] for row in found(tmp_path / "small")] == ["completed", "interrupted"]
    # The same budget again trains nothing.
    assert play(tmp_path / "small", trials=3, total_epochs=5) == []
    assert first + play(tmp_path / "small", trials=3, total_epochs=9) == whole
    assert found(tmp_path / "small") == found(tmp_path / "unbroken")


def test_hours_count_over_all_the_times_a_search_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    monkeypatch.setattr("tuning.recorder.time", SimpleNamespace(monotonic=lambda: now[0]))

    def an_hour_an_epoch(line: str) -> None:
        now[0] += 3600 * line.startswith("  epoch")

    play(tmp_path, trials=3, hours=2.5, say=an_hour_an_epoch)
    # After the third epoch no more is begun.
    assert [row[2] for row in found(tmp_path)] == ["completed"]
    assert Database(tmp_path / FILE).meta()["seconds"] == 3 * 3600
    now[0] += 10**6
    play(tmp_path, trials=3, hours=4, say=an_hour_an_epoch)
    assert Database(tmp_path / FILE).meta()["seconds"] == 5 * 3600


@pytest.mark.full
def test_a_model_too_large_is_skipped_and_no_failure(quick_tune: Callable[..., Any]) -> None:
    def space(hp: Any, recipe: Recipe) -> Recipe:
        return recipe.override({"network.units": [hp.Choice("units", [16, 32, 8])]})

    # From 784 pixels to 16 units are some 13,000 weights.
    search = quick_tune("grid", 2, epochs=1, max_parameters=20_000, space=space)
    assert [trial.status for trial in search.trials] == ["completed", "skipped", "completed"]
    skipped = search.trials[1]
    assert "parameters, above 20,000" in skipped.reason
    assert skipped.epochs == 0 and not skipped.objectives


# What a trial is.


@pytest.mark.full
def test_a_trial_of_several_executions_has_their_mean(quick_tune: Callable[..., Any]) -> None:
    search = quick_tune("grid", 1, epochs=2, executions=2, objectives=["val_accuracy", "val_loss"])
    (trial,) = search.trials
    ends = {row.execution: row.metrics["val_accuracy"] for row in trial.history if row.epoch == 2}
    assert set(ends) == {0, 1} and ends[0] != ends[1]
    assert trial.value == pytest.approx(sum(ends.values()) / 2)
    # Of two the sample deviation is their distance over the root of 2.
    assert trial.deviations["val_accuracy"] == pytest.approx(abs(ends[0] - ends[1]) / 2**0.5)
    assert set(trial.objectives) == {"val_accuracy", "val_loss"}


@pytest.mark.full
def test_folds_hold_out_every_example_once(quick_tune: Callable[..., Any]) -> None:
    search = quick_tune("grid", 1, epochs=1, folds=2)
    assert [row.execution for row in search.trials[0].history] == [0, 1]
    assert search.trials[0].deviations["val_accuracy"] >= 0


def test_a_bad_trial_is_stopped_early(tmp_path: Path) -> None:
    """By the rule alone: one epoch of warm-up, and one other trial to compare with."""
    rule = MedianRule(warmup=1, least_trials=1)
    trained = play(tmp_path, trials=8, rule=rule)
    rows = found(tmp_path)
    stopped = [row for row in rows if row[2] == "stopped"]
    assert stopped and rows[0][2] == "completed"
    for row in stopped:
        assert row[6] == "stopped early after epoch 2"
        # What it had is kept for those that learn from it.
        assert row[5] == {"val_accuracy": row[8][-1][2]["val_accuracy"]}
    assert len(trained) == 3 * len(rows) - len(stopped)


@pytest.mark.full
def test_a_cost_is_measured_beside_what_is_learned(quick_tune: Callable[..., Any]) -> None:
    search = quick_tune("grid", 1, epochs=1, objectives=["val_accuracy", "parameters"])
    network = zoo.create("mlp", (28, 28, 1), 10, units=[16], normalization="batch")
    assert search.trials[0].objectives["parameters"] == network.count_params()


def test_a_space_that_fails_is_recorded(tmp_path: Path) -> None:
    with recorder_of(tmp_path, trials=2) as recorder:
        trial = recorder.next_trial("w1")

        def broken(hp: Any, recipe: Recipe) -> Recipe:
            raise KeyError("rate")

        recorder.models.space = broken
        assert recorder.begin("w1", trial.trial_id, {}) == {"reason": "KeyError: 'rate'"}


def test_a_hypermodel_builds_what_a_trial_would_train(sample_home: Path) -> None:
    """For whoever uses KerasTuner's own interface."""
    import keras_tuner

    space = models()
    hp = keras_tuner.HyperParameters()
    space.declare_hyperparameters(hp)
    hp.values["optimizer.learning_rate"] = 0.02
    assert space.recipe(hp).optimizer["learning_rate"] == 0.02
    assert space.build(hp).network.count_params() > 784 * 16


def test_a_message_that_comes_twice_changes_nothing(tmp_path: Path) -> None:
    from tuning.orders import Outcome

    with recorder_of(tmp_path, trials=1) as recorder:
        name = recorder.next_trial("w1").trial_id
        assert recorder.next_trial("w1").trial_id == name
        recorder.begin("w1", name, {})
        said = {"kind": "epoch", "execution": 0, "epoch": 1, "metrics": {"val_accuracy": 0.5}}
        for _ in range(2):
            assert recorder.hear("w1", name, {**said, "seconds": 1.0}) == "go"
        # Another worker is not asked.
        assert recorder.hear("w2", name, {**said, "seconds": 1.0}) == "pause"
        outcome = Outcome("completed", {"val_accuracy": 0.5}, epochs=1)
        for worker in ("w1", "w1", "w2"):
            recorder.end(worker, name, outcome)
        (row,) = recorder.database.trials()
        assert row.status == "completed" and recorder.database.epochs_trained() == 1
        assert recorder.next_trial("w1").status == "STOPPED"


def test_an_error_while_writing_ends_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle may be ahead of the disk then, and must give nothing out any more."""
    with recorder_of(tmp_path, trials=2) as recorder:
        with monkeypatch.context() as broken:

            def full(*arguments: Any, **options: Any) -> None:
                raise ZooError("database or disk is full")

            broken.setattr(recorder.database, "save", full)
            with pytest.raises(ZooError, match="disk is full"):
                recorder.next_trial("w1")
        with pytest.raises(ZooError, match="disk is full"):
            recorder.next_trial("w2")
    assert found(tmp_path) == []


# Where searches are.


def test_a_search_is_found_by_its_name(tmp_path: Path, private_home: Path) -> None:
    home = private_home / "tuning"
    for name in ("mlp.fashion_mnist/random", "mlp.fashion_mnist/grid", "lenet5.mnist/tpe"):
        (home / name).mkdir(parents=True)
        (home / name / "search.json").write_text("{}")
    assert [path.name for path in searches()] == ["tpe", "grid", "random"]
    assert search_folder("lenet5.mnist") == home / "lenet5.mnist" / "tpe"
    assert search_folder("mlp.fashion_mnist", "grid").name == "grid"
    with pytest.raises(ZooError, match=r"searched by grid, random; choose one with --algorithm"):
        search_folder("mlp.fashion_mnist")
    with pytest.raises(ZooError, match=r"no tpe search of mlp\.fashion_mnist; there is grid"):
        search_folder("mlp.fashion_mnist", "tpe")
    with pytest.raises(UnknownModelError, match=r"unknown search .*did you mean lenet5.mnist"):
        search_folder("lenet.mnist")


# The command.


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("tune mlp.fashion_mnist --workers 2 --hours 1.5", None),
        ("tune --trials 3 mlp.fashion_mnist", None),
        ("tune status", "status"),
        ("tune status mlp.fashion_mnist --json", "status"),
        ("tune report mlp.fashion_mnist --algorithm tpe --output a.html", "report"),
        ("tune promote mlp.fashion_mnist --seeds 5 --force", "promote"),
        ("tune chief mlp.fashion_mnist --trials 9 --host 0.0.0.0 --port 0", "chief"),
        ("tune worker mlp.fashion_mnist --chief here:7077 --patience 9", "worker"),
    ],
)
def test_a_word_in_the_name_s_place_has_arguments_of_its_own(line: str, word: str | None) -> None:
    arguments = build_parser().parse_args(line.split())
    assert arguments.command == "tune" and arguments.run is command.run
    assert getattr(arguments, "word", None) == word


@pytest.mark.parametrize("line", ["tune worker mlp.fashion_mnist", "tune status --trials 3"])
def test_arguments_of_another_word_are_refused(
    line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args(line.split())
    assert "required" in (said := capsys.readouterr().err) or "unrecognized" in said


def test_what_a_plan_tells_a_trainer_is_plain_data() -> None:
    plan = make_plan("mlp.fashion_mnist", "tpe", 5, overrides=QUICK, space=RATES, max_parameters=9)
    options = json.loads(json.dumps(plan.options()))
    assert options["base"]["data"]["validation"] == 64 and options["max_parameters"] == 9
    assert options["objectives"] == ["val_accuracy"]
