"""Prompts: from what a user calls a class to its number."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from zoo.errors import InvalidInputError, did_you_mean, nearest

_ARTICLES = {"a", "an", "the", "some"}
_DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
# A label such as T-shirt/top names one class in several ways.
_ALTERNATIVES = re.compile(r"[/,|]|\bor\b", re.IGNORECASE)
# Words of so many letters may be misspelt, by a letter more or less, and are then this much alike.
_LETTERS, _ALIKE = 5, 0.8
# Fewer letters than these say nothing about the longer label that they are a word of.
_TELLING = 3


def label_number(prompt: str, labels: Sequence[str], owner: str) -> int:
    """Returns the number of the class that a prompt names.

    A label as it is written, in any case, comes first, then a number, for the names of some classes
    are numbers. Other prompts are matched by their words, without articles, singular or plural,
    a digit as a word or as itself. The first of these that finds a label decides:

    - it is the label, or one of the alternatives that the label lists: `a t-shirt`, `tops`;
    - it is a part of the label: `boots` for Ankle boot;
    - it holds the label: `a photo of the coat`;
    - it is the label with a letter wrong, left out or added: `sneeker`.

    Args:
        prompt: Such as `Sneaker`, `a sneaker`, `sneakers` or `7`.
        labels: Names of the classes.
        owner: What has them, for the message.

    Raises:
        InvalidInputError: when nothing matches, with near labels or all of them, or when several
            match equally well.
    """
    names = [label.lower() for label in labels]
    if prompt.lower() in names:
        return names.index(prompt.lower())
    if prompt.isdecimal() and int(prompt) < len(names):
        return int(prompt)
    found = _matches(_words(prompt), [_named(label) for label in labels])
    if len(found) == 1:
        return found[0]
    if found:
        several = " or ".join(labels[number] for number in found)
        raise InvalidInputError(f"{prompt!r} may be {several} of {owner}; name one of them")
    near = did_you_mean(nearest(prompt, labels)) or f"; {', '.join(labels)}"
    raise InvalidInputError(f"{owner} has no label {prompt!r}{near}")


def _named(label: str) -> list[list[str]]:
    """Returns the words of a label, then those of each of its alternatives."""
    ways = [_words(way) for way in (label, *_ALTERNATIVES.split(label))]
    return [way for way in ways if way]


def _words(text: str) -> list[str]:
    words = re.findall(r"[^\W_]+", text.lower())
    words = [str(_DIGITS.index(word)) if word in _DIGITS else word for word in words]
    return [word for word in words if word not in _ARTICLES] or words


def _matches(asked: list[str], named: Sequence[list[list[str]]]) -> list[int]:
    """Returns the numbers of the labels that match best; none, one or several."""
    if not asked:
        return []
    joined = "".join(asked)
    same = [n for n, ways in enumerate(named) if any(_same(joined, "".join(w)) for w in ways)]
    if same:
        return same
    parts = [n for n, ways in enumerate(named) if any(_within(asked, way) for way in ways)]
    if parts and len(joined) >= _TELLING:
        return parts
    held = {
        number: max((way for way in ways if _within(way, asked)), key=len, default=[])
        for number, ways in enumerate(named)
    }
    # A t-shirt holds a shirt, too; the longer label is the one that is meant.
    longest = [
        number
        for number, way in held.items()
        if way and not any(len(other) > len(way) and _within(way, other) for other in held.values())
    ]
    return longest or _misspelt(joined, named)


def _misspelt(joined: str, named: Sequence[list[list[str]]]) -> list[int]:
    alike = [max((_alike(joined, "".join(way)) for way in ways), default=0.0) for ways in named]
    best = max(alike, default=0.0)
    return [number for number, one in enumerate(alike) if one == best > _ALIKE]


def _alike(one: str, other: str) -> float:
    """Returns how alike two words are, 0 to 1; 0 for short ones and such of other lengths."""
    if min(len(one), len(other)) < _LETTERS or abs(len(one) - len(other)) > 1:
        return 0.0
    return difflib.SequenceMatcher(None, one, other).ratio()


def _within(part: Sequence[str], words: Sequence[str]) -> bool:
    """Says whether words follow each other among others."""
    size = len(part)
    return any(
        all(map(_same, part, words[start : start + size])) for start in range(len(words) - size + 1)
    )


def _same(one: str, other: str) -> bool:
    return one == other or one in _plurals(other) or other in _plurals(one)


def _plurals(word: str) -> tuple[str, ...]:
    return f"{word}s", f"{word}es", f"{word.removesuffix('y')}ies"
