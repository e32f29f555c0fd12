"""Images from seeds: at once or while they appear, by class, and the ways in between."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.browser.models import CLASSES, DIFFUSION, SAMPLING
from tests.browser.visits import GENERATIONS, Visit, png

pytestmark = pytest.mark.browser


def draw(visit: Visit, **fields: Any) -> list[str]:
    """Fills fields of the form by their names and returns the images that come."""
    for name, value in fields.items():
        visit.page.fill(f"#generate-form [name={name}]", str(value))
    visit.page.click("#generate-form button.primary")
    visit.settle()
    return visit.sources("#grid img")


def use_diffusion(visit: Visit) -> None:
    visit.pick("#generator", DIFFUSION)
    visit.settle()


def test_a_seed_draws_the_same_grid_each_time(visit: Visit) -> None:
    first, other, again = (draw(visit, seed=seed, n=5) for seed in (100, 200, 100))
    assert len(first) == 5 and first == again and first != other
    name = visit.page.input_value("#generator")
    expected = visit.api(GENERATIONS, model=name, n=5, seed=100)["data"]
    assert first == [f"data:image/png;base64,{item['b64_json']}" for item in expected]
    assert '"seed":100' in visit.page.inner_text("#generate-curl")
    assert visit.page.get_attribute("#grid button >> nth=2", "title") == "Seed 102"


def test_the_dice_draws_another_seed(visit: Visit) -> None:
    before = visit.sources("#grid img")
    visit.page.click("#dice")
    visit.settle()
    assert visit.page.input_value("#seed") != "0"
    assert visit.sources("#grid img") != before


def test_a_number_out_of_bounds_is_put_within_them(visit: Visit) -> None:
    assert len(draw(visit, n=1000)) == 64
    assert visit.page.input_value("#count") == "64"
    assert len(draw(visit, n="")) == 16, "nothing is what was there at first"


def test_a_generated_image_goes_to_a_classifier_of_its_data(visit: Visit) -> None:
    page = visit.page
    data = page.input_value("#generator").partition(".")[2]
    others = [
        value
        for value in page.eval_on_selector_all("#classifier option", "all => all.map(x => x.value)")
        if value.partition(".")[2] != data
    ]
    visit.pick("#classifier", others[0])
    page.click("#grid button >> nth=3")
    visit.settle()
    assert visit.sources("#grid img")[3].endswith(visit.sent("/v1/classify")["image"])
    assert visit.sent("/v1/classify")["model"].partition(".")[2] == data
    assert page.get_attribute("#grid button >> nth=3", "aria-pressed") == "true"
    page.click("#clear")
    assert page.locator("#grid button[aria-pressed='true']").count() == 0


def test_the_grid_is_one_stop_of_the_tab_key_and_arrows_move_in_it(visit: Visit) -> None:
    page = visit.page
    page.focus("#count")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Generate"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.title") == "Seed 0"
    for key, seed in (("ArrowRight", 1), ("ArrowDown", 9), ("End", 15), ("Home", 0)):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.title") == f"Seed {seed}"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.title") == ""


def test_steps_guidance_and_class_are_asked_for_where_they_mean_something(visit: Visit) -> None:
    page = visit.page
    for name in ("label", "num_inference_steps", "guidance_scale", "sampler"):
        assert page.is_hidden(f"#generate-form [name={name}]")
    use_diffusion(visit)
    page.select_option("#label", CLASSES[1])
    page.select_option("#sampler", "euler")
    found = draw(visit, n=2, seed=7, num_inference_steps=6, guidance_scale=2.5)
    sent = visit.sent(GENERATIONS)
    asked = {
        "model": DIFFUSION,
        "n": 2,
        "seed": 7,
        "label": CLASSES[1],
        "num_inference_steps": 6,
        "guidance_scale": 2.5,
        "sampler": "euler",
    }
    assert sent == {**asked, "stream": True, "partial_images": 3}
    expected = visit.api(GENERATIONS, **asked)["data"]
    assert found == [f"data:image/png;base64,{item['b64_json']}" for item in expected]
    assert page.inner_text("#generate-curl").startswith("curl ") and page.is_hidden(
        "#generate-progress"
    )


def test_a_model_draws_as_its_card_says_until_something_else_is_asked_for(visit: Visit) -> None:
    use_diffusion(visit)
    assert len(draw(visit, n=1)) == 1
    sent = visit.sent(GENERATIONS)
    assert {name: sent[name] for name in SAMPLING} == SAMPLING
    draw(visit, n=1, num_inference_steps="")
    assert visit.sent(GENERATIONS)["num_inference_steps"] == SAMPLING["num_inference_steps"]
    visit.page.select_option("#sampler", "euler")
    draw(visit, n=1)
    assert visit.sent(GENERATIONS)["sampler"] == "euler"


def test_images_are_shown_while_they_appear_and_can_be_cancelled(visit: Visit) -> None:
    page = visit.page
    use_diffusion(visit)
    page.select_option("#sampler", "ddpm")
    page.fill("#steps", "200")
    page.fill("#count", "32")
    page.click("#generate-form button.primary")
    page.wait_for_selector("#grid button[disabled] img[src]")
    share = page.evaluate("document.querySelector('#generate-progress').value")
    assert 0 < share < 1
    page.click("#generate-form [data-cancel]")
    page.wait_for_function("document.querySelector('#generate-note').textContent === 'Cancelled.'")
    assert page.is_hidden("#generate-form [data-cancel]") and page.is_hidden("#generate-progress")
    assert len(draw(visit, n=3, num_inference_steps=4)) == 3, (
        "the next one is none the worse for it"
    )


def test_an_error_on_the_way_is_said(visit: Visit) -> None:
    use_diffusion(visit)
    image = base64.b64encode(png([[0]])).decode()
    partial = {"type": "image_generation.partial_image", "b64_json": image, "image_index": 0}
    error = {"type": "deadline_exceeded", "message": "too late", "request_id": "r-2", "near": []}
    sent = ({**partial, "partial_image_index": 0, "step": 1, "total": 4}, {"error": error})
    events = "".join(f"data: {json.dumps(one)}\n\n" for one in sent)
    visit.page.route(
        f"**{GENERATIONS}",
        lambda route: route.fulfill(content_type="text/event-stream", body=events),
    )
    visit.page.click("#generate-form button.primary")
    visit.page.wait_for_selector("#generate-note.wrong")
    assert visit.page.inner_text("#generate-note") == "too late (request r-2)"


def test_the_slider_moves_between_two_seeds_by_keyboard(visit: Visit) -> None:
    page = visit.page
    page.fill("#from", "21")
    page.press("#from", "Tab")
    page.fill("#to", "34")
    page.press("#to", "Tab")
    visit.settle()

    def shown(key: str) -> str:
        page.press("#position", key)
        return visit.sources("#seeds-image")[0]

    def sample(seed: int) -> str:
        answer = visit.api(GENERATIONS, model=page.input_value("#generator"), seed=seed)
        return f"data:image/png;base64,{answer['data'][0]['b64_json']}"

    before = len(visit.bodies)
    assert shown("End") == sample(34)
    assert shown("Home") == sample(21)
    assert shown("ArrowRight") != sample(21)
    assert len(visit.bodies) == before, "the whole way was there"
    assert '"interpolate":{"to_seed":34' in page.inner_text("#between-curl")
    assert page.get_attribute("#position", "aria-valuetext") == "3 percent"


def test_a_slider_moves_between_two_classes(visit: Visit) -> None:
    page = visit.page
    assert page.is_hidden("#labels-way"), "a generator without classes has no such way"
    use_diffusion(visit)
    page.fill("#steps", "4")
    page.select_option("#from-label", CLASSES[0])
    page.select_option("#to-label", CLASSES[2])
    page.press("#label-position", "End")
    visit.settle()
    last = visit.sources("#labels-image")[0]
    page.press("#label-position", "Home")
    assert visit.sources("#labels-image")[0] != last
    sent = visit.sent(GENERATIONS)
    assert sent["label"] == CLASSES[0] and sent["interpolate"]["to_label"] == CLASSES[2]
    images = visit.api(GENERATIONS, **sent)["data"]
    assert last == f"data:image/png;base64,{images[-1]['b64_json']}"
