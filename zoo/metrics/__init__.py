"""Measures of quality on plain arrays, in float64."""
