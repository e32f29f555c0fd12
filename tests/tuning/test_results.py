"""What a search found is read from its folder: the ranks, the front, the winner, the table."""

from __future__ import annotations

import dataclasses
import random
from pathlib import Path

import pytest

from tuning.results import TrialResult, leaderboard_text, open_search
from zoo.errors import ZooError

from .recorded import ACCURACY, BEGUN, PARAMETERS, RATE, Planted, completed, recorded


def test_completed_trials_are_ranked_and_no_others(tmp_path: Path) -> None:
    planted = [
        completed(0.7, depth=1),
        Planted(status="failed", reason="the loss is not finite"),
        completed(0.9, depth=2),
        Planted(status="stopped", curves=[[0.99]]),
        Planted(status="skipped", reason="3,000 parameters, above 2,000"),
        completed(0.9, depth=3),
        Planted(status="running", curves=[[0.5, 0.6]]),
    ]
    search = open_search(recorded(tmp_path / "random", planted))
    assert [trial.trial for trial in search.ranked()] == ["0002", "0005", "0000"]
    assert search.best.trial == "0002" and search.best.hyperparameters == {"depth": 2}
    assert [trial.status for trial in search.trials] == [one.status for one in planted]
    assert [trial.epochs for trial in search.trials] == [1, 0, 1, 1, 0, 1, 2]
    assert search.trials[1].reason == "the loss is not finite"
    assert search.trials[3].value is None and search.trials[3].objectives[ACCURACY[0]] == 0.99


def test_small_values_rank_first_where_small_is_better(tmp_path: Path) -> None:
    loss = ("val_loss", "min", "validation")
    folder = recorded(tmp_path / "random", [completed(2.0), completed(1.0)], objectives=[loss])
    assert [trial.value for trial in open_search(folder).ranked()] == [1.0, 2.0]


def test_a_stopped_trial_is_the_best_where_none_completed(tmp_path: Path) -> None:
    stopped = [Planted(status="stopped", curves=[[value]]) for value in (0.2, 0.4, 0.3)]
    search = open_search(recorded(tmp_path / "random", stopped))
    assert search.ranked() == [] and search.best.trial == "0001"
    assert search.winner().lineage["value"] == 0.4


def test_no_trial_with_a_value_is_one_clear_line(tmp_path: Path) -> None:
    failed = [Planted(status="failed", reason=f"reason {number}") for number in range(2)]
    search = open_search(recorded(tmp_path / "random", failed))
    with pytest.raises(ZooError, match="none of the 2 trials completed; the last reason: reason 1"):
        search.winner()


def test_the_front_is_what_no_trial_beats(tmp_path: Path) -> None:
    """Against the definition, over random points with many equal coordinates."""
    draw = random.Random(3)
    points = [(draw.randint(0, 6) / 10, draw.randint(1, 7) * 100.0) for _ in range(60)]
    planted = [
        Planted(curves=[[accuracy]], objectives={"val_accuracy": accuracy, "parameters": size})
        for accuracy, size in points
    ]
    search = open_search(recorded(tmp_path / "random", planted, [ACCURACY, PARAMETERS]))
    beaten = {
        index
        for index, (accuracy, size) in enumerate(points)
        if any(a >= accuracy and s <= size and (a, s) != (accuracy, size) for a, s in points)
    }
    assert [trial.number - 1 for trial in search.pareto()] == sorted({*range(60)} - beaten)


def test_the_winner_is_the_trials_recipe_for_the_base_recipes_epochs(tmp_path: Path) -> None:
    stopping = {"monitor": "val_loss", "patience": 3}
    folder = recorded(
        tmp_path / "bayesian",
        [completed(0.5, **{RATE: 0.004})],
        overrides={"epochs": 7, "early_stopping": stopping},
    )
    search = open_search(folder)
    winner = search.winner()
    assert (winner.epochs, winner.early_stopping) == (7, stopping)
    assert winner.optimizer["learning_rate"] == 0.004
    lineage = winner.lineage
    assert (lineage["search"], lineage["algorithm"]) == ("mlp.fashion_mnist", "bayesian")
    assert (lineage["trial"], lineage["trial_epochs"], lineage["trials"]) == ("0000", 1, 1)
    assert (lineage["objective"], lineage["value"]) == ("val_accuracy", 0.5)
    unmarked = dataclasses.replace(winner, lineage={})
    assert unmarked == search.recipe.override({RATE: 0.004})


def test_what_the_clock_decides_is_not_compared(tmp_path: Path) -> None:
    planted = [completed(0.5, depth=1), Planted(status="failed", reason="no")]
    one, other = (
        open_search(recorded(tmp_path / name / "random", planted, begun=begun))
        for name, begun in (("a", BEGUN), ("b", BEGUN + 5000))
    )
    assert one.trials == other.trials and one.to_dict() == other.to_dict()
    assert one.trials[0].begun != other.trials[0].begun
    assert one.trials[0] != dataclasses.replace(one.trials[0], value=0.6)


def test_the_leaderboard_has_the_best_and_says_how_many_more_there_are(tmp_path: Path) -> None:
    planted = [completed(number / 100, **{RATE: 0.01}) for number in range(25)]
    planted.append(Planted(status="failed", reason="the device's memory is full"))
    planted[24].deviations = {"val_accuracy": 0.0125}
    search = open_search(recorded(tmp_path / "random", planted))
    lines = leaderboard_text(search).splitlines()
    assert lines[0].split() == ["rank", "trial", "val_accuracy", "epochs", "values"]
    assert lines[1].split()[:4] == ["1", "0024", "0.2400", "±0.0125"]
    assert lines[2].split() == ["2", "0023", "0.2300", "1", f"{RATE}=0.01"]
    assert len(lines) == 1 + 20 + 1 + 1
    assert lines[-2].endswith("the device's memory is full") and "failed" in lines[-2]
    assert lines[-1].startswith("and 5 more")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "mlp.fashion_mnist"}'])
def test_a_damaged_search_is_one_clear_line(text: str, tmp_path: Path) -> None:
    folder = recorded(tmp_path / "random", [completed(0.5)])
    (folder / "search.json").write_text(text)
    with pytest.raises(ZooError, match="damaged; start anew with --fresh") as raised:
        open_search(folder)
    assert "\n" not in str(raised.value)


def test_no_search_is_one_clear_line_and_makes_no_file(tmp_path: Path) -> None:
    with pytest.raises(ZooError, match="there is no search in"):
        open_search(tmp_path)
    folder = recorded(tmp_path / "random", [])
    (folder / "search.sqlite").unlink()
    with pytest.raises(ZooError, match="there is no search in"):
        open_search(folder)
    assert not (folder / "search.sqlite").exists()
    assert list(tmp_path.iterdir()) == [folder]


def test_a_result_can_be_made_by_hand() -> None:
    """Importance and reports are of results, wherever these come from."""
    result = TrialResult("0000", 1, "completed", 0.5, 3, {"depth": 1})
    assert result.objectives == {} and result.history == ()
