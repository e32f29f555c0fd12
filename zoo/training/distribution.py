"""Many devices and many processes, on JAX through `keras.distribution`.

Every device has the whole model and a share of each batch (data parallelism). The program is one
for all of them, so that the result is that of one device with the whole batch: losses, BatchNorm
statistics and noise are those of the batch, not of a share.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np

from zoo.data.split import Arrays
from zoo.errors import InvalidInputError, RecipeError, ZooError

# What of a device's memory the examples may take; the model needs the rest.
_SHARE = 0.5


def join(coordinator: str, count: int, index: int, timeout: float = 300.0) -> None:
    """Waits until every process is there; from then on they are one computation.

    Must come before anything is computed. A process that waits in vain ends with one line: what
    waits is not Python and cannot be interrupted.

    Args:
        coordinator: `host:port` of process 0, which all can reach.
        count: How many processes there are.
        index: Which one this is, from 0.
        timeout: Seconds to wait for the others.

    Raises:
        ZooError: on another backend than JAX, or when the address cannot be used.
    """
    if keras.backend.backend() != "jax":
        raise ZooError("training in several processes needs the backend jax (--backend jax)")

    def give_up() -> None:
        sys.stderr.write(
            f"zoo: process {index} of {count} waited {timeout:.0f} s for the others at "
            f"{coordinator}; start each with the same --coordinator and --processes\n"
        )
        sys.stderr.flush()
        os._exit(2)

    # Otherwise Keras has the processes agree on a seed; a recipe sets its own in any case.
    keras.utils.set_random_seed(0)
    timer = threading.Timer(timeout, give_up)
    timer.daemon = True
    timer.start()
    try:
        keras.distribution.initialize(coordinator, count, index)
    except (RuntimeError, ValueError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ZooError(f"process {index} cannot join at {coordinator}: {first_line}") from error
    finally:
        timer.cancel()


def process_count() -> int:
    """Returns the number of processes that train together."""
    return _jax().process_count() if keras.backend.backend() == "jax" else 1


def is_chief() -> bool:
    """Returns whether this process writes: checkpoints, histories, versions."""
    return keras.backend.backend() != "jax" or _jax().process_index() == 0


@contextlib.contextmanager
def data_parallel(batch_size: int, devices: int | None = None) -> Iterator[int]:
    """Spreads what is built and trained inside over devices.

    Args:
        batch_size: Of all devices together.
        devices: How many to use; None is all of them. On TensorFlow there is one; its way to
            several is `tf.distribute.MirroredStrategy` around `keras.Model.fit`.

    Yields:
        The number of devices in use.

    Raises:
        InvalidInputError: when there are not as many devices.
        RecipeError: when the batch cannot be split evenly over them.
    """
    if keras.backend.backend() != "jax":
        if devices not in (None, 1):
            raise InvalidInputError(f"the backend tensorflow trains on 1 device, got {devices}")
        yield 1
        return
    found = keras.distribution.list_devices()
    count = len(found) if devices is None else devices
    if not 1 <= count <= len(found):
        raise InvalidInputError(f"devices must be 1 to {len(found)} here, got {devices}")
    if process_count() > 1 and count != len(found):
        raise InvalidInputError(f"several processes use all {len(found)} devices, got {devices}")
    if batch_size % count:
        raise RecipeError(
            f"batch_size {batch_size} cannot be split over {count} devices; "
            "choose a multiple or fewer devices"
        )
    if count == 1:
        yield 1
        return
    with _layout(found[:count]).scope():
        yield count


def _layout(devices: list[str]) -> keras.distribution.DataParallel:
    class WholeBatches(keras.distribution.DataParallel):
        """Hands every device the whole of what is fed; `split` divides it inside the step.

        So each process can feed the same, and a last batch that cannot be split is no special case.
        """

        def get_data_layout(self, data_shape: tuple[int, ...]) -> Any:
            axes: list[str | None] = [None] * len(data_shape)
            return keras.distribution.TensorLayout(axes, self.device_mesh)

    return WholeBatches(devices=devices, auto_shard_dataset=False)


def split(batch: Mapping[str, Any]) -> dict[str, Any]:
    """Divides the rows of a batch among the devices; for use inside a compiled step."""
    layout = keras.distribution.distribution()
    if layout is None:
        return dict(batch)
    jax = _jax()
    mesh = layout.device_mesh.backend_mesh
    rows = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(layout.batch_dim_name))
    return {
        key: value if value.shape[0] % mesh.size else jax.lax.with_sharding_constraint(value, rows)
        for key, value in batch.items()
    }


def fits(arrays: Mapping[str, np.ndarray]) -> bool:
    """Returns whether examples may stay on the device. A CPU's memory is where they are anyway."""
    statistics = _jax().local_devices()[0].memory_stats() or {}
    limit = statistics.get("bytes_limit")
    return limit is None or sum(value.nbytes for value in arrays.values()) <= _SHARE * limit


def replicate(arrays: Arrays) -> dict[str, Any]:
    """Puts arrays on every device of the distribution, or on the device where there is none."""
    jax = _jax()
    layout = keras.distribution.distribution()
    if layout is None:
        return {key: jax.device_put(value) for key, value in arrays.items()}
    everywhere = jax.sharding.NamedSharding(
        layout.device_mesh.backend_mesh, jax.sharding.PartitionSpec()
    )
    return {
        key: jax.make_array_from_process_local_data(everywhere, value, value.shape)
        for key, value in arrays.items()
    }


def from_chief(value: Any) -> Any:
    """Returns what process 0 passed: a nest of arrays of the same shapes everywhere."""
    if process_count() == 1:
        return value
    from jax.experimental import multihost_utils

    return multihost_utils.broadcast_one_to_all(value)


def chief_decides(decide: Callable[[], Any]) -> Any:
    """Calls a function in process 0 alone and returns, in every process, what it returned.

    Args:
        decide: Returns a JSON-able value; a `ZooError` that it raises is raised everywhere.
    """
    if process_count() == 1:
        return decide()
    answer: dict[str, Any] = {}
    if is_chief():
        try:
            answer["value"] = decide()
        except ZooError as error:
            answer["error"] = str(error)
    text = np.frombuffer(json.dumps(answer).encode(), np.uint8)
    length = int(from_chief(np.int64(len(text))))
    text = from_chief(text if is_chief() else np.zeros(length, np.uint8))
    answer = json.loads(np.asarray(text).tobytes())
    if "error" in answer:
        raise ZooError(answer["error"])
    return answer["value"]


def is_lost_process(error: Exception) -> bool:
    """Returns whether an error says that another process cannot be reached any more."""
    if process_count() == 1:
        return False
    return isinstance(error, _jax().errors.JaxRuntimeError) or "Gloo" in str(error)


def leave() -> None:
    """Ends the common work: after this the processes go their own ways."""
    if process_count() > 1:
        _jax().distributed.shutdown()


def require_agreement(what: Mapping[str, Any]) -> None:
    """Raises `ZooError`, in every process alike, unless all of them passed the same.

    Args:
        what: Named, JSON-able values, such as the recipe and versions; the error says which differ.
    """
    if process_count() == 1:
        return
    from jax.experimental import multihost_utils

    digests = [
        hashlib.sha256(json.dumps(v, sort_keys=True).encode()).digest() for v in what.values()
    ]
    mine = np.frombuffer(b"".join(digests), np.uint8).reshape(len(digests), -1)
    everyone = np.asarray(multihost_utils.process_allgather(mine))
    for index, name in enumerate(what):
        odd = [
            p for p, theirs in enumerate(everyone) if (theirs[index] != everyone[0][index]).any()
        ]
        if odd:
            raise ZooError(
                f"the {name} of process {odd[0]} differs from that of process 0; "
                "start all processes alike, with the same versions and data"
            )


def _jax() -> Any:
    """Imported here: on TensorFlow this module is used, too."""
    import jax

    return jax
