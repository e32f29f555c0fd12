"""The pipeline of networks that draw images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from zoo.cards import Card
from zoo.checks import is_whole
from zoo.errors import InvalidInputError
from zoo.images import image_grid
from zoo.latents import draw_rows, slerp, to_pixels
from zoo.pipelines import Pipeline, float32_of
from zoo.prompts import label_number
from zoo.runtime.batches import BLOCK

if TYPE_CHECKING:
    import keras

    from zoo.runtime.functions import Functions


class Generator(Pipeline):
    """Draws images from latent vectors.

    A sample depends on its own seed alone: `generate(1, seed=7)` is the eighth image of
    `generate(16, seed=0)`.

    A conditional generator has `labels`, the names of its classes; others have none. A row is then
    a latent vector with a one-hot label beside it. Where no label is asked for, a seed s draws
    class s modulo the number of classes, so that s, s + 1, … are all classes in turn.

    Example:
        generator = zoo.load("dcgan.fashion_mnist")
        images = generator.generate(16, seed=0)

    Attributes:
        main: Name of the network that turns rows into images.
        slow: Whether an image takes many calls of a network, so that fewer are measured.
    """

    task = "generation"
    takes: ClassVar[Mapping[str, str]] = {"images": "latents"}
    # A seed must name one image, whatever is drawn beside it.
    block = BLOCK
    main: ClassVar[str] = "generator"
    slow: ClassVar[bool] = False
    max_images = 100_000
    least_truncation = 0.05

    def __init__(self, card: Card, functions: Functions) -> None:
        super().__init__(card, functions)
        self.labels: list[str] = list(card.input.get("labels", []))
        self.latent_dim: int = card.input["shape"][0] - len(self.labels)

    @property
    def drawn_by(self) -> str:
        """How images are drawn, in words, where there is more than one way; a metric's note."""
        return ""

    @classmethod
    def functions_of(cls, networks: Mapping[str, keras.Model]) -> dict[str, keras.Model]:
        """Returns `images`: rows to images in [-1, 1]."""
        return {"images": networks[cls.main]}

    @classmethod
    def describe(
        cls, networks: Mapping[str, keras.Model], labels: Sequence[str]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        from zoo.layers.labelled_rows import classes_of

        generator = networks[cls.main]
        pixels = {"kind": "pixels", "dtype": "uint8", "range": [0, 255]}
        label = {"range": "N(0, 1), then a one-hot label", "labels": list(labels)}
        return (
            {
                "name": generator.input.name,
                **float32_of(generator.input_shape),
                **(label if classes_of(generator) else {"range": "N(0, 1)"}),
            },
            {**pixels, "shape": list(generator.output_shape[1:])},
        )

    def rows(
        self,
        n: int,
        seed: int | Sequence[int] = 0,
        label: str | int | Sequence[str | int] | None = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        """Draws latent vectors and, for a conditional generator, puts labels beside them.

        Args:
            n: How many.
            seed: A seed s, for s, s + 1, …; or one seed for each vector.
            label: A class by name or number, for all or one for each; None for all in turn. A name
                may be a little off, as `zoo.prompts.label_number` says.
            truncation: Numbers farther from 0 are drawn again, see `zoo.latents.draw_latents`.

        Returns:
            float32 (n, latent_dim + number of labels).

        Raises:
            InvalidInputError: for n below 1 or too large, seeds that are negative or not n, labels
                that are unknown or not n or that the generator does not have, or a truncation that
                is too small.
        """
        _require_whole("n", n, 1, self.max_images)
        seeds = [seed + i for i in range(n)] if isinstance(seed, int | np.integer) else list(seed)
        if len(seeds) != n:
            raise InvalidInputError(f"expected {n} seeds, got {len(seeds)}")
        if not all(is_whole(s) for s in seeds):
            raise InvalidInputError(f"seeds must be integers, got {seed!r}")
        if min(seeds) < 0 or max(seeds) >= 2**63:
            raise InvalidInputError(f"seeds must be 0 to 2^63 - 1, got {seed!r}")
        if truncation is not None and not truncation >= self.least_truncation:
            raise InvalidInputError(
                f"truncation must be at least {self.least_truncation}, got {truncation}"
            )
        return draw_rows(
            [int(s) for s in seeds],
            self.latent_dim,
            len(self.labels),
            self._class_numbers(label, n),
            truncation,
        )

    def _class_numbers(
        self, label: str | int | Sequence[str | int] | None, n: int
    ) -> list[int] | None:
        if label is None:
            return None
        if not self.labels:
            raise InvalidInputError(f"{self.card.name} draws no labels on demand, got {label!r}")
        if isinstance(label, str | int | np.integer):
            return [self._class_number(label)] * n
        if len(label) != n:
            raise InvalidInputError(f"expected {n} labels, got {len(label)}")
        return [self._class_number(one) for one in label]

    def _class_number(self, label: str | int) -> int:
        if isinstance(label, str):
            return label_number(label, self.labels, self.card.name)
        if not is_whole(label) or not 0 <= label < len(self.labels):
            raise InvalidInputError(
                f"a label is a name or a number from 0 to {len(self.labels) - 1}, got {label!r}"
            )
        return int(label)

    def run(self, rows: np.ndarray) -> np.ndarray:
        """Draws images: rows (n, d), see `rows`, to uint8 (n, height, width, channels)."""
        return to_pixels(self.functions["images"](rows))

    def generate(
        self,
        n: int = 1,
        seed: int | Sequence[int] = 0,
        label: str | int | Sequence[str | int] | None = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        """Returns n images, uint8 (n, height, width, channels); see `rows` for the rest."""
        return self.run(self.rows(n, seed, label, truncation))

    def grid(
        self,
        n: int = 16,
        seed: int | Sequence[int] = 0,
        columns: int | None = None,
        label: str | int | Sequence[str | int] | None = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        """Returns n images laid out in rows, as one uint8 (height, width, channels).

        Args:
            n: How many.
            seed: As for `rows`.
            columns: Images in a row; None leaves it to `columns`.
            label: As for `rows`.
            truncation: As for `rows`.
        """
        images = self.generate(n, seed, label, truncation)
        return image_grid(images, columns or self.columns(n, label))

    def columns(self, n: int, label: Any = None) -> int | None:
        """Returns how many of n images a row of a grid has: one of each class, drawn in turn.

        None where there are no turns: as many as there are rows.
        """
        return min(n, len(self.labels)) if self.labels and label is None else None

    def path(
        self, start: int | np.ndarray, end: int | np.ndarray, steps: int = 8, **options: Any
    ) -> np.ndarray:
        """Returns rows on the spherical path between two latent vectors, float32 (steps, d).

        Args:
            start: Where it begins: a seed, a latent vector, or one with its label beside it, as
                `rows` gives it.
            end: Where it ends, likewise.
            steps: Rows, both ends included.
            **options: `label` and `truncation` as for `rows`; a vector is not truncated, and keeps
                the label beside it. Between two labels the share of the one falls as the other's
                grows.

        Raises:
            InvalidInputError: for fewer than 2 steps, vectors of different shapes or of another
                than the generator takes, one without the label it needs, and as for `rows`.
        """
        _require_whole("steps", steps, 2, self.max_images)
        ends = [one if np.ndim(one) == 0 else np.asarray(one, np.float32) for one in (start, end)]
        vectors = [one for one in ends if isinstance(one, np.ndarray)]
        if len({one.shape for one in vectors}) > 1:
            shapes = " and ".join(str(one.shape) for one in vectors)
            raise InvalidInputError(f"a path needs two vectors of one shape, got {shapes}")
        seeds = [0 if isinstance(one, np.ndarray) else one for one in ends]
        rows = self.rows(2, seeds, **options)
        for row, vector in zip(rows, ends, strict=True):
            if isinstance(vector, np.ndarray):
                self._require_vector(vector, labelled=options.get("label") is not None)
                row[: len(vector)] = vector
        split = self.latent_dim
        share = np.linspace(0.0, 1.0, steps, dtype=np.float32)[:, None]
        labels = (1 - share) * rows[0, split:] + share * rows[1, split:]
        return np.concatenate([slerp(rows[0, :split], rows[1, :split], steps), labels], axis=1)

    def _require_vector(self, vector: np.ndarray, labelled: bool) -> None:
        known = {(self.latent_dim,), (self.latent_dim + len(self.labels),)}
        if vector.shape not in known:
            wanted = " or ".join(str(shape) for shape in sorted(known))
            raise InvalidInputError(f"a latent vector has shape {wanted}, got {vector.shape}")
        if not np.isfinite(vector).all():
            raise InvalidInputError("a latent vector holds finite numbers; this one does not")
        if self.labels and len(vector) == self.latent_dim and not labelled:
            raise InvalidInputError("a latent vector without its label beside it needs a label")

    def interpolate(
        self, start: int | np.ndarray, end: int | np.ndarray, steps: int = 8, **options: Any
    ) -> np.ndarray:
        """Returns images on the path between two latent vectors, both ends included; see `path`."""
        return self.run(self.path(start, end, steps, **options))

    def walk(self, seeds: Sequence[int], steps: int = 16, **options: Any) -> np.ndarray:
        """Returns the images of a walk through several seeds and back to the first.

        Args:
            seeds: Two or more.
            steps: Images from one seed to the next.
            **options: `label` and `truncation` as for `rows`.

        Returns:
            uint8 (len(seeds) * steps, height, width, channels), for `zoo.images.save_animation`.

        Raises:
            InvalidInputError: for fewer than 2 seeds or 1 step, and as for `rows`.
        """
        if len(seeds) < 2:
            raise InvalidInputError(f"a walk needs at least 2 seeds, got {list(seeds)}")
        _require_whole("steps", steps, 1, self.max_images // len(seeds))
        legs = [
            self.path(first, last, steps + 1, **options)[:-1]
            for first, last in zip(seeds, [*seeds[1:], seeds[0]], strict=True)
        ]
        return self.run(np.concatenate(legs))

    def arithmetic(
        self,
        plus: Sequence[Sequence[int]],
        minus: Sequence[Sequence[int]] = (),
        label: str | int | None = None,
        truncation: float | None = None,
    ) -> np.ndarray:
        """Adds and subtracts averages of latent vectors (Radford et al. 2016, figure 7).

        Args:
            plus: Groups of seeds; the mean vector of each group is added.
            minus: Groups whose means are subtracted.
            label: As for `rows`; None is the label of the first seed.
            truncation: As for `rows`.

        Returns:
            uint8 (1, height, width, channels).

        Raises:
            InvalidInputError: for no group, an empty one, and as for `rows`.

        Example:
            generator.arithmetic(plus=[[1, 4, 9], [2, 3, 5]], minus=[[0, 6, 7]])
        """
        groups = [*plus, *minus]
        if not plus or not all(len(group) for group in groups):
            raise InvalidInputError("arithmetic needs groups of one or more seeds, and one to add")
        means = [self.rows(len(g), g, label, truncation).mean(axis=0) for g in groups]
        signs = [1] * len(plus) + [-1] * len(minus)
        result = np.sum([s * mean for s, mean in zip(signs, means, strict=True)], axis=0)
        result[self.latent_dim :] = self.rows(1, plus[0][:1], label)[0, self.latent_dim :]
        return self.run(result[None].astype(np.float32))


def _require_whole(name: str, value: Any, least: int, most: int) -> None:
    """Raises `InvalidInputError` for what is no integer from `least` to `most`."""
    if not is_whole(value):
        raise InvalidInputError(f"{name} must be an integer, got {value!r}")
    if not least <= value <= most:
        raise InvalidInputError(f"{name} must be {least} to {most}, got {value}")
