"""A pipeline's functions on Keras."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import keras

from zoo.runtime.batches import LARGEST
from zoo.runtime.compiled import compile_network
from zoo.runtime.functions import Function, Functions
from zoo.runtime.keras_sampling import KerasSamplingLoop
from zoo.runtime.sampling import Estimate

if TYPE_CHECKING or keras.backend.backend() == "tensorflow":
    from zoo.runtime.tensorflow_function import on_cpu
else:
    from zoo.runtime.jax_function import on_cpu


class KerasFunctions(Functions):
    """Functions of Keras models, each compiled when it is first asked for.

    Args:
        networks: The networks of the model by name.
        models: What each function computes; models of one output.
        facts: As for `Functions`.
        block: Rows of every batch, a power of two; on a GPU, where larger batches pay, the least.
            None is for batches of any size.
    """

    runtime = "keras"

    def __init__(
        self,
        networks: Mapping[str, keras.Model],
        models: Mapping[str, keras.Model],
        facts: Mapping[str, Any],
        block: int | None = None,
    ) -> None:
        super().__init__(models, facts)
        self._networks = dict(networks)
        self._models = dict(models)
        self._block = block

    @property
    def networks(self) -> dict[str, keras.Model]:
        """The networks of the model by name."""
        return self._networks

    @property
    def size(self) -> int:
        """Bytes of the weights of all networks, at four a number."""
        return 4 * sum(network.count_params() for network in self._networks.values())

    def sampling_loop(self, estimate: Estimate) -> KerasSamplingLoop:
        """Returns the compiled loop around the network of `denoise`."""
        return KerasSamplingLoop(self._models["denoise"], estimate)

    def _make(self, name: str) -> Function:
        largest = self._block if self._block and on_cpu() else LARGEST
        return compile_network(self._models[name], smallest=self._block or 1, largest=largest)
