"""The card of a stored model: what it is, how it was made, how good it measured."""

from __future__ import annotations

import dataclasses
import json
import re
import typing
from collections.abc import Mapping
from typing import Any

from zoo.errors import CorruptModelError

# What metrics are called whose values are shares; all others are losses, distances and ratios.
_SHARES = re.compile(
    r"(.+_)?accuracy(_.+)?|(precision|recall|coverage|memorised|nearer_train)(_.+)?|"
    r"smooth_paths|(.+_)?pairs"
)


@dataclasses.dataclass(frozen=True)
class Metric:
    """One measured number.

    Args:
        name: Such as `accuracy`, or `fd` for a Fréchet distance.
        value: The number, in the unit that its name implies; shares are in [0, 1].
        split: The data it was measured on, such as `test`.
        n: Number of examples.
        command: The command that measures it again.
        note: What one must know to compare it, such as whose features were used.
    """

    name: str
    value: float
    split: str
    n: int
    command: str
    note: str = ""

    @property
    def is_share(self) -> bool:
        """Whether the value is a share, in [0, 1], which people are shown in percent."""
        return _SHARES.fullmatch(self.name) is not None


@dataclasses.dataclass(frozen=True)
class Card:
    """All that is known of one version of a model.

    Args:
        name: `<architecture>.<dataset>[-<method>]`.
        task: One of `zoo.registry.TASKS`.
        family: Folder under `zoo/models` whose classes the networks may use.
        paper: The source of the architecture.
        recipe: The complete recipe, as `Recipe.from_dict` reads it.
        data: Name, split, number of examples and checksum of the training data.
        metrics: What was measured.
        input: Shape, dtype and range of what the first network takes, and its name; `labels` for a
            generator that draws classes on demand.
        output: The same of what the last one gives; `labels` for a classifier.
        networks: `{network: file}`.
        parameters: `{network: number of parameters}`.
        training: Epochs, seconds and images a second of the training, by the clock on the wall,
            validation and saving included; sha256 of the checkpoint that it ended with.
        licence: Terms of the training data.
        versions: Versions of the packages it was made with.
        costs: What an answer of a classifier costs: `flops` of one image, `latency_ms` of one and
            `images_per_second` of many, on which `device`, `processor` and how many `threads`; and
            `bytes`, `{network: size of its file}`, which the store gives. Times are a machine's,
            so nothing compares them.
        version: Number of the version; the store gives it.
        created: UTC time, ISO 8601.
        sha256: `{file: hexadecimal digest}` of every file beside the card; the store gives it.
    """

    name: str
    task: str
    family: str
    paper: str
    recipe: dict[str, Any]
    data: dict[str, Any]
    metrics: tuple[Metric, ...]
    input: dict[str, Any]
    output: dict[str, Any]
    networks: dict[str, str]
    parameters: dict[str, int]
    training: dict[str, Any]
    licence: str
    versions: dict[str, str]
    costs: dict[str, Any] = dataclasses.field(default_factory=dict)
    version: int = 0
    created: str = ""
    sha256: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def labels(self) -> list[str]:
        """Class names; empty where there are none.

        Those of a classifier are in the order of its scores, those of a conditional generator in
        the order of the one-hot labels that it takes.
        """
        return list(self.output.get("labels") or self.input.get("labels", []))

    def metric(self, name: str, split: str | None = None) -> Metric | None:
        """Returns the first metric of this name, on this split if one is given, or None."""
        found = (m for m in self.metrics if m.name == name and split in (None, m.split))
        return next(found, None)

    def numbered(self, version: int) -> Card:
        """Returns the card as that of a version, which its metrics' commands then name."""
        plain = re.compile(rf"zoo evaluate {re.escape(self.name)}(@\d+)?(?= |$)")
        metrics = tuple(
            dataclasses.replace(
                m, command=plain.sub(f"zoo evaluate {self.name}@{version}", m.command)
            )
            for m in self.metrics
        )
        return dataclasses.replace(self, version=version, metrics=metrics)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Card:
        """Builds a card from plain data.

        Raises:
            CorruptModelError: when a field is missing, unknown or not of its kind.
        """
        try:
            metrics = tuple(Metric(**metric) for metric in data["metrics"])
            card = cls(**{**data, "metrics": metrics})
        except (TypeError, KeyError) as error:
            raise CorruptModelError(f"this is not a card: {error}") from error
        _check_kinds(card)
        for metric in metrics:
            _check_kinds(metric)
        return card


def _check_kinds(part: Card | Metric) -> None:
    """Raises `CorruptModelError` for a field that is not of its annotated type."""
    for name, hint in typing.get_type_hints(type(part)).items():
        value = getattr(part, name)
        kind = typing.get_origin(hint) or hint
        right = isinstance(value, (int, float) if kind is float else kind)
        if right and kind is dict:
            values = typing.get_args(hint)[1]
            right = values is Any or all(isinstance(item, values) for item in value.values())
        if not right:
            raise CorruptModelError(f"this is not a card: {name} is {value!r}")
