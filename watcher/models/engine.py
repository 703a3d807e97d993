"""Engines: the ways to run one Keras model on batches of pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from watcher.errors import ModelError
from watcher.models.package import import_keras, load

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from watcher.models.package import Package

EngineName = Literal["auto", "graph", "keras"]


class Engine(Protocol):
    """Runs a model."""

    name: str

    def predict(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """[batch, height, width, 3] uint8 RGB → [batch, labels] float32 probabilities."""


class GraphEngine:
    """One TensorFlow function with its weights frozen in: no Python and no retracing for each batch."""

    name = "graph"

    def __init__(self, model: keras.Model) -> None:
        import tensorflow as tf
        from tensorflow.python.framework import convert_to_constants

        function = tf.function(lambda pixels: model(tf.cast(pixels, tf.float32), training=False))
        shape = tf.TensorSpec((None, *model.input_shape[1:]), tf.uint8)
        self._run = convert_to_constants.convert_variables_to_constants_v2(function.get_concrete_function(shape))
        self._constant = tf.constant

    def predict(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        output: Any = self._run(self._constant(pixels))
        return np.asarray(output[0] if isinstance(output, (list, tuple)) else output, np.float32)


class KerasEngine:
    """Keras itself, on whatever backend it was set to (`KERAS_BACKEND`)."""

    name = "keras"

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def predict(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(self._model.predict_on_batch(pixels.astype(np.float32)), np.float32)


def open_engine(package: Package, name: EngineName) -> Engine:
    """The model of a package, loaded and ready to run; auto is the graph where TensorFlow is the backend.

    Raises ModelError if the package is damaged or the engine does not fit Keras' backend.
    """
    backend = import_keras().backend.backend()
    if name == "graph" and backend != "tensorflow":
        raise ModelError(f'the engine graph runs on TensorFlow, and Keras is set to {backend}: use engine = "keras"')
    model = load(package)
    if name == "keras" or backend != "tensorflow":
        return KerasEngine(model)
    return GraphEngine(model)
