"""The pipeline of networks that turn images of one domain into images of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo.cards import Card
from zoo.errors import InvalidInputError, did_you_mean, nearest
from zoo.inputs import image_rows
from zoo.latents import from_pixels, to_pixels
from zoo.pipelines import Pipeline
from zoo.runtime.batches import BLOCK

if TYPE_CHECKING:
    import keras

    from zoo.runtime.functions import Functions

# Of a pair of domains a and b, which network goes from the first to the second, and back.
_WAYS = ("g_ab", "g_ba")


class Translator(Pipeline):
    """Turns images of one domain into images of another, either way.

    Example:
        translator = zoo.load("cyclegan.mnist_usps")
        images = translator.translate("seven.png", direction="mnist_to_usps")

    Attributes:
        directions: Their names, such as `mnist_to_usps`; the first is that of `run` where none is
            named.
    """

    task = "translation"
    takes: ClassVar[Mapping[str, str]] = dict.fromkeys(_WAYS, "images")
    # As for a generator: an image must not see what is translated beside it.
    block = BLOCK

    def __init__(self, card: Card, functions: Functions) -> None:
        super().__init__(card, functions)
        self.input_shape: tuple[int, ...] = tuple(card.input["shape"])
        self._ways: Mapping[str, str] = card.output["directions"]
        self.directions = tuple(self._ways)

    @classmethod
    def functions_of(cls, networks: Mapping[str, keras.Model]) -> dict[str, keras.Model]:
        """Returns the network of each direction, by its own name; images are in [-1, 1]."""
        return {name: networks[name] for name in _WAYS}

    @classmethod
    def describe(
        cls, networks: Mapping[str, keras.Model], labels: Sequence[str]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """As for every pipeline; the labels are the names of the two domains.

        The answers have `directions`, `{name: network}`: a row is an image of the domain that a
        direction begins with, its answer one of the domain that it ends with.
        """
        first, second = labels
        network = networks[_WAYS[0]]
        names = (f"{first}_to_{second}", f"{second}_to_{first}")
        shape = list(network.input_shape[1:])
        return (
            {
                "name": network.input.name,
                "shape": shape,
                "dtype": "float32",
                "range": [0, 255],
                "domains": list(labels),
            },
            {
                "kind": "pixels",
                "shape": shape,
                "dtype": "uint8",
                "range": [0, 255],
                "directions": dict(zip(names, _WAYS, strict=True)),
            },
        )

    def rows(self, images: Any) -> np.ndarray:
        """Turns images into rows; see `zoo.inputs.image_rows` for what is taken."""
        return image_rows(images, self.input_shape)

    def run(self, rows: np.ndarray, direction: str | None = None) -> np.ndarray:
        """Translates rows: pixels 0 to 255, float32 (n, …), to uint8 (n, height, width, channels).

        Raises:
            InvalidInputError: for an unknown direction, with near names.
        """
        name = self.directions[0] if direction is None else direction
        if name not in self._ways:
            near = did_you_mean(nearest(str(name), self.directions))
            raise InvalidInputError(
                f"{self.card.name} translates {' and '.join(self.directions)}, not {name!r}{near}"
            )
        translated = self.functions[self._ways[name]]
        return to_pixels(translated(from_pixels(np.asarray(rows, np.float32))))

    def translate(self, images: Any, direction: str) -> np.ndarray:
        """Returns translations of one image or many, uint8 (n, height, width, channels).

        Args:
            images: As for `rows`; of the domain that the direction begins with.
            direction: One of `directions`.

        Raises:
            InvalidInputError: for an unknown direction, or what cannot be read as images.
        """
        return self.run(self.rows(images), direction)

    def warm(self, batch_sizes: Sequence[int] = (1,)) -> None:
        """As for every pipeline, in each direction."""
        for size in batch_sizes:
            for direction in self.directions:
                self.run(np.zeros((size, *self.input_shape), np.float32), direction)
