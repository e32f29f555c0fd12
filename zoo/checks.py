"""What kind of number a value is; a truth value is none."""

from __future__ import annotations

from typing import Any

import numpy as np


def is_whole(value: Any) -> bool:
    """Whether a value is an integer, Python's or NumPy's."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def is_number(value: Any) -> bool:
    """Whether a value is an integer or a float, Python's or NumPy's."""
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
