"""What a pipeline is built on: pure functions by name, on one of several runtimes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from zoo.errors import InvalidInputError, did_you_mean, nearest
from zoo.runtime.batches import Rows

if TYPE_CHECKING:
    import keras

    from zoo.runtime.sampling import Estimate, SamplingLoop

# `auto` is no runtime of its own: it is, function by function, the fastest of the others.
RUNTIMES = ("keras", "saved_model", "onnx", "openvino", "auto")
PRECISIONS = ("float32", "int8")

Function = Callable[[Rows], np.ndarray]


class Functions(Mapping[str, Function]):
    """Functions float32 (n, …) to float32 (n, …) by name, row i of an answer from row i alone.

    One with several inputs takes a mapping of arrays. Each is made ready when it is first asked
    for: who only draws images needs no encoder. All may be called from several threads.

    Args:
        names: Which there are.
        facts: What a pipeline must know beside its card, as JSON holds it.

    Attributes:
        facts: Likewise.
        runtime: What they run on, one of `RUNTIMES`.
    """

    runtime: str

    def __init__(self, names: Iterable[str], facts: Mapping[str, Any]) -> None:
        self.facts = dict(facts)
        self._names = tuple(names)
        self._made: dict[str, Function] = {}
        self._making = threading.RLock()

    def __getitem__(self, name: str) -> Function:
        made = self._made.get(name)
        if made is not None:
            return made
        if name not in self._names:
            raise KeyError(name)
        with self._making:
            if name not in self._made:
                self._made[name] = self._make(name)
            return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def _make(self, name: str) -> Function:
        """Makes a function ready."""
        raise NotImplementedError

    @property
    def networks(self) -> dict[str, keras.Model]:
        """The Keras models that the functions are made of.

        Raises:
            InvalidInputError: on every runtime but Keras.
        """
        raise InvalidInputError(
            f'on the runtime {self.runtime} there are no Keras networks; load with runtime="keras"'
        )

    @property
    def size(self) -> int:
        """Bytes of the weights of all functions; a runtime needs some memory beside them."""
        raise NotImplementedError

    def sampling_loop(self, estimate: Estimate) -> SamplingLoop:
        """Returns the loop that samples from the function `denoise`.

        Args:
            estimate: As for `SamplingLoop`.
        """
        from zoo.runtime.sampling import NumpySamplingLoop

        return NumpySamplingLoop(lambda given: self["denoise"](given), estimate)

    def close(self) -> None:
        """Lets go of what was made ready; what is asked for again is made again."""
        with self._making:
            self._made.clear()


def require_runtime(runtime: str, precision: str = "float32") -> None:
    """Checks what is asked for by name.

    Raises:
        InvalidInputError: for an unknown runtime or precision, with near names, or for a precision
            that the runtime does not offer.
    """
    for what, value, known in (
        ("runtime", runtime, RUNTIMES),
        ("precision", precision, PRECISIONS),
    ):
        if value not in known:
            near = did_you_mean(nearest(str(value), known))
            raise InvalidInputError(f"{what} must be {', '.join(known)}, got {value!r}{near}")
    if precision == "int8" and runtime != "openvino":
        raise InvalidInputError(f"precision int8 needs the runtime openvino, got {runtime}")
