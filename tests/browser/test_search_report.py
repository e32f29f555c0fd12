"""The report of a search in headless Chromium, opened as the file that it is."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.contrast import AA, least_contrast
from tests.tuning.recorded import ACCURACY, PARAMETERS, RATE, Planted, recorded
from tuning import report

pytestmark = pytest.mark.browser

COUNT = 1000
STATUSES = ("completed", "completed", "completed", "stopped", "failed", "skipped")


def planted(count: int) -> list[Planted]:
    """Trials with accuracies of 0.5 to 0.9, the best where the rate is near 0.01."""
    draw = random.Random(2)
    found = []
    for number in range(count):
        rate = 10 ** draw.uniform(-4, -1)
        values: dict[str, Any] = {RATE: rate, "depth": draw.randint(1, 3)}
        if values["depth"] > 1:
            values["normalization"] = draw.choice(["batch", "layer", "none"])
        status = STATUSES[number % len(STATUSES)]
        best = 0.9 - abs(math.log10(rate) + 2) / 5
        curve = [best * (1 - 0.6**epoch) for epoch in range(1, 9)]
        there = {"completed": curve, "stopped": curve[:3]}.get(status, [])
        ended = {"val_accuracy": there[-1], "parameters": 1e5 * values["depth"]} if there else None
        reason = {"failed": "the loss is not finite", "skipped": "too large"}.get(status)
        found.append(Planted(values, status, [there], ended, reason=reason))
    return found


class Visit:
    """A report in a page, and what went wrong on it."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("tbody tr, #facts dt")
        self.own = path.as_uri()

    def close(self) -> None:
        """Leaves; nothing may have been asked for, or gone wrong."""
        self.context.close()
        asked = [url for url in self.requests if not url.startswith("data:")]
        assert asked == [self.own] and self.problems == []

    def shown(self) -> int:
        return self.page.locator("tbody tr").count()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("searches") / "random"
    return report.write(recorded(folder, planted(COUNT), [ACCURACY, PARAMETERS]))


@pytest.fixture
def visit(browser: Any, large: Path) -> Iterator[Visit]:
    made = Visit(browser, large, viewport={"width": 1280, "height": 900})
    yield made
    made.close()


def test_every_chart_is_drawn_for_a_thousand_trials(visit: Visit) -> None:
    page = visit.page
    assert page.inner_text("h1") == "mlp.fashion_mnist"
    assert visit.shown() == COUNT
    assert page.locator("#history .mark").count() == COUNT
    assert page.locator("#parallel .curve").count() == COUNT
    with_curve = sum(status in ("completed", "stopped") for status in STATUSES) / len(STATUSES)
    assert page.locator("#curves path.curve").count() == pytest.approx(COUNT * with_curve, abs=2)
    assert page.locator("#slices svg").count() == 3
    assert page.locator("#importance li").first.inner_text().startswith(RATE)
    front = page.locator("#pareto .mark[r='6.5']").count()
    assert 1 <= front <= 3, "one for each depth at most"
    named = page.eval_on_selector_all("svg[role=img]", "all => all.map((e) => e.ariaLabel)")
    assert len(named) >= 6 and all(named)


def test_statuses_and_brushes_choose_what_is_shown(visit: Visit) -> None:
    page = visit.page
    failed = page.get_by_role("checkbox", name="failed")
    failed.uncheck()
    left = visit.shown()
    assert left == COUNT - sum(STATUSES[n % 6] == "failed" for n in range(COUNT))
    axis = page.locator('[data-axis="depth"] .hold')
    axis.scroll_into_view_if_needed()
    box = axis.bounding_box()
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle, box["y"] + box["height"] - 2)
    page.mouse.down()
    page.mouse.move(middle, box["y"] + box["height"] * 0.8, steps=4)
    page.mouse.up()
    depths = page.eval_on_selector_all(
        "tbody tr",
        """rows => {
          const head = [...document.querySelectorAll("thead th")].map((e) => e.innerText);
          return rows.map((row) => row.children[head.indexOf("depth")].innerText);
        }""",
    )
    assert set(depths) == {"1"} and len(depths) < left
    assert f"{len(depths)} of 1,000 trials shown" in page.inner_text("#shown")
    page.click("#clear")
    assert visit.shown() == left


def test_an_axis_is_brushed_by_keyboard(visit: Visit) -> None:
    page = visit.page
    page.focus(f'[data-axis="{RATE}"]')
    page.keyboard.press("ArrowUp")
    assert 0 < visit.shown() < COUNT
    held = page.get_attribute(f'[data-axis="{RATE}"]', "aria-valuetext")
    assert held is not None and " to " in held
    page.keyboard.press("ArrowUp")
    assert page.get_attribute(f'[data-axis="{RATE}"]', "aria-valuetext") != held
    page.keyboard.press("Escape")
    assert visit.shown() == COUNT


def test_the_table_sorts_and_a_row_shows_its_trial(visit: Visit) -> None:
    page = visit.page
    header = page.get_by_role("button", name="val_accuracy", exact=True)
    header.click()
    header.click()
    assert page.get_attribute("th[aria-sort]", "aria-sort") == "descending"
    values = page.eval_on_selector_all(
        "tbody tr", "rows => rows.slice(0, 50).map((row) => Number(row.children[2].innerText))"
    )
    assert values == sorted(values, reverse=True)
    best = page.inner_text("#tiles dd small").split()[-1]
    first = page.locator("tbody th button").first
    assert (
        first.inner_text() == best and page.inner_text("#trial-title") == f"Trial {best}, the best"
    )
    page.locator("tbody th button").nth(7).press("Enter")
    other = page.locator("tbody th button").nth(7).inner_text()
    assert page.inner_text("#trial-title") == f"Trial {other}"
    assert page.locator(f"tr.hot th button:text-is('{other}')").count() == 1


def test_the_other_objective_can_be_looked_at(visit: Visit) -> None:
    visit.page.select_option("#objective", "parameters")
    assert "parameters" in visit.page.get_attribute("#history svg", "aria-label")
    assert "logged in no epoch" in visit.page.inner_text("#curves-note")


@pytest.mark.parametrize("count", [0, 1])
def test_a_search_that_has_hardly_begun_has_a_report(
    browser: Any, tmp_path: Path, count: int
) -> None:
    path = report.write(recorded(tmp_path / "random", planted(count)))
    visit = Visit(browser, path)
    assert visit.shown() == count
    assert "too few" in visit.page.inner_text("#importance-note")
    assert visit.page.is_hidden("#pareto-panel") and visit.page.is_hidden("#choose")
    visit.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_it_fits_every_width_and_is_readable_in_both_schemes(
    browser: Any, large: Path, scheme: str, width: int
) -> None:
    visit = Visit(browser, large, viewport={"width": width, "height": 800}, color_scheme=scheme)
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= width
    texts = [".panel h2", ".note", "#facts dt", "td", "thead button"]
    assert least_contrast(visit.page, texts) >= AA
    visit.close()
