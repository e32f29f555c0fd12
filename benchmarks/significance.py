"""Whether a difference over a few seeds is more than chance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def against(baseline: Sequence[float], others: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Returns how likely it is that means differ so much by chance, each from a baseline.

    It is Welch's t test of two sides, which lets deviations differ, with Holm's correction for as
    many tests as there are.

    Args:
        baseline: Values of the seeds, two or more.
        others: Those of what is compared with it.

    Returns:
        `{name: p}`; nothing where the baseline has one seed, from which nothing can be told.
    """
    from scipy.stats import ttest_ind

    if len(baseline) < 2:
        return {}
    raw = {
        name: float(ttest_ind(values, baseline, equal_var=False).pvalue)
        for name, values in others.items()
    }
    return holm(raw)


def holm(raw: Mapping[str, float]) -> dict[str, float]:
    """Returns p values corrected for their number (Holm 1979), none above 1."""
    corrected: dict[str, float] = {}
    largest = 0.0
    for place, name in enumerate(sorted(raw, key=lambda one: raw[one])):
        largest = max(largest, min(1.0, (len(raw) - place) * raw[name]))
        corrected[name] = largest
    return corrected
