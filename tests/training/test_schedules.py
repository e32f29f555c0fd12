"""Schedules against their formulas."""

from __future__ import annotations

import keras
import pytest

from zoo.training.schedules import build_schedule


def test_schedules_follow_their_formulas() -> None:
    cosine = build_schedule(0.1, {"name": "cosine", "warmup": 0.1}, 100)
    assert float(cosine(5)) == pytest.approx(0.05)
    assert float(cosine(10)) == pytest.approx(0.1)
    assert float(cosine(55)) == pytest.approx(0.05)
    assert float(cosine(100)) == pytest.approx(0.0, abs=1e-7)
    linear = build_schedule(0.1, {"name": "linear", "start": 0.5}, 100)
    assert [round(float(linear(s)), 6) for s in (0, 50, 75, 100)] == [0.1, 0.1, 0.05, 0.0]
    steps = build_schedule(0.1, {"name": "step", "at": [0.5, 0.75]}, 100)
    assert [round(float(steps(s)), 6) for s in (10, 60, 90)] == [0.1, 0.01, 0.001]
    assert build_schedule(0.1, {}, 100) == 0.1
    falling = build_schedule(0.1, {"name": "exponential", "final": 0.01}, 100)
    assert [float(falling(s)) for s in (0, 50, 100)] == pytest.approx([0.1, 0.01, 0.001])
    inverse = build_schedule(0.1, {"name": "inverse_time", "decay": 3.0}, 100)
    assert [float(inverse(s)) for s in (0, 100)] == pytest.approx([0.1, 0.025])
    cycles = build_schedule(0.1, {"name": "triangular", "cycles": 2, "low": 0.2}, 100)
    expected = [0.02, 0.06, 0.1, 0.02, 0.1, 0.02]
    assert [float(cycles(s)) for s in (0, 12.5, 25, 50, 75, 100)] == pytest.approx(expected)
    one = build_schedule(0.1, {"name": "one_cycle", "peak": 0.5, "low": 0.1, "final": 0.0}, 100)
    expected = [0.01, 0.055, 0.1, 0.05, 0.0]
    assert [float(one(s)) for s in (0, 25, 50, 75, 100)] == pytest.approx(expected, abs=1e-7)


def test_a_schedule_serialises() -> None:
    schedule = build_schedule(0.1, {"name": "one_cycle"}, 50)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert [float(copy(s)) for s in range(0, 60, 7)] == [
        float(schedule(s)) for s in range(0, 60, 7)
    ]
