"""What the tests of the store share: a card, networks that write given bytes, small damages."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from zoo.cards import Card, Metric

NAME = "mlp.mnist"


def make_card(name: str = NAME, **fields: Any) -> Card:
    return Card(
        **{
            "name": name,
            "task": "classification",
            "family": "mlp",
            "paper": "Rumelhart, Hinton, Williams (1986)",
            "recipe": {"name": name},
            "data": {"name": "mnist"},
            "metrics": (Metric("accuracy", 0.5, "test", 10, f"zoo evaluate {name}"),),
            "input": {"shape": [2]},
            "output": {"shape": [3]},
            "networks": {},
            "parameters": {"network": 9},
            "training": {},
            "licence": "none",
            "versions": {},
            **fields,
        }
    )


class FakeNetwork:
    """Writes given bytes where a network would write itself, some at a time."""

    def __init__(self, content: bytes, pause: float = 0.0) -> None:
        self.content = content
        self.pause = pause

    def save(self, path: Path) -> None:
        with Path(path).open("wb") as file:
            for start in range(0, len(self.content), 4096):
                file.write(self.content[start : start + 4096])
                file.flush()
                time.sleep(self.pause)


def fakes(content: bytes = b"weights", pause: float = 0.0) -> Mapping[str, Any]:
    return cast(Mapping[str, Any], {"network": FakeNetwork(content, pause)})


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.glob(".*")]


def rewrite_card(folder: Path, **fields: Any) -> None:
    record = json.loads((folder / "card.json").read_text(encoding="utf-8"))
    (folder / "card.json").write_text(json.dumps({**record, **fields}), encoding="utf-8")


def change_byte(path: Path, position: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(bytes(content))


def tiny_network(seed: int = 0) -> Any:
    import keras

    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((2,), name="x"), keras.layers.Dense(3)])
