"""The engine: players take turns, one custom step, exact resume."""
