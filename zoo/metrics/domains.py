"""How far apart the features of two domains are."""

from __future__ import annotations

import numpy as np

from zoo.metrics.features import require_alike


def proxy_a_distance(a: np.ndarray, b: np.ndarray, seed: int = 0) -> float:
    """Returns 2 (1 - 2 ε), ε the error of a linear classifier that tells the two sets apart.

    Ben-David et al. 2007, section 4. Of the larger set as many rows are drawn as the smaller one
    has. The classifier is a logistic regression on standardised features, learned from one half of
    the rows and tested on the other.

    Args:
        a: Features (n, d), four rows at least.
        b: Features (m, d), likewise.
        seed: Decides which rows are drawn and learned from.

    Returns:
        2 where the sets can be told apart, about 0 where they cannot.

    Raises:
        ValueError: for features that do not fit each other, or fewer rows.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    require_alike(a, b, least=4)
    count = min(len(a), len(b))
    rng = np.random.default_rng(seed)
    drawn = [rows[rng.permutation(len(rows))[:count]] for rows in (a, b)]
    half = count // 2
    domain = np.repeat([0, 1], half)
    learner = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    learner.fit(np.concatenate([rows[:half] for rows in drawn]), domain)
    tested = np.concatenate([rows[half : 2 * half] for rows in drawn])
    error = float(np.mean(learner.predict(tested) != domain))
    return 2 * (1 - 2 * error)


def coral_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Returns ||C_a - C_b||² / (4 d²) of the sample covariances (Sun and Saenko 2016, eq. 1).

    Args:
        a: Features (n, d), two rows at least.
        b: Features (m, d), likewise.

    Raises:
        ValueError: for features that do not fit each other.
    """
    require_alike(a, b)
    one, other = (np.atleast_2d(np.cov(rows, rowvar=False)) for rows in (a, b))
    return float(np.sum((one - other) ** 2) / (4 * a.shape[1] ** 2))
