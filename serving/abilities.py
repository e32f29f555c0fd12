"""What can be asked of a model, read off its card, so that a list of models loads none."""

from __future__ import annotations

from typing import Literal

from zoo.cards import Card
from zoo.errors import InvalidInputError
from zoo.pipelines import pipeline_of

# What one does with a model, and what the page shows it for.
Ability = Literal["classify", "translate", "reconstruct", "generate", "edit"]


def abilities_of(card: Card) -> list[Ability]:
    """Returns what the pipeline of a card can do.

    `reconstruct` is also what a generator with an encoder does; `edit`, to begin from an image, is
    what those do that draw step by step.
    """
    try:
        kind = pipeline_of(card.task, card.networks)
    except InvalidInputError:
        # It is listed all the same; who asks for it is told what is wrong with it.
        return []
    found: dict[Ability, bool] = {
        "classify": card.task == "classification",
        "translate": card.task == "translation",
        "reconstruct": hasattr(kind, "reconstruct"),
        "generate": card.task == "generation",
        "edit": kind.stepwise,
    }
    return [ability for ability, has in found.items() if has]
