"""The BentoML service that one would write first: load the model, call `predict`.

    NAIVE_MODEL=resnet20.fashion_mnist bentoml serve benchmarks.naive_service:Naive

Which model it is comes from the environment; all else is what BentoML's guide begins with.
"""

from __future__ import annotations

import os

import bentoml
import numpy as np


@bentoml.service
class Naive:
    """Answers rows with what the network makes of them."""

    def __init__(self) -> None:
        # `keras.saving.load_model`, after the family's own layers were imported.
        from zoo import store

        _, networks = store.load(os.environ["NAIVE_MODEL"])
        (self.network,) = networks.values()

    @bentoml.api
    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Takes rows (n, …), gives outputs (n, …); nested lists in JSON."""
        # The progress bar of each call is left out, to this side's favour.
        return self.network.predict(rows, verbose=0)
