"""Measures of a classifier's scores."""

from __future__ import annotations

import numpy as np


def accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Share of rows whose largest score is that of the label.

    Args:
        scores: (n, classes).
        labels: Integers (n,).
    """
    return float(np.mean(scores.argmax(axis=1) == labels))


def negative_log_likelihood(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -log of the label's score, in nats. Scores are clipped at 1e-12."""
    chosen = scores[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(chosen, 1e-12, 1.0)).mean())


def expected_calibration_error(scores: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equal bins (Guo et al. 2017, eq. 3).

    Args:
        scores: (n, classes), rows summing to 1.
        labels: Integers (n,).
        bins: Number of bins of confidence; a bin takes its upper edge.
    """
    counts, confidence, right = calibration_curve(scores, labels, bins)
    return float((counts * np.abs(right - confidence)).sum() / counts.sum())


def calibration_curve(
    scores: np.ndarray, labels: np.ndarray, bins: int = 15
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The reliability diagram's numbers (Guo et al. 2017, eq. 1 and 2).

    Args:
        scores: (n, classes), rows summing to 1.
        labels: Integers (n,).
        bins: Number of equal bins of confidence, the largest score; a bin takes its upper edge.

    Returns:
        How many rows each bin holds, their mean confidence and their accuracy, each (bins,); 0 for
        a bin without rows.
    """
    confidence = scores.max(axis=1).astype(np.float64)
    correct = scores.argmax(axis=1) == labels
    index = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    counts = np.bincount(index, minlength=bins)
    sums = (np.bincount(index, weights=w, minlength=bins) for w in (confidence, correct))
    mean_confidence, accuracies = (total / np.maximum(1, counts) for total in sums)
    return counts, mean_confidence, accuracies


def confident_errors(scores: np.ndarray, labels: np.ndarray, most: int) -> np.ndarray:
    """Indices of up to `most` wrong rows, those with the largest score first."""
    wrong = np.flatnonzero(scores.argmax(axis=1) != labels)
    return wrong[np.argsort(-scores[wrong].max(axis=1), kind="stable")][:most]


def confusion_matrix(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts (classes, classes): rows are true classes, columns predicted ones."""
    classes = scores.shape[1]
    pairs = labels * classes + scores.argmax(axis=1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
