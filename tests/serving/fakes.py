"""Small models that answer at once: the real pipelines around functions that need no framework."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from zoo.autoencoding import Autoencoder
from zoo.cards import Card, Metric
from zoo.errors import CancelledError, CorruptModelError, InvalidInputError, UnknownModelError
from zoo.generation import Generator
from zoo.inputs import image_rows
from zoo.pipelines import Classifier, Pipeline
from zoo.runtime.batches import BLOCK, in_batches
from zoo.runtime.functions import Function, Functions
from zoo.sampling import Sampling
from zoo.translation import Translator

LABELS = [f"level {i}" for i in range(10)]
# What the generator that draws step by step has.
CLASSES = ["cup", "hat", "shoe"]
SIZE = 1000
SHAPE = [8, 8, 1]

_PIXELS = {"kind": "pixels", "shape": SHAPE, "dtype": "uint8", "range": [0, 255]}
_IMAGE = {"name": "image", "shape": SHAPE, "dtype": "float32", "range": [0, 255]}
_LATENT = {"name": "latent", "dtype": "float32", "range": "N(0, 1)"}

# By main network: what a card says of inputs and outputs.
_ABOUT: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "network": (_IMAGE, {"kind": "scores", "shape": [10], "dtype": "float32", "labels": LABELS}),
    "generator": ({**_LATENT, "shape": [4]}, _PIXELS),
    "denoiser": ({**_LATENT, "shape": [64 + 3], "labels": CLASSES}, _PIXELS),
    "g_ab": (_IMAGE, {**_PIXELS, "directions": {"a_to_b": "g_ab", "b_to_a": "g_ba"}}),
    "encoder": (_IMAGE, {**_PIXELS, "code": [4]}),
}
_MAIN = {
    "classification": "network",
    "generation": "generator",
    "reconstruction": "encoder",
    "translation": "g_ab",
}


def make_card(name: str, task: str, version: int = 1, main: str | None = None) -> Card:
    """A card such as the store would hold.

    Args:
        name: Of the model.
        task: Of the model.
        version: Of the model.
        main: Its main network; `denoiser` is a generator that draws step by step.
    """
    network = main or _MAIN[task]
    taken, given = _ABOUT[network]
    return Card(
        name=name,
        task=task,
        family="fake",
        paper="none, 2026",
        recipe={"name": name},
        data={"name": "levels"},
        metrics=(Metric("accuracy", 0.5, "test", 100, f"zoo evaluate {name}"),),
        input=taken,
        output=given,
        networks={network: f"{network}.keras"},
        parameters={network: 7},
        training={},
        licence="CC0-1.0",
        versions={},
        version=version,
        created="2026-01-02T03:04:05+00:00",
    )


def stepper_card(name: str = "steps.grey", version: int = 1) -> Card:
    """The card of a generator that draws step by step."""
    return make_card(name, "generation", version, "denoiser")


class FakeFunctions(Functions):
    """Functions of NumPy, of `SIZE` bytes."""

    runtime = "fake"

    def __init__(
        self, functions: Mapping[str, Function], facts: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(functions, facts or {})
        self._functions = functions
        self.closed = False

    @property
    def size(self) -> int:
        return SIZE

    def _make(self, name: str) -> Function:
        return self._functions[name]

    def close(self) -> None:
        super().close()
        self.closed = True


class FakeClassifier(Classifier):
    """Scores an image by its mean brightness: its label is `level` mean // 25.6.

    It notes the sizes of its calls, can be held at `gate`, and fails where it is told to.
    """

    def __init__(self, card: Card) -> None:
        super().__init__(card, FakeFunctions({"scores": self._scores}))
        self.warmed: tuple[int, ...] = ()
        self.calls: list[int] = []
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.fail = False

    def warm(self, batch_sizes: Sequence[int] = (1,)) -> None:
        self.warmed += tuple(batch_sizes)

    def _scores(self, rows: Any) -> np.ndarray:
        self.entered.set()
        assert self.gate.wait(timeout=20)
        self.calls.append(len(rows))
        if self.fail:
            raise RuntimeError("secret detail of the model")
        level = np.clip(rows.mean(axis=(1, 2, 3)) / 25.6, 0, 9.99)
        distance = np.abs(np.arange(10)[None] + 0.5 - level[:, None])
        scores = np.exp(-distance)
        return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)


class FakeGenerator(Generator):
    """Paints latents as grey patches. What it computes depends on the size of the batch it was in.

    That is what real kernels do in the last bits; here it is coarse, so that a test sees it. As for
    real ones, the runtime sees to it that all batches are of one size.
    """

    def __init__(self, card: Card) -> None:
        super().__init__(card, FakeFunctions({"images": in_batches(self._patches, BLOCK, BLOCK)}))
        self.calls: list[int] = []

    def _patches(self, rows: np.ndarray) -> np.ndarray:
        self.calls.append(len(rows))
        levels = np.clip(rows * 40 + 128 + len(rows), 0, 255).astype(np.uint8)
        cells = levels.reshape(-1, 2, 2, 1).repeat(4, axis=1).repeat(4, axis=2)
        return cells.astype(np.float32) / 127.5 - 1.0


class FakeStepper(Generator):
    """Draws noise as it is, after as many steps as are asked for; each takes `seconds`.

    On the way images are darker: after half of the steps half as bright. Its classes do nothing
    but add their number to every pixel.

    Attributes:
        gate: Where every step can be held.
        asked: The options of each call.
        steps: Steps that were taken in all calls, those of warming up left out.
        given_up: Set once a call has ended before its last step.
    """

    stepwise = True
    sampling = Sampling()

    def __init__(self, card: Card) -> None:
        super().__init__(card, FakeFunctions({}))
        self.asked: list[dict[str, Any]] = []
        self.calls: list[int] = []
        self.steps = 0
        self.seconds = 0.0
        self.given_up = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def run(self, rows: np.ndarray, **sampling: Any) -> np.ndarray:
        asked = self.sampling.but(sampling)
        if asked.sampler not in ("ddim", "dpm_solver++"):
            raise UnknownModelError(str(asked.sampler), ["ddim", "dpm_solver++"], kind="sampler")
        if asked.mask is not None and asked.image is None:
            raise InvalidInputError("mask needs an image to begin from")
        warming = not rows.any()
        if not warming:
            self.asked.append(sampling)
            self.calls.append(len(rows))
        images = self._images(rows, asked)
        total = asked.num_inference_steps
        for step in range(1, total + 1):
            time.sleep(self.seconds)
            assert self.gate.wait(timeout=20)
            self.steps += not warming
            if asked.callback is None:
                continue
            shown = asked.previews and step % asked.previews == 0
            preview = (images * (step / total)).astype(np.uint8) if shown else None
            answer = asked.callback(step, total, preview)
            if answer is not None and not answer:
                self.given_up.set()
                raise CancelledError(f"the callback cancelled after step {step} of {total}")
        return images

    def _images(self, rows: np.ndarray, asked: Sampling) -> np.ndarray:
        classes = rows[:, self.latent_dim :] @ np.arange(len(self.labels), dtype=np.float32)
        shades = rows[:, : self.latent_dim] * 40 + 128 + classes[:, None]
        images = np.clip(shades, 0, 255).astype(np.uint8).reshape(-1, *SHAPE)
        if asked.image is None:
            return images
        begun = image_rows(asked.image, SHAPE, resize=False).astype(np.uint8)
        if asked.mask is not None:
            return np.where(asked.mask > 127, images, begun)
        return images if asked.strength == 1 else np.broadcast_to(begun, images.shape).copy()


class FakeTranslator(Translator):
    """Makes negatives one way, and leaves images as they are the other way."""

    def __init__(self, card: Card) -> None:
        functions = {"g_ab": self._negative, "g_ba": self._same}
        super().__init__(card, FakeFunctions(functions))

    @staticmethod
    def _negative(images: Any) -> np.ndarray:
        return np.negative(images)

    @staticmethod
    def _same(images: Any) -> np.ndarray:
        return np.asarray(images)


class FakeAutoencoder(Autoencoder):
    """Its code of an image is the mean brightness of each quarter."""

    def __init__(self, card: Card) -> None:
        functions = {"codes": self._quarters, "images": self._painted}
        super().__init__(card, FakeFunctions(functions, {"image_shape": SHAPE, "code_shape": [4]}))

    @staticmethod
    def _quarters(rows: Any) -> np.ndarray:
        quarters = rows.reshape(-1, 2, 4, 2, 4).mean(axis=(2, 4))
        return quarters.reshape(-1, 4).astype(np.float32)

    @staticmethod
    def _painted(codes: Any) -> np.ndarray:
        cells = codes.reshape(-1, 2, 2, 1).repeat(4, axis=1).repeat(4, axis=2)
        return (cells / 127.5 - 1.0).astype(np.float32)


_KINDS: dict[str, Callable[[Card], Pipeline]] = {
    "network": FakeClassifier,
    "generator": FakeGenerator,
    "denoiser": FakeStepper,
    "g_ab": FakeTranslator,
    "encoder": FakeAutoencoder,
}


class FakeSource:
    """A store of two classifiers, one with two versions, a generator, a translator, a damaged one.

    Args:
        more: Cards of further models, such as `stepper_card()`.

    Attributes:
        cards: All cards by `name@version`; a test may add some.
        pipelines: What was loaded last, likewise.
        loads: What was loaded, in turn.
        damaged: What cannot be loaded.
        gate: Where loading can be held.
    """

    def __init__(self, *more: Card) -> None:
        cards = [
            make_card("levels.grey", "classification", 1),
            make_card("levels.grey", "classification", 2),
            make_card("levels.other", "classification"),
            make_card("patches.grey", "generation"),
            make_card("broken.grey", "classification"),
            make_card("styles.a_b", "translation"),
            *more,
        ]
        self.cards = {f"{card.name}@{card.version}": card for card in cards}
        self.pipelines: dict[str, Any] = {}
        self.loads: list[str] = []
        self.damaged = {"broken.grey@1"}
        self.gate = threading.Event()
        self.gate.set()

    def names(self) -> list[str]:
        return sorted({card.name for card in self.cards.values()} | {"damaged.card"})

    def versions(self, name: str) -> list[int]:
        return sorted(c.version for c in self.cards.values() if c.name == name) or [1]

    def read_card(self, reference: str) -> Card:
        if reference == "damaged.card@1":
            raise CorruptModelError("the card in /secret/place cannot be read")
        if reference not in self.cards:
            raise UnknownModelError(reference, self.cards)
        return self.cards[reference]

    def load(self, reference: str) -> Any:
        self.loads.append(reference)
        assert self.gate.wait(timeout=20)
        card = self.read_card(reference)
        if reference in self.damaged:
            raise CorruptModelError("/secret/place/network.keras is not the file that was stored")
        self.pipelines[reference] = _KINDS[next(iter(card.networks))](card)
        return self.pipelines[reference]
