"""A network of Keras as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras


def write_onnx(model: keras.Model, path: Path, rows: int | None) -> None:
    """Writes a network of one output.

    `keras.Model.export` does the same, but makes an input of every array that a layer holds beside
    its weights, such as the mean of `Normalization`, and loses its numbers.

    Args:
        model: The network, on TensorFlow.
        path: The file.
        rows: Of every batch; None leaves it open.

    Raises:
        ValueError, TypeError, RuntimeError, NotImplementedError: where ONNX has no such operation.
    """
    import tensorflow as tf
    import tf2onnx

    # It is written for an older NumPy, which this makes up for.
    from keras.src.export.tf2onnx_lib import patch_tf2onnx

    patch_tf2onnx()
    specs = [tf.TensorSpec((rows, *one.shape[1:]), tf.float32, one.name) for one in model.inputs]

    @tf.function(autograph=False)
    def forward(*given: Any) -> Any:
        return model(list(given) if len(given) > 1 else given[0], training=False)

    concrete = forward.get_concrete_function(*specs)
    # What the function holds counts as an input too, and is none.
    given = [one.name for one in concrete.inputs if one.op.type == "Placeholder"]
    given = [name for name in given if name.partition(":")[0] in {spec.name for spec in specs}]
    answers = [one.name for one in concrete.outputs]
    graph = tf2onnx.tf_loader.from_function(concrete, given, answers)
    tf2onnx.convert.from_graph_def(
        graph,
        input_names=given,
        output_names=answers,
        tensors_to_rename={name: name.partition(":")[0] for name in given},
        output_path=str(path),
    )
