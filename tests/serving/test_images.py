"""OpenAI's paths for images: drawn at once, and as events while they appear."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from starlette.types import Message

from serving.app import create_app
from serving.core import Core
from serving.settings import Settings
from tests.serving import fakes
from tests.serving.around import scope_of
from tests.serving.asking import answered, encoded, events, pixels, png, refused, text
from tests.serving.fakes import CLASSES, FakeSource, FakeStepper, stepper_card

GENERATE, EDIT = "/v1/images/generations", "/v1/images/edits"
STEPS: dict[str, Any] = {"model": "steps.grey", "seed": 3, "num_inference_steps": 8}


@pytest.fixture
def source() -> FakeSource:
    """With a generator that draws step by step, `steps.grey`."""
    return FakeSource(stepper_card())


def draw(client: TestClient, path: str = GENERATE, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = answered(client.post(path, json={"model": "patches.grey", **fields}))
    return found


def stepper(source: FakeSource) -> FakeStepper:
    found: FakeStepper = source.pipelines["steps.grey@1"]
    return found


def mask_of(places: np.ndarray, alpha: bool) -> str:
    """A mask that marks places: transparent in one with an alpha channel, else white."""
    if not alpha:
        return text(encoded(Image.fromarray(np.where(places, 255, 0).astype(np.uint8))))
    colours = np.full((*places.shape, 4), 255, np.uint8)
    colours[..., 3] = np.where(places, 0, 255)
    return text(encoded(Image.fromarray(colours)))


def test_an_answer_has_openais_shape_and_counts_seeds(client: TestClient) -> None:
    answer = draw(client, prompt="ignored", n=3, seed=7, size="8x8", user="me")
    assert answer["model"] == "patches.grey@1" and answer["size"] == "8x8"
    assert [item["seed"] for item in answer["data"]] == [7, 8, 9]
    assert all(pixels(item).shape == (8, 8) for item in answer["data"])
    alone = draw(client, seed=9)
    assert alone["data"][0]["b64_json"] == answer["data"][2]["b64_json"]


def test_without_a_seed_the_answer_says_which_it_was(client: TestClient) -> None:
    first = draw(client)["data"][0]
    assert draw(client, seed=first["seed"])["data"][0] == first
    assert draw(client)["data"][0]["seed"] != first["seed"]


def test_the_way_between_two_seeds_begins_and_ends_at_them(client: TestClient) -> None:
    way = draw(client, seed=3, interpolate={"to_seed": 11, "steps": 5})["data"]
    assert [item["position"] for item in way] == [0, 0.25, 0.5, 0.75, 1]
    assert all("seed" not in item for item in way)
    assert way[0]["b64_json"] == draw(client, seed=3)["data"][0]["b64_json"]
    assert way[-1]["b64_json"] == draw(client, seed=11)["data"][0]["b64_json"]


def test_a_seed_gives_the_same_bytes_in_any_company(client: TestClient) -> None:
    alone = [draw(client, seed=seed)["data"][0]["b64_json"] for seed in range(20)]

    def several(seed: int) -> list[str]:
        sizes = min(1 + seed % 3, 20 - seed)
        return [item["b64_json"] for item in draw(client, seed=seed, n=sizes)["data"]]

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for seed, images in enumerate(pool.map(several, range(20))):
            assert images == alone[seed : seed + len(images)]


def test_what_is_asked_of_a_sampler_reaches_it(client: TestClient, source: FakeSource) -> None:
    asked: dict[str, Any] = {"guidance_scale": 2.5, "sampler": "ddim", "negative_label": "hat"}
    by_label = draw(client, **STEPS, **asked, label="shoe")["data"]
    given = stepper(source).asked[-1]
    assert given["num_inference_steps"] == 8
    assert {name: given[name] for name in asked} == asked
    # The fake adds the number of the class to every pixel.
    by_prompt = draw(client, **STEPS, prompt="a photo of a shoe")["data"]
    cup = draw(client, **STEPS, label=CLASSES.index("cup"))["data"]
    assert by_prompt == by_label
    assert (pixels(by_label[0]).astype(int) - pixels(cup[0])).max() == 2
    refused(client.post(GENERATE, json={**STEPS, "sampler": "none"}), 422, "sampler")
    refused(client.post(GENERATE, json={**STEPS, "label": "boat"}), 422, "boat")
    refused(client.post(GENERATE, json={"model": "patches.grey", "label": 1}), 422)


def test_a_stream_shows_the_images_while_they_appear(client: TestClient) -> None:
    whole = draw(client, **STEPS, n=2)
    fields = {**STEPS, "n": 2, "stream": True, "partial_images": 3}
    found = events(client.post(GENERATE, json=fields))
    names = [name for name, _ in found]
    partial, completed = "image_generation.partial_image", "image_generation.completed"
    assert names == [partial] * 6 + [completed] * 2
    assert all(name == data["type"] for name, data in found)
    shown = [data for _, data in found[:6]]
    assert [data["partial_image_index"] for data in shown] == [0, 0, 1, 1, 2, 2]
    assert [data["image_index"] for data in shown] == [0, 1] * 3
    assert [data["step"] for data in shown[::2]] == [2, 4, 6] and shown[0]["total"] == 8
    ends = [pixels(item).astype(int) for item in whole["data"]]
    for data in shown:
        # On its way the fake's image is as bright as its share of the steps.
        expected = (ends[data["image_index"]] * data["step"] / 8).astype(int)
        assert np.abs(pixels(data).astype(int) - expected).max() <= 1
        assert data["size"] == "8x8" and data["output_format"] == "png"
    for (_, data), item in zip(found[6:], whole["data"], strict=True):
        assert data["b64_json"] == item["b64_json"] and data["seed"] == item["seed"]
        assert data["model"] == "steps.grey@1" and data["usage"]["total_tokens"] == 0


@pytest.mark.parametrize("model", ["steps.grey", "patches.grey"])
def test_a_stream_without_partial_images_has_only_the_ends(client: TestClient, model: str) -> None:
    fields = {"model": model, "seed": 3, "n": 2, "stream": True}
    found = events(client.post(GENERATE, json=fields))
    assert [name for name, _ in found] == ["image_generation.completed"] * 2
    whole = draw(client, model=model, seed=3, n=2)["data"]
    assert [data["b64_json"] for _, data in found] == [item["b64_json"] for item in whole]


def test_what_is_wrong_before_the_first_event_has_its_status(client: TestClient) -> None:
    for fields, status, words in (
        ({"model": "nothing"}, 404, "unknown model"),
        ({"model": "patches.grey", "num_inference_steps": 3}, 422, "step by step"),
        ({**STEPS, "n": 65}, 422, "n must be 1 to 64"),
        ({**STEPS, "num_inference_steps": 1001}, 422, "1 to 1000"),
        ({**STEPS, "partial_images": 4}, 422, "partial_images"),
        ({**STEPS, "response_format": "url"}, 422, "b64_json"),
    ):
        refused(client.post(GENERATE, json={**fields, "stream": True}), status, words)
    refused(client.post(GENERATE, json={**STEPS, "partial_images": 2}), 422, "ask for stream")


class Breaking(FakeStepper):
    """Takes all of its steps and fails then, but not while it is warmed."""

    def run(self, rows: np.ndarray, **sampling: Any) -> np.ndarray:
        images = super().run(rows, **sampling)
        if rows.any():
            raise RuntimeError("secret detail of the model")
        return images


def test_what_goes_wrong_later_is_an_event(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(fakes._KINDS, "denoiser", Breaking)
    fields = {**STEPS, "stream": True, "partial_images": 1}
    headers = {"X-Request-Id": "mine-1"}
    answer = client.post(GENERATE, json=fields, headers=headers)
    (first, _), (last, data) = events(answer)
    assert first == "image_generation.partial_image" and last == "error"
    error = data["error"]
    assert error["type"] == "internal_server_error" and error["request_id"] == "mine-1"
    assert "secret" not in answer.text
    # Without an event before it, it is an error as everywhere.
    refused(client.post(GENERATE, json={**STEPS, "stream": True}), 500)


def test_a_client_that_leaves_stops_the_sampling(source: FakeSource) -> None:
    core = Core(settings=Settings(deadline=15), source=source)
    app = create_app(core)
    fields = {**STEPS, "num_inference_steps": 200, "stream": True, "partial_images": 3}
    sent: list[Message] = []

    async def run() -> None:
        gone = asyncio.Event()
        body = [{"type": "http.request", "body": json.dumps(fields).encode()}]

        async def receive() -> Message:
            if body:
                return body.pop()
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            sent.append(message)
            if message["type"] == "http.response.body":
                gone.set()

        core.start()
        await core.load("steps.grey")
        fake = stepper(source)
        fake.seconds = 0.01
        scope = scope_of(GENERATE, headers=[(b"content-type", b"application/json")])
        await asyncio.wait_for(app(scope, receive, send), 15)
        # A quarter of them was done at the first event, and the rest is given up.
        assert await asyncio.to_thread(fake.given_up.wait, 20)
        assert 50 <= fake.steps < 100

    asyncio.run(run())
    core.close()
    assert sent[0]["status"] == 200


@pytest.mark.parametrize("alpha", [True, False])
def test_a_mask_says_where_an_image_is_painted_anew(client: TestClient, alpha: bool) -> None:
    places = np.zeros((8, 8), bool)
    places[2:5, 3:] = True
    drawn = pixels(draw(client, **STEPS)["data"][0])
    fields = {**STEPS, "image": text(png(90)), "mask": mask_of(places, alpha)}
    (item,) = draw(client, EDIT, **fields)["data"]
    np.testing.assert_array_equal(pixels(item), np.where(places, drawn, 90))


def test_an_edit_is_json_or_the_form_of_openais_client(
    client: TestClient, source: FakeSource
) -> None:
    places = np.eye(8, dtype=bool)
    whole = {**STEPS, "n": 2, "strength": 0.5, "prompt": "a hat", "image": text(png(90))}
    expected = draw(client, EDIT, **whole)
    assert stepper(source).asked[-1]["strength"] == 0.5
    data = {name: str(value) for name, value in whole.items() if name != "image"}
    files = {"image": ("a.png", png(90), "image/png")}
    assert answered(client.post(EDIT, data=data, files=files))["data"] == expected["data"]
    files = {
        "image[]": ("a.png", png(90), "image/png"),
        "mask": ("m.png", encoded(Image.fromarray(places)), "image/png"),
    }
    data["stream"], data["partial_images"] = "true", "1"
    found = events(client.post(EDIT, data=data, files=files))
    assert [name for name, _ in found] == ["image_edit.partial_image"] * 2 + [
        "image_edit.completed"
    ] * 2


def test_edits_that_are_none(client: TestClient) -> None:
    image = ("a.png", png(90), "image/png")
    for files, data, status, words in (
        ([("image", image), ("image", image)], STEPS, 400, "one image"),
        ([("mask", image)], STEPS, 400, "one image"),
        ([("other", image)], STEPS, 400, "other"),
        ([("image", image)], {**STEPS, "strength": "much"}, 400, "strength"),
        ([("image", image)], {**STEPS, "strength": "1.5"}, 422, "strength"),
        ([("image", image)], {**STEPS, "strength": "nan"}, 422, "strength"),
        ([("image", image)], {"model": "patches.grey"}, 422, "does not edit"),
        ([("image", ("a.png", b"words", "image/png"))], STEPS, 422, "no PNG"),
        ([("image", image), ("mask", ("m.png", png(0, (9, 9)), "image/png"))], STEPS, 422, "mask"),
    ):
        refused(client.post(EDIT, files=files, data=data), status, words)
    refused(client.post(EDIT, json=STEPS), 400, "image")
    refused(client.post(EDIT, json={**STEPS, "image": "http://a/b"}), 400, "fetches none")
    refused(client.post(EDIT, content=b"x", headers={"Content-Type": "text/plain"}), 415)
