"""How much a search may spend."""

from __future__ import annotations

import dataclasses
from typing import Any

from zoo.errors import RecipeError


@dataclasses.dataclass(frozen=True)
class Budget:
    """The most that a search may spend; None is without an end.

    A budget that is used up ends a search after the epoch that is running. What was begun stays,
    and goes on under a larger budget.

    Args:
        trials: Trainings; for algorithms that go on with a trial that counts as one more.
        hours: Of wall-clock, of all the times that the search has run.
        total_epochs: Epochs of all trials and all their trainings.
        max_parameters: Of the networks that inference needs. A larger model is skipped: it is not
            trained, is no failure, and takes none of the trials.

    Raises:
        RecipeError: for a number that is not above 0.
    """

    trials: int
    hours: float | None = None
    total_epochs: int | None = None
    max_parameters: int | None = None

    def __post_init__(self) -> None:
        for name, value in self.to_dict().items():
            # Written so that NaN is refused as well.
            if value is not None and not value > 0:
                shown = name.replace("_", "-")
                raise RecipeError(f"{shown} must be above 0, got {value}")

    def to_dict(self) -> dict[str, Any]:
        """Returns plain data."""
        return dataclasses.asdict(self)

    def used_up(self, seconds: float, epochs: int) -> str:
        """Returns why the search must end, or nothing.

        Args:
            seconds: That the search has run, over all times it was called.
            epochs: That all its trials have trained.
        """
        if self.hours is not None and seconds >= 3600 * self.hours:
            return f"the {self.hours:g} hours are used up"
        if self.total_epochs is not None and epochs >= self.total_epochs:
            return f"the {self.total_epochs} epochs are used up"
        return ""

    def too_large(self, parameters: int) -> str:
        """Returns why a model of so many parameters is skipped, or nothing."""
        if self.max_parameters is None or parameters <= self.max_parameters:
            return ""
        return f"{parameters:,} parameters, above {self.max_parameters:,}"
