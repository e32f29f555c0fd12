"""A classifier in 8-bit integers on OpenVINO, and what that costs in accuracy.

OpenVINO itself runs such networks and no longer makes them; the package nncf does (Jacob et al.
2018 describe the arithmetic).
"""

from __future__ import annotations

import contextlib
import io
import logging

import numpy as np

from zoo.cards import Card
from zoo.errors import InvalidInputError
from zoo.recipe import Recipe
from zoo.runtime import packages
from zoo.runtime.exported import INT8_FUNCTION, ExportedFunctions
from zoo.runtime.exports import Export

# Training images by which the ranges of activations are found, and images scored at once.
_CALIBRATED, _AT_ONCE = 300, 1024
_SEED = 1123


def require_quantizable(card: Card) -> None:
    """Checks what can be known before any work.

    Raises:
        InvalidInputError: for a model that is no classifier, was trained without a validation split
            or was adapted to images without labels, and where a package is missing.
        RecipeError: when the recipe on the card cannot be read.
    """
    from zoo import data

    label = f"{card.name}@{card.version}"
    if card.task != "classification":
        raise InvalidInputError(f"precision int8 is for classifiers; {label} is for {card.task}")
    spec = Recipe.from_dict(card.recipe).data
    if not spec.validation:
        raise InvalidInputError(
            f"{label} was trained without a validation split, on which int8 is measured"
        )
    pair = data.PAIRS.get(spec.name) if spec.name in data.PAIRS else None
    if isinstance(pair, data.Shift):
        raise InvalidInputError(
            f"{label} was adapted to {pair.b.name} without its labels, so that int8 cannot be "
            "measured on a validation split of it"
        )
    packages.require("int8", "nncf", *packages.MADE_WITH["openvino"])


def quantized(export: Export, card: Card) -> dict[str, float]:
    """Writes a classifier in 8-bit integers into the folder of its export.

    Args:
        export: With OpenVINO among its runtimes.
        card: Of the classifier.

    Returns:
        `loss`, the accuracy on the validation split before less that after, in [-1, 1], and `n`,
        the examples it was measured on.

    Raises:
        DataUnavailableError: when the data set is not prepared.
    """
    from zoo import data
    from zoo.inputs import image_rows
    from zoo.metrics.classification import accuracy
    from zoo.runtime.openvino_function import import_openvino

    train, validation = data.training_examples(Recipe.from_dict(card.recipe).data)
    assert validation is not None, "require_quantizable asks for a validation split"
    openvino = import_openvino()
    import nncf

    nncf.set_log_level(logging.ERROR)
    shape = card.input["shape"]
    chosen = np.random.default_rng(_SEED).permutation(len(train["image"]))[:_CALIBRATED]
    rows = image_rows(train["image"][chosen], shape)
    network = openvino.Core().read_model(str(export.path(INT8_FUNCTION, "openvino")))
    # Its bars of progress are drawn on the standard output.
    with contextlib.redirect_stdout(io.StringIO()):
        result = nncf.quantize(
            network, nncf.Dataset([row[None] for row in rows]), subset_size=len(rows)
        )
    target = export.path(INT8_FUNCTION, "openvino", "int8")
    openvino.save_model(result, str(target), compress_to_fp16=False)
    before, after = (
        np.concatenate(
            [
                functions[INT8_FUNCTION](image_rows(validation["image"][start:stop], shape))
                for start, stop in _parts(len(validation["image"]))
            ]
        )
        for functions in (
            ExportedFunctions(export, "openvino"),
            ExportedFunctions(export, "openvino", "int8"),
        )
    )
    labels = validation["label"]
    return {"loss": accuracy(before, labels) - accuracy(after, labels), "n": len(labels)}


def _parts(count: int) -> list[tuple[int, int]]:
    return [(start, min(start + _AT_ONCE, count)) for start in range(0, count, _AT_ONCE)]
