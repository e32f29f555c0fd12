"""The time of a step of DANN beside that of its backbone alone, on as many labelled images.

DANN also runs the network on as many images of the target, and the domain classifier on all. So
twice the time of the backbone is what the images alone would cost.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.measure import Row, durations, interleave

BATCH = 64
# The table has a column for each side.
SIDE_BY_SIDE = True


def rows(quick: bool) -> list[Row]:
    """Milliseconds of a step with LeNet-5 and small_cnn, 28x28x1; the two domains apart and not."""
    import keras

    from zoo.models.adaptation.dann import DANN
    from zoo.models.cnn.lenet import lenet5
    from zoo.models.cnn.small_cnn import small_cnn
    from zoo.training.classification import Supervised
    from zoo.training.engine import MultiPlayerModel

    steps = 2 if quick else 40
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (steps * BATCH, 28, 28, 1)).astype("uint8")
    labels = rng.integers(0, 10, steps * BATCH)
    one = {"image": images, "label": labels}
    two = {"source/image": images, "source/label": labels, "target/image": images}

    def epoch(model: MultiPlayerModel, arrays: dict[str, np.ndarray]) -> Callable[[], object]:
        model.compile(keras.optimizers.SGD(0.01, momentum=0.9))
        return lambda: model.fit(
            model.training_feed(arrays, BATCH, seed=0, first_epoch=0, last_epoch=1),
            steps_per_epoch=steps,
            shuffle=False,
            verbose=0,
        )

    found = []
    for build in (lenet5, small_cnn):
        sides = {
            "backbone alone": epoch(Supervised(build()), one),
            "DANN, domains apart": epoch(DANN(build()), two),
            "DANN, domains together": epoch(DANN(build(), batch_norm="together"), two),
        }
        seconds = interleave(sides, 2 if quick else 8)
        each = {side: [duration / steps for duration in times] for side, times in seconds.items()}
        found += durations(f"step of {build.__name__}, batch {BATCH}", each)
    return found
