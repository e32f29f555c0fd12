"""How Hyperband spends a number of trials: brackets of rounds of (places, epochs)."""

from __future__ import annotations

import math

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
