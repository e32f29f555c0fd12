"""Logs for TensorBoard, read back by TensorBoard's own reader."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tuning.tensorboard import Events


def read(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    return EventAccumulator(str(folder)).Reload()


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    return [(one.step, round(one.value, 6)) for one in read(folder).Scalars(name)]


def test_each_execution_is_a_run_with_its_epochs_and_values(tmp_path: Path) -> None:
    from tensorboard.plugins.hparams import metadata

    events = Events(tmp_path)
    events.trial("0003", {"rate": 0.1, "kind": "a", "units": [16, 8]})
    events.epoch("0003", 0, 1, {"loss": 1.0, "val_accuracy": 0.5})
    events.epoch("0003", 0, 2, {"loss": 0.5, "val_accuracy": 0.75})
    events.epoch("0003", 1, 1, {"loss": 2.0, "val_accuracy": 0.25})
    events.close()
    folder = tmp_path / "tensorboard"
    assert sorted(path.name for path in folder.iterdir()) == ["trial_0003", "trial_0003-1"]
    assert scalars(folder / "trial_0003", "val_accuracy") == [(1, 0.5), (2, 0.75)]
    assert scalars(folder / "trial_0003-1", "loss") == [(1, 2.0)]
    (content,) = read(folder / "trial_0003").PluginTagToContent("hparams").values()
    begun = metadata.parse_session_start_info_plugin_data(content)
    assert begun.group_name == "trial_0003"
    assert begun.hparams["rate"].number_value == 0.1
    assert begun.hparams["kind"].string_value == "a"
    assert begun.hparams["units"].string_value == "[16, 8]"


def test_a_search_that_goes_on_adds_to_its_runs(tmp_path: Path) -> None:
    for epoch in (1, 2):
        events = Events(tmp_path)
        events.trial("0000", {"rate": 0.1})
        events.epoch("0000", 0, epoch, {"loss": 1.0 / epoch})
        events.end("0000")
        events.close()
    assert scalars(tmp_path / "tensorboard" / "trial_0000", "loss") == [(1, 1.0), (2, 0.5)]
