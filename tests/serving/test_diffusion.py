"""A diffusion model behind the app: served as any other generator."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

import zoo
from serving.app import create_app
from serving.core import Core
from serving.settings import Settings
from tests.denoisers import LABELS, autoencoder, card_of, untrained
from zoo import store
from zoo.diffusion import DiffusionGenerator

NAME = "ldm.patches"


def drawn(client: TestClient, **fields: Any) -> np.ndarray:
    answer = client.post("/v1/images/generations", json={"model": NAME, **fields})
    assert answer.status_code == 200, answer.text
    encoded = [one["b64_json"] for one in answer.json()["data"]]
    return np.stack([np.asarray(Image.open(io.BytesIO(base64.b64decode(one)))) for one in encoded])


def test_it_draws_what_its_pipeline_draws_whatever_shares_the_batch(private_home: Path) -> None:
    networks = {"denoiser": untrained((4, 4, 1)), **autoencoder()}
    store.save(card_of(networks, LABELS, NAME), networks)
    generator = zoo.load(NAME)
    assert isinstance(generator, DiffusionGenerator)
    core = Core(settings=Settings(runtime="keras", max_waiting=32, deadline=120))
    with TestClient(create_app(core)) as client:
        images = drawn(client, n=3, seed=4)
        np.testing.assert_array_equal(images, generator.generate(3, seed=4)[..., 0])
        np.testing.assert_array_equal(drawn(client, n=12, seed=1)[3:6], images)
        way = drawn(client, seed=4, interpolate={"to_seed": 9, "steps": 3})
        np.testing.assert_array_equal(way, generator.interpolate(4, 9, 3)[..., 0])
        shown = client.get(f"/v1/models/{NAME}").json()
        assert shown["labels"] == list(LABELS) and shown["input"]["shape"] == [16 + 3]
