"""How Hyperband and ASHA spend a number of trials: rounds of (places, epochs), and rungs."""

from __future__ import annotations

import math

# Algorithms that are laid out for one number of trials; the others only stop at it.
LAID_OUT = ("hyperband", "asha")

Round = tuple[int, int]
Bracket = list[Round]


def plan_brackets(trials: int, max_epochs: int, factor: int = 3) -> list[Bracket]:
    """Lays out Hyperband (Li et al. 2018, algorithm 1) so that it needs at most `trials` trials.

    A bracket starts many configurations on few epochs; each next round goes on with the best
    1/factor of them for `factor` times the epochs, the last one to `max_epochs`. Full-size
    brackets are laid out from the one that halves most to the one that does not halve, over and
    over, while they fit; a smaller one of the same kind takes what is left.

    Args:
        trials: Trainings in all; going on with a configuration counts as one more.
        max_epochs: Epochs of the last round.
        factor: The paper's eta.

    Returns:
        For each bracket its rounds, each as (number of trials, epochs that they have at its end).
    """
    most_halvings = int(math.log(max_epochs, factor) + 1e-9)
    brackets: list[Bracket] = []
    left = trials
    while left > 0:
        halvings = most_halvings - len(brackets) % (most_halvings + 1)
        first = math.ceil((most_halvings + 1) / (halvings + 1) * factor**halvings)
        sizes = [first // factor**i for i in range(halvings + 1)]
        if sum(sizes) > left:
            sizes = _fitting(left, halvings, factor)
        epochs = [math.ceil(max_epochs / factor ** (len(sizes) - 1 - i)) for i in range(len(sizes))]
        brackets.append(list(zip(sizes, epochs, strict=True)))
        left -= sum(sizes)
    return brackets


def _fitting(trials: int, halvings: int, factor: int) -> list[int]:
    """Returns the largest sizes of rounds within `trials`; every round has fewer than the last."""
    for rounds in range(halvings + 1, 0, -1):
        for first in range(trials, 0, -1):
            sizes = [math.ceil(first / factor**i) for i in range(rounds)]
            if sum(sizes) <= trials and len(set(sizes)) == rounds:
                return sizes
    raise AssertionError("one round of one trial always fits")


def plan_rungs(trials: int, max_epochs: int, factor: int = 3) -> list[int]:
    """Lays out the rungs of successive halving so that `trials` trials can fill them all.

    A promotion from a rung takes `factor` trials there, so that one trial on the last of r rungs
    takes (factor ** r - 1) / (factor - 1) trials in all. There are as many rungs as that allows,
    and as `max_epochs` does, and the last is `max_epochs` in any case.

    Args:
        trials: Trainings in all; going on with a configuration counts as one more.
        max_epochs: Epochs of the last rung.
        factor: Eta.

    Returns:
        For each rung the epochs that a trial has at its end, in ascending order.
    """
    most = int(math.log(max_epochs, factor) + 1e-9) + 1
    rungs = 1
    while rungs < most and (factor ** (rungs + 1) - 1) // (factor - 1) <= trials:
        rungs += 1
    return [math.ceil(max_epochs / factor ** (rungs - 1 - rung)) for rung in range(rungs)]
