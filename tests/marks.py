"""Tests of many cases, of which a few are fast."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def fast_of(fast: Collection[Any], every: Iterable[Any]) -> list[Any]:
    """Marks every value of a parameter as `full` that is not among the fast ones."""
    return [one if one in fast else pytest.param(one, marks=pytest.mark.full) for one in every]
