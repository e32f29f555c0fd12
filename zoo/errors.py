"""The errors a user can meet. A message is one line: what was expected, what came, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# So many names still make one line.
_FEW = 12


class ZooError(Exception):
    """Base of every error that a user's input or surroundings can cause."""


class UnknownModelError(ZooError):
    """A name that nothing answers to. `near` holds the closest known names, best first."""

    def __init__(self, name: str, known: Iterable[str], kind: str = "model") -> None:
        self.name = name
        known = list(known)
        self.near = nearest(name, known)
        few = f"; there are {', '.join(known)}" if 0 < len(known) <= _FEW else ""
        super().__init__(f"unknown {kind} {name!r}{did_you_mean(self.near) or few}")


class CorruptModelError(ZooError):
    """A stored model whose files do not match its card."""


class DataUnavailableError(ZooError):
    """A data set that is not here. The message names the command that mends it."""


class InvalidInputError(ZooError):
    """An argument or an array of the wrong kind, shape, range or size."""


class RecipeError(ZooError):
    """A recipe with an unknown field, a wrong type or a value that cannot be trained."""


class CancelledError(ZooError):
    """What a user's own callback broke off; there is no result."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """Returns up to `count` known names close to `name` in any case, best first."""
    names = {other.lower(): other for other in known}
    typed = name.lower()
    close = difflib.get_close_matches(typed, names, n=count, cutoff=0.5)
    starts = [other for other in names if typed and other.startswith(typed) and other not in close]
    return [names[other] for other in (close + starts)[:count]]


def did_you_mean(near: list[str]) -> str:
    """Returns "; did you mean …?" for a list of near names, or nothing for an empty one."""
    return f"; did you mean {' or '.join(near)}?" if near else ""
