"""Cards: what is written is read back, and what is no card is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from zoo.cards import Card, Metric
from zoo.errors import CorruptModelError
from zoo.report import card_readme, format_value, models_table

METRICS = Path(__file__).parents[1] / "docs" / "metrics.md"


def make_card(**fields: Any) -> Card:
    metrics = (
        Metric("accuracy", 0.9312, "test", 10_000, "zoo evaluate mlp.mnist", "top 1"),
        Metric("parameters", 3, "test", 1, "zoo show mlp.mnist"),
    )
    return Card(
        **{
            "name": "mlp.mnist",
            "task": "classification",
            "family": "mlp",
            "paper": "Rumelhart, Hinton, Williams (1986)",
            "recipe": {"name": "mlp.mnist", "epochs": 3, "optimizer": {"name": "Adam"}},
            "data": {"name": "mnist", "split": "train", "n": 55_000},
            "metrics": metrics,
            "input": {"name": "images", "shape": [28, 28, 1], "dtype": "float32"},
            "output": {"shape": [10], "labels": list("0123456789")},
            "networks": {"network": "network.keras"},
            "parameters": {"network": 1234},
            "training": {"epochs": 3, "seconds": 1.5},
            "licence": "none stated — “free”",
            "versions": {"keras": "3.15.1"},
            "version": 2,
            "created": "2026-01-02T03:04:05+00:00",
            "sha256": {"network.keras": "ab" * 32},
            **fields,
        }
    )


def metric(name: str, value: float = 0.125, split: str = "test") -> Metric:
    return Metric(name, value, split, 10, "zoo evaluate mlp.mnist")


def told(names: Sequence[str], **fields: Any) -> list[str]:
    """The names of the metrics that the table of models shows of a card with these."""
    table = models_table([make_card(metrics=tuple(map(metric, names)), **fields)])
    cell = table.splitlines()[2].split(" | ")[3]
    return [part.split()[0] for part in cell.split(", ")]


def test_json_and_back_is_the_same_card() -> None:
    card = make_card()
    assert Card.from_dict(json.loads(card.to_json())) == card


def test_text_is_written_as_it_is() -> None:
    assert "none stated — “free”" in make_card().to_json()


def test_a_card_made_before_costs_were_measured_is_read() -> None:
    data = {key: value for key, value in make_card().to_dict().items() if key != "costs"}
    assert Card.from_dict(data).costs == {}


def test_a_numbered_card_says_how_to_measure_that_very_version() -> None:
    metrics = [
        Metric("accuracy", 0.9, "test", 10, f"zoo evaluate {command}")
        for command in ("mlp.mnist", "mlp.mnist@1", "mlp.mnist@1 --data usps", "mlp.mnist-kd")
    ]
    card = make_card(metrics=tuple(metrics)).numbered(7)
    assert card.version == 7
    assert [m.command for m in card.metrics] == [
        "zoo evaluate mlp.mnist@7",
        "zoo evaluate mlp.mnist@7",
        "zoo evaluate mlp.mnist@7 --data usps",
        "zoo evaluate mlp.mnist-kd",
    ]


def test_metrics_and_labels_are_found() -> None:
    card = make_card()
    accuracy = card.metric("accuracy")
    assert accuracy is not None
    assert (accuracy.value, accuracy.split, accuracy.n) == (0.9312, "test", 10_000)
    assert card.metric("fd") is None
    assert card.metric("accuracy", "test") is accuracy
    assert card.metric("accuracy", "official") is None
    assert card.labels == list("0123456789")
    assert make_card(output={"shape": [28, 28, 1]}).labels == []


def test_a_conditional_generator_names_the_classes_that_it_draws(tmp_path: Path) -> None:
    taken = {"shape": [66], "range": "N(0, 1), then a one-hot label", "labels": ["cat", "dog"]}
    drawn = {"kind": "pixels", "shape": [28, 28, 1]}
    card = make_card(task="generation", input=taken, output=drawn)
    assert card.labels == ["cat", "dog"]
    assert "| labels | cat, dog |" in card_readme(card, tmp_path)
    free = make_card(task="generation", input={"shape": [64]}, output=drawn)
    assert free.labels == [] and "| labels |" not in card_readme(free, tmp_path)


def test_shares_are_shown_in_percent_and_nothing_else() -> None:
    """What the documents call a share, or an accuracy, is one."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", METRICS.read_text("utf-8"), re.MULTILINE)
    shares = {name: "share of" in what or what.startswith("accuracy") for name, what in rows}
    assert {True, False} == set(shares.values()) and len(shares) > 10
    assert shares["memorised"] and shares["smooth_paths"] and not shares["jump_worst"]
    for name, share in shares.items():
        assert metric(name).is_share is share, name
    for name in ("accuracy_contrast", "recall_small_cnn_floor", "a_to_b_pairs", "real_b_accuracy"):
        assert format_value(metric(name)) == "12.50%"
    for name in ("nll", "ece", "fd_small_cnn", "density_small_cnn_floor", "a_to_b_difference"):
        assert format_value(metric(name)) == "0.125"


def test_a_table_of_models_tells_the_numbers_that_say_most() -> None:
    first = ["accuracy", "nll", "ece", "corruption_accuracy"]
    assert told([*first, "accuracy_contrast", "accuracy_pixelate"]) == first
    kinds = ("fd", "kid", "precision", "recall", "density", "coverage")
    distances = [f"{kind}_mlp{end}" for kind in kinds for end in ("", "_floor")]
    copies = ["memorised_mlp", "nearer_train_mlp", "nearer_train_mlp_floor"]
    ends = ["smooth_paths", "classifier_accuracy_score", "probe_accuracy"]
    assert told([*distances, *copies, *ends], task="generation") == [
        "fd_mlp",
        "kid_mlp",
        "memorised_mlp",
        "classifier_accuracy_score",
    ]
    ways = ("digit_to_inverted", "inverted_to_digit")
    numbers = ("accuracy", "untranslated_accuracy", "difference", "pairs", "reconstruction")
    both = [f"{way}_{number}" for way in ways for number in numbers]
    assert told([*both, "real_inverted_accuracy"], task="translation") == [
        f"{way}_{number}" for way in ways for number in ("accuracy", "pairs")
    ]
    # Where no judge was and nothing is paired, the ways there and back are all there is.
    alone = [f"{way}_reconstruction" for way in ways]
    assert told(alone, task="translation") == alone


def test_a_table_of_models_keeps_to_one_split() -> None:
    metrics = (metric("accuracy", 0.5, "heldout"), metric("accuracy", 0.25, "official_1000"))
    table = models_table([make_card(metrics=metrics)])
    assert "accuracy 50.00%" in table and "25.00%" not in table


@pytest.mark.parametrize(
    "field",
    [f for f in make_card().to_dict() if f not in ("version", "created", "sha256", "costs")],
)
def test_a_missing_field_is_no_card(field: str) -> None:
    data = {key: value for key, value in make_card().to_dict().items() if key != field}
    with pytest.raises(CorruptModelError, match=field):
        Card.from_dict(data)


@pytest.mark.parametrize("field", list(make_card().to_dict()))
@pytest.mark.parametrize("wrong", [None, 3.5, ["x"], [["x"]]])
def test_a_field_of_another_kind_is_no_card(field: str, wrong: Any) -> None:
    with pytest.raises(CorruptModelError):
        Card.from_dict({**make_card().to_dict(), field: wrong})


@pytest.mark.parametrize("field", ["networks", "sha256", "versions", "parameters"])
def test_a_table_with_values_of_another_kind_is_no_card(field: str) -> None:
    with pytest.raises(CorruptModelError, match=field):
        Card.from_dict({**make_card().to_dict(), field: {"network": ["x"]}})


@pytest.mark.parametrize("metric", [{}, {"name": "accuracy"}, "accuracy", None, 3])
def test_a_metric_that_is_none_is_refused(metric: Any) -> None:
    with pytest.raises(CorruptModelError):
        Card.from_dict({**make_card().to_dict(), "metrics": [metric]})


def test_an_unknown_field_is_named() -> None:
    with pytest.raises(CorruptModelError, match="colour"):
        Card.from_dict({**make_card().to_dict(), "colour": "blue"})


def test_a_metric_whose_value_is_text_is_refused() -> None:
    data = make_card().to_dict()
    data["metrics"][0]["value"] = "0.93"
    with pytest.raises(CorruptModelError, match=r"value is '0\.93'"):
        Card.from_dict(data)
