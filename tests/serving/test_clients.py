"""Clients that others wrote, over real HTTP: tritonclient, openai and BentoML's own."""

from __future__ import annotations

import base64
import contextlib
import io
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn
from PIL import Image

from serving.app import create_app
from serving.core import Core
from serving.settings import Settings
from tests.serving.asking import encoded, png
from tests.serving.fakes import LABELS, FakeSource, stepper_card

KEY, ADMIN = "a-key-of-the-tests-1", "an-admin-key-of-tests"
LEVELS = (10, 130, 250)


@contextlib.contextmanager
def listening(app: Any) -> Iterator[str]:
    """Serves an app on a thread, and gives its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, log_level="warning", access_log=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        end = time.monotonic() + 30
        while not server.started and thread.is_alive() and time.monotonic() < end:
            time.sleep(0.02)
        assert server.started
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(30)


def core_in(folder: Path) -> Core:
    settings = Settings(deadline=15, keys=(KEY,), admin_key=ADMIN, access_log=False)
    return Core(settings=settings, source=FakeSource(stepper_card()), folder=folder)


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with listening(create_app(core_in(tmp_path_factory.mktemp("app")))) as found:
        yield found


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def grey(levels: tuple[int, ...] = LEVELS) -> np.ndarray:
    return np.stack([np.full((8, 8, 1), level, np.float32) for level in levels])


def pixels(text: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))))


# tritonclient


@pytest.fixture
def http() -> Any:
    return pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")


@pytest.fixture
def triton(http: Any, address: str) -> Iterator[Any]:
    client = http.InferenceServerClient(address)
    yield client
    client.close()


USER, OWNER = {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"Bearer {ADMIN}"}


def test_triton_sees_the_server_and_its_models(triton: Any) -> None:
    assert triton.is_server_live() and triton.is_server_ready()
    about = triton.get_server_metadata(headers=USER)
    assert {"binary_tensor_data", "model_repository"} <= set(about["extensions"])
    model = triton.get_model_metadata("levels.grey", headers=USER)
    assert model["versions"] == ["1", "2"]
    assert triton.get_model_metadata("levels.grey", "1", headers=USER)["name"] == "levels.grey"
    config = triton.get_model_config("levels.grey", headers=USER)
    assert config["output"][0]["dims"] == [10]


def test_triton_loads_and_unloads(triton: Any) -> None:
    triton.unload_model("levels.other", headers=OWNER)
    assert not triton.is_model_ready("levels.other", headers=USER)
    triton.load_model("levels.other", headers=OWNER)
    assert triton.is_model_ready("levels.other", headers=USER)
    assert triton.is_model_ready("levels.other", "1", headers=USER)
    index = triton.get_model_repository_index(headers=USER)
    states = {(entry["name"], entry["version"]): entry["state"] for entry in index}
    assert states["levels.other", "1"] == "READY"
    triton.unload_model("levels.other", headers=OWNER)
    assert not triton.is_model_ready("levels.other", headers=USER)


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_triton_infers(http: Any, triton: Any, binary: bool, dtype: Any) -> None:
    name = triton.get_model_metadata("levels.grey", headers=USER)["inputs"][0]["name"]
    rows = grey().astype(dtype)
    given = http.InferInput(name, list(rows.shape), "FP32" if dtype == np.float32 else "UINT8")
    given.set_data_from_numpy(rows, binary_data=binary)
    asked = http.InferRequestedOutput("scores", binary_data=binary)
    answer = triton.infer(
        "levels.grey", [given], outputs=[asked], request_id="mine", headers=dict(USER)
    )
    scores = answer.as_numpy("scores")
    assert scores.dtype == np.float32 and scores.shape == (3, 10)
    assert scores.argmax(axis=1).tolist() == [0, 5, 9]
    said = answer.get_response()
    assert said["id"] == "mine" and said["model_version"] == "2"
    # Without outputs it asks for all of them as bytes.
    everything = triton.infer("levels.grey", [given], "1", headers=dict(USER))
    np.testing.assert_array_equal(everything.as_numpy("scores"), scores)
    assert everything.get_response()["model_version"] == "1"


def test_triton_asks_for_classes_and_images(http: Any, triton: Any) -> None:
    name = triton.get_model_metadata("levels.grey", headers=USER)["inputs"][0]["name"]
    given = http.InferInput(name, [3, 8, 8, 1], "FP32")
    given.set_data_from_numpy(grey())
    asked = http.InferRequestedOutput("scores", class_count=2)
    answer = triton.infer("levels.grey", [given], outputs=[asked], headers=dict(USER))
    best = [text.decode().split(":")[1:] for text in answer.as_numpy("scores")[:, 0]]
    assert best == [[str(i), LABELS[i]] for i in (0, 5, 9)]
    about = triton.get_model_metadata("patches.grey", headers=USER)
    latents = http.InferInput(about["inputs"][0]["name"], [2, 4], "FP32")
    latents.set_data_from_numpy(np.zeros((2, 4), np.float32))
    drawn = triton.infer("patches.grey", [latents], headers=dict(USER)).as_numpy("images")
    assert drawn.dtype == np.uint8 and drawn.shape == (2, 8, 8, 1)


def test_triton_is_told_what_is_wrong(http: Any, triton: Any) -> None:
    from tritonclient.utils import InferenceServerException

    given = http.InferInput("other", [3, 8, 8, 1], "FP32")
    given.set_data_from_numpy(grey())
    for model, headers, words in (
        ("levels.gray", USER, "did you mean levels.grey"),
        ("levels.grey", USER, "takes one input"),
        ("levels.grey", {}, "asks for a key"),
    ):
        with pytest.raises(InferenceServerException, match=words):
            triton.infer(model, [given], headers=dict(headers))
    with pytest.raises(InferenceServerException, match="admin key"):
        triton.load_model("levels.grey", headers=USER)


# openai


@pytest.fixture
def openai() -> Any:
    return pytest.importorskip("openai", reason="openai is not installed")


@pytest.fixture
def client(openai: Any, address: str) -> Iterator[Any]:
    made = openai.OpenAI(base_url=f"http://{address}/v1", api_key=KEY, max_retries=0, timeout=30)
    yield made
    made.close()


def test_openai_lists_models(client: Any) -> None:
    models = {model.id: model for model in client.models.list()}
    assert {"levels.grey", "patches.grey", "steps.grey"} <= set(models)
    assert models["levels.grey"].owned_by == "keras-model-zoo"
    assert client.models.retrieve("levels.grey").task == "classification"


def test_openai_draws(client: Any) -> None:
    seeded = {"seed": 7}
    answer = client.images.generate(
        model="patches.grey",
        prompt="whatever",
        n=2,
        size="8x8",
        response_format="b64_json",
        extra_body=seeded,
    )
    assert answer.output_format == "png" and answer.size == "8x8"
    assert [image.seed for image in answer.data] == [7, 8]
    assert all(pixels(image.b64_json).shape == (8, 8) for image in answer.data)
    again = client.images.generate(model="patches.grey", prompt="", extra_body=seeded)
    assert again.data[0].b64_json == answer.data[0].b64_json


def test_openai_watches_images_appear(client: Any) -> None:
    seeded = {"seed": 3, "num_inference_steps": 8}
    fields = {"model": "steps.grey", "prompt": "a shoe", "extra_body": seeded}
    whole = client.images.generate(**fields)
    events = list(client.images.generate(**fields, stream=True, partial_images=2))
    assert [event.type for event in events] == [
        "image_generation.partial_image",
        "image_generation.partial_image",
        "image_generation.completed",
    ]
    assert [event.partial_image_index for event in events[:2]] == [0, 1]
    assert events[-1].b64_json == whole.data[0].b64_json
    assert events[-1].usage.total_tokens == 0
    # What the client declares of an event is what came.
    for event in events:
        type(event).model_validate(event.to_dict())


def test_openai_edits(client: Any) -> None:
    places = np.zeros((8, 8), bool)
    places[2:5, 3:] = True
    colours = np.full((8, 8, 4), 255, np.uint8)
    colours[..., 3] = np.where(places, 0, 255)
    seeded = {"seed": 3, "num_inference_steps": 8}
    drawn = client.images.generate(model="steps.grey", prompt="a hat", extra_body=seeded)
    fields: dict[str, Any] = {
        "model": "steps.grey",
        "image": ("a.png", png(90), "image/png"),
        "mask": ("m.png", encoded(Image.fromarray(colours)), "image/png"),
        "prompt": "a hat",
        "extra_body": seeded,
    }
    answer = client.images.edit(**fields)
    expected = np.where(places, pixels(drawn.data[0].b64_json), 90)
    np.testing.assert_array_equal(pixels(answer.data[0].b64_json), expected)
    events = list(client.images.edit(**fields, stream=True, partial_images=1))
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
    assert events[-1].b64_json == answer.data[0].b64_json


def test_openai_raises_its_own_errors(openai: Any, client: Any, address: str) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        client.images.generate(model="patches.gray", prompt="")
    assert missing.value.body["type"] == "unknown_model"
    assert missing.value.body["near"][0] == "patches.grey"
    assert missing.value.request_id == missing.value.body["request_id"]
    with pytest.raises(openai.UnprocessableEntityError, match="n must be 1 to 64"):
        client.images.generate(model="patches.grey", prompt="", n=65)
    with pytest.raises(openai.BadRequestError, match="colour is no field"):
        client.images.generate(model="patches.grey", prompt="", extra_body={"colour": 1})
    stranger = openai.OpenAI(base_url=f"http://{address}/v1", api_key="none", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()


# BentoML


def test_bentoml_calls_the_typed_methods(tmp_path: Path) -> None:
    import bentoml

    from serving import service

    kinds = (service._Classification, service._Generation)
    made = service._serve("zoo", type("Small", kinds, {"core": core_in(tmp_path)}))
    with contextlib.ExitStack() as stack:
        address = stack.enter_context(listening(made.to_asgi()))
        client = stack.enter_context(bentoml.SyncHTTPClient(f"http://{address}", token=KEY))
        images = [np.full((8, 8), level).tolist() for level in LEVELS]
        answer = client.classify(images=images, model="levels.grey", top_k=1)
        best = [labels[0]["label"] for labels in answer["predictions"]]
        assert best == ["level 0", "level 5", "level 9"]
        options = {"n": 2, "seed": 3, "label": "hat", "num_inference_steps": 4}
        drawn = client.generate(model="steps.grey", **options)
        assert [image["seed"] for image in drawn["data"]] == [3, 4]
        negatives = client.translate(images=images, model="styles.a_b", direction="a_to_b")
        found = [pixels(image["b64_json"]).mean() for image in negatives["data"]]
        np.testing.assert_allclose(found, [255 - level for level in LEVELS], atol=1)
        with pytest.raises(bentoml.exceptions.BentoMLException, match="did you mean"):
            client.classify(images=images, model="levels.gray")
