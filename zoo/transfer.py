"""What a recipe's `transfer` says: from which stored model to begin, and what of it learns."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo import store
from zoo.errors import RecipeError, did_you_mean, nearest

if TYPE_CHECKING:
    from zoo.cards import Card
    from zoo.recipe import Recipe

POLICIES = ("scratch", "freeze", "finetune", "hybrid")
# Of these a part of the parent learns on, at a lower rate than the new head.
LEARNING = ("finetune", "hybrid")
RATE = 0.1
POLICY = "finetune"
_FIELDS = ("from", "policy", "stage", "rate", "sha256")


def transferred(recipe: Recipe, source: str, policy: str = POLICY) -> Recipe:
    """Returns a recipe that begins from a stored model, under a name of its own.

    Args:
        recipe: How to train; all of it stays but the name, which gets the policy at its end.
        source: The stored model, the parent: `resnet20.cifar10`, or `resnet20.cifar10@1`.
        policy: What is taken from it and learns on (Yosinski et al. 2014 compare them).

            - `scratch`: nothing is taken. The same architecture begins anew: the baseline.
            - `freeze`: all but the head is taken and fixed, a new head learns: a linear probe.
            - `finetune`: all but the head is taken and learns at a tenth of the new head's rate.
            - `hybrid:STAGE`: of what is taken, that up to and including the layer STAGE is fixed,
              and the rest learns as in `finetune`.

    Raises:
        RecipeError: for an unknown policy, or a stage where none belongs or none is.
    """
    transfer = from_words(source, policy)
    suffix = re.sub(r"[^a-z0-9_]", "_", policy.lower())
    return recipe.override({"transfer": transfer, "name": f"{recipe.name}-{suffix}"})


def from_words(source: str, policy: str) -> dict[str, Any]:
    """Returns a recipe's `transfer` of a stored model and a policy such as `hybrid:stage2`."""
    chosen, colon, stage = policy.partition(":")
    return {"from": source, "policy": chosen, **({"stage": stage} if colon else {})}


def parent_card(source: str, architecture: str) -> Card:
    """Returns the card of the stored model that a recipe for an architecture begins from.

    Raises:
        UnknownModelError, InvalidInputError, CorruptModelError: as for `store.read_card`.
        RecipeError: when it is no classifier of this architecture.
    """
    card = store.read_card(source)
    parent = f"{card.name}@{card.version}"
    if card.task != "classification" or "network" not in card.networks:
        raise RecipeError(f"transfer begins from a classifier; {parent} is for {card.task}")
    if card.recipe["architecture"] != architecture:
        raise RecipeError(
            f"transfer needs one architecture: {parent} is {card.recipe['architecture']}, "
            f"the recipe is for {architecture}"
        )
    return card


def check_transfer(transfer: Mapping[str, Any]) -> None:
    """Raises `RecipeError` for what is not a recipe's `transfer`; `{}` is none."""
    if not transfer:
        return
    for field in transfer:
        if field not in _FIELDS:
            raise RecipeError(f"transfer has no {field!r}{did_you_mean(nearest(field, _FIELDS))}")
    for field in ("from", "stage", "sha256"):
        value = transfer.get(field, "" if field == "from" else "-")
        if not isinstance(value, str) or not value:
            raise RecipeError(f"transfer.{field} must be a name, got {value!r}")
    policy = transfer.get("policy")
    if policy not in POLICIES:
        near = did_you_mean(nearest(str(policy), POLICIES))
        raise RecipeError(f"transfer.policy must be {', '.join(POLICIES)}, got {policy!r}{near}")
    if (policy == "hybrid") != ("stage" in transfer):
        raise RecipeError(
            "transfer.policy hybrid needs a stage, as in hybrid:stage2"
            if policy == "hybrid"
            else f"transfer.stage is for the policy hybrid, not for {policy}"
        )
    rate = transfer.get("rate", RATE)
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate <= 1:
        raise RecipeError(f"transfer.rate must be above 0 and at most 1, got {rate!r}")
    if "rate" in transfer and policy not in LEARNING:
        raise RecipeError(f"transfer.rate is for {' and '.join(LEARNING)}, not for {policy}")


def pinned(recipe: Recipe) -> Recipe:
    """Returns the recipe with one version of the parent, its sha256, and its network's options.

    Trained again, such a recipe begins from the very same weights, whatever is stored later.

    Raises:
        UnknownModelError, InvalidInputError, CorruptModelError: as for `store.read_card`.
        RecipeError: when the parent is no classifier of the same architecture and options.
    """
    transfer = recipe.transfer
    if not transfer or "sha256" in transfer:
        return recipe
    card = parent_card(transfer["from"], recipe.architecture)
    parent, network = f"{card.name}@{card.version}", card.recipe.get("network", {})
    if recipe.network not in ({}, network):
        raise RecipeError(f"network must be that of {parent}, {network}, got {recipe.network}")
    rate = {"rate": RATE} if transfer["policy"] in LEARNING else {}
    sha256 = card.sha256[card.networks["network"]]
    whole = {**rate, **transfer, "from": parent, "sha256": sha256}
    return recipe.override({"transfer": whole, "network": network})
