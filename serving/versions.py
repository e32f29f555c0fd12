"""Names for versions: `name@stable` and `name@canary`, and how requests are shared between them."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from zoo import files
from zoo.errors import InvalidInputError

# Not a number, which is a version, and short enough for a line.
LABEL = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,62}")


@dataclasses.dataclass(frozen=True)
class Versions:
    """What the versions of one model are called.

    Args:
        labels: Version numbers by label.
        weights: By label, the share of the requests that name no version; in any unit. Without
            any, all of them get the newest version.
    """

    labels: Mapping[str, int] = dataclasses.field(default_factory=dict)
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not isinstance(self.labels, Mapping) or not isinstance(self.weights, Mapping):
            raise InvalidInputError("labels and weights must be objects")
        for label, version in self.labels.items():
            if not LABEL.fullmatch(label):
                raise InvalidInputError(
                    f"a label is a letter, then letters, digits, _ and -, got {label[:40]!r}"
                )
            if not isinstance(version, int) or isinstance(version, bool) or version < 1:
                raise InvalidInputError(
                    f"the label {label} must name a version, a number from 1 on, got {version!r}"
                )
        for label, weight in self.weights.items():
            if label not in self.labels:
                raise InvalidInputError(f"there is a weight for {label[:40]!r}, but no such label")
            number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not number or not 0 <= weight < math.inf:
                raise InvalidInputError(
                    f"the weight of {label} must be a number from 0 on, got {weight!r}"
                )
        if self.weights and not sum(self.weights.values()) > 0:
            raise InvalidInputError("one of the weights must be more than 0")

    def drawn(self, key: str) -> int | None:
        """Returns the version that a request without one gets, None for the newest.

        Args:
            key: What the request is known by; the same gets the same, however often it comes.
        """
        if not self.weights:
            return None
        digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
        left = int.from_bytes(digest, "big") / 2**64 * sum(self.weights.values())
        shared = [label for label, weight in self.weights.items() if weight > 0]
        for label in shared:
            left -= self.weights[label]
            if left < 0:
                return self.labels[label]
        return self.labels[shared[-1]]

    def targets(self) -> set[int]:
        """Returns the versions that have a label."""
        return set(self.labels.values())


class LabelBook:
    """The labels of all models, kept in a file that is replaced whole.

    Args:
        kept: Where changes are kept. What is there is read now.
        given: A file of the operator's, of the same form, in whose favour that of earlier changes
            is not read: `{name: {"labels": {label: version}, "weights": {label: share}}}`.

    Raises:
        InvalidInputError: when a file cannot be read or holds something else.
    """

    def __init__(self, kept: Path, given: Path | None = None) -> None:
        self._kept = kept
        source = given or kept
        self._models = _read(source) if given is not None or source.is_file() else {}

    def of(self, name: str) -> Versions:
        """Returns what the versions of a model are called."""
        return self._models.get(name, Versions())

    def replace(self, name: str, versions: Versions) -> None:
        """Calls the versions of a model so from now on, and keeps it; nothing where it is empty."""
        models = {key: value for key, value in self._models.items() if key != name}
        if versions.labels:
            models[name] = versions
        record = {key: dataclasses.asdict(value) for key, value in sorted(models.items())}
        files.write_text(self._kept, json.dumps(record, indent=2) + "\n")
        self._models = models


def _read(path: Path) -> dict[str, Versions]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInputError(f"the labels in {path} cannot be read: {error}") from error
    if not isinstance(record, dict):
        raise InvalidInputError(f"the labels in {path} are no object of models")
    return {name: _versions(name, fields, path) for name, fields in record.items()}


def _versions(name: str, fields: Any, path: Path) -> Versions:
    try:
        return Versions(**fields)
    except (TypeError, InvalidInputError) as error:
        reason = (
            error if isinstance(error, InvalidInputError) else "it takes only labels and weights"
        )
        raise InvalidInputError(f"the labels of {name} in {path}: {reason}") from error
