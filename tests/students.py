"""Small classifiers, a batch, and in NumPy what their answers cost: for tests of distillation."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops
from scipy.special import softmax

import zoo

SHAPE, CLASSES = (8, 8, 1), 4
RNG = np.random.default_rng(0)
# In blocks, so that examples differ in more than noise.
BLOCKS = RNG.integers(0, 256, (12, 2, 2, 1))
BATCH = {
    "image": BLOCKS.repeat(4, axis=1).repeat(4, axis=2).astype("float32"),
    "label": np.arange(12) % CLASSES,
}


def network(width: int = 4, seed: int = 0, classes: int = CLASSES) -> keras.Model:
    """A classifier in two stages, with batch normalization."""
    keras.utils.set_random_seed(seed)
    return zoo.create("small_cnn", SHAPE, classes, filters=[[width], [2 * width]])


def answers(model: keras.Model, training: bool = False) -> np.ndarray:
    found = model(BATCH["image"], training=training)
    return np.asarray(ops.convert_to_numpy(found), "float64")


def divergence(target: np.ndarray, logits: np.ndarray, temperature: float) -> float:
    p, q = softmax(target / temperature, 1), softmax(logits / temperature, 1)
    return temperature**2 * float((p * (np.log(p) - np.log(q))).sum(1).mean())


def entropy(logits: np.ndarray) -> float:
    return -float(np.log(softmax(logits, 1))[np.arange(12), BATCH["label"]].mean())
