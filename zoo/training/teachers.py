"""Teachers of a recipe: what they must be, and their answers kept on disk."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo import data, files, paths, store
from zoo.cards import Card
from zoo.data.split import Arrays
from zoo.errors import RecipeError
from zoo.recipe import Recipe
from zoo.registry import natural_sort
from zoo.training.engine import values_of

TEACHER = "teacher"
# Of each example, in a batch: the logits of every teacher, float32 (batch, teachers, classes).
TEACHER_LOGITS = "teacher_logits"
# Images that a teacher answers at once.
_AT_ONCE = 1000


def teacher_roles(parents: Mapping[str, Any]) -> list[str]:
    """Returns the roles of parents that teach, in order: `teacher`, `teacher2`, …"""
    return natural_sort(role for role in parents if role.startswith(TEACHER))


def check_teachers(recipe: Recipe) -> None:
    """Checks that a recipe's teachers know what the student is to learn.

    Their images and the number of classes are checked where they meet the student's.

    Raises:
        RecipeError: for a teacher that is no classifier, that tells other classes apart, that was
            never measured, or that is no better than chance; and for answers that cannot be kept.
        UnknownModelError, InvalidInputError, CorruptModelError: as for `store.read_card`.
    """
    for role in teacher_roles(recipe.parents):
        _check_card(store.read_card(recipe.parents[role]["model"]), recipe, role)
    altered = [part["name"] for part in recipe.augmentation]
    if recipe.method.get("terms") and "ProgressiveResize" in altered:
        raise RecipeError("method.terms compare layers of one size; leave out ProgressiveResize")
    mixers = [name for name in altered if name in ("MixUp", "CutMix")]
    if recipe.data.images is not None and mixers:
        raise RecipeError(f"{mixers[0]} mixes labels, and the images of data.images have none")
    if recipe.method.get("cache") and altered:
        raise RecipeError(
            "method.cache keeps a teacher's answers to the images as they are, and augmentation "
            f"({', '.join(altered)}) alters these in every epoch; set augmentation=[] or "
            "method.cache=false"
        )


def _check_card(card: Card, recipe: Recipe, role: str) -> None:
    model = f"{card.name}@{card.version}"
    if card.task != "classification":
        raise RecipeError(f"parents.{role} must be a classifier; {model} is for {card.task}")
    names = list(data.labels(recipe.data))
    if card.labels and card.labels != names:
        raise RecipeError(
            f"{role} and student must tell the same classes apart, in one order: {model} has "
            f"{_listed(card.labels)}, the student {_listed(names)}"
        )
    measured = card.metric("accuracy")
    if measured is None:
        raise RecipeError(
            f"{model} was never measured, so it may be untrained; a {TEACHER} needs an accuracy "
            f"on its card: `zoo train {card.name}` makes one that has it"
        )
    chance = 1 / max(len(names), 1)
    if measured.value <= chance:
        raise RecipeError(
            f"{model} is untrained: its accuracy is {100 * measured.value:.1f}%, and guessing has "
            f"{100 * chance:.1f}%"
        )


def _listed(labels: list[str]) -> str:
    shown = ", ".join(labels[:5])
    return f"{shown}, … ({len(labels)})" if len(labels) > 5 else shown


def kept_answers(teachers: Mapping[str, keras.Model], arrays: Arrays) -> Arrays:
    """Returns the teachers' logits of each training image, computed once and kept on disk.

    They are in `$ZOO_HOME/teachers`, a file for each teacher and each set of images, named by the
    digests of weights and images: another version of the one, or other images, have another file.

    Args:
        teachers: `{role: network}`, in order.
        arrays: What is trained on.

    Returns:
        `{TEACHER_LOGITS: float32 (n, teachers, classes)}`.
    """
    image = np.ascontiguousarray(arrays["image"])
    shown = _digest(str(image.shape), [image])
    answers = []
    for network in teachers.values():
        # The views of an image that a network looks at are layers, not weights.
        knows = _digest(str(len(network.layers)), values_of(network.weights))
        path = paths.home() / "teachers" / f"{knows}-{shown}.npz"
        logits = _read(path, len(image))
        answers.append(_written(path, network, image) if logits is None else logits)
    return {TEACHER_LOGITS: np.stack(answers, axis=1)}


def _digest(text: str, values: Iterable[np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for value in values:
        digest.update(f"{value.dtype} {value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()[:24]


def _read(path: Path, count: int) -> np.ndarray | None:
    """Reads so many kept answers; None where there are none, or the file is damaged."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            logits = archive["logits"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    return logits if len(logits) == count else None


def _written(path: Path, network: keras.Model, image: np.ndarray) -> np.ndarray:
    """Computes a network's answers to images and writes them."""
    from zoo.runtime import compile_network

    answer = compile_network(network)
    parts = (image[start : start + _AT_ONCE] for start in range(0, len(image), _AT_ONCE))
    logits = np.concatenate([answer(part.astype(np.float32)) for part in parts])
    with files.atomic_path(path) as temporary:
        np.savez(temporary, logits=logits)
    return logits
