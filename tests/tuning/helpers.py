"""Settings that make a search small enough for a test: a tiny network, a few hundred images."""

from __future__ import annotations

# A network of 16 units on 256 images; an epoch takes a moment.
QUICK = {
    "data.limit": 256,
    "data.validation": 64,
    "batch_size": 64,
    "network.units": [16],
    "augmentation": [],
    "epochs": 2,
}
RATES = ("optimizer.learning_rate=log:1e-4:1e-1",)


def quiet(line: str) -> None:
    """Takes the lines of progress that a test does not look at."""
