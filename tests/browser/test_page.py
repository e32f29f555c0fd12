"""The page as a whole: what is there at first, models and cards, keys, widths, documentation."""

from __future__ import annotations

import shlex
from typing import Any

import pytest

from tests.browser.contrast import AA, least_contrast
from tests.browser.models import AUTOENCODER, CLASSES, DIFFUSION, TRANSLATOR
from tests.browser.visits import GENERATIONS, Serve, Visit
from tests.serving.servers import Server
from zoo.cards import Metric

pytestmark = pytest.mark.browser

KEY = "a-key-of-this-test"


def test_the_page_is_alive_before_anything_is_done(visit: Visit) -> None:
    models = visit.api("/v1/models")["data"]
    page = visit.page
    assert page.title() == "keras-model-zoo"
    assert str(len(models)) in page.inner_text("#status")
    assert page.locator("#grid button").count() == 16
    assert len(visit.labels()) > 1
    tabs = page.locator("#tabs button:visible").all_inner_texts()
    assert tabs == ["Classify", "Translate", "Reconstruct", "Paint over"]


def test_every_model_has_a_tile_with_its_picture_and_can_be_found(visit: Visit) -> None:
    models = visit.api("/v1/models")["data"]
    page = visit.page
    tiles = page.locator("#gallery > li")
    assert tiles.count() == len(models)
    for index, model in enumerate(models):
        text = tiles.nth(index).inner_text()
        assert model["id"] in text and f"{model['parameters']:,}" in text
    pictured = [index for index, model in enumerate(models) if model["pictures"]]
    assert pictured, "the shipped models have pictures"
    tiles.nth(pictured[0]).scroll_into_view_if_needed()
    tiles.nth(pictured[0]).locator("img").wait_for()
    assert tiles.nth(pictured[0]).locator("img").evaluate("image => image.decode()") is None
    page.fill("#find", "TRANSLATION negative")
    assert page.locator("#gallery > li:visible").all_inner_texts()[0].startswith(TRANSLATOR)
    assert page.inner_text("#gallery-note") == f"1 of {len(models)} models"


def test_a_card_says_all_and_gives_the_keyboard_back(visit: Visit) -> None:
    page = visit.page
    page.focus(f"#gallery button:has-text('{DIFFUSION}')")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog .facts")
    card = visit.api(f"/v1/models/{DIFFUSION}")
    text = page.inner_text("dialog")
    for fact in (card["paper"], card["licence"], ", ".join(CLASSES), f"{card['parameters']:,}"):
        assert fact in text
    assert "50.00 %" in text and "test, n = 10" in text
    assert page.text_content("#card-curl") == f"curl {visit.origin}/v1/models/{DIFFUSION}"
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="detached")
    assert DIFFUSION in page.evaluate("document.activeElement.textContent")


@pytest.mark.parametrize(
    "name, select, place",
    [
        (TRANSLATOR, "#translator", "#translate"),
        (AUTOENCODER, "#autoencoder", "#reconstruct"),
        (DIFFUSION, "#generator", "#generate"),
    ],
)
def test_a_model_is_tried_from_its_card(visit: Visit, name: str, select: str, place: str) -> None:
    page = visit.page
    page.click(f"#gallery button:has-text('{name}')")
    page.click("dialog button:has-text('Try it')")
    visit.settle()
    assert page.input_value(select) == name
    assert page.is_visible(place)
    assert page.locator("dialog").count() == 0


def test_tabs_are_moved_by_arrows(visit: Visit) -> None:
    page = visit.page
    page.focus("#tab-classify")
    for key, name in (("ArrowRight", "translate"), ("End", "edit"), ("ArrowLeft", "reconstruct")):
        page.keyboard.press(key)
        visit.settle()
        assert page.evaluate("document.activeElement.id") == f"tab-{name}"
        assert page.is_visible(f"#{name}") and page.is_hidden("#classify")
    assert page.locator("#tabs [aria-selected=true]").count() == 1


def test_an_error_of_the_server_is_shown_with_its_request_id(visit: Visit) -> None:
    body = {"error": {"type": "busy", "message": "busy now", "request_id": "r-1", "near": []}}
    visit.page.route(f"**{GENERATIONS}", lambda route: route.fulfill(status=503, json=body))
    visit.page.click("#generate-form button.primary")
    visit.page.wait_for_selector("#generate-note.wrong")
    assert visit.page.inner_text("#generate-note") == "busy now (request r-1)"
    visit.expect_problems("503")


def test_shares_are_what_the_library_takes_for_shares(visit: Visit) -> None:
    found = visit.api("/v1/models")["data"]
    names = {metric["name"] for model in found for metric in model["metrics"]}
    names |= {"accuracy", "top_5_accuracy", "precision_small_cnn", "nearer_train_x", "smooth_paths"}
    names |= {"fd", "nll", "ece", "kid_resnet20", "precisions", "a_pairs", "pairs_of"}
    script = """async (name) => {
      const { valueOf } = await import("/static/measures.js");
      return valueOf({ name, value: 0.25 });
    }"""
    for name in names:
        shown = visit.page.evaluate(script, name)
        assert shown.endswith("%") == Metric(name, 0.25, "test", 1, "").is_share, name


def test_every_control_is_reached_by_keyboard_and_has_a_name(visit: Visit) -> None:
    page = visit.page
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(120):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    controls = {
        "canvas",
        "clear",
        "choose",
        "save",
        "brush",
        "tab-classify",
        "classifier",
        "classify-curl",
        "generator",
        "seed",
        "dice",
        "count",
        "from",
        "to",
        "position",
        "find",
    }
    assert controls <= reached
    nameless = page.evaluate("""() => [...document.querySelectorAll("button, input, select, img")]
      .filter((e) => !(e.labels?.length || e.ariaLabel || e.textContent.trim()
        || e.hasAttribute("alt") || e.querySelector("img[alt]")))
      .map((e) => e.outerHTML)""")
    assert nameless == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_it_fits_every_width_and_is_readable_in_both_schemes(
    browser: Any, server: Server, scheme: str, width: int
) -> None:
    size = {"width": width, "height": 800}
    visit = Visit(browser, server.url, viewport=size, color_scheme=scheme).open()
    page = visit.page
    for name in ("classify", "translate", "reconstruct", "edit"):
        visit.show_tab(name)
        visit.settle()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    page.click("#gallery button >> nth=0")
    page.wait_for_selector("dialog .facts")
    box = page.locator("dialog").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= width
    page.keyboard.press("Escape")
    texts = [".panel h2", ".note", ".empty", ".tabs button", ".tile-about"]
    assert least_contrast(page, texts) >= AA
    visit.close()


def test_a_server_with_keys_is_asked_with_the_one_that_is_typed(browser: Any, serve: Serve) -> None:
    with serve(ZOO_SERVE_KEYS=KEY) as server:
        visit = Visit(browser, server.url)
        page = visit.page
        page.goto(server.url)
        page.wait_for_selector("dialog #key")
        assert "asks for a key" in page.inner_text("dialog")
        page.fill("#key", "another-key-than-its")
        page.keyboard.press("Enter")
        page.wait_for_selector("dialog:has-text('does not take this key') #key")
        page.fill("#key", KEY)
        page.keyboard.press("Enter")
        page.wait_for_selector("#grid button:not([disabled])")
        visit.settle()
        assert page.locator("dialog").count() == 0
        line = page.inner_text("#generate-curl")
        assert KEY not in page.content()
        assert "Authorization: Bearer $ZOO_KEY" in shlex.split(line)
        # Its picture is fetched with the key, too, once it is in sight.
        tile = page.locator("#gallery > li", has_text="resnet20.fashion_mnist")
        tile.scroll_into_view_if_needed()
        tile.locator("img").wait_for()
        page.reload()
        page.wait_for_selector("#grid button:not([disabled])")
        assert page.locator("dialog").count() == 0, "it is kept as long as the tab"
        page.click("#forget")
        page.reload()
        page.wait_for_selector("dialog #key")
        page.click("dialog button:has-text('Not now')")
        page.wait_for_selector("#status.failed")
        assert "asks for a key" in page.inner_text("#status")
        visit.expect_problems("401")
        visit.close()


def test_the_documentation_lists_every_path(browser: Any, server: Server) -> None:
    visit = Visit(browser, server.url)
    visit.page.goto(f"{server.url}/docs")
    visit.page.wait_for_selector(".operation")
    text = visit.page.inner_text("main")
    for path, verbs in visit.api("/openapi.json")["paths"].items():
        for verb in verbs:
            assert path in text and verb.upper() in text
    visit.close()
