"""Inference by batch size: a pipeline's `run` beside Keras' own calls."""

from __future__ import annotations

import numpy as np

import zoo
from benchmarks.measure import Row, interleave, rates
from zoo.generation import Generator
from zoo.pipelines import Classifier

BATCHES = (1, 8, 64, 256)


def rows(quick: bool) -> list[Row]:
    """The shipped classifier and generator at several batch sizes."""
    found = []
    for name in ("resnet20.fashion_mnist", "dcgan.fashion_mnist"):
        pipeline = zoo.load(name)
        assert isinstance(pipeline, Classifier | Generator)
        network = next(iter(pipeline.networks.values()))
        shape = tuple(pipeline.card.input["shape"])
        for batch in BATCHES[:2] if quick else BATCHES:
            given = np.random.default_rng(0).normal(100, 50, (batch, *shape)).astype("float32")
            sides = {
                "pipeline.run": lambda given=given, pipeline=pipeline: pipeline.run(given),
                "keras predict_on_batch": lambda given=given, network=network: (
                    network.predict_on_batch(given)
                ),
                "keras predict": lambda given=given, network=network: network.predict(
                    given, verbose=0
                ),
            }
            seconds = interleave(sides, repeats=5 if quick else 15, warmups=3)
            found += rates(f"{name}, batch {batch}", seconds, batch, "images/s")
    return found
