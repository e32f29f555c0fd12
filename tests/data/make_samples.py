"""Makes the committed samples of the test data from prepared data sets.

    zoo data prepare mnist fashion_mnist cifar10 usps mnist_m att_faces cmp_facades
    zoo data prepare office_caltech10
    python tests/data/make_samples.py

Each sample has the same number of images of every class, or one more of the first few classes,
chosen with a fixed seed and kept in their original order. The split is the original one: a test
image of a sample is a test image of the data set. `<name>.npz` holds for each split, such as
`train`, `train_image`, `train_label` and `train_index`, the positions in the full split, with which
a reader can check where each image came from. Facades have no labels, and are shrunk: of each 4x4
pixels one is kept. So are faces, of which one of each 2x2 pixels is kept. Of sets of features there
are a few examples of each class and domain, in `features/`, with the domains in place of splits.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from zoo.data import FEATURE_SETS, load, load_features

COUNTS = {
    "mnist": {"train": 512, "test": 256},
    "fashion_mnist": {"train": 512, "test": 256},
    "cifar10": {"train": 96, "heldout": 40, "official_1000": 40},
    "usps": {"train": 128, "test": 64},
    "mnist_m": {"train": 128, "test": 64},
    "cmp_facades": {"train": 40, "test": 8},
    "att_faces": {"train": 40, "test": 40},
}
SHRUNK = {"cmp_facades": 4, "att_faces": 2}
# Examples of each domain.
FEATURES = {"office_caltech10": 50}
SEED = 31


def balanced_indices(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Returns `count` sorted positions with every class as often as any other, give or take one."""
    rng = np.random.default_rng(seed)
    classes = np.unique(labels)
    shares = [count // len(classes) + (i < count % len(classes)) for i in range(len(classes))]
    chosen = [
        rng.choice(np.flatnonzero(labels == label), share, replace=False)
        for label, share in zip(classes, shares, strict=True)
    ]
    return np.sort(np.concatenate(chosen))


def main() -> None:
    for name, counts in COUNTS.items():
        sample = {}
        for split, count in counts.items():
            arrays = load(name, split)
            every = SHRUNK.get(name, 1)
            images = arrays["image"][:, ::every, ::every]
            labels = arrays.get("label", np.zeros(len(images), np.int64))
            chosen = balanced_indices(labels, count, SEED)
            sample[f"{split}_image"] = images[chosen]
            if "label" in arrays:
                sample[f"{split}_label"] = labels[chosen].astype(np.int64)
            sample[f"{split}_index"] = chosen.astype(np.int64)
        target = Path(__file__).parent / f"{name}.npz"
        np.savez_compressed(target, **sample)
        print(f"{target.name}: {target.stat().st_size:,} bytes")
    for name, count in FEATURES.items():
        sample = {}
        for domain in FEATURE_SETS.get(name).splits:
            arrays = load_features(name, domain)
            chosen = balanced_indices(arrays["label"], count, SEED)
            sample |= {f"{domain}_{key}": values[chosen] for key, values in arrays.items()}
            sample[f"{domain}_index"] = chosen.astype(np.int64)
        target = Path(__file__).parent / "features" / f"{name}.npz"
        target.parent.mkdir(exist_ok=True)
        np.savez_compressed(target, **sample)
        print(f"{target.name}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
