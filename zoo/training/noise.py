"""Counter-based noise: a function of (seed, purpose, step, draw) with no state of its own."""

from __future__ import annotations

import hashlib
from typing import Any

import keras
from keras import ops


class CounterSeed(keras.random.SeedGenerator):
    """A seed for `keras.random` that depends on (seed, purpose, step) alone.

    It takes the place of a `SeedGenerator` wherever Keras takes one, in `keras.random` functions
    and in layers, but reads the step instead of advancing a state. So there is nothing to save,
    and a resumed run draws what the unbroken run would have drawn. Draws of one step differ: they
    are counted, from its beginning or from `restart`.

    Args:
        seed: The seed of the run.
        purpose: What the noise is for. Two purposes give unrelated noise in the same step.
        step: An integer variable that counts steps, or a function that returns the count; it is
            read at each draw.

    Example:
        keras.random.normal((8, 64), seed=CounterSeed(1, "latents", model.step))
    """

    def __init__(self, seed: int, purpose: str, step: Any) -> None:
        # The base class would create a state variable; there is none here.
        self.name = purpose
        self._seed = seed
        self._step = step
        self._draws = 0
        self._stream = ""

    def restart(self, stream: str = "") -> None:
        """Counts draws from the first again, for a seed that is kept from step to step.

        Args:
            stream: Whose draws follow. Those of two streams are unrelated.
        """
        self._draws = 0
        self._stream = f"/{stream}/" if stream else ""

    def next(self, ordered: bool = True) -> Any:
        """Returns the seed of this step's next draw: an integer tensor of shape (2,)."""
        draw = f"/{self._draws}" if self._draws else ""
        self._draws += 1
        what = f"{self._seed}/{self.name}{self._stream}{draw}"
        digest = hashlib.sha256(what.encode()).digest()
        # Keras has no public name for the type its random functions take seeds in.
        dtype = keras.src.backend.random_seed_dtype()
        key = ops.convert_to_tensor(int.from_bytes(digest[:4], "little") & 0x7FFFFFFF, dtype=dtype)
        step = self._step() if callable(self._step) else self._step
        return ops.stack([key, ops.cast(step, dtype)])
