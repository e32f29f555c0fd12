"""Statistics of batch normalization taken anew for weights that no step has trained with."""

from __future__ import annotations

from collections.abc import Iterable

import keras
import numpy as np


def take_statistics(network: keras.Model, batches: Iterable[np.ndarray]) -> None:
    """Sets the moving statistics of a network to their means over batches, and nothing else.

    The "standing statistics" of Brock et al. 2019. The average of the weights of many steps has
    statistics of its own, which the average of these steps' statistics is not.

    Args:
        network: Its batch normalizations change; one without any is not even run.
        batches: Inputs (batch, …), each normalized by its own statistics, as in training.
    """
    kind = keras.layers.BatchNormalization
    norms = [one for one in network._flatten_layers() if isinstance(one, kind)]
    if not norms:
        return
    momenta = [norm.momentum for norm in norms]
    for done, inputs in enumerate(batches):
        for norm in norms:
            # The k-th batch enters with weight 1 / k: the first takes the place of what was there.
            norm.momentum = done / (done + 1)
        network(inputs, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
