"""A generator with labels behind the app: a request that names none is answered."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image
from starlette.testclient import TestClient

import zoo
from serving.app import create_app
from serving.core import Core
from serving.settings import Settings
from zoo import registry, store
from zoo.generation import Generator
from zoo.runs import new_run
from zoo.training.build import build_model
from zoo.training.checkpoint import save_checkpoint
from zoo.training.publish import make_card


def store_one() -> None:
    recipe = registry.recipes().get("cdcgan.fashion_mnist")
    run = new_run(recipe.override({"network.width": 4, "data.limit": 64, "ema": {}}))
    images = np.zeros((4, 28, 28, 1), np.uint8)
    run.model = build_model(run.recipe, images, 10, 2)
    run.history = [{"epoch": 1, "seconds": 1.0}]
    save_checkpoint(run.folder / "checkpoint.npz", run.model, {"history": run.history})
    networks = run.model.published_networks()
    store.save(make_card(run, networks), networks)


def test_classes_come_in_turn_whatever_shares_the_batch(sample_home: Path) -> None:
    store_one()
    generator = zoo.load("cdcgan.fashion_mnist")
    assert isinstance(generator, Generator)
    about = generator.card.input
    assert about["shape"] == [64 + 10] and about["labels"][5] == "Sandal"
    core = Core(settings=Settings(runtime="keras", max_waiting=8, deadline=60))
    with TestClient(create_app(core)) as client:
        fields = {"model": "cdcgan.fashion_mnist", "n": 3, "seed": 4}
        answer = client.post("/v1/images/generations", json=fields)
        assert answer.status_code == 200, answer.text
        drawn = [
            np.asarray(Image.open(io.BytesIO(base64.b64decode(one["b64_json"]))))
            for one in answer.json()["data"]
        ]
        expected = generator.generate(3, seed=4, label=[4, 5, 6])
        np.testing.assert_array_equal(np.stack(drawn), expected[..., 0])
        shown = client.get("/v1/models/cdcgan.fashion_mnist").json()
        assert shown["input"]["labels"] == shown["labels"] == about["labels"]
