"""Small models that answer at once, with the interface of the real pipelines."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np

from zoo.cards import Card, Metric
from zoo.errors import CorruptModelError, UnknownModelError
from zoo.inputs import image_rows
from zoo.latents import draw_latents, slerp

LABELS = [f"level {i}" for i in range(10)]


def make_card(name: str, task: str, version: int = 1) -> Card:
    """A card such as the store would hold."""
    classifier = task == "classification"
    shape = [8, 8, 1]
    return Card(
        name=name,
        task=task,
        family="fake",
        paper="none, 2026",
        recipe={"name": name},
        data={"name": "levels"},
        metrics=(Metric("accuracy", 0.5, "test", 100, f"zoo evaluate {name}"),),
        input={"shape": shape if classifier else [4], "dtype": "float32"},
        output={"shape": [10], "labels": LABELS} if classifier else {"shape": shape},
        networks={},
        parameters={"network": 7},
        training={},
        licence="CC0-1.0",
        versions={},
        version=version,
        created="2026-01-02T03:04:05+00:00",
    )


class FakeClassifier:
    """Scores an image by its mean brightness: its label is `level` mean // 25.6."""

    task = "classification"

    def __init__(self, card: Card) -> None:
        self.card = card
        self.labels = card.labels
        self.input_shape = tuple(card.input["shape"])
        self.warmed: tuple[int, ...] = ()
        self.calls: list[int] = []
        self.entered = threading.Event()
        self.gate = threading.Event()
        self.gate.set()
        self.fail = False

    def rows(self, images: Any) -> np.ndarray:
        assert not isinstance(images, str), "a string could be a path of the server"
        return image_rows(images, self.input_shape)

    def warm(self, batch_sizes: Sequence[int]) -> None:
        self.warmed = tuple(batch_sizes)

    def run(self, rows: np.ndarray) -> np.ndarray:
        self.entered.set()
        assert self.gate.wait(timeout=20)
        self.calls.append(len(rows))
        if self.fail:
            raise RuntimeError("secret detail of the model")
        level = np.clip(rows.mean(axis=(1, 2, 3)) / 25.6, 0, 9.99)
        distance = np.abs(np.arange(10)[None] + 0.5 - level[:, None])
        scores = np.exp(-distance)
        return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)

    def ranked(self, scores: np.ndarray, top_k: int) -> list[list[tuple[str, float]]]:
        order = np.argsort(-scores, axis=1, kind="stable")[:, :top_k]
        return [
            [(self.labels[i], float(row[i])) for i in best]
            for row, best in zip(scores, order, strict=True)
        ]


class FakeGenerator:
    """Paints latents as grey patches. A row's answer depends on the size of the call it was in.

    That is what real kernels do in the last bits; here it is coarse, so that a test sees it.
    """

    task = "generation"

    def __init__(self, card: Card) -> None:
        self.card = card
        self.latent_dim = 4
        self.calls: list[int] = []

    def warm(self, batch_sizes: Sequence[int]) -> None:
        self.run(np.zeros((batch_sizes[0], 4), np.float32))

    def rows(self, n: int, seed: int | Sequence[int]) -> np.ndarray:
        seeds = [seed + i for i in range(n)] if isinstance(seed, int) else list(seed)
        return draw_latents(seeds, 4)

    def path(self, from_seed: int, to_seed: int, steps: int) -> np.ndarray:
        start, end = self.rows(2, [from_seed, to_seed])
        return slerp(start, end, steps)

    def run(self, rows: np.ndarray) -> np.ndarray:
        self.calls.append(len(rows))
        shifted = rows * 40 + 128 + len(rows)
        cells = np.clip(shifted, 0, 255).astype(np.uint8).reshape(-1, 2, 2, 1)
        return cells.repeat(4, axis=1).repeat(4, axis=2)


class FakeSource:
    """A store of two classifiers, one with two versions, a generator, and what is not served."""

    def __init__(self) -> None:
        cards = [
            make_card("levels.grey", "classification", 1),
            make_card("levels.grey", "classification", 2),
            make_card("levels.other", "classification"),
            make_card("patches.grey", "generation"),
            make_card("broken.grey", "classification"),
            make_card("styles.a_b", "translation"),
        ]
        self.cards = {f"{card.name}@{card.version}": card for card in cards}
        self.pipelines: dict[str, Any] = {}
        self.loads: list[str] = []

    def names(self) -> list[str]:
        return sorted({card.name for card in self.cards.values()} | {"damaged.card"})

    def versions(self, name: str) -> list[int]:
        return [card.version for card in self.cards.values() if card.name == name] or [1]

    def read_card(self, reference: str) -> Card:
        if reference == "damaged.card@1":
            raise CorruptModelError("the card in /secret/place cannot be read")
        if reference not in self.cards:
            raise UnknownModelError(reference, self.cards)
        return self.cards[reference]

    def load(self, reference: str) -> Any:
        self.loads.append(reference)
        card = self.read_card(reference)
        if card.name == "broken.grey":
            raise CorruptModelError("/secret/place/network.keras is not the file that was stored")
        kind = FakeClassifier if card.task == "classification" else FakeGenerator
        self.pipelines[reference] = kind(card)
        return self.pipelines[reference]
