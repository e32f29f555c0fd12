"""The picture: drawn, dropped, chosen or pasted, and what each kind of model makes of it."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.browser.models import AUTOENCODER, DIFFUSION, TRANSLATOR
from tests.browser.visits import Visit, pixels_of, png
from tests.serving.servers import Server

pytestmark = pytest.mark.browser

CLASSIFY = "/v1/classify"
RAMP = np.linspace(0, 255, 28 * 28).reshape(28, 28).astype(np.uint8)


def test_drawing_gives_the_labels_of_what_was_drawn(visit: Visit) -> None:
    page = visit.page
    page.click("#clear")
    assert page.locator("#bars li").count() == 0
    assert page.is_visible("#hint")
    box = page.locator("#canvas").bounding_box()
    with visit.answer_of(CLASSIFY):
        page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * 0.3)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * 0.7, steps=5)
        page.mouse.up()
    visit.settle()
    sent = visit.sent(CLASSIFY)
    picture = Image.open(io.BytesIO(base64.b64decode(sent["image"]))).convert("L")
    assert picture.getpixel((0, 0)) == 0, "the ground is black, as in the data"
    assert picture.getpixel((140, 140)) == 255, "the stroke is white"
    labels = visit.api(CLASSIFY, **sent)["predictions"][0]
    assert visit.labels() == [label["label"] for label in labels]
    widths = page.eval_on_selector_all(
        "#bars .fill", "all => all.map(x => parseFloat(x.style.width))"
    )
    assert widths == pytest.approx([100 * label["score"] for label in labels], abs=0.01)
    assert labels[0]["label"] in page.text_content("#classify-heard"), "said to who cannot see it"
    assert page.is_hidden("#hint")


def test_the_pen_is_moved_by_the_keyboard(visit: Visit) -> None:
    page = visit.page
    page.click("#clear")
    page.focus("#canvas")
    with visit.answer_of(CLASSIFY):
        page.keyboard.press("Space")
        for _ in range(6):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Space")
        page.keyboard.press("ArrowDown")
    visit.settle()
    pixels = pixels_of(visit.sent(CLASSIFY)["image"])[..., 0]
    assert pixels[140, 140] == pixels[140, 200] == 255, "a stroke from the middle to the right"
    assert pixels[140, 100] == 0 and pixels[180, 200] == 0, "and none once the pen is lifted"


def test_a_chosen_picture_is_sent_as_it_is(visit: Visit) -> None:
    content = png(RAMP)
    visit.choose_picture(content)
    assert base64.b64decode(visit.sent(CLASSIFY)["image"]) == content


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_a_dropped_or_pasted_picture_is_classified(visit: Visit, way: str) -> None:
    content = png(RAMP)
    script = """([way, text]) => {
      const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
      const data = new DataTransfer();
      data.items.add(new File([bytes], "a.png", { type: "image/png" }));
      const event = way === "drop"
        ? new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true })
        : new ClipboardEvent("paste", { clipboardData: data, bubbles: true });
      document.querySelector("#easel").dispatchEvent(event);
    }"""
    with visit.answer_of(CLASSIFY):
        visit.page.evaluate(script, [way, base64.b64encode(content).decode()])
    visit.settle()
    assert base64.b64decode(visit.sent(CLASSIFY)["image"]) == content


def test_what_is_no_picture_is_said_and_breaks_nothing(visit: Visit) -> None:
    before = visit.labels()
    visit.choose_picture(b"these are words")
    visit.page.wait_for_selector("#easel-note.wrong")
    assert "cannot be read" in visit.page.inner_text("#easel-note")
    assert visit.labels() == before


def test_a_finger_draws_on_a_phone(browser: Any, server: Server) -> None:
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
    visit = Visit(browser, server.url, **phone).open()
    visit.page.tap("#clear")
    with visit.answer_of(CLASSIFY):
        visit.page.tap("#canvas")
    visit.settle()
    assert visit.labels()
    drawn = pixels_of(visit.sent(CLASSIFY)["image"])[..., 0]
    assert drawn[140, 140] == 255 and drawn[0, 0] == 0, "a tap leaves a dot"
    visit.close()


def test_a_picture_is_translated_either_way(visit: Visit) -> None:
    """One direction of the small translator makes a negative, the other one copies."""
    page = visit.page
    visit.choose_picture(png(RAMP))
    visit.show_tab("translate")
    visit.pick("#translator", TRANSLATOR)
    visit.settle()
    negative = pixels_of(visit.sources("#translate-image")[0])
    np.testing.assert_allclose(negative.astype(int), 255 - RAMP.astype(int), atol=1)
    page.select_option("#direction", "right_to_left")
    visit.settle()
    copy = pixels_of(visit.sources("#translate-image")[0])
    np.testing.assert_allclose(copy.astype(int), RAMP.astype(int), atol=1)
    assert "direction=right_to_left" in page.inner_text("#translate-curl")


def test_a_picture_is_reconstructed_and_taken_on(visit: Visit) -> None:
    """The small autoencoder keeps the mean of 2x2 pixels."""
    page = visit.page
    checks = (np.indices((8, 8)).sum(axis=0) % 2 * 200).astype(np.uint8)
    visit.choose_picture(png(checks))
    visit.show_tab("reconstruct")
    visit.pick("#autoencoder", AUTOENCODER)
    visit.settle()
    found = visit.sources("#reconstruct-image")[0]
    np.testing.assert_allclose(pixels_of(found).astype(int), 100, atol=1)
    page.click("#reconstruct-take")
    visit.show_tab("classify")
    visit.settle()
    assert found.endswith(visit.sent(CLASSIFY)["image"])


def test_what_the_pen_marks_is_painted_anew_and_the_rest_stays(visit: Visit) -> None:
    page = visit.page
    picture = np.full((8, 8), 120, np.uint8)
    visit.choose_picture(png(picture))
    visit.show_tab("edit")
    visit.pick("#editor", DIFFUSION)
    page.check("#masking")
    box = page.locator("#canvas").bounding_box()
    page.evaluate("document.querySelector('#brush').value = 60")
    page.mouse.move(box["x"] + 4, box["y"] + box["height"] * 0.1)
    page.mouse.down()
    page.mouse.move(box["x"] + 4, box["y"] + box["height"] * 0.9, steps=5)
    page.mouse.up()
    page.click("#edit-form summary")
    page.fill("#edit-form [name=n]", "2")
    with visit.answer_of("/v1/images/edits"):
        page.click("#edit-form button.primary")
    visit.settle()
    sent = visit.sent("/v1/images/edits")
    np.testing.assert_array_equal(pixels_of(sent["image"]), picture)
    kept = pixels_of(sent["mask"])[..., 3] == 255
    assert not kept[1:7, 0].any() and kept[:, 4:].all()
    for source in visit.sources("#edit-grid img"):
        np.testing.assert_array_equal(pixels_of(source)[kept], 120)
        assert (pixels_of(source)[~kept] != 120).any()
    assert "mask=@mask.png" in page.inner_text("#edit-curl")


def test_the_curl_lines_work_as_they_are_shown(visit: Visit, tmp_path: Path) -> None:
    import json
    import shlex
    import subprocess

    with visit.page.expect_download() as download:
        visit.page.click("#save")
    download.value.save_as(tmp_path / "drawing.png")
    lines = {"classify": "predictions", "translate": "data", "generate": "data", "between": "data"}
    for name, key in lines.items():
        command = shlex.split(visit.page.text_content(f"#{name}-curl"))
        assert command[0] == "curl"
        answer = subprocess.run(
            [*command, "-s", "--noproxy", "*"], cwd=tmp_path, capture_output=True, timeout=60
        )
        assert key in json.loads(answer.stdout)
