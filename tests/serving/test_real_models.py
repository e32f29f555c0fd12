"""Real models of several networks behind the app: served as what they can do."""

from __future__ import annotations

import base64
import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

import zoo
from serving.app import create_app
from serving.core import Core
from serving.settings import Settings
from tests.denoisers import LABELS, autoencoder, card_of, untrained
from tests.runtime import models
from zoo import store
from zoo.autoencoding import VariationalAutoencoder
from zoo.diffusion import DiffusionGenerator

DIFFUSION = models.DIFFUSION
# How the diffusion model draws where nothing else is asked for.
SAMPLING = {"sampler": {"name": "ddim", "eta": 0.5}, "num_inference_steps": 4, "guidance_scale": 2}


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a latent diffusion model and a variational autoencoder."""
    home = tmp_path_factory.mktemp("home")
    networks = {"denoiser": untrained((4, 4, 1)), **autoencoder()}
    card = card_of(networks, LABELS, DIFFUSION)
    card = dataclasses.replace(card, output={**card.output, "sampling": SAMPLING})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(home))
        store.save(card, networks)
        models.save_coder()
    return home


@pytest.fixture
def client(
    stored: Path, private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[TestClient]:
    monkeypatch.setenv("ZOO_HOME", str(stored))
    core = Core(settings=Settings(runtime="keras", max_waiting=32, deadline=120))
    with TestClient(create_app(core)) as made:
        yield made


def pictures(client: TestClient, path: str, **fields: Any) -> np.ndarray:
    answer = client.post(f"/v1/{path}", json=fields)
    assert answer.status_code == 200, answer.text
    encoded = [one["b64_json"] for one in answer.json()["data"]]
    return np.stack([np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in encoded])


def drawn(client: TestClient, **fields: Any) -> np.ndarray:
    return pictures(client, "images/generations", **fields)


def test_diffusion_draws_as_its_card_says_whatever_shares_the_batch(client: TestClient) -> None:
    generator = zoo.load(DIFFUSION)
    assert isinstance(generator, DiffusionGenerator)
    assert generator.drawn_by == "ddim, 4 steps, guidance 2"
    images = drawn(client, model=DIFFUSION, n=3, seed=4)
    np.testing.assert_array_equal(images, generator.generate(3, seed=4)[..., 0])
    np.testing.assert_array_equal(drawn(client, model=DIFFUSION, n=12, seed=1)[3:6], images)
    way = drawn(client, model=DIFFUSION, seed=4, interpolate={"to_seed": 9, "steps": 3})
    np.testing.assert_array_equal(way, generator.interpolate(4, 9, 3)[..., 0])
    asked: dict[str, Any] = {"sampler": "euler", "num_inference_steps": 3, "guidance_scale": 1.0}
    other = drawn(client, model=DIFFUSION, n=2, seed=4, **asked)
    np.testing.assert_array_equal(other, generator.generate(2, seed=4, **asked)[..., 0])
    assert not np.array_equal(other, images[:2])
    shown = client.get(f"/v1/models/{DIFFUSION}").json()
    assert shown["labels"] == list(LABELS) and shown["input"]["shape"] == [16 + 3]
    assert shown["abilities"] == ["generate", "edit"] and shown["output"]["sampling"] == SAMPLING


def test_a_variational_autoencoder_draws_and_reconstructs(client: TestClient) -> None:
    coder = zoo.load(models.CODER)
    assert isinstance(coder, VariationalAutoencoder)
    images = drawn(client, model=models.CODER, n=2, seed=3)
    np.testing.assert_array_equal(images, coder.generate(2, seed=3)[..., 0])
    given = np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)
    (again,) = pictures(client, "reconstruct", model=models.CODER, image=given.tolist())
    np.testing.assert_array_equal(again, coder.reconstruct(given)[0, ..., 0])
