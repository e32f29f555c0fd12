"""The report: one file with everything in it, that loads nothing and runs nothing of the data's."""

from __future__ import annotations

import html.parser
import json
import math
import random
import re
from pathlib import Path
from typing import Any

import pytest

from tuning import report
from tuning.results import open_search

from .recorded import ACCURACY, BEGUN, PARAMETERS, RATE, Planted, completed, recorded

TEMPLATE = (Path(report.__file__).parent / "report.html").read_text(encoding="utf-8")


class Page(html.parser.HTMLParser):
    """What a browser makes of the page: its scripts, its identifiers, its headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self._inside = False
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.scripts[-1] += data


def shown(folder: Path) -> dict[str, Any]:
    """The data that a page in a search's folder has in it."""
    page = Page(report.write(folder).read_text(encoding="utf-8"))
    assert len(page.scripts) == 2
    found: dict[str, Any] = json.loads(page.scripts[0])
    return found


def many(count: int) -> list[Planted]:
    draw = random.Random(5)
    planted = []
    for _ in range(count):
        values: dict[str, Any] = {
            RATE: 10 ** draw.uniform(-4, -1),
            "depth": draw.randint(1, 3),
            "normalization": draw.choice(["batch", "layer", "none"]),
        }
        status = draw.choice(["completed"] * 6 + ["stopped", "failed", "skipped"])
        best = 0.9 - abs(math.log10(values[RATE]) + 2) / 10
        curve = [best * (1 - 0.5**epoch) for epoch in range(1, 11)]
        trained = curve if status == "completed" else curve[:4] if status == "stopped" else []
        planted.append(Planted(values, status, [trained]))
    return planted


def test_everything_is_in_the_page(tmp_path: Path) -> None:
    planted = [
        completed(0.6, **{RATE: 1e-3, "depth": 2}),
        Planted({RATE: 1e-2}, "failed", reason="the loss is not finite from step 7 on"),
        Planted({RATE: 2e-3}, "stopped", [[0.1, 0.2]]),
        Planted({RATE: 3e-3}, "running", [[0.3]]),
    ]
    folder = recorded(tmp_path / "random", planted, meta={"command": "zoo tune mlp.fashion_mnist"})
    found = shown(folder)
    assert (found["name"], found["algorithm"], found["best"]) == (
        "mlp.fashion_mnist",
        "random",
        "0000",
    )
    assert [one["status"] for one in found["trials"]] == [
        *("completed", "failed", "stopped", "interrupted"),
    ]
    assert found["trials"][1]["reason"] == "the loss is not finite from step 7 on"
    assert found["trials"][2]["curves"] == {"val_accuracy": [[1, 0.1], [2, 0.2]]}
    assert found["trials"][2]["values"] == {RATE: 2e-3}
    assert found["space"] == [
        {"name": RATE, "kind": "log", "low": 1e-4, "high": 1e-1},
        {"name": "depth", "kind": "linear", "low": 1, "high": 3},
        {"name": "normalization", "kind": "choice", "choices": ["batch", "layer", "none"]},
    ]
    assert found["commands"][0] == ["go on", "zoo tune mlp.fashion_mnist"]
    assert found["recipe"]["optimizer"]["learning_rate"] == 1e-3
    facts = dict(found["facts"])
    assert facts["versions"] == "keras 3" and facts["begun"].startswith("2027-01-15")
    assert found["importance"][0]["line"].startswith("2 trials are too few")


def test_what_goes_on_with_a_trial_begins_where_that_ended(tmp_path: Path) -> None:
    planted = [
        Planted(curves=[[0.1, 0.2]]),
        Planted(curves=[[0.3, 0.4]], first=3, continues="0000"),
    ]
    found = shown(recorded(tmp_path / "hyperband", planted))
    assert found["trials"][1]["continues"] == "0000"
    assert found["trials"][1]["curves"]["val_accuracy"] == [[2, 0.2], [3, 0.3], [4, 0.4]]


def test_of_several_executions_the_curve_is_the_mean(tmp_path: Path) -> None:
    planted = [Planted(curves=[[0.2, 0.4], [0.4, 0.8], [0.6]])]
    found = shown(recorded(tmp_path / "random", planted))
    assert found["trials"][0]["curves"]["val_accuracy"] == [[1, 0.4], [2, 0.6]]
    assert found["epochs"] == 5


def test_a_front_is_shown_of_several_objectives_alone(tmp_path: Path) -> None:
    planted = [
        Planted(curves=[[accuracy]], objectives={"val_accuracy": accuracy, "parameters": size})
        for accuracy, size in ((0.5, 100), (0.6, 90), (0.9, 300))
    ]
    found = shown(recorded(tmp_path / "random", planted, [ACCURACY, PARAMETERS]))
    assert found["front"] == ["0001", "0002"]
    assert [one["objective"] for one in found["importance"]] == ["val_accuracy", "parameters"]
    assert shown(recorded(tmp_path / "grid", planted))["front"] == []


def test_text_of_a_trial_is_never_markup(tmp_path: Path) -> None:
    reason = "</script><script>alert(1)</script><!-- <img src=x onerror=alert(2)>"
    folder = recorded(tmp_path / "random", [Planted(status="failed", reason=reason)])
    assert shown(folder)["trials"][0]["reason"] == reason
    assert "<img" not in (folder / "report.html").read_text(encoding="utf-8")


def test_what_is_not_finite_is_no_value(tmp_path: Path) -> None:
    planted = [
        Planted(curves=[[0.5, math.nan, math.inf]], objectives={"val_accuracy": math.nan}),
        completed(0.5),
    ]
    found = shown(recorded(tmp_path / "random", planted))
    assert found["trials"][0]["objectives"] == {"val_accuracy": None}
    assert found["trials"][0]["curves"]["val_accuracy"] == [[1, 0.5]]
    assert found["best"] == "0001"


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_any_number_of_trials_is_one_page(count: int, tmp_path: Path) -> None:
    folder = tmp_path / "random"
    search = open_search(recorded(folder, many(count)))
    found = report.report_of(search, now=BEGUN)
    text = report.page(found)
    assert len(found["trials"]) == count
    assert len(text) < 60_000 + 1200 * count
    assert json.loads(Page(text).scripts[0]) == json.loads(json.dumps(found))
    if count == 1000:
        assert found["importance"][0]["shares"][0][0] == RATE


def test_the_page_asks_for_nothing_elsewhere() -> None:
    addresses = set(re.findall(r"https?://[^\"'\s]+", TEMPLATE))
    assert addresses == {"http://www.w3.org/2000/svg"}, "the name of a vocabulary, never fetched"
    assert "default-src 'none'" in TEMPLATE
    assert not re.findall(r"\b(import|fetch|XMLHttpRequest|WebSocket|eval|innerHTML)\b", TEMPLATE)
    assert "src=" not in TEMPLATE and "url(" not in TEMPLATE


def test_the_script_finds_every_part_that_it_fills() -> None:
    page = Page(TEMPLATE)
    assert len(page.ids) == len(set(page.ids))
    used = set(re.findall(r'\$\("([\w-]+)"\)', page.scripts[1]))
    assert used <= set(page.ids) and {"history", "parallel", "pareto", "data"} <= used
    labels = set(re.findall(r'aria-labelledby="([\w-]+)"', TEMPLATE))
    assert labels <= set(page.ids)


def test_the_report_is_written_where_it_is_asked_for(tmp_path: Path) -> None:
    folder = recorded(tmp_path / "random", [completed(0.5)])
    assert report.write(folder) == folder / "report.html"
    elsewhere = tmp_path / "new" / "mine.html"
    assert report.write(folder, elsewhere) == elsewhere and elsewhere.is_file()
